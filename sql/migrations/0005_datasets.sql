-- Learning examples, their splits, and immutable dataset versions.

-- The split of a group, for ever. Everything that puts an example into a split refers to this row by foreign key,
-- so that no query, however wrong, can put one group into train and test.
create table glow.split_assignments (
  agent       glow.agent_name not null references glow.agents,
  group_key   text not null,
  split       text not null check (split in ('train', 'val', 'test')),
  assigned_at timestamptz not null default clock_timestamp(),
  primary key (agent, group_key),
  unique (agent, group_key, split)
);
comment on table glow.split_assignments is 'A group (conversation, near-duplicate cluster) belongs to one split of every dataset, for ever.';

-- What was asked, once for each agent whatever the case, spacing and punctuation. Groups are of inputs: two answers to one
-- question are never apart.
create table glow.learning_inputs (
  input_id     bigint generated always as identity primary key,
  agent        glow.agent_name not null references glow.agents,
  -- sha256 of the normalised text.
  input_key    bytea not null check (octet_length(input_key) = 32),
  -- Null until it is grouped, then for ever. A key that begins with bridge- lies between two splits and is in neither.
  group_key    text,
  -- Of the execution whose words were taken when it was grouped, qualified by tenant.
  conversation text,
  -- Two bits of each minimum of those words: what is clearly not near need not be read.
  sketch       bit(256),
  -- Of those words, where paraphrases are looked for.
  embedding    vector,
  embedding_model text,
  first_seen   timestamptz not null default clock_timestamp(),
  unique (agent, input_key),
  unique (input_id, group_key),
  check ((embedding is null) = (embedding_model is null))
);
comment on table glow.learning_inputs is 'The distinct questions of an agent, and the group each belongs to for ever.';
create index inputs_by_conversation on glow.learning_inputs (agent, conversation, input_id) where conversation is not null;

-- Two near-duplicates share at least one of their 32 keys with chance .99985 (learning/datasets/inputs.near_marks): what a
-- new question is near to is found without reading the old ones.
create table glow.near_keys (
  key      bigint not null,
  -- No foreign key: 32 more looks at each new question.
  input_id bigint not null,
  primary key (key, input_id)
);
comment on table glow.near_keys is 'By which the near-duplicates of a new question are found among all that were grouped before.';

-- The columns after the id are the execution's own, kept for the order: see the query heard_executions.
create table glow.execution_inputs (
  tenant       glow.tenant_name not null,
  execution_id glow.identifier not null,
  input_id     bigint not null references glow.learning_inputs,
  judged       boolean not null,
  recorded_at  timestamptz not null,
  primary key (tenant, execution_id),
  foreign key (tenant, execution_id) references glow.execution_keys (tenant, execution_id)
    on delete cascade on update cascade
);
comment on table glow.execution_inputs is 'What was asked in the executions that users or experts have spoken of.';
-- With the id, so that the table itself need not be read: one random page less for each of 100,000 executions a night.
create index executions_by_input on glow.execution_inputs (input_id, judged desc, recorded_at desc) include (tenant, execution_id);

-- A question that is asked for years is learned again with every vote on it, and what was said of it lies all over the
-- history: for each of its executions eight pages or so, and with ten million rows each from the disk. So what was heard is
-- kept together, one row for a question, and only what is new is read again. No truth of its own: without its row, a
-- question is heard anew. Whoever changes a row without telling it as news, as erasure and retention do, deletes it here.
create table glow.heard_inputs (
  input_id bigint primary key references glow.learning_inputs on delete cascade,
  -- When the oldest of its rows was recorded: what retention takes is heard no more.
  oldest   timestamptz not null,
  said     json not null
);
comment on table glow.heard_inputs is 'What was heard of a question when it was last learned, in one place; made anew when it is missing.';

create table glow.demonstration_inputs (
  demonstration_id bigint primary key references glow.demonstrations on delete cascade,
  input_id         bigint not null references glow.learning_inputs
);
comment on table glow.demonstration_inputs is 'What an expert''s own example answers.';
create index demonstrations_by_input on glow.demonstration_inputs (input_id);

select glow.secure('glow.execution_inputs');

create table glow.stale_inputs (
  input_id bigint primary key references glow.learning_inputs,
  because  text not null
);
comment on table glow.stale_inputs is 'Questions to learn again although nobody said anything new about them: a rule or a weight has changed.';

create table glow.learning_examples (
  example_version bigint generated always as identity primary key,
  example_id      text not null,
  agent           glow.agent_name not null references glow.agents,
  input_id        bigint not null,
  -- Null once erased.
  input           text,
  target          text,
  source          text not null check (source in ('annotation', 'correction', 'demonstration', 'vote')),
  status          text not null check (status in ('approved', 'pending', 'rejected', 'quarantined')),
  quality         double precision not null check (quality between 0 and 1),
  expert_approved boolean not null,
  group_key       text not null,
  -- Null for a row that lies between two splits: it is quarantined, and no dataset can hold it.
  split           text,
  content_hash    text not null,
  rule_version    text not null,
  reason          text not null default '',
  -- The output the target replaced: the other half of a preference pair.
  rejected_target text,
  domain          text,
  language        text,
  -- What the quality is made of: {"prior": …, "experts_for": …, …}.
  quality_parts   jsonb not null default '{}' check (jsonb_typeof(quality_parts) = 'object'),
  recorded_at     timestamptz not null default clock_timestamp(),
  superseded_at   timestamptz check (superseded_at >= recorded_at),
  erased_at       timestamptz,
  -- The first record of the example that this one goes on with, and for all of them what their sources go by.
  continues       bigint,
  first_version   bigint not null generated always as (coalesce(continues, example_version)) stored,
  check ((erased_at is not null) or (input is not null and target is not null)),
  foreign key (agent, group_key, split) references glow.split_assignments (agent, group_key, split),
  -- Two answers to one question are never apart; and a group that stands on an example cannot be changed.
  foreign key (input_id, group_key) references glow.learning_inputs (input_id, group_key),
  check (split is not null or status <> 'approved'),
  unique (example_version, split)
);
comment on table glow.learning_examples is 'A curated unit of training data with its history: the row in force has superseded_at null.';
create unique index one_current_example on glow.learning_examples (example_id) where superseded_at is null;
create index examples_by_agent on glow.learning_examples (agent, recorded_at);
-- Counts of what is in force, without reading a million texts.
create index examples_in_force on glow.learning_examples (agent, status, source, split) where superseded_at is null;
-- What is in force comes last, so that one index finds it, and the words of what no longer is.
create index examples_by_input on glow.learning_examples (input_id, superseded_at);

create index examples_by_first_version on glow.learning_examples (first_version);

-- Since which record of an example a row is a source of it, and until which. Not all of them for each record: a question
-- that is asked each night would write each night again all that was ever said of it, all over the index by source.
create table glow.source_spans (
  first_version bigint not null references glow.learning_examples,
  kind          text not null check (kind in ('execution', 'feedback', 'annotation', 'comparison', 'demonstration')),
  source_id     text not null,
  role          text not null,
  since         bigint not null,
  -- The first record that it is no source of any more.
  until         bigint check (until > since),
  -- With its end, so that the table itself need not be read: the sources of an example came over years.
  primary key (first_version, kind, source_id, role, since) include (until)
);
comment on table glow.source_spans is 'Which rows an example came from, what each contributed, and for which of its records.';
create index source_spans_by_source on glow.source_spans (kind, source_id);

create view glow.example_sources as
select x.example_version, s.kind, s.source_id, s.role
  from glow.learning_examples x
  join glow.source_spans s on s.first_version = x.first_version
   and s.since <= x.example_version and coalesce(s.until > x.example_version, true);
comment on view glow.example_sources is 'Which rows each record of an example came from, and what each contributed.';

create table glow.training_datasets (
  dataset_id      text primary key,
  -- Whose dataset it is, and whose examples it holds.
  agent           glow.agent_name not null references glow.agents,
  agents          text[] not null check (cardinality(agents) > 0),
  kind            text not null check (kind in ('sft', 'preference', 'evaluation', 'retrieval')),
  rule            jsonb not null check (jsonb_typeof(rule) = 'object'),
  rule_hash       text not null,
  rule_version    text not null,
  as_of           timestamptz not null,
  rows            integer not null check (rows >= 0),
  content_hash    text not null,
  statistics      jsonb not null check (jsonb_typeof(statistics) = 'object'),
  -- The version before it under the same rule.
  parent          text references glow.training_datasets,
  created_at      timestamptz not null default clock_timestamp(),
  -- Set by erasure alone: rows of it were erased, and which version stands in its place.
  revoked_at      timestamptz,
  revoked_because text,
  successor       text references glow.training_datasets,
  check ((revoked_at is null) = (revoked_because is null)),
  check (successor is null or revoked_at is not null)
);
comment on table glow.training_datasets is 'An immutable dataset version: (rule, as_of) and the hash of the rows they select.';
-- The same rows under the same rule are the same version; a revoked one stands in the way of no new one.
create unique index one_version_of_content on glow.training_datasets (agent, kind, rule_hash, content_hash) where revoked_at is null;
create index datasets_by_agent on glow.training_datasets (agent, created_at);

-- A million rows a version: no more than says which row and where. The split is that of the example's group, by
-- foreign keys all the way.
create table glow.dataset_examples (
  dataset_id      text not null references glow.training_datasets,
  position        integer not null check (position > 0),
  example_version bigint not null,
  split           text not null,
  primary key (dataset_id, position),
  -- In this order it also answers in which versions an example is: one index less to write a million times.
  unique (example_version, dataset_id),
  foreign key (example_version, split) references glow.learning_examples (example_version, split)
);
comment on table glow.dataset_examples is 'The rows of a dataset version in the order of their example ids, each with the split its group has for ever.';

-- The rows of versions that are being built. Nobody but the transaction that builds ever sees them, for it deletes them
-- before it ends: whatever is there to be seen is one's own. Not a temporary table, so that its queries can be tested.
create unlogged table glow.draft_rows (
  example_version bigint not null,
  example_id      text collate "C" not null,
  split           text not null,
  content_hash    text not null
);
comment on table glow.draft_rows is 'Rows of a dataset version before it is one. A crash may empty it.';

-- A text as it stands in a canonical line (learning/datasets/text.py): NFC, and no character that a reader may take for
-- the end of a line. What is all ASCII is that already. Not strict: a strict function is not made part of the query.
create function glow.json_text(value text) returns text
  language sql stable parallel safe
  return case when octet_length(value) = length(value) then to_json(value)::text
              else replace(replace(replace(to_json(normalize(value, nfc))::text, U&'\2028', '\u2028'), U&'\2029', '\u2029'),
                           U&'\0085', '\u0085') end;
comment on function glow.json_text is 'A text as a JSON string in canonical form.';

-- Spreadsheets run what begins like a formula. The apostrophe is what they themselves write before such a text.
create function glow.plain_cell(value text) returns text
  language sql immutable parallel safe
  return case when value <> '' and strpos(E'=+-@\t\r\n\uFF1D\uFF0B\uFF0D\uFF20', left(value, 1)) > 0 then '''' || value
              else value end;
comment on function glow.plain_cell is 'A text that no spreadsheet takes for a formula.';

create table glow.dataset_exports (
  dataset_id  text not null references glow.training_datasets,
  -- Relative to GLOW_HOME. While it is written, what there is of it lies beside, with .part at the end of the name.
  path        text not null check (path <> '' and path !~ '(^/|\.\.)'),
  format      text not null check (format in ('jsonl', 'parquet', 'csv', 'card')),
  split       text check (split in ('train', 'val', 'test')),
  state       text not null check (state in ('writing', 'done', 'erased')),
  rows        integer,
  bytes       bigint,
  sha256      text,
  created_at  timestamptz not null default clock_timestamp(),
  finished_at timestamptz,
  primary key (dataset_id, path),
  check (state <> 'done' or (rows is not null and bytes is not null and sha256 is not null))
);
comment on table glow.dataset_exports is 'Every file that holds rows of a dataset version, so that erasure finds it.';

-- A source row as it stands today, so that an auditor reads a sentence and not an id.
create function glow.source_row(kind text, source_id text) returns jsonb
  language plpgsql stable as $$
begin
  return case source_row.kind
    when 'execution' then (
      select jsonb_build_object('input', left(e.input, 500), 'output', left(e.output, 500), 'recorded_at', e.recorded_at)
        from glow.executions e
       where e.tenant = glow.tenant_of(source_row.source_id) and e.execution_id = glow.unqualified(source_row.source_id))
    when 'feedback' then (
      select jsonb_strip_nulls(jsonb_build_object('user_id', f.user_id, 'thumbs', f.thumbs, 'rating', f.rating, 'issues', f.issues,
               'comment', left(f.comment, 500), 'correction', left(f.correction, 500), 'recorded_at', f.recorded_at,
               'superseded_by', f.superseded_by))
        from glow.agent_feedback f where f.feedback_id = source_row.source_id::bigint)
    when 'annotation' then (
      select jsonb_strip_nulls(jsonb_build_object('reviewer', a.reviewer, 'verdict', a.verdict, 'output', left(a.output, 500),
               'notes', left(a.notes, 500), 'recorded_at', a.recorded_at, 'superseded_by', a.superseded_by))
        from glow.expert_annotations a where a.annotation_id = source_row.source_id::bigint)
    when 'comparison' then (
      select jsonb_strip_nulls(jsonb_build_object('reviewer', c.reviewer, 'first', left(c.first, 500), 'second', left(c.second, 500),
               'preferred', c.preferred, 'notes', left(c.notes, 500), 'recorded_at', c.recorded_at))
        from glow.comparisons c where c.comparison_id = source_row.source_id::bigint)
    when 'demonstration' then (
      select jsonb_strip_nulls(jsonb_build_object('expert', d.expert, 'input', left(d.input, 500), 'output', left(d.output, 500),
               'recorded_at', d.recorded_at))
        from glow.demonstrations d where d.demonstration_id = source_row.source_id::bigint) end;
end $$;
comment on function glow.source_row is 'What a source row of an example says; null when it is gone.';

-- The version that says what an agent's examples are now. Not the newest: when a change is taken back, an old version
-- holds again.
create table glow.datasets_in_force (
  agent      glow.agent_name not null references glow.agents,
  kind       text not null,
  dataset_id text not null references glow.training_datasets,
  since      timestamptz not null default clock_timestamp(),
  primary key (agent, kind)
);

-- Only erasure changes what is immutable: a function of the owner, that says so. The setting alone lets nobody through,
-- since no other role becomes the owner but inside the owner's functions, and no other of those changes such a row.
create function glow.refuse_change() returns trigger language plpgsql as $$
begin
  if current_user = 'glow_owner' and current_setting('glow.erasing', true) = 'on' then
    if tg_op = 'DELETE' then return old; end if;
    return new;
  end if;
  raise exception using
    errcode = 'PT409',
    message = format('%s is immutable: a %s was refused', tg_table_name, lower(tg_op)),
    hint = 'Build a new version instead; the old one stays as evidence.';
end $$;

create trigger immutable before update or delete on glow.training_datasets
  for each row execute function glow.refuse_change();
create trigger immutable before update or delete on glow.dataset_examples
  for each row execute function glow.refuse_change();
create trigger immutable before update or delete on glow.split_assignments
  for each row execute function glow.refuse_change();
