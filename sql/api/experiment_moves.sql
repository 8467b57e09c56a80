-- Ending, pausing, extending and restarting an experiment. What a move does and locks is in migrations 0021 and 0024.

create function glow_api.stop_experiment(experiment_id text, reason text) returns jsonb
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  caller glow_api.caller := glow_api.enter();
begin
  perform glow_api.own_experiment(experiment_id, caller);
  return glow.stop_experiment(experiment_id, 'keep', glow_api.mover(caller), glow_api.require_reason(reason));
end $$;
comment on function glow_api.stop_experiment is
  'Ends an experiment and keeps what is in force: everybody gets it, at once for whoever resolves next. One that is being '
  'rolled out is ended by roll_back.';

create function glow_api.abandon_experiment(experiment_id text, reason text) returns jsonb
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  caller glow_api.caller := glow_api.enter();
begin
  perform glow_api.own_experiment(experiment_id, caller);
  return glow.stop_experiment(experiment_id, 'abandoned', glow_api.mover(caller), glow_api.require_reason(reason));
end $$;
comment on function glow_api.abandon_experiment is 'Ends an experiment that went wrong: as stop_experiment, and its numbers count as no result.';

create function glow_api.pause_experiment(experiment_id text, reason text) returns jsonb
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  caller glow_api.caller := glow_api.enter();
begin
  perform glow_api.own_experiment(experiment_id, caller);
  return glow.pause_experiment(experiment_id, glow_api.mover(caller), glow_api.require_reason(reason));
end $$;
comment on function glow_api.pause_experiment is 'Nobody new enters an experiment; who is in keeps the arm.';

create function glow_api.resume_experiment(experiment_id text, reason text) returns jsonb
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  caller glow_api.caller := glow_api.enter();
begin
  perform glow_api.own_experiment(experiment_id, caller);
  return glow.resume_experiment(experiment_id, glow_api.mover(caller), glow_api.require_reason(reason));
end $$;
comment on function glow_api.resume_experiment is 'New units enter a paused experiment again. One that is held cannot go on but by restart_experiment.';

create function glow_api.extend_experiment(experiment_id text, reason text, until_day integer default null) returns jsonb
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  caller glow_api.caller := glow_api.enter();
begin
  perform glow_api.own_experiment(experiment_id, caller);
  return glow.extend_experiment(experiment_id, until_day, glow_api.mover(caller), glow_api.require_reason(reason));
end $$;
comment on function glow_api.extend_experiment is
  'Lets an experiment run to a day counted from its start (without one: the planned days once more), up to the maximum that '
  'its plan bought in advance.';

create function glow_api.restart_experiment(
  experiment_id text, reason text, treatment_ppm integer default null, enroll_ppm integer default null
) returns jsonb language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  caller glow_api.caller := glow_api.enter();
begin
  perform glow_api.own_experiment(experiment_id, caller);
  return glow.restart_experiment(experiment_id, treatment_ppm, enroll_ppm, glow_api.mover(caller), glow_api.require_reason(reason));
end $$;
comment on function glow_api.restart_experiment is
  'Begins a test anew, whether it runs, is paused or held: everybody is drawn again (by other shares where given), and its days '
  'count from now. What was seen before stays in the history and counts no more.';
