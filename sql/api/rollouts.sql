-- Gradual rollouts. What a move does and locks is in migrations 0021 and 0025.

create function glow_api.start_rollout(
  agent text, kind text, version text default null, reason text default '', config jsonb default null, unit text default 'user',
  control text default null, control_config jsonb default null, approval boolean default false
) returns jsonb language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  problem glow_api.problem;
  other text;
begin
  perform glow_api.enter();
  perform glow_api.require_own_agent(agent);
  perform glow_api.require_reason(reason);
  if kind is null or kind not in ('prompt', 'model', 'retrieval', 'config') then
    perform glow_api.refuse('PT422', 'kind', kind, 'prompt, model, retrieval or config');
  elsif config is not null and kind <> 'config' then
    perform glow_api.refuse('PT422', 'config', left(config::text, 80), 'none: only a rollout of kind config takes settings');
  elsif version is not null and kind = 'config' then
    perform glow_api.refuse('PT422', 'version', version, 'none: a rollout of kind config takes its settings in config');
  elsif control is not null and kind = 'config' then
    perform glow_api.refuse('PT422', 'control', control, 'none: a rollout of kind config takes its settings in control_config');
  elsif control_config is not null and kind <> 'config' then
    perform glow_api.refuse('PT422', 'control_config', left(control_config::text, 80), 'none: only a rollout of kind config takes settings');
  elsif unit is null or unit not in ('user', 'org', 'session', 'execution') then
    perform glow_api.refuse('PT422', 'unit', unit, 'user, org, session or execution');
  end if;
  problem := glow_api.change_problem(agent, kind, version, config, control, control_config, 'version');
  if problem.code is not null then perform glow_api.refuse(problem); end if;
  other := glow_api.in_the_way(agent, kind, kind, 0, 1000000, unit);
  if other is not null then
    perform glow_api.refuse('PT409', 'agent', agent, format('an agent of which nothing else of kind %s is tried or rolled out; %s is', kind, other));
  end if;
  return glow_api.open_request('experiment', agent, jsonb_build_object(
    'kind', kind, 'design', 'ramp', 'prompt_version', case kind when 'prompt' then version end, 'treatment', version, 'config', config,
    'control', control, 'control_config', control_config, 'unit', unit, 'layer', kind, 'approval', nullif(approval, false)), reason);
end $$;
comment on function glow_api.start_rollout is
  'Asks for a gradual rollout of a version without a test before it: from 5 % of units to all, watched hourly and taken back '
  'by itself when it does harm. Begun by a run. approval: a person lets each stage begin. Refused for a version that was '
  'rolled back once.';

create function glow_api.rollouts(agent text default null, most integer default 100)
  returns table (experiment_id text, agent_name text, kind text, treatment text, state text, stage integer, stages integer,
                 treatment_ppm integer, awaiting_stage integer, approved_stage integer, opened_at timestamptz,
                 stage_started_at timestamptz, ended_at timestamptz, revision integer, reason text, plan jsonb)
  language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare
  caller glow_api.caller := glow_api.enter();
begin
  if agent is not null then perform glow_api.require_own_agent(agent); end if;
  perform glow_api.require_most(most);
  return query
  select r.experiment_id, x.agent::text, x.kind, x.treatment, r.state, r.stage, jsonb_array_length(r.plan -> 'stages'), x.treatment_ppm,
         r.awaiting_stage, nullif(r.approved_stage, -1), r.opened_at, r.stage_started_at, r.ended_at, r.revision, r.reason, r.plan
    from glow.rollouts r join glow.learning_experiments x using (experiment_id)
   where (rollouts.agent is null or x.agent = rollouts.agent) and glow_api.is_mine(x.agent, caller)
   order by r.opened_at desc, r.experiment_id limit most;
end $$;
comment on function glow_api.rollouts is
  'Gradual rollouts of an agent or of all, the newest first: the stage (counted from 0) and the share that has the treatment, '
  'and the stage that waits for approval.';

create function glow_api.rollout_history(experiment_id text, most integer default 100)
  returns table (move_id bigint, move text, state text, rollout text, stage integer, phase integer, treatment_ppm integer,
                 control_ppm integer, revision integer, moved_by text, reason text, evidence jsonb, moved_at timestamptz)
  language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform glow_api.own_experiment(experiment_id, glow_api.enter());
  perform glow_api.require_most(most);
  return query
  select m.move_id, m.move, m.state, m.rollout, m.stage, m.phase, m.treatment_ppm, m.control_ppm, m.revision, m.moved_by, m.reason,
         m.evidence, m.moved_at
    from glow.rollout_moves m where m.experiment_id = rollout_history.experiment_id
   order by m.move_id desc limit most;
end $$;
comment on function glow_api.rollout_history is
  'Every move of an experiment and its rollout, the newest first: who, why, on what evidence, and the shares afterwards.';

create function glow_api.approve_rollout(experiment_id text, reason text, stage integer default null) returns jsonb
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  caller glow_api.caller := glow_api.enter();
begin
  perform glow_api.own_experiment(experiment_id, caller);
  return glow.approve_rollout(experiment_id, stage, glow_api.mover(caller), glow_api.require_reason(reason));
end $$;
comment on function glow_api.approve_rollout is
  'Lets the stage begin that waits for approval; stage (counted from 0) names one ahead: the next that will ask, or the next '
  'one, which then need not wait for its number of units. Said twice it lets no other begin.';

create function glow_api.pause_rollout(experiment_id text, reason text) returns jsonb
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  caller glow_api.caller := glow_api.enter();
begin
  perform glow_api.own_experiment(experiment_id, caller);
  return glow.pause_rollout(experiment_id, glow_api.mover(caller), glow_api.require_reason(reason));
end $$;
comment on function glow_api.pause_rollout is 'Nobody new enters a rollout; who is in stays.';

create function glow_api.resume_rollout(experiment_id text, reason text) returns jsonb
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  caller glow_api.caller := glow_api.enter();
begin
  perform glow_api.own_experiment(experiment_id, caller);
  return glow.resume_rollout(experiment_id, glow_api.mover(caller), glow_api.require_reason(reason));
end $$;
comment on function glow_api.resume_rollout is 'Goes on with a paused rollout at the stage it was in; the pause does not count as time of the stage.';

create function glow_api.roll_back(experiment_id text, reason text) returns jsonb
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  caller glow_api.caller := glow_api.enter();
begin
  perform glow_api.own_experiment(experiment_id, caller);
  return glow.roll_back(experiment_id, glow_api.mover(caller), glow_api.require_reason(reason), '{}', 'abandoned');
end $$;
comment on function glow_api.roll_back is
  'Takes a rollout back, also one that is completed while its version is in force: in one call, what was in force before is '
  'in force, at once for whoever resolves next. A second call changes nothing. The version is not rolled out again: a mended '
  'one is a new version.';
