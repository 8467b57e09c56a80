-- Prompt versions, what they were tested on, and which one is in force.

create table glow.prompt_versions (
  agent          glow.agent_name not null references glow.agents,
  prompt_version text not null,
  prompt         jsonb not null check (jsonb_typeof(prompt) = 'object'),
  operator       text not null,
  parent         text,
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
  prompt_version text,
  previous       text,
  revision       integer not null,
  moved_by       text not null,
  reason         text not null,
  gate_id        text,
  moved_at       timestamptz not null default clock_timestamp()
);
comment on table glow.prompt_alias_history is 'Every move of an alias: who, why, and the gate that allowed it.';

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
  created_at      timestamptz not null default clock_timestamp(),
  foreign key (agent, incumbent) references glow.prompt_versions (agent, prompt_version),
  foreign key (agent, finalist) references glow.prompt_versions (agent, prompt_version)
);
comment on table glow.prompt_gates is 'The test a prompt passed or failed before users saw it, with its evidence.';
create trigger immutable before update or delete on glow.prompt_gates
  for each row execute function glow.refuse_change();

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
  model          text not null,
  output         text not null,
  score          double precision not null,
  stage          text not null check (stage in ('race', 'gate')),
  evaluated_at   timestamptz not null default clock_timestamp(),
  primary key (agent, prompt_version, example_id, metric, model),
  foreign key (agent, prompt_version) references glow.prompt_versions (agent, prompt_version)
);
comment on table glow.evaluations is 'What a prompt answered for an example, and how it scored.';
