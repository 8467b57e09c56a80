-- Experiments: asking for one, seeing how it goes. Moving one is in experiment_moves.

create function glow_api.own_experiment(experiment_id text, caller glow_api.caller) returns glow.learning_experiments
  language plpgsql stable as $$
declare
  experiment glow.learning_experiments;
  problem glow_api.problem := glow_api.id_problem('{experiment_id}', array[experiment_id], 1);
begin
  if problem.code is not null then perform glow_api.refuse(problem); end if;
  select x.* into experiment from glow.learning_experiments x
   where x.experiment_id = own_experiment.experiment_id and glow_api.is_mine(x.agent, caller);
  if not found then
    perform glow_api.refuse('PT404', 'experiment_id', experiment_id, 'an experiment_id that experiments answers for an agent of this login');
  end if;
  return experiment;
end $$;
comment on function glow_api.own_experiment is 'An experiment of an agent that is the login''s own; another tenant''s does not exist.';

create function glow_api.require_reason(reason text) returns text
  language plpgsql immutable as $$
begin
  if reason is null or btrim(reason) = '' then
    perform glow_api.refuse('PT422', 'reason', reason, 'a text that says why: it is kept');
  elsif length(reason) > 2000 then
    perform glow_api.refuse('PT413', 'reason', length(reason) || ' characters', 'at most 2000 characters');
  end if;
  return reason;
end $$;
comment on function glow_api.require_reason is 'A reason that says something.';

create function glow_api.mover(caller glow_api.caller) returns text
  language sql stable
  return coalesce(caller.person, session_user::text);
comment on function glow_api.mover is 'Who is written down for a move.';

create function glow_api.require_most(most integer) returns void
  language plpgsql immutable as $$
begin
  if most is null or most not between 1 and 10000 then
    perform glow_api.refuse('PT422', 'most', most::text, 'a number of rows from 1 to 10000');
  end if;
end $$;
comment on function glow_api.require_most is 'Refuses a number of rows out of bounds.';

-- Of prompts and retrieval configurations what is registered; a model is a name, and settings are named by their hash.
create function glow_api.version_problem(agent text, kind text, field text, version text, config jsonb) returns glow_api.problem
  language plpgsql stable as $$
declare
  problem glow_api.problem;
begin
  if kind = 'config' then
    if coalesce(jsonb_typeof(config), 'null') <> 'object' or not glow_api.is_shallow(config) then
      return row('PT422', case field when 'control' then 'control_config' else 'config' end, left(config::text, 80),
        'an object with the settings, nested at most 32 deep')::glow_api.problem;
    elsif octet_length(config::text) > 100000 then
      return row('PT413', case field when 'control' then 'control_config' else 'config' end, octet_length(config::text) || ' bytes', 'at most 100000 bytes')::glow_api.problem;
    end if;
    return null;
  end if;
  problem := glow_api.id_problem(array[field], array[version], 1);
  if problem.code is not null then return problem; end if;
  if kind = 'prompt' and not exists (
    select from glow.prompt_versions p
     where p.agent = version_problem.agent and p.prompt_version = version_problem.version and p.erased_at is null) then
    return row('PT404', field, version, 'a version of this agent''s prompt; see prompts')::glow_api.problem;
  elsif kind = 'retrieval' and not exists (
    select from glow.retrieval_configurations c
     where c.agent = version_problem.agent and c.configuration = version_problem.version) then
    return row('PT404', field, version, 'a retrieval configuration of this agent')::glow_api.problem;
  end if;
  return null;
end $$;
comment on function glow_api.version_problem is 'What is wrong with the version of an arm, or null.';

create function glow_api.change_problem(
  agent text, kind text, treatment text, config jsonb, control text, control_config jsonb, field text
) returns glow_api.problem language plpgsql stable as $$
declare
  problem glow_api.problem := glow_api.version_problem(agent, kind, field, treatment, config);
  used text := glow.version_used(agent, kind);
  before text;
begin
  if problem.code is not null then return problem; end if;
  treatment := case kind when 'config' then glow.config_version(config) else treatment end;
  if treatment = coalesce(used, case kind when 'config' then glow.config_version(control_config) else control end) then
    return row('PT409', field, treatment, 'a version other than the one in production')::glow_api.problem;
  elsif used is null and kind in ('prompt', 'retrieval') then
    return row('PT409', 'kind', kind, format('a kind of which %s has something in production', agent))::glow_api.problem;
  elsif used is not null and num_nonnulls(control, control_config) > 0 then
    return row('PT422', 'control', coalesce(control, left(control_config::text, 80)), 'none: the control is what is in production, ' || used)::glow_api.problem;
  elsif used is null then
    problem := glow_api.version_problem(agent, kind, 'control', control, control_config);
    if problem.code is not null then return problem; end if;
  end if;
  before := glow.rolled_back_before(agent, kind, treatment);
  if before is not null then
    return row('PT409', field, treatment, format('a version that was never rolled back (this one was, in %s): mend it and register it as a new one', before))::glow_api.problem;
  end if;
  return null;
end $$;
comment on function glow_api.change_problem is 'What is wrong with trying or rolling out a version, or null.';

create function glow_api.in_the_way(agent text, kind text, layer text, slot_from integer, slot_to integer, unit text) returns text
  language sql stable as $$
  select x.experiment_id from glow.learning_experiments x
   where x.agent = in_the_way.agent and x.active
     and (x.kind = in_the_way.kind and x.layer <> in_the_way.layer
       or x.layer = in_the_way.layer and (x.slot_from < in_the_way.slot_to and in_the_way.slot_from < x.slot_to or x.unit <> in_the_way.unit))
   order by x.experiment_id limit 1
$$;
comment on function glow_api.in_the_way is 'The experiment whose units another one would take, or null: the rule of glow.check_experiment.';

create function glow_api.create_experiment(
  agent text, prompt_version text default null, hypothesis text default '', effect double precision default 0.05, reason text default '',
  kind text default 'prompt', treatment text default null, config jsonb default null, unit text default 'user', layer text default null,
  slot_from integer default 0, slot_to integer default 1000000, objective text default 'superiority', treatment_ppm integer default 500000,
  enroll_ppm integer default 1000000, control text default null, control_config jsonb default null,
  metric text default 'thumbs_up_rate', days integer default 7, score_key text default null, cuped boolean default false,
  hash text default 'pg1', approval boolean default false
) returns jsonb language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  field text := case when prompt_version is not null or kind = 'prompt' and treatment is null then 'prompt_version' else 'treatment' end;
  problem glow_api.problem;
  other text;
  warnings jsonb := '[]';
begin
  perform glow_api.enter();
  perform glow_api.require_own_agent(agent);
  -- A score may count in what it likes.
  if effect is null or not (effect between 0.001 and case metric when 'score' then 1000000 else 0.5 end) then
    perform glow_api.refuse('PT422', 'effect', effect::text, 'the smallest difference worth finding, from 0.001 to 0.5 (0.05: five points); of a score to 1000000');
  elsif length(hypothesis) > 2000 then
    perform glow_api.refuse('PT413', 'hypothesis', length(hypothesis) || ' characters', 'at most 2000 characters');
  elsif kind is null or kind not in ('prompt', 'model', 'retrieval', 'config') then
    perform glow_api.refuse('PT422', 'kind', kind, 'prompt, model, retrieval or config');
  elsif prompt_version is not null and kind <> 'prompt' then
    perform glow_api.refuse('PT422', 'prompt_version', prompt_version, 'none: what a ' || kind || ' experiment tries stands in treatment or config');
  elsif prompt_version <> treatment then
    perform glow_api.refuse('PT422', 'treatment', treatment, 'prompt_version or treatment, not two different versions');
  elsif config is not null and kind <> 'config' then
    perform glow_api.refuse('PT422', 'config', left(config::text, 80), 'none: only an experiment of kind config takes settings');
  elsif treatment is not null and kind = 'config' then
    perform glow_api.refuse('PT422', 'treatment', treatment, 'none: an experiment of kind config takes its settings in config');
  elsif control is not null and kind = 'config' then
    perform glow_api.refuse('PT422', 'control', control, 'none: an experiment of kind config takes its settings in control_config');
  elsif control_config is not null and kind <> 'config' then
    perform glow_api.refuse('PT422', 'control_config', left(control_config::text, 80), 'none: only an experiment of kind config takes settings');
  elsif unit is null or unit not in ('user', 'org', 'session', 'execution') then
    perform glow_api.refuse('PT422', 'unit', unit, 'user, org, session or execution; finer than user only where an answer does not rest on earlier ones');
  elsif layer !~ '^[a-z0-9][a-z0-9_.-]{0,62}$' then
    perform glow_api.refuse('PT422', 'layer', layer, 'a name of 1 to 63 of a-z 0-9 _ . - that begins with a letter or digit');
  elsif slot_from is null or slot_from not between 0 and 999999 then
    perform glow_api.refuse('PT422', 'slot_from', slot_from::text, 'a slot from 0 to 999999');
  elsif slot_to is null or slot_to not between slot_from + 1 and 1000000 then
    perform glow_api.refuse('PT422', 'slot_to', slot_to::text, 'a slot above slot_from, up to 1000000');
  elsif objective is null or objective not in ('superiority', 'non_inferiority') then
    perform glow_api.refuse('PT422', 'objective', objective, 'superiority or non_inferiority');
  elsif metric is null or metric not in ('thumbs_up_rate', 'mean_rating', 'low_rating_rate', 'correction_rate', 'latency_slo', 'latency_mean',
                                         'cost_mean', 'feedback_rate', 'net_score', 'score') then
    perform glow_api.refuse('PT422', 'metric', metric, 'thumbs_up_rate, mean_rating, low_rating_rate, correction_rate, latency_slo, '
      'latency_mean, cost_mean, feedback_rate, net_score or score');
  elsif (metric = 'score') <> (score_key is not null) then
    perform glow_api.refuse('PT422', 'score_key', score_key, case metric when 'score'
      then 'the name of the score in the metadata of executions' else 'none: only metric score reads a score' end);
  elsif score_key is not null and (score_key = '' or length(score_key) > 200 or score_key ~ '[[:cntrl:]]') then
    perform glow_api.refuse('PT422', 'score_key', left(score_key, 80), 'a name of 1 to 200 characters without control characters');
  elsif cuped is null then
    perform glow_api.refuse('PT422', 'cuped', cuped::text, 'true or false');
  elsif hash is null or hash not in ('pg1', 'gb2') then
    perform glow_api.refuse('PT422', 'hash', hash, 'pg1, or gb2: the hash of GrowthBook''s SDKs');
  elsif approval is null then
    perform glow_api.refuse('PT422', 'approval', approval::text, 'true or false');
  elsif days is null or days not between 7 and 28 then
    perform glow_api.refuse('PT422', 'days', days::text, 'a number of days from 7 to 28: whole weeks look alike');
  elsif treatment_ppm is null or treatment_ppm not between 1 and 999999 then
    perform glow_api.refuse('PT422', 'treatment_ppm', treatment_ppm::text, 'a share in parts per million, from 1 to 999999');
  elsif enroll_ppm is null or enroll_ppm not between 1 and 1000000 then
    perform glow_api.refuse('PT422', 'enroll_ppm', enroll_ppm::text, 'a share in parts per million, from 1 to 1000000');
  end if;
  treatment := coalesce(prompt_version, treatment);
  -- What decides such a test is whether cost falls.
  if objective = 'non_inferiority' and (metric = 'cost_mean' or 2 > (
    select count(*) from (select distinct e.cost_usd from glow.executions e
       where e.agent = create_experiment.agent and e.user_id is not null and e.cost_usd is not null
         and e.recorded_at between clock_timestamp() - interval '28 days' and clock_timestamp() - interval '1 day' limit 2) c)) then
    perform glow_api.refuse('PT409', 'objective', objective, case metric when 'cost_mean'
      then 'superiority in cost_mean, or non_inferiority in another metric: it asks whether cost falls while that metric holds'
      else 'superiority, or executions of the last 28 days (at least a day old) that carry cost_usd: non_inferiority asks whether cost falls' end);
  end if;
  problem := glow_api.change_problem(agent, kind, treatment, config, control, control_config, field);
  if problem.code is not null then perform glow_api.refuse(problem); end if;
  other := glow_api.in_the_way(agent, kind, coalesce(layer, kind), slot_from, slot_to, unit);
  if other is not null then
    perform glow_api.refuse('PT409', 'agent', agent, format('units that %s leaves free, which is running: other slots of its layer and its unit, or stop_experiment(%L) first', other, other));
  end if;
  if metric = 'thumbs_up_rate' then
    warnings := glow_api.plan_of(agent, effect, unit, days, enroll_ppm, treatment_ppm) -> 'warnings';
  end if;
  return glow_api.open_request('experiment', agent, jsonb_build_object(
    'kind', kind, 'design', 'ab', 'prompt_version', case kind when 'prompt' then treatment end, 'treatment', treatment, 'config', config,
    'control', control, 'control_config', control_config, 'hypothesis', nullif(hypothesis, ''), 'effect', effect, 'unit', unit,
    'layer', coalesce(layer, kind), 'slot_from', slot_from, 'slot_to', slot_to, 'objective', objective, 'treatment_ppm', treatment_ppm,
    'enroll_ppm', enroll_ppm, 'metric', metric, 'days', days, 'score_key', score_key, 'cuped', nullif(cuped, false),
    'hash', nullif(hash, 'pg1'), 'approval', nullif(approval, false)), reason) || jsonb_build_object('warnings', warnings);
end $$;
comment on function glow_api.create_experiment is
  'Asks for an experiment of a version against the one in production: planned from the agent''s own traffic for the effect '
  'that is worth finding, and started by a run. Without a gate, on the word of who asks. prompt_version or treatment: the '
  'version; config: the settings of kind config. control, control_config: what the app uses, where nothing of the kind is in '
  'production. metric: what decides (score: a number in the executions'' metadata, named by score_key); days: at least. '
  'cuped: take off what users said before. hash: gb2 draws as GrowthBook''s SDKs do. approval: after a win a person lets each '
  'stage of the rollout begin. warnings: why it may find nothing, of the share of thumbs up; of other '
  'metrics `glow experiment plan` tells.';

create function glow_api.experiments(agent text default null, most integer default 100)
  returns table (experiment_id text, agent_name text, kind text, design text, state text, decision text, reason text, hypothesis text,
                 control text, treatment text, unit text, layer text, slot_from integer, slot_to integer, phase integer,
                 treatment_ppm integer, enroll_ppm integer, day double precision, units integer[], said text, rollout text,
                 started_at timestamptz, begun_at timestamptz, planned_end timestamptz, stopped_at timestamptz, plan jsonb)
  language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare
  caller glow_api.caller := glow_api.enter();
begin
  if agent is not null then perform glow_api.require_own_agent(agent); end if;
  perform glow_api.require_most(most);
  return query
  select x.experiment_id, x.agent::text, x.kind, x.design, x.state, x.decision, x.reason, x.hypothesis, x.control, x.treatment, x.unit,
         x.layer, x.slot_from, x.slot_to, x.phase, x.treatment_ppm, x.enroll_ppm,
         extract(epoch from coalesce(x.stopped_at, clock_timestamp()) - x.begun_at)::double precision / 86400,
         array(select u::integer from jsonb_array_elements_text(case when jsonb_typeof(l.statistics -> 'units') = 'array' then l.statistics -> 'units' else '[]' end) u),
         l.reason, r.state, x.started_at, x.begun_at, x.planned_end, x.stopped_at, x.plan
    from glow.learning_experiments x
    left join glow.rollouts r on r.experiment_id = x.experiment_id
    left join lateral (select k.statistics, k.reason from glow.experiment_looks k
                        where k.experiment_id = x.experiment_id and (x.restarted_at is null or k.as_of >= x.restarted_at)
                        order by k.as_of desc, k.look_id desc limit 1) l on true
   where (experiments.agent is null or x.agent = experiments.agent) and glow_api.is_mine(x.agent, caller)
   order by x.started_at desc, x.experiment_id limit most;
end $$;
comment on function glow_api.experiments is
  'The experiments of an agent or of all, the newest first: what is tried against what, how far it is, units (control, '
  'treatment) at the last look and what that said, and the state of the rollout. day counts from begun_at: the start, or the '
  'last restart.';

create function glow_api.experiment_looks(experiment_id text, most integer default 100)
  returns table (look_id bigint, kind text, phase integer, as_of timestamptz, day double precision, decision text, reason text,
                 result jsonb, looked_at timestamptz)
  language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform glow_api.own_experiment(experiment_id, glow_api.enter());
  perform glow_api.require_most(most);
  return query
  select k.look_id, k.kind, k.phase, k.as_of, k.day, k.decision, k.reason, k.result, k.looked_at
    from glow.experiment_looks k where k.experiment_id = experiment_looks.experiment_id
   order by k.as_of desc, k.look_id desc limit most;
end $$;
comment on function glow_api.experiment_looks is
  'Every look at an experiment, the newest first: what was decided and why, and in result the differences with their '
  'intervals and boundaries. Looks are never changed.';

create function glow_api.experiment_decision(experiment_id text) returns jsonb
  language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare
  experiment glow.learning_experiments := glow_api.own_experiment(experiment_id, glow_api.enter());
  rollout glow.rollouts;
  looked glow.experiment_looks;
begin
  select r.* into rollout from glow.rollouts r where r.experiment_id = experiment.experiment_id;
  select k.* into looked from glow.experiment_looks k
   where k.experiment_id = experiment.experiment_id and (experiment.restarted_at is null or k.as_of >= experiment.restarted_at)
   order by k.as_of desc, k.look_id desc limit 1;
  return jsonb_strip_nulls(jsonb_build_object(
    'experiment_id', experiment.experiment_id, 'agent', experiment.agent, 'state', experiment.state, 'decision', experiment.decision,
    'rollout', rollout.state, 'look_id', looked.look_id, 'as_of', looked.as_of, 'day', looked.day,
    'sentence', concat_ws(' ', case experiment.state
      when 'running' then 'It is running.'
      when 'paused' then case rollout.state when 'pending' then 'It has won and waits for somebody to approve its rollout.'
                                            when 'paused' then 'Its rollout is paused: nobody new enters.' else 'It is paused: nobody new enters.' end
      when 'held' then 'Its numbers are not valid, so it cannot ship.'
      when 'ramping' then format('It is being rolled out: %s %% of users have the treatment.', experiment.treatment_ppm / 10000.0::double precision)
      when 'completed' then case rollout.state when 'rolled_back' then 'It was rolled out to everybody and taken back.' else 'It is in force for everybody.' end
      when 'rolled_back' then 'Its rollout was taken back: what was in force before stays.'
      else case experiment.decision when 'keep' then 'It has ended: what was in force stays.' when 'harm' then 'It was stopped because the treatment does harm.'
             when 'invalid' then 'It has ended without a result: its numbers were not valid.' else 'It was abandoned: it shows nothing.' end end,
      case when experiment.active then looked.reason else coalesce(nullif(experiment.reason, ''), looked.reason) end)));
end $$;
comment on function glow_api.experiment_decision is 'Where an experiment stands or what came of it, in a sentence, and by which look.';
