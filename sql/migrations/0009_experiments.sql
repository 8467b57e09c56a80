-- Experiments between a version in force and a candidate.

create table glow.learning_experiments (
  experiment_id   text primary key,
  agent           glow.agent_name not null references glow.agents,
  kind            text not null check (kind in ('prompt')),
  hypothesis      text not null,
  control         text not null,
  treatment       text not null,
  phase           integer not null default 1 check (phase > 0),
  treatment_ppm   integer not null default 500000 check (treatment_ppm between 0 and 1000000),
  enroll_ppm      integer not null default 1000000 check (enroll_ppm between 0 and 1000000),
  plan            jsonb not null,
  -- Null where an engineer asked for it: what was asked, and by whom, stands in the request.
  gate_id         text references glow.prompt_gates,
  request_id      bigint,
  state           text not null default 'running' check (state in ('running', 'stopped')),
  reason          text not null default '',
  started_at      timestamptz not null default clock_timestamp(),
  stopped_at      timestamptz,
  check ((state = 'stopped') = (stopped_at is not null)),
  check (gate_id is not null or request_id is not null),
  foreign key (agent, control) references glow.prompt_versions (agent, prompt_version),
  foreign key (agent, treatment) references glow.prompt_versions (agent, prompt_version)
);
comment on table glow.learning_experiments is 'An A/B test of a candidate against the version in force, with the gate that allowed it or the request that asked for it.';
-- Mutual exclusion by layers comes later; until then one agent runs one experiment.
create unique index one_running_experiment on glow.learning_experiments (agent) where state = 'running';

create table glow.exposures (
  experiment_id text not null references glow.learning_experiments,
  phase         integer not null,
  -- Of one tenant (glow.qualified): u-1 here and u-1 there are two people.
  unit_id       text not null,
  variant       text not null check (variant in ('control', 'treatment')),
  bucket        integer not null check (bucket between 0 and 999999),
  first_exposed_at timestamptz not null default clock_timestamp(),
  primary key (experiment_id, phase, unit_id)
);
comment on table glow.exposures is 'Which variant a unit got: written in the transaction that chose it, before the model was called.';

create table glow.experiment_looks (
  look_id       bigint generated always as identity primary key,
  experiment_id text not null references glow.learning_experiments,
  phase         integer not null,
  statistics    jsonb not null,
  decision      text not null,
  reason        text not null,
  looked_at     timestamptz not null default clock_timestamp()
);
create trigger immutable before update or delete on glow.experiment_looks
  for each row execute function glow.refuse_change();

-- 40 bits of SHA-256 as a bucket of a million. No floats, so that Python and SQL agree bit for bit.
-- Salt, purpose and unit are joined by U+001F, which no identifier may hold.
create function glow.exp_bucket(salt text, purpose text, unit_id text) returns integer
  language sql immutable strict parallel safe
  set search_path = pg_catalog, pg_temp
  return ((('x' || left(encode(sha256(convert_to(
    'pg1' || chr(31) || salt || chr(31) || purpose || chr(31) || unit_id, 'UTF8')), 'hex'), 10))::bit(40)::bigint
    * 1000000) >> 40)::integer;
