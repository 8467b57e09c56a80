-- Prompt versions, what they were tested on, and which one is in force.

create table glow.prompt_versions (
  agent          glow.agent_name not null references glow.agents,
  prompt_version text not null,
  prompt         jsonb not null check (jsonb_typeof(prompt) = 'object'),
  operator       text not null,
  parent         text,
  -- Why it was proposed or registered, in a sentence.
  reason         text not null default '' check (length(reason) <= 2000),
  -- Estimated, without the input; null where nobody counted.
  tokens         glow.natural,
  -- Of an operator that asks a model: which one, and the hash of what it was sent.
  operator_model glow.identifier,
  operator_prompt text check (operator_prompt ~ '^[0-9a-f]{64}$'),
  created_at     timestamptz not null default clock_timestamp(),
  -- Set when parts of it were taken out, because a person they came from was erased. Nothing new may rest on it.
  erased_at      timestamptz,
  primary key (agent, prompt_version),
  foreign key (agent, parent) references glow.prompt_versions (agent, prompt_version),
  -- Content-addressed, and the database checks it: the same prompt is the same version.
  check (erased_at is not null or prompt_version = encode(sha256(convert_to(prompt::text, 'UTF8')), 'hex'))
);
comment on table glow.prompt_versions is 'Immutable prompts: instruction, rules, demonstrations, parameters.';
create trigger immutable before update or delete on glow.prompt_versions
  for each row execute function glow.refuse_change();

alter table glow.executions
  add foreign key (agent, prompt_version) references glow.prompt_versions (agent, prompt_version);

create table glow.prompt_aliases (
  agent          glow.agent_name not null,
  alias          text not null check (alias in ('production', 'candidate', 'previous')),
  prompt_version text not null,
  revision       integer not null default 1 check (revision > 0),
  moved_at       timestamptz not null default clock_timestamp(),
  primary key (agent, alias),
  foreign key (agent, prompt_version) references glow.prompt_versions (agent, prompt_version)
);
comment on table glow.prompt_aliases is 'Which prompt is in force. Moved by compare-and-swap on revision.';

create table glow.prompt_alias_history (
  move_id        bigint generated always as identity primary key,
  agent          text not null,
  alias          text not null,
  -- Null: the alias was taken back.
  prompt_version text,
  previous       text,
  revision       integer not null,
  kind           text not null default 'move' check (kind in ('move', 'rollback')),
  moved_by       text not null,
  reason         text not null check (length(reason) <= 2000),
  gate_id        text,
  -- No foreign key: experiments refer to prompts. glow.move_prompt_alias looks.
  experiment_id  text,
  moved_at       timestamptz not null default clock_timestamp()
);
comment on table glow.prompt_alias_history is 'Every move of an alias: who, why, and the gate and experiment that allowed it.';
create index alias_history_by_agent on glow.prompt_alias_history (agent, move_id);
create trigger immutable before update or delete on glow.prompt_alias_history
  for each row execute function glow.refuse_change();

create table glow.prompt_lineage (
  agent          text not null,
  prompt_version text not null,
  kind           text not null check (kind in ('example', 'execution', 'feedback', 'annotation', 'comparison', 'demonstration')),
  source_id      text not null,
  role           text not null check (role in ('demo', 'rule_evidence', 'reflected')),
  rule_id        text not null default '',
  -- The row of the example as it was then: later changes of the example do not rewrite why a prompt is as it is.
  example_version bigint references glow.learning_examples,
  primary key (agent, prompt_version, kind, source_id, role, rule_id),
  foreign key (agent, prompt_version) references glow.prompt_versions (agent, prompt_version)
);
comment on table glow.prompt_lineage is 'Which rows each rule and demonstration of a prompt came from.';
create index lineage_by_example on glow.prompt_lineage (example_version);
create index lineage_by_source on glow.prompt_lineage (kind, source_id);

-- Operators write down where the parts come from that they add. A part that was there before has its sources at the version
-- that brought it in; one that stands in a version without parent was written by a person, and that version is its source.
create function glow.trace_prompt(agent text, prompt_version text)
  returns table (part text, part_id text, content text, traced boolean, origin text, origin_version text, role text,
                 kind text, source_id text, source_role text, example_id text, said jsonb)
  language sql stable as $$
  with recursive versions as (
    select p.prompt_version, p.parent, p.prompt, p.operator_model, 0 as age
      from glow.prompt_versions p where p.agent = trace_prompt.agent and p.prompt_version = trace_prompt.prompt_version
    union all
    select p.prompt_version, p.parent, p.prompt, p.operator_model, v.age + 1
      from versions v join glow.prompt_versions p on p.agent = trace_prompt.agent and p.prompt_version = v.parent
  ) cycle prompt_version set is_cycle using path,
  parts as (
    select v.prompt_version, v.parent, v.operator_model, v.age, x.*
      from versions v cross join lateral (
        select 1 as section, 0::bigint as place, 'instruction' as part, '' as id, v.prompt ->> 'instruction' as content
        union all
        select 2, r.place, 'rule', r.value ->> 'id', r.value ->> 'text'
          from jsonb_array_elements(v.prompt -> 'rules') with ordinality as r(value, place)
        union all
        select 3, d.place, 'demonstration', d.value ->> 'example_id', concat_ws(E'\n', d.value ->> 'input', d.value ->> 'output')
          from jsonb_array_elements(v.prompt -> 'demonstrations') with ordinality as d(value, place)) x
     where not v.is_cycle
  ),
  -- Each part of the version in the versions that have it; a reworded instruction goes back to what it was made of.
  before as (
    select q.section, q.place, q.part, q.id, q.content, o.prompt_version, o.parent, o.operator_model, o.age, o.content = q.content as is_same
      from parts q join parts o on o.part = q.part and o.id = q.id and (o.content = q.content or q.part = 'instruction')
     where q.age = 0
  ),
  sourced as (
    select b.part, b.id, b.prompt_version, b.age, l.role, l.kind, l.source_id, l.example_version,
           min(b.age) over (partition by b.part, b.id) as nearest
      from before b join glow.prompt_lineage l
        on l.agent = trace_prompt.agent and l.prompt_version = b.prompt_version
       and case b.part when 'rule' then l.rule_id = b.id
                       when 'demonstration' then l.role = 'demo' and case l.kind
                         when 'example' then l.source_id = b.id
                         -- A correction that is shown before it became an example.
                         when 'feedback' then 'correction:' || l.source_id = b.id else false end
                       else l.role = 'reflected' and l.rule_id = '' end
     -- An example that was never there is no source.
     where l.kind <> 'example' or l.example_version is not null
  ),
  rows as (
    select f.part, f.id, f.prompt_version, f.age, f.role, coalesce(s.kind, 'example') as kind, coalesce(s.source_id, f.source_id) as source_id,
           s.role as source_role, f.source_id as example_id
      from sourced f left join glow.example_sources s using (example_version)
     where f.age = f.nearest and f.kind = 'example'
    union all
    select f.part, f.id, f.prompt_version, f.age, f.role, f.kind, f.source_id, null, null
      from sourced f
     where f.age = f.nearest and f.kind <> 'example' and not exists (
       select from sourced e join glow.example_sources s using (example_version)
        where (e.part, e.id, e.age, e.role) = (f.part, f.id, f.age, f.role) and (s.kind, s.source_id) = (f.kind, f.source_id))
  ),
  -- Without rows: where it was written by hand, or what a template made of that.
  unsourced as (
    select distinct on (b.part, b.id) b.part, b.id, b.prompt_version,
           case when b.is_same and b.parent is null then 'written'
                when b.part = 'instruction' and b.operator_model is null and b.parent is not null then 'rewritten' end as origin
      from before b where b.is_same order by b.part, b.id, b.age desc
  )
  select q.part, q.id, q.content, r.kind is not null or u.origin is not null,
         case when r.kind is null then u.origin when r.age = 0 then 'learned' else 'inherited' end,
         coalesce(r.prompt_version, case when u.origin is not null then u.prompt_version end),
         r.role, r.kind, r.source_id, r.source_role, r.example_id,
         case when r.kind in ('feedback', 'annotation', 'comparison', 'demonstration') and r.source_id ~ '^[0-9]{1,18}$'
                or r.kind = 'execution' then glow.source_row(r.kind, r.source_id) end
    from parts q
    left join rows r on (r.part, r.id) = (q.part, q.id)
    left join unsourced u on (u.part, u.id) = (q.part, q.id)
   where q.age = 0
   order by q.section, q.place, r.example_id, r.kind, r.source_id, r.source_role
$$;
comment on function glow.trace_prompt is
  'Every part of a prompt with every row it came from: the audit of a prompt. origin: learned (rows of this version), '
  'inherited (rows of origin_version, which brought the part in), written (by hand, in origin_version), rewritten (the '
  'instruction, by a template), null where nothing is known.';

-- One optimization = one dataset version raced and gated against one incumbent. Its id is the hash of those inputs,
-- so that a killed run that starts again finds its own row.
create table glow.prompt_optimizations (
  optimization_id text primary key,
  agent           glow.agent_name not null references glow.agents,
  dataset_id      text not null references glow.training_datasets,
  incumbent       text not null,
  -- What was fixed at the start, so that a resumed run sees what the killed one saw.
  feedback_until  bigint not null,
  carried_gate    text,
  analysis        jsonb,
  candidates      jsonb,
  race            jsonb,
  -- What it was asked for, what it may use and on what: fixed at the start too.
  goals           text[] not null default '{}',
  limits          jsonb not null default '{}' check (jsonb_typeof(limits) = 'object'),
  model           text,
  metric          text,
  metric_version  integer check (metric_version > 0),
  -- Of the metric's settings: evidence counts on only where all four are the same.
  metric_settings text check (metric_settings ~ '^[0-9a-f]{64}$'),
  plan            jsonb check (jsonb_typeof(plan) = 'object'),
  -- What its answers cost when they were fresh, each once, over all attempts; and what was paid.
  spent           jsonb not null default '{}' check (jsonb_typeof(spent) = 'object'),
  state           text not null default 'running'
                  check (state in ('running', 'finalist', 'no_improvement', 'carry_over', 'insufficient_data')),
  reason          text not null default '',
  created_at      timestamptz not null default clock_timestamp(),
  updated_at      timestamptz not null default clock_timestamp(),
  foreign key (agent, incumbent) references glow.prompt_versions (agent, prompt_version)
);
create index optimizations_by_agent on glow.prompt_optimizations (agent, created_at);

create table glow.prompt_gates (
  gate_id         text primary key,
  optimization_id text not null references glow.prompt_optimizations,
  agent           glow.agent_name not null references glow.agents,
  incumbent       text not null,
  finalist        text not null,
  verdict         text not null check (verdict in ('promote', 'drop', 'carry_over')),
  evidence        jsonb not null,
  -- The test this was a look at: what carries over goes on at the level of that test.
  gate_key        text,
  created_at      timestamptz not null default clock_timestamp(),
  foreign key (agent, incumbent) references glow.prompt_versions (agent, prompt_version),
  foreign key (agent, finalist) references glow.prompt_versions (agent, prompt_version)
);
comment on table glow.prompt_gates is 'The test a prompt passed or failed before users saw it, with its evidence.';
create trigger immutable before update or delete on glow.prompt_gates
  for each row execute function glow.refuse_change();
alter table glow.prompt_alias_history add foreign key (gate_id) references glow.prompt_gates;

-- A group of test items judges one finalist, once: re-use would let the optimizer learn the test. By group and not by
-- example, since a relabelled or reworded item is the same test again.
create table glow.test_spends (
  agent      glow.agent_name not null,
  group_key  text not null,
  gate_id    text not null references glow.prompt_gates deferrable initially deferred,
  spent_at   timestamptz not null default clock_timestamp(),
  primary key (agent, group_key),
  foreign key (agent, group_key) references glow.split_assignments (agent, group_key)
);

create table glow.evaluations (
  agent          text not null,
  prompt_version text not null,
  example_id     text not null,
  metric         text not null,
  -- Another version of a metric scores the same answer anew; the answer itself is not asked for again.
  metric_version integer not null default 1 check (metric_version > 0),
  model          text not null,
  output         text not null,
  score          double precision not null,
  -- Whether the answer keeps the prompt's contract; null where nobody looked.
  valid          boolean,
  prompt_tokens  glow.natural,
  completion_tokens glow.natural,
  seconds        double precision check (seconds >= 0),
  stage          text not null check (stage in ('analysis', 'reflect', 'race', 'gate')),
  evaluated_at   timestamptz not null default clock_timestamp(),
  primary key (agent, prompt_version, example_id, metric, metric_version, model),
  foreign key (agent, prompt_version) references glow.prompt_versions (agent, prompt_version)
);
comment on table glow.evaluations is 'What a prompt answered for an example, how it scored, and what that took.';

-- One row for each optimization that saw the rule at work, so that one which runs again counts nothing twice.
create table glow.prompt_rule_counts (
  agent           glow.agent_name not null references glow.agents,
  rule_id         text not null,
  optimization_id text not null default '',
  rule_text       text not null,
  helpful         glow.natural not null,
  harmful         glow.natural not null,
  updated_at      timestamptz not null default clock_timestamp(),
  primary key (agent, rule_id, optimization_id)
);
comment on table glow.prompt_rule_counts is 'How many answers a rule turned right and wrong, by the optimization that saw it.';

-- The tests of all agents in the order in which they were opened: what one of them may err depends on its number and on how
-- many before it rejected (e-LOND). Numbers have no gaps, since each costs every later test some of its level.
create table glow.gate_levels (
  number     bigint primary key check (number > 0),
  gate_key   text not null unique,
  agent      glow.agent_name not null references glow.agents,
  -- Rejections of other tests when this one was opened, and the level that follows.
  rejections bigint not null check (rejections >= 0),
  level      double precision check (level > 0 and level < 1),
  verdict    text check (verdict in ('promote', 'drop', 'carry_over')),
  opened_at  timestamptz not null default clock_timestamp(),
  decided_at timestamptz,
  check ((coalesce(verdict, 'carry_over') = 'carry_over') = (decided_at is null))
);
comment on table glow.gate_levels is 'The ledger of error: every test of a finalist, in order, and what it came to.';
alter table glow.prompt_gates add foreign key (gate_key) references glow.gate_levels (gate_key);

create function glow.open_gate_level(gate_key text, agent text) returns table (number bigint, rejections bigint)
  language plpgsql as $$
#variable_conflict use_column
declare
  level glow.gate_levels;
begin
  -- One at a time over all agents; a test that is continued finds its own row.
  perform pg_advisory_xact_lock(hashtextextended('glow.gate_levels', 0));
  select l.* into level from glow.gate_levels l where l.gate_key = open_gate_level.gate_key;
  if level.number is null then
    insert into glow.gate_levels as l (number, gate_key, agent, rejections)
    select coalesce(max(x.number), 0) + 1, open_gate_level.gate_key, open_gate_level.agent, count(*) filter (where x.verdict = 'promote')
      from glow.gate_levels x
    returning l.* into level;
  end if;
  return query select level.number, level.rejections;
end $$;
comment on function glow.open_gate_level is 'The place of a test in the ledger: given once, when it is first asked for.';
