-- Experiments between what is in force and a candidate, who takes part in them, and gradual rollout's share of them.

create table glow.learning_experiments (
  experiment_id   text primary key check (experiment_id !~ '[[:cntrl:]]'),
  agent           glow.agent_name not null references glow.agents,
  -- What is varied. One experiment varies one thing.
  kind            text not null check (kind in ('prompt', 'model', 'retrieval', 'config')),
  -- ramp: rolled out gradually without a test before.
  design          text not null default 'ab' check (design in ('ab', 'ramp')),
  hypothesis      text not null,
  -- Names of versions: of a prompt, a retrieval configuration, a model; of a config the hash of its JSON.
  control         text not null check (length(control) between 1 and 200),
  treatment       text not null check (length(treatment) between 1 and 200),
  control_config  jsonb,
  treatment_config jsonb,
  control_prompt  text generated always as (case kind when 'prompt' then control end) stored,
  treatment_prompt text generated always as (case kind when 'prompt' then treatment end) stored,
  control_retrieval text generated always as (case kind when 'retrieval' then control end) stored,
  treatment_retrieval text generated always as (case kind when 'retrieval' then treatment end) stored,
  -- It owns the slots from (inclusive) to (exclusive) of its layer's draw; glow.check_experiment fills in what is missing.
  layer           text not null check (layer ~ '^[a-z0-9][a-z0-9_.-]{0,62}$'),
  slot_from       integer not null default 0,
  slot_to         integer not null default 1000000,
  unit            text not null default 'user' check (unit in ('user', 'org', 'session', 'execution')),
  hash            text not null default 'pg1' check (hash in ('pg1', 'gb2')),
  phase           integer not null default 1 check (phase > 0),
  -- <experiment>#<phase at which it was drawn>: a phase that keeps its salt moves nobody but by its shares.
  salt            text not null check (salt !~ '[[:cntrl:]]'),
  -- Treatment owns the top of the variant's draw and control the bottom; who falls between sees what is in force.
  treatment_ppm   integer not null default 500000 check (treatment_ppm between 0 and 1000000),
  control_ppm     integer not null check (control_ppm between 0 and 1000000),
  enroll_ppm      integer not null default 1000000 check (enroll_ppm between 0 and 1000000),
  plan            jsonb not null,
  -- Null where an engineer asked for it: what was asked, and by whom, stands in the request.
  gate_id         text,
  prompt_gate     text generated always as (case when kind <> 'retrieval' then gate_id end) stored references glow.prompt_gates,
  retrieval_gate  text generated always as (case kind when 'retrieval' then gate_id end) stored references glow.retrieval_gates,
  request_id      bigint,
  -- paused: nobody new enters, who is in stays. held: the same, because its numbers are not valid.
  state           text not null default 'running'
                  check (state in ('running', 'paused', 'held', 'ramping', 'completed', 'rolled_back', 'stopped')),
  -- Units may see an arm.
  active          boolean not null generated always as (state in ('running', 'paused', 'held', 'ramping')) stored,
  reason          text not null default '',
  decision        text check (decision in ('ship', 'keep', 'harm', 'invalid', 'abandoned')),
  started_at      timestamptz not null default clock_timestamp(),
  -- When everybody was drawn anew (glow.restart_experiment).
  restarted_at    timestamptz,
  -- Its days count from here.
  begun_at        timestamptz not null generated always as (coalesce(restarted_at, started_at)) stored,
  planned_end     timestamptz,
  stopped_at      timestamptz,
  check (control <> treatment),
  check (slot_from >= 0 and slot_from < slot_to and slot_to <= 1000000),
  check (control_ppm + treatment_ppm <= 1000000),
  check (num_nonnulls(control_config, treatment_config) = case kind when 'config' then 2 else 0 end),
  check ((state in ('completed', 'rolled_back', 'stopped')) = (stopped_at is not null)),
  check (gate_id is not null or request_id is not null),
  foreign key (agent, control_prompt) references glow.prompt_versions (agent, prompt_version),
  foreign key (agent, treatment_prompt) references glow.prompt_versions (agent, prompt_version),
  foreign key (agent, control_retrieval) references glow.retrieval_configurations (agent, configuration),
  foreign key (agent, treatment_retrieval) references glow.retrieval_configurations (agent, configuration)
);
comment on table glow.learning_experiments is 'A test or gradual rollout of a candidate against what is in force, with the gate that allowed it or the request that asked for it.';
create index active_experiments on glow.learning_experiments (agent) where active;
create index experiments_by_agent on glow.learning_experiments (agent, started_at);

-- Two experiments that vary the same thing share a layer, and experiments that share a layer share no unit: their slots are
-- disjoint, and drawn alike (the slots of users and of sessions are not the same people).
create function glow.check_experiment() returns trigger
  language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  other glow.learning_experiments;
begin
  new.layer := coalesce(new.layer, new.kind);
  new.salt := coalesce(new.salt, new.experiment_id || '#' || new.phase);
  new.control_ppm := coalesce(new.control_ppm, 1000000 - new.treatment_ppm);
  if tg_op = 'UPDATE' then
    if old.state in ('completed', 'rolled_back', 'stopped') and new.state <> old.state then
      raise exception using errcode = 'PT409', message = format('experiment_id: %L is over (%s)', old.experiment_id, old.state),
        hint = 'an experiment that is not over; start a new one';
    elsif (new.agent, new.kind, new.design, new.control, new.treatment, new.control_config, new.treatment_config)
        is distinct from (old.agent, old.kind, old.design, old.control, old.treatment, old.control_config, old.treatment_config) then
      raise exception using errcode = 'PT409', message = format('experiment_id: the arms of %L never change', old.experiment_id),
        hint = 'a new experiment';
    elsif new.phase < old.phase or new.phase = old.phase
        and (new.layer, new.slot_from, new.slot_to, new.unit, new.hash, new.salt)
        is distinct from (old.layer, old.slot_from, old.slot_to, old.unit, old.hash, old.salt) then
      raise exception using errcode = 'PT409', message = format('experiment_id: %L cannot change who takes part within phase %s', old.experiment_id, old.phase),
        hint = 'a new phase: exposures of a phase stay as they are';
    end if;
  end if;
  if new.state not in ('running', 'paused', 'held', 'ramping') then return new; end if;
  if current_setting('transaction_isolation') = 'repeatable read' then
    raise exception using errcode = 'PT409', message = 'experiments cannot start or change in a repeatable read transaction',
      hint = 'read committed: what another session starts meanwhile must be seen';
  end if;
  -- One at a time per agent: who waits here sees what the other one started.
  perform from glow.agents a where a.agent = new.agent for no key update;
  select x.* into other from glow.learning_experiments x
   where x.agent = new.agent and x.active and x.experiment_id <> new.experiment_id
     and (x.kind = new.kind and x.layer <> new.layer
       or x.layer = new.layer and (x.slot_from < new.slot_to and new.slot_from < x.slot_to or (x.unit, x.hash) <> (new.unit, new.hash)))
   order by x.experiment_id limit 1;
  if other.experiment_id is null then return new; end if;
  raise exception using errcode = 'PT409',
    message = format('experiment_id: %L stands in the way of %L', other.experiment_id, new.experiment_id),
    hint = case when other.layer <> new.layer
      then format('layer %L, in which an experiment of this agent''s %s is running', other.layer, other.kind)
      when (other.unit, other.hash) <> (new.unit, new.hash)
      then format('units and hash of layer %L, which are %s and %s', other.layer, other.unit, other.hash)
      else format('slots of layer %L that are free; %s has %s to %s', other.layer, other.experiment_id, other.slot_from, other.slot_to) end;
end $$;
comment on function glow.check_experiment is 'Keeps the units of experiments apart and what a phase promised; fills in layer, salt and the share of control.';
create trigger checked before insert or update on glow.learning_experiments
  for each row execute function glow.check_experiment();

create table glow.holdouts (
  holdout     text primary key check (length(holdout) between 1 and 200 and holdout !~ '[[:cntrl:]]'),
  -- Null: of all agents.
  agent       glow.agent_name references glow.agents,
  holdout_ppm integer not null check (holdout_ppm between 0 and 1000000),
  starts_at   timestamptz not null default clock_timestamp(),
  ends_at     timestamptz,
  check (ends_at > starts_at)
);
comment on table glow.holdouts is 'A share of people who see what is in force and take part in no experiment, so that all changes together can be measured.';

create table glow.exposures (
  experiment_id text not null references glow.learning_experiments,
  phase         integer not null,
  -- Of one tenant (glow.qualified): u-1 here and u-1 there are two people.
  unit_id       text not null,
  -- Whose answers are correlated: the person of a session or execution, the organisation of its people; else the unit.
  cluster_id    text not null,
  variant       text not null check (variant in ('control', 'treatment')),
  bucket        integer not null check (bucket between 0 and 999999),
  -- The chance that an enrolled unit had to get this variant: for estimators that re-weight.
  propensity    double precision not null check (propensity > 0 and propensity <= 1),
  hash_version  text not null default 'pg1' check (hash_version in ('pg1', 'gb2')),
  source        text not null default 'resolve_prompt',
  first_exposed_at timestamptz not null default clock_timestamp(),
  primary key (experiment_id, phase, unit_id)
);
comment on table glow.exposures is 'Which variant a unit got: written in the transaction that chose it, before the model was called. It holds for the phase.';
create index exposures_by_unit on glow.exposures (unit_id);
create index exposures_by_cluster on glow.exposures (cluster_id) where cluster_id <> unit_id;

create table glow.experiment_looks (
  look_id       bigint generated always as identity primary key,
  experiment_id text not null references glow.learning_experiments,
  phase         integer not null,
  kind          text not null default 'decision' check (kind in ('decision', 'guardrail', 'ramp')),
  -- Everything recorded until then, less the time that feedback takes: the same look again finds the same numbers.
  as_of         timestamptz not null,
  day           double precision not null check (day >= 0),
  statistics    jsonb not null,
  result        jsonb not null,
  decision      text not null,
  reason        text not null,
  looked_at     timestamptz not null default clock_timestamp(),
  unique (experiment_id, phase, kind, as_of)
);
comment on table glow.experiment_looks is 'Every look at an experiment: what went in, what came out. A look that is retried is the same row.';
create trigger immutable before update or delete on glow.experiment_looks
  for each row execute function glow.refuse_change();

-- What is in force beside prompt and retrieval configuration.
create table glow.agent_configs (
  agent     glow.agent_name not null references glow.agents,
  kind      text not null check (kind in ('model', 'config')),
  alias     text not null check (alias in ('production', 'previous')),
  -- The name of a model, or the hash of the config's JSON.
  version   text not null check (length(version) between 1 and 200),
  config    jsonb,
  revision  integer not null default 1 check (revision > 0),
  moved_at  timestamptz not null default clock_timestamp(),
  primary key (agent, kind, alias),
  check ((config is not null) = (kind = 'config'))
);
comment on table glow.agent_configs is 'The model and the settings an agent uses, where they are decided here. Moved by compare-and-swap on revision.';

create table glow.agent_config_history (
  move_id   bigint generated always as identity primary key,
  agent     text not null,
  kind      text not null,
  alias     text not null,
  -- Null: the alias was taken back.
  version   text,
  previous  text,
  config    jsonb,
  revision  integer not null,
  move      text not null default 'move' check (move in ('move', 'rollback')),
  moved_by  text not null,
  reason    text not null check (length(reason) <= 2000),
  experiment_id text,
  moved_at  timestamptz not null default clock_timestamp()
);
comment on table glow.agent_config_history is 'Every move of a model or config: who, why, and the experiment behind it.';
create index config_history_by_agent on glow.agent_config_history (agent, move_id);
create trigger immutable before update or delete on glow.agent_config_history
  for each row execute function glow.refuse_change();

-- 40 bits of SHA-256 as a bucket of a million. No floats, so that Python and SQL agree bit for bit.
-- Salt, purpose and unit are joined by U+001F, which no identifier may hold.
create function glow.exp_bucket(salt text, purpose text, unit_id text) returns integer
  language sql immutable strict parallel safe
  set search_path = pg_catalog, pg_temp
  return ((('x' || left(encode(sha256(convert_to(
    'pg1' || chr(31) || salt || chr(31) || purpose || chr(31) || unit_id, 'UTF8')), 'hex'), 10))::bit(40)::bigint
    * 1000000) >> 40)::integer;

-- The unit that an execution belongs to, for experiments whose units are of this kind; null where the app did not say.
create function glow.unit_of(unit_kind text, tenant text, user_id text, conversation_id text, execution_id text, metadata jsonb)
  returns text language sql immutable parallel safe
  return glow.qualified(tenant, case unit_kind when 'user' then user_id when 'session' then conversation_id
                                               when 'execution' then execution_id when 'org' then metadata ->> 'org_id' end);
