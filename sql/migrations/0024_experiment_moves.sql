-- The moves of a test: how they lock and what they answer is said in 0021.

create function glow.pause_experiment(experiment_id text, moved_by text, reason text, evidence jsonb default '{}') returns jsonb
  language plpgsql as $$
declare
  experiment glow.learning_experiments := glow.locked_experiment(experiment_id);
begin
  if experiment.state in ('ramping') then
    perform glow.refuse_move('experiment_id', experiment_id, 'is being rolled out', 'pause_rollout, for an experiment that is rolled out');
  elsif experiment.state in ('paused', 'held') then
    return glow.moved(experiment_id, 'unchanged');
  elsif not experiment.active then
    perform glow.refuse_move('experiment_id', experiment_id, format('has ended (%s)', experiment.state), 'an experiment that is running');
  end if;
  update glow.learning_experiments x set state = 'paused', reason = pause_experiment.reason where x.experiment_id = experiment.experiment_id;
  return glow.note_move(experiment_id, 'experiment_paused', moved_by, reason, evidence,
                        format('The experiment %s of %s lets nobody new in', experiment_id, experiment.agent));
end $$;
comment on function glow.pause_experiment is 'Nobody new enters; who is in keeps the arm.';

create function glow.resume_experiment(experiment_id text, moved_by text, reason text, evidence jsonb default '{}') returns jsonb
  language plpgsql as $$
declare
  experiment glow.learning_experiments := glow.locked_experiment(experiment_id);
begin
  if experiment.state = 'running' then
    return glow.moved(experiment_id, 'unchanged');
  elsif (glow.locked_rollout(experiment_id)).experiment_id is not null and experiment.active then
    perform glow.refuse_move('experiment_id', experiment_id, 'is being rolled out',
      'resume_rollout where the rollout is paused, approve_rollout where it awaits approval');
  elsif experiment.state = 'held' then
    perform glow.refuse_move('experiment_id', experiment_id, 'is held: its numbers are not valid, and going on does not make them so',
      'restart_experiment, once the cause is mended: it draws everybody anew; or stop_experiment');
  elsif not experiment.active then
    perform glow.refuse_move('experiment_id', experiment_id, format('has ended (%s)', experiment.state),
      'an experiment that is paused; new data mean a new experiment');
  end if;
  update glow.learning_experiments x set state = 'running', reason = resume_experiment.reason where x.experiment_id = experiment.experiment_id;
  return glow.note_move(experiment_id, 'experiment_resumed', moved_by, reason, evidence);
end $$;
comment on function glow.resume_experiment is 'New units enter a paused experiment again.';

create function glow.hold_experiment(experiment_id text, moved_by text, reason text, evidence jsonb default '{}') returns jsonb
  language plpgsql as $$
declare
  experiment glow.learning_experiments := glow.locked_experiment(experiment_id);
  rollout glow.rollouts := glow.locked_rollout(experiment_id);
begin
  if experiment.state = 'held' then
    return glow.moved(experiment_id, 'unchanged');
  elsif not experiment.active then
    perform glow.refuse_move('experiment_id', experiment_id, format('has ended (%s)', experiment.state), 'an experiment that is running');
  elsif rollout.state = 'pending' then
    perform glow.refuse_move('experiment_id', experiment_id, 'has a rollout that awaits approval', 'roll_back, which ends both');
  end if;
  if rollout.state = 'running' then
    update glow.rollouts r
       set state = 'paused', paused_at = clock_timestamp(), reason = hold_experiment.reason, revision = r.revision + 1
     where r.experiment_id = rollout.experiment_id;
  end if;
  update glow.learning_experiments x set state = 'held', reason = hold_experiment.reason where x.experiment_id = experiment.experiment_id;
  return glow.note_move(experiment_id, 'experiment_held', moved_by, reason, evidence,
                        format('The experiment %s of %s is held: its numbers are not valid', experiment_id, experiment.agent));
end $$;
comment on function glow.hold_experiment is 'As paused, and it can neither ship nor go on: the units did not fall on the arms as planned.';

create function glow.stop_experiment(
  experiment_id text, decision text, moved_by text, reason text, evidence jsonb default '{}'
) returns jsonb language plpgsql as $$
#variable_conflict use_column
declare
  experiment glow.learning_experiments := glow.locked_experiment(stop_experiment.experiment_id);
begin
  if stop_experiment.decision is null or stop_experiment.decision not in ('keep', 'harm', 'invalid', 'abandoned') then
    perform glow.refuse_move('decision', stop_experiment.decision, 'is not accepted', 'keep, harm, invalid or abandoned', 'PT422');
  elsif experiment.state = 'stopped' and experiment.decision = stop_experiment.decision then
    return glow.moved(experiment.experiment_id, 'unchanged');
  elsif not experiment.active then
    perform glow.refuse_move('experiment_id', experiment.experiment_id,
      format('has ended (%s, %s)', experiment.state, coalesce(experiment.decision, 'undecided')), 'an experiment that has not ended');
  elsif (glow.locked_rollout(experiment.experiment_id)).experiment_id is not null then
    perform glow.refuse_move('experiment_id', experiment.experiment_id, 'is being rolled out', 'roll_back, which ends the rollout and the experiment');
  end if;
  update glow.learning_experiments x
     set state = 'stopped', decision = stop_experiment.decision, reason = stop_experiment.reason, stopped_at = clock_timestamp()
   where x.experiment_id = experiment.experiment_id;
  return glow.note_move(experiment.experiment_id, case stop_experiment.decision when 'abandoned' then 'experiment_abandoned' else 'experiment_stopped' end,
    moved_by, stop_experiment.reason, evidence, format('The experiment %s of %s ended: %s', experiment.experiment_id, experiment.agent,
      case stop_experiment.decision when 'keep' then 'what is in force stays' when 'harm' then 'the treatment does harm'
        when 'invalid' then 'its numbers are not valid' else 'abandoned' end));
end $$;
comment on function glow.stop_experiment is 'Ends an experiment without shipping: everybody gets what is in force, at once for whoever resolves next.';

create function glow.extend_experiment(
  experiment_id text, until_day integer, moved_by text, reason text, evidence jsonb default '{}'
) returns jsonb language plpgsql as $$
declare
  experiment glow.learning_experiments := glow.locked_experiment(experiment_id);
  planned double precision := (experiment.plan ->> 'planned_days')::double precision;
  most double precision := (experiment.plan ->> 'maximum_days')::double precision;
  ends timestamptz := coalesce(experiment.planned_end, experiment.begun_at + planned * interval '1 day');
  -- To the second: planned_end is written by clocks that round differently.
  now_until double precision := round(extract(epoch from ends - experiment.begun_at)) / 86400;
begin
  if experiment.state not in ('running', 'paused') then
    perform glow.refuse_move('experiment_id', experiment_id, format('is %s', experiment.state), 'an experiment that is running or paused');
  elsif planned is null or most is null then
    perform glow.refuse_move('experiment_id', experiment_id, 'has a plan without planned_days or maximum_days', 'an experiment that was planned');
  end if;
  until_day := coalesce(until_day, least(floor(now_until + planned), floor(most))::integer);
  if until_day > most then
    perform glow.refuse_move('until_day', until_day::text, format('is more than the plan bought: %s days', most),
      format('a day up to %s. More looks than planned for would find a winner where there is none: stop_experiment, and plan a longer one', floor(most)));
  elsif until_day <= now_until and until_day = floor(most) then
    perform glow.refuse_move('until_day', until_day::text, 'is the last day the plan bought', 'stop_experiment, and a new experiment for new data');
  elsif until_day = now_until then
    return glow.moved(experiment_id, 'unchanged');
  elsif until_day < now_until then
    perform glow.refuse_move('until_day', until_day::text, format('is before day %s, to which it runs', now_until),
      format('a day from %s to %s; stop_experiment ends it now', floor(now_until) + 1, floor(most)), 'PT422');
  end if;
  update glow.learning_experiments x
     set planned_end = x.begun_at + until_day * interval '1 day', reason = extend_experiment.reason
   where x.experiment_id = experiment.experiment_id;
  return glow.note_move(experiment_id, 'experiment_extended', moved_by, reason, evidence,
                        format('The experiment %s of %s runs to day %s', experiment_id, experiment.agent, until_day));
end $$;
comment on function glow.extend_experiment is
  'Lets an experiment run to a day (null: the planned days once more), up to the maximum of its plan: extensions are bought in advance.';

-- Looks wait: one that has read the old phase must not move the new one. Called again it draws again: a new phase each time.
create function glow.restart_experiment(
  experiment_id text, treatment_ppm integer, enroll_ppm integer, moved_by text, reason text, evidence jsonb default '{}'
) returns jsonb language plpgsql as $$
#variable_conflict use_column
declare
  experiment glow.learning_experiments;
  begins timestamptz;
  drawn text;
begin
  perform pg_advisory_xact_lock(hashtextextended('experiment look ' || restart_experiment.experiment_id, 0));
  experiment := glow.locked_experiment(restart_experiment.experiment_id);
  if experiment.design = 'ramp' or (glow.locked_rollout(experiment.experiment_id)).experiment_id is not null then
    perform glow.refuse_move('experiment_id', experiment.experiment_id, 'is being rolled out or was',
      'a test; roll_back ends a rollout, and a mended version is a new one');
  elsif not experiment.active then
    perform glow.refuse_move('experiment_id', experiment.experiment_id, format('has ended (%s)', experiment.state),
      'a test that is running, paused or held; create_experiment asks for a new one');
  end if;
  restart_experiment.treatment_ppm := coalesce(restart_experiment.treatment_ppm, experiment.treatment_ppm);
  restart_experiment.enroll_ppm := coalesce(restart_experiment.enroll_ppm, experiment.enroll_ppm);
  if restart_experiment.treatment_ppm not between 1 and 999999 then
    perform glow.refuse_move('treatment_ppm', restart_experiment.treatment_ppm::text, 'is not accepted', 'a share in parts per million, from 1 to 999999', 'PT422');
  elsif restart_experiment.enroll_ppm not between 1 and 1000000 then
    perform glow.refuse_move('enroll_ppm', restart_experiment.enroll_ppm::text, 'is not accepted', 'a share in parts per million, from 1 to 1000000', 'PT422');
  end if;
  begins := clock_timestamp();
  drawn := experiment.experiment_id || '#' || experiment.phase + 1;
  update glow.learning_experiments x
     set phase = x.phase + 1, salt = drawn, state = 'running', decision = null, reason = restart_experiment.reason, restarted_at = begins,
         treatment_ppm = restart_experiment.treatment_ppm, control_ppm = 1000000 - restart_experiment.treatment_ppm,
         enroll_ppm = restart_experiment.enroll_ppm,
         planned_end = begins + (x.plan ->> 'planned_days')::double precision * interval '1 day',
         plan = x.plan || jsonb_build_object('salt', drawn, 'treatment_ppm', restart_experiment.treatment_ppm,
                                             'enrolled_ppm', restart_experiment.enroll_ppm)
   where x.experiment_id = experiment.experiment_id;
  -- What the looks of the old phase were made by, so that they can be made again.
  return glow.note_move(experiment.experiment_id, 'experiment_restarted', moved_by, restart_experiment.reason,
    coalesce(evidence, '{}') || jsonb_build_object('was', experiment.state, 'phase', experiment.phase, 'salt', experiment.salt,
      'treatment_ppm', experiment.treatment_ppm, 'enroll_ppm', experiment.enroll_ppm, 'begun_at', experiment.begun_at),
    format('The experiment %s of %s begins anew: everybody is drawn again', experiment.experiment_id, experiment.agent));
end $$;
comment on function glow.restart_experiment is
  'Begins a test anew as another phase: everybody is drawn again, by other shares where given, its days count from now, and the '
  'metrics stay. What earlier phases exposed and saw stays as it is.';

create function glow.version_used(agent text, kind text) returns text
  language sql stable as $$
  select case version_used.kind
    when 'prompt' then (select a.prompt_version from glow.prompt_aliases a where a.agent = version_used.agent and a.alias = 'production')
    when 'retrieval' then (select a.configuration from glow.retrieval_aliases a where a.agent = version_used.agent and a.alias = 'production')
    else (select c.version from glow.agent_configs c
           where c.agent = version_used.agent and c.kind = version_used.kind and c.alias = 'production') end
$$;
comment on function glow.version_used is 'As glow.in_force, for those who only look: not held until commit.';

create function glow.config_version(config jsonb) returns text
  language sql stable strict
  return encode(sha256(convert_to(config::text, 'UTF8')), 'hex');
comment on function glow.config_version is 'The name of settings: the hash of their JSON as the database writes it.';

create function glow.rolled_back_before(agent text, kind text, version text) returns text
  language sql stable as $$
  select x.experiment_id from glow.learning_experiments x join glow.rollouts r using (experiment_id)
   where x.agent = rolled_back_before.agent and x.kind = rolled_back_before.kind and x.treatment = rolled_back_before.version
     and r.state = 'rolled_back' order by r.ended_at desc limit 1
$$;
comment on function glow.rolled_back_before is 'The experiment whose rollout of this version was rolled back, or null.';
