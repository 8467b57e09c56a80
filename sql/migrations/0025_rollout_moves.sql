-- The moves of a gradual rollout: how they lock and what they answer is said in 0021.

create function glow.stages_problem(stages jsonb) returns text
  language plpgsql immutable as $$
declare
  stage jsonb;
  before jsonb;
  n integer := 0;
begin
  for stage in select * from jsonb_array_elements(stages) loop
    if jsonb_typeof(stage -> 'treatment_ppm') is distinct from 'number' or jsonb_typeof(stage -> 'control_ppm') is distinct from 'number'
       or jsonb_typeof(stage -> 'phase_offset') is distinct from 'number' then
      return format('stage %s lacks treatment_ppm, control_ppm or phase_offset', n);
    elsif not ((stage ->> 'treatment_ppm')::numeric between 1 and 1000000 and (stage ->> 'control_ppm')::numeric >= 0
               and (stage ->> 'treatment_ppm')::numeric + (stage ->> 'control_ppm')::numeric <= 1000000
               and (stage ->> 'phase_offset')::numeric >= 0) then
      return format('the shares of stage %s do not fit into a million', n);
    elsif (stage ->> 'treatment_ppm')::numeric < (before ->> 'treatment_ppm')::numeric then
      return format('stage %s gives the treatment to fewer than the one before', n);
    elsif (stage ->> 'phase_offset')::numeric < (before ->> 'phase_offset')::numeric then
      return format('stage %s goes back to a phase', n);
    -- Pooling over the stages of a phase is unbiased only while the arms keep their ratio, and nobody changes arms in it.
    elsif stage ->> 'phase_offset' = before ->> 'phase_offset'
        and ((stage ->> 'treatment_ppm') <> (stage ->> 'control_ppm') or (before ->> 'treatment_ppm') <> (before ->> 'control_ppm')) then
      return format('stage %s changes the ratio of the arms and needs a phase of its own', n);
    end if;
    before := stage;
    n := n + 1;
  end loop;
  return case when (before ->> 'treatment_ppm')::numeric <> 1000000 then 'the last stage does not give the treatment to everybody' end;
end $$;
comment on function glow.stages_problem is 'What is wrong with the stages of a rollout, or null.';

create function glow.begin_stage(experiment_id text, stage integer) returns void
  language sql as $$
  update glow.learning_experiments x
     set state = 'ramping', treatment_ppm = (s.stage ->> 'treatment_ppm')::integer, control_ppm = (s.stage ->> 'control_ppm')::integer,
         -- The stage says how many; that a test let in fewer must not keep anybody out of the last one.
         enroll_ppm = 1000000, phase = greatest(x.phase, r.first_phase + (s.stage ->> 'phase_offset')::integer)
    from glow.rollouts r, lateral (select r.plan #> array['stages', begin_stage.stage::text]) s(stage)
   where x.experiment_id = begin_stage.experiment_id and r.experiment_id = x.experiment_id
$$;
comment on function glow.begin_stage is 'Gives an experiment the shares and the phase of a stage. The salt stays: growing shares move units from control to treatment only.';

create function glow.open_rollout(
  experiment_id text, plan jsonb, moved_by text, reason text, evidence jsonb default '{}'
) returns jsonb language plpgsql as $$
#variable_conflict use_column
declare
  experiment glow.learning_experiments := glow.locked_experiment(open_rollout.experiment_id);
  known glow.rollouts := glow.locked_rollout(open_rollout.experiment_id);
  first jsonb := plan #> '{stages,0}';
  asks boolean := coalesce((plan #>> '{stages,0,approval}')::boolean, false);
  same_shares boolean;
  earlier text;
  problem text;
begin
  if known.experiment_id is not null then
    if known.plan = open_rollout.plan then return glow.moved(experiment.experiment_id, 'unchanged'); end if;
    perform glow.refuse_move('experiment_id', experiment.experiment_id, 'has a rollout with another plan', 'the plan it was opened with');
  elsif experiment.state not in ('running', 'paused', 'ramping') then
    perform glow.refuse_move('experiment_id', experiment.experiment_id, format('is %s and cannot ship', experiment.state),
      'an experiment that is running or paused; a held one is not valid');
  elsif jsonb_typeof(plan -> 'stages') is distinct from 'array' or plan -> 'stages' = '[]' then
    perform glow.refuse_move('plan.stages', left(plan ->> 'stages', 80), 'is not accepted', 'an array of stages', 'PT422');
  end if;
  problem := glow.stages_problem(plan -> 'stages');
  if problem is not null then
    perform glow.refuse_move('plan.stages', left(plan ->> 'stages', 80), 'is not accepted: ' || problem,
      'stages whose treatment_ppm grows up to 1000000, each with control_ppm and phase_offset', 'PT422');
  end if;
  earlier := glow.rolled_back_before(experiment.agent, experiment.kind, experiment.treatment);
  if earlier is not null then
    perform glow.refuse_move('treatment', experiment.treatment, format('was rolled back in %s', earlier),
      'a new version: mend what was wrong with this one, and register it as a version of its own');
  end if;
  -- Whoever was promised an arm in this phase keeps it: other shares than the test's begin a phase.
  same_shares := ((first ->> 'treatment_ppm')::integer, (first ->> 'control_ppm')::integer) = (experiment.treatment_ppm, experiment.control_ppm);
  insert into glow.rollouts (experiment_id, state, plan, first_phase, awaiting_stage, reason)
  values (experiment.experiment_id, case when asks then 'pending' else 'running' end, plan,
          experiment.phase + case when same_shares or experiment.design = 'ramp' then 0 else 1 end, case when asks then 0 end,
          left(open_rollout.reason, 2000));
  update glow.learning_experiments x
     set state = 'paused', reason = open_rollout.reason, decision = case x.design when 'ab' then 'ship' else x.decision end
   where x.experiment_id = experiment.experiment_id;
  if asks then
    return glow.note_move(experiment.experiment_id, 'rollout_awaits_approval', moved_by, open_rollout.reason, evidence,
      format('The rollout of a %s of %s awaits approval', experiment.kind, experiment.agent));
  end if;
  perform glow.begin_stage(experiment.experiment_id, 0);
  return glow.note_move(experiment.experiment_id, 'rollout_started', moved_by, open_rollout.reason, evidence,
    format('%s: the rollout of a %s begins with %s %% of users', experiment.agent, experiment.kind, (first ->> 'treatment_ppm')::numeric / 10000));
end $$;
comment on function glow.open_rollout is
  'Begins the rollout of an experiment''s treatment by a plan; waits for approval where the first stage asks for it. Refused for a version that was rolled back once.';

create function glow.open_rollout_of(experiment glow.learning_experiments) returns glow.rollouts
  language plpgsql as $$
declare
  rollout glow.rollouts := glow.locked_rollout(experiment.experiment_id);
begin
  if rollout.experiment_id is null then
    perform glow.refuse_move('experiment_id', experiment.experiment_id, 'has no rollout',
      case when experiment.active then 'stop_experiment, which ends a test' else 'an experiment that is rolled out; see rollouts' end);
  end if;
  return rollout;
end $$;
comment on function glow.open_rollout_of is 'The rollout of a locked experiment; refuses one that has none, with what ends a test.';

create function glow.advance_rollout(
  experiment_id text, expected integer, moved_by text, reason text, carried jsonb default null, evidence jsonb default '{}',
  asks boolean default false
) returns jsonb language plpgsql as $$
#variable_conflict use_column
declare
  experiment glow.learning_experiments := glow.locked_experiment(advance_rollout.experiment_id);
  rollout glow.rollouts := glow.open_rollout_of(experiment);
  next jsonb := rollout.plan #> array['stages', (rollout.stage + 1)::text];
begin
  -- Somebody else moved it: what was decided from an earlier sight of it is void.
  if rollout.revision <> expected then return glow.moved(experiment.experiment_id, 'moved_before'); end if;
  if rollout.state <> 'running' then
    perform glow.refuse_move('experiment_id', experiment.experiment_id, format('has a rollout that is %s', rollout.state),
      case rollout.state when 'paused' then 'resume_rollout' when 'pending' then 'approve_rollout' else 'a rollout that is running' end);
  elsif next is null then
    perform glow.refuse_move('experiment_id', experiment.experiment_id, 'is in its last stage', 'complete_rollout');
  elsif (asks or coalesce((next ->> 'approval')::boolean, false)) and rollout.approved_stage <= rollout.stage then
    -- An answer and no refusal: people are told, once.
    if rollout.awaiting_stage is not null then return glow.moved(experiment.experiment_id, 'rollout_awaits_approval'); end if;
    update glow.rollouts r
       set awaiting_stage = r.stage + 1, revision = r.revision + 1, reason = left(advance_rollout.reason, 2000)
     where r.experiment_id = rollout.experiment_id;
    return glow.note_move(experiment.experiment_id, 'rollout_awaits_approval', moved_by, advance_rollout.reason, evidence,
      format('The rollout of a %s of %s awaits approval', experiment.kind, experiment.agent));
  end if;
  update glow.rollouts r
     set stage = r.stage + 1, stage_started_at = clock_timestamp(), awaiting_stage = null, carried = coalesce(advance_rollout.carried, r.carried),
         revision = r.revision + 1, reason = left(advance_rollout.reason, 2000)
   where r.experiment_id = rollout.experiment_id;
  perform glow.begin_stage(experiment.experiment_id, rollout.stage + 1);
  return glow.note_move(experiment.experiment_id, 'rollout_advanced', moved_by, advance_rollout.reason, evidence,
    format('%s: the rollout of a %s reaches %s %% of users', experiment.agent, experiment.kind, (next ->> 'treatment_ppm')::numeric / 10000));
end $$;
comment on function glow.advance_rollout is
  'The next stage, by compare-and-swap. status: rollout_advanced; moved_before where the revision is another by now; '
  'rollout_awaits_approval where a person has to let it begin: because the stage says so, or whoever asks (asks), who says why.';

create function glow.complete_rollout(experiment_id text, expected integer, moved_by text, reason text, evidence jsonb default '{}')
  returns jsonb language plpgsql as $$
#variable_conflict use_column
declare
  experiment glow.learning_experiments := glow.locked_experiment(complete_rollout.experiment_id);
  rollout glow.rollouts := glow.open_rollout_of(experiment);
begin
  if rollout.state = 'completed' then return glow.moved(experiment.experiment_id, 'unchanged'); end if;
  if rollout.revision <> expected then return glow.moved(experiment.experiment_id, 'moved_before'); end if;
  if rollout.state <> 'running' or rollout.stage < jsonb_array_length(rollout.plan -> 'stages') - 1 then
    perform glow.refuse_move('experiment_id', experiment.experiment_id, format('has a rollout that is %s at stage %s', rollout.state, rollout.stage),
      'a rollout that is running in its last stage');
  end if;
  update glow.rollouts r
     set state = 'completed', ended_at = clock_timestamp(), revision = r.revision + 1, reason = left(complete_rollout.reason, 2000)
   where r.experiment_id = rollout.experiment_id;
  update glow.learning_experiments x
     set state = 'completed', decision = 'ship', reason = complete_rollout.reason, stopped_at = clock_timestamp()
   where x.experiment_id = experiment.experiment_id;
  perform glow.put_in_force(experiment.experiment_id, 'treatment', moved_by, left(complete_rollout.reason, 2000), 'move');
  return glow.note_move(experiment.experiment_id, 'rollout_completed', moved_by, complete_rollout.reason, evidence,
    format('%s: a new %s is in force for everybody', experiment.agent, experiment.kind));
end $$;
comment on function glow.complete_rollout is 'Puts the treatment in force and ends the experiment.';

create function glow.pause_rollout(experiment_id text, moved_by text, reason text, evidence jsonb default '{}') returns jsonb
  language plpgsql as $$
#variable_conflict use_column
declare
  experiment glow.learning_experiments := glow.locked_experiment(pause_rollout.experiment_id);
  rollout glow.rollouts := glow.open_rollout_of(experiment);
begin
  if rollout.state = 'paused' then return glow.moved(experiment.experiment_id, 'unchanged'); end if;
  if rollout.state <> 'running' then
    perform glow.refuse_move('experiment_id', experiment.experiment_id, format('has a rollout that is %s', rollout.state),
      case rollout.state when 'pending' then 'nothing: nobody enters before approve_rollout; roll_back ends it' else 'a rollout that is running' end);
  end if;
  update glow.rollouts r
     set state = 'paused', paused_at = clock_timestamp(), revision = r.revision + 1, reason = left(pause_rollout.reason, 2000)
   where r.experiment_id = rollout.experiment_id;
  update glow.learning_experiments x set state = 'paused', reason = pause_rollout.reason where x.experiment_id = experiment.experiment_id;
  return glow.note_move(experiment.experiment_id, 'rollout_paused', moved_by, pause_rollout.reason, evidence,
    format('%s: the rollout of a %s is paused; nobody new enters', experiment.agent, experiment.kind));
end $$;
comment on function glow.pause_rollout is 'Nobody new enters a rollout; who is in stays.';

create function glow.resume_rollout(experiment_id text, moved_by text, reason text, evidence jsonb default '{}') returns jsonb
  language plpgsql as $$
#variable_conflict use_column
declare
  experiment glow.learning_experiments := glow.locked_experiment(resume_rollout.experiment_id);
  rollout glow.rollouts := glow.open_rollout_of(experiment);
begin
  if rollout.state = 'running' then return glow.moved(experiment.experiment_id, 'unchanged'); end if;
  if experiment.state = 'held' then
    perform glow.refuse_move('experiment_id', experiment.experiment_id, 'is held: its numbers are not valid, and going on does not make them so', 'roll_back');
  elsif rollout.state <> 'paused' then
    perform glow.refuse_move('experiment_id', experiment.experiment_id, format('has a rollout that is %s', rollout.state),
      case rollout.state when 'pending' then 'approve_rollout, which lets it begin' else 'a rollout that is paused; a version that was rolled back needs a new version' end);
  end if;
  update glow.rollouts r
     set state = 'running', stage_started_at = r.stage_started_at + (clock_timestamp() - r.paused_at), paused_at = null,
         revision = r.revision + 1, reason = left(resume_rollout.reason, 2000)
   where r.experiment_id = rollout.experiment_id;
  perform glow.begin_stage(experiment.experiment_id, rollout.stage);
  return glow.note_move(experiment.experiment_id, 'rollout_resumed', moved_by, resume_rollout.reason, evidence);
end $$;
comment on function glow.resume_rollout is 'Goes on with a paused rollout, at the stage it was in.';

create function glow.approve_rollout(experiment_id text, stage integer, moved_by text, reason text, evidence jsonb default '{}')
  returns jsonb language plpgsql as $$
#variable_conflict use_column
declare
  experiment glow.learning_experiments := glow.locked_experiment(approve_rollout.experiment_id);
  rollout glow.rollouts := glow.open_rollout_of(experiment);
  -- The next that asks.
  wanted integer := coalesce(rollout.awaiting_stage, (
    select min(s.n) - 1 from jsonb_array_elements(rollout.plan -> 'stages') with ordinality s(stage, n)
     where s.n - 1 > greatest(rollout.stage, rollout.approved_stage) and coalesce((s.stage ->> 'approval')::boolean, false)));
begin
  if rollout.state not in ('pending', 'running', 'paused') then
    perform glow.refuse_move('experiment_id', experiment.experiment_id, format('has a rollout that is %s', rollout.state), 'a rollout that goes on');
  elsif approve_rollout.stage <= rollout.approved_stage
        or approve_rollout.stage is null and rollout.awaiting_stage is null and rollout.approved_stage >= greatest(rollout.stage, 0) then
    return glow.moved(experiment.experiment_id, 'unchanged');
  elsif approve_rollout.stage is null and rollout.awaiting_stage is null then
    perform glow.refuse_move('experiment_id', experiment.experiment_id, 'has a rollout that awaits no approval',
      coalesce(format('stage => %s, to approve that stage before its time', wanted), 'a rollout with a stage ahead that asks for approval; the others begin by themselves'));
  -- The next one also where it does not ask: a person may let it begin with fewer units than it wants.
  elsif approve_rollout.stage <> all (array_remove(array[wanted, rollout.stage + 1], null))
        or approve_rollout.stage >= jsonb_array_length(rollout.plan -> 'stages') or rollout.state = 'pending' and approve_rollout.stage > 0 then
    perform glow.refuse_move('stage', approve_rollout.stage::text, 'is not the next stage, nor the next that asks for approval',
      format('%s, or none for what awaits approval now', coalesce(wanted, rollout.stage + 1)), 'PT422');
  end if;
  wanted := coalesce(approve_rollout.stage, wanted);
  update glow.rollouts r
     set approved_stage = wanted, awaiting_stage = case when r.awaiting_stage > wanted then r.awaiting_stage end, revision = r.revision + 1, reason = left(approve_rollout.reason, 2000),
         state = case r.state when 'pending' then 'running' else r.state end,
         stage_started_at = case r.state when 'pending' then clock_timestamp() else r.stage_started_at end
   where r.experiment_id = rollout.experiment_id;
  if rollout.state = 'pending' then perform glow.begin_stage(experiment.experiment_id, rollout.stage); end if;
  return glow.note_move(experiment.experiment_id, 'rollout_approved', moved_by, approve_rollout.reason, evidence);
end $$;
comment on function glow.approve_rollout is
  'Lets the stage begin that awaits approval: the first at once, a later one with the next tick. stage names one ahead: the next that will ask, or the next one, which then need not wait for units. Said twice it lets no other begin.';

create function glow.roll_back(
  experiment_id text, moved_by text, reason text, evidence jsonb default '{}', decision text default 'harm'
) returns jsonb language plpgsql as $$
#variable_conflict use_column
declare
  experiment glow.learning_experiments := glow.locked_experiment(roll_back.experiment_id);
  rollout glow.rollouts := glow.open_rollout_of(experiment);
  rests text;
begin
  if rollout.state = 'rolled_back' then return glow.moved(experiment.experiment_id, 'unchanged'); end if;
  -- What is in force since a rollout is completed may be another's control by now, and its units see it whatever is in force.
  select x.experiment_id into rests from glow.learning_experiments x
   where x.agent = experiment.agent and x.kind = experiment.kind and x.active and x.experiment_id <> experiment.experiment_id
     and experiment.treatment in (x.control, x.treatment) limit 1;
  if rollout.state = 'completed' and rests is not null then
    perform glow.refuse_move('experiment_id', experiment.experiment_id, format('put in force what %s runs on', rests),
      format('stop_experiment(%L) first, or roll_back where it is being rolled out', rests));
  elsif rollout.state = 'completed' and glow.in_force(experiment.agent, experiment.kind) is distinct from experiment.treatment then
    perform glow.refuse_move('experiment_id', experiment.experiment_id, 'put a version in force that is not in force any more',
      'a rollout whose treatment is in force, or one that is not completed');
  end if;
  update glow.rollouts r
     set state = 'rolled_back', ended_at = clock_timestamp(), paused_at = null, revision = r.revision + 1, reason = left(roll_back.reason, 2000)
   where r.experiment_id = rollout.experiment_id;
  if experiment.active then
    update glow.learning_experiments x
       set state = 'rolled_back', decision = coalesce(x.decision, roll_back.decision), reason = roll_back.reason, stopped_at = clock_timestamp()
     where x.experiment_id = experiment.experiment_id;
  end if;
  if glow.in_force(experiment.agent, experiment.kind) = experiment.treatment then
    perform glow.put_in_force(experiment.experiment_id, 'control', moved_by, left(roll_back.reason, 2000), 'rollback');
  end if;
  -- What was taken back is no candidate again.
  if experiment.kind = 'prompt' then
    perform glow.move_prompt_alias(experiment.agent, 'candidate', null, a.revision, moved_by, left(roll_back.reason, 2000),
                                   experiment_id => experiment.experiment_id, kind => 'rollback')
       from glow.prompt_aliases a
      where a.agent = experiment.agent and a.alias = 'candidate' and a.prompt_version = experiment.treatment;
  end if;
  return glow.note_move(experiment.experiment_id, 'rolled_back', moved_by, roll_back.reason, evidence,
    format('%s: the rollout of a %s was rolled back', experiment.agent, experiment.kind));
end $$;
comment on function glow.roll_back is
  'Takes a rollout back: its experiment ends, and what was in force before is in force, at once for whoever resolves next.';
