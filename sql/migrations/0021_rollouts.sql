-- The life of an experiment and of its gradual rollout: which moves are legal, each in one transaction with its audit row
-- and its notification. Who decides what to do is elsewhere (learning/experiments), who may ask for it in glow_api.
--
-- Every function locks in this order: the experiment, its rollout, the agent (glow.check_experiment, where the experiment
-- stays active), the aliases (glow.put_in_force, where it ends). Each is one statement of its caller: a process killed in
-- the middle leaves what was before. Called again, each answers what is, with the status `unchanged`.

create table glow.rollouts (
  experiment_id    text primary key references glow.learning_experiments,
  state            text not null check (state in ('pending', 'running', 'paused', 'rolled_back', 'completed')),
  -- {"stages": [{treatment_ppm, control_ppm, phase_offset, hours, units, approval}, …], …}: frozen at the start.
  plan             jsonb not null check (jsonb_typeof(plan -> 'stages') = 'array' and plan -> 'stages' <> '[]'),
  -- Counted from 0. Its phase is first_phase + phase_offset.
  stage            integer not null default 0 check (stage >= 0),
  first_phase      integer not null check (first_phase > 0),
  -- What the monitor takes from earlier strata into this one: evidence is never reset by a stage.
  carried          jsonb not null default '{}' check (jsonb_typeof(carried) = 'object'),
  -- The last stage that a person let begin.
  approved_stage   integer not null default -1,
  -- The stage that waits for a person.
  awaiting_stage   integer,
  opened_at        timestamptz not null default clock_timestamp(),
  -- Moved on by the length of a pause: a stage lasts its hours while it is open.
  stage_started_at timestamptz not null default clock_timestamp(),
  paused_at        timestamptz,
  ended_at         timestamptz,
  revision         integer not null default 1 check (revision > 0),
  reason           text not null default '' check (length(reason) <= 2000),
  check (state <> 'pending' or awaiting_stage = 0),
  check ((state = 'paused') = (paused_at is not null)),
  check ((state in ('rolled_back', 'completed')) = (ended_at is not null)),
  check (stage < jsonb_array_length(plan -> 'stages'))
);
comment on table glow.rollouts is
  'The gradual rollout of an experiment''s treatment. Every move raises the revision; who moves it says which one they saw.';

create table glow.rollout_moves (
  move_id       bigint generated always as identity primary key,
  experiment_id text not null references glow.learning_experiments,
  move          text not null,
  -- Of the experiment, and of its rollout if it has one, after the move.
  state         text not null,
  rollout       text,
  stage         integer,
  phase         integer not null,
  treatment_ppm integer not null,
  control_ppm   integer not null,
  revision      integer,
  moved_by      text not null,
  reason        text not null check (length(reason) <= 2000),
  -- What a decision rested on: the look, or what the monitor saw.
  evidence      jsonb not null default '{}' check (jsonb_typeof(evidence) = 'object'),
  moved_at      timestamptz not null default clock_timestamp()
);
comment on table glow.rollout_moves is 'Every move of an experiment and of its rollout: who, why, and what they were afterwards.';
create index rollout_moves_by_experiment on glow.rollout_moves (experiment_id, move_id);
create trigger immutable before update or delete on glow.rollout_moves
  for each row execute function glow.refuse_change();

create function glow.refuse_move(field text, value text, problem text, remedy text, code text default 'PT409') returns void
  language plpgsql as $$
begin
  raise exception using errcode = code, message = format('%s: %L %s', field, left(value, 80), problem), hint = remedy;
end $$;
comment on function glow.refuse_move is 'Refuses a move: the field, its value, what is in the way, and what would help.';

-- Below the functions, so that no other way of writing makes an illegal state either.
create function glow.check_experiment_move() returns trigger
  language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if new.state <> old.state and new.state <> all (case old.state
       when 'running' then '{paused,held,ramping,stopped}'
       when 'paused' then '{running,held,ramping,stopped,rolled_back}'
       -- What is not valid goes on only with everybody drawn anew.
       when 'held' then case when new.phase > old.phase and new.salt <> old.salt then '{running,stopped,rolled_back}' else '{stopped,rolled_back}' end
       when 'ramping' then '{paused,held,completed,rolled_back}'
       else '{}' end::text[]) then
    perform glow.refuse_move('experiment_id', old.experiment_id, format('is %s and cannot become %s', old.state, new.state),
      'the functions of experiments and rollouts move only along legal ways; rollout_history tells what happened');
  end if;
  return new;
end $$;
comment on function glow.check_experiment_move is 'Lets an experiment change its state along legal ways only.';
create trigger moves before update of state on glow.learning_experiments
  for each row execute function glow.check_experiment_move();

create function glow.check_rollout_move() returns trigger
  language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if (new.experiment_id, new.plan, new.first_phase, new.opened_at) is distinct from (old.experiment_id, old.plan, old.first_phase, old.opened_at)
     or new.revision <> old.revision + 1
     or new.state <> all (case old.state
          when 'pending' then '{running,rolled_back}'
          when 'running' then '{running,paused,rolled_back,completed}'
          when 'paused' then '{paused,running,rolled_back}'
          when 'completed' then '{rolled_back}' else '{}' end::text[])
     or new.stage <> old.stage and not (old.state = 'running' and new.state = 'running' and new.stage = old.stage + 1)
     or new.state = 'completed' and new.stage <> jsonb_array_length(new.plan -> 'stages') - 1 then
    perform glow.refuse_move('experiment_id', old.experiment_id,
      format('has a rollout that is %s at stage %s, which cannot become %s at stage %s', old.state, old.stage, new.state, new.stage),
      'one stage at a time, and only along legal ways; rollout_history tells what happened');
  end if;
  return new;
end $$;
comment on function glow.check_rollout_move is 'Lets a rollout move along legal ways only, one stage at a time.';
create trigger moves before update on glow.rollouts for each row execute function glow.check_rollout_move();
create trigger kept before delete on glow.rollouts for each row execute function glow.refuse_change();

-- At commit, because the two rows are written one after the other. As the owner: who commits may see no table.
create function glow.check_rollout() returns trigger
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  experiment glow.learning_experiments;
  rollout glow.rollouts;
begin
  select x.* into experiment from glow.learning_experiments x where x.experiment_id = new.experiment_id;
  select r.* into rollout from glow.rollouts r where r.experiment_id = new.experiment_id;
  if rollout.experiment_id is not null and experiment.state <> all (case rollout.state
       when 'pending' then '{paused}' when 'running' then '{ramping}' when 'paused' then '{paused,held}'
       -- The rollout of a change that is in force can still be taken back; what the experiment came to stays.
       when 'rolled_back' then '{rolled_back,completed}' else '{completed}' end::text[]) then
    perform glow.refuse_move('experiment_id', new.experiment_id,
      format('is %s while its rollout is %s', experiment.state, rollout.state), 'both moved in one transaction, by the functions of rollouts');
  end if;
  return null;
end $$;
comment on function glow.check_rollout is 'Keeps an experiment and its rollout in states that belong together.';
revoke execute on function glow.check_rollout from public;
create constraint trigger together after insert or update on glow.rollouts deferrable initially deferred
  for each row execute function glow.check_rollout();
create constraint trigger together after update on glow.learning_experiments deferrable initially deferred
  for each row execute function glow.check_rollout();

create function glow.locked_experiment(experiment_id text) returns glow.learning_experiments
  language plpgsql as $$
declare
  experiment glow.learning_experiments;
begin
  select x.* into experiment from glow.learning_experiments x
   where x.experiment_id = locked_experiment.experiment_id for update;
  if not found then
    perform glow.refuse_move('experiment_id', experiment_id, 'is not known', 'an experiment_id that experiments answers', 'PT404');
  end if;
  return experiment;
end $$;
comment on function glow.locked_experiment is 'An experiment that nobody else moves until commit.';

create function glow.locked_rollout(experiment_id text) returns glow.rollouts
  language plpgsql as $$
declare
  rollout glow.rollouts;
begin
  select r.* into rollout from glow.rollouts r where r.experiment_id = locked_rollout.experiment_id for update;
  return rollout;
end $$;
comment on function glow.locked_rollout is 'The rollout of a locked experiment; nulls where it has none.';

create function glow.note_move(
  experiment_id text, move text, moved_by text, reason text, evidence jsonb default '{}', title text default null
) returns jsonb language plpgsql as $$
#variable_conflict use_column
declare
  experiment glow.learning_experiments;
  rollout glow.rollouts;
  noted bigint;
begin
  select x.* into experiment from glow.learning_experiments x where x.experiment_id = note_move.experiment_id;
  select r.* into rollout from glow.rollouts r where r.experiment_id = note_move.experiment_id;
  insert into glow.rollout_moves as m
    (experiment_id, move, state, rollout, stage, phase, treatment_ppm, control_ppm, revision, moved_by, reason, evidence)
  values (note_move.experiment_id, note_move.move, experiment.state, rollout.state, rollout.stage, experiment.phase,
          experiment.treatment_ppm, experiment.control_ppm, rollout.revision, note_move.moved_by, left(note_move.reason, 2000),
          coalesce(note_move.evidence, '{}'))
  returning m.move_id into noted;
  if title is not null then
    insert into glow.notifications (agent, kind, title, body, key)
    values (experiment.agent, note_move.move, left(note_move.title, 200), jsonb_strip_nulls(jsonb_build_object(
              'experiment_id', note_move.experiment_id, 'kind', experiment.kind, 'treatment', experiment.treatment,
              'state', experiment.state, 'rollout', rollout.state, 'stage', rollout.stage, 'treatment_ppm', experiment.treatment_ppm,
              'moved_by', note_move.moved_by, 'reason', left(note_move.reason, 2000))), 'move ' || noted);
  end if;
  return glow.moved(note_move.experiment_id, note_move.move);
end $$;
comment on function glow.note_move is 'The audit row of a move, its notification where people should hear of it, and the answer.';

create function glow.moved(experiment_id text, status text) returns jsonb
  language sql stable as $$
  select jsonb_strip_nulls(jsonb_build_object(
    'experiment_id', x.experiment_id, 'agent', x.agent, 'state', x.state, 'decision', x.decision, 'phase', x.phase,
    'treatment_ppm', x.treatment_ppm, 'control_ppm', x.control_ppm, 'planned_end', x.planned_end, 'rollout', r.state,
    'stage', r.stage, 'stages', jsonb_array_length(r.plan -> 'stages'), 'revision', r.revision, 'status', moved.status))
    from glow.learning_experiments x left join glow.rollouts r using (experiment_id)
   where x.experiment_id = moved.experiment_id
$$;
comment on function glow.moved is 'What every move answers: what the experiment and its rollout are now. status: the move, or why there was none.';
