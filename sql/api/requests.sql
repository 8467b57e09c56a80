-- Asking the pipeline for something now. The answer comes later: request_status tells.

create function glow_api.open_request(kind text, agent text, parameters jsonb, reason text) returns jsonb
  language plpgsql as $$
#variable_conflict use_column
declare
  caller glow_api.caller := glow_api.require_caller(null, agent);
  asked glow.requests;
begin
  if not glow_api.is_mine(agent, caller) then
    perform glow_api.refuse('PT403', 'agent', agent, 'an agent of this login''s own tenant');
  elsif length(reason) > 2000 then
    perform glow_api.refuse('PT413', 'reason', length(reason) || ' characters', 'at most 2000 characters');
  end if;
  -- Twice where the open one ended just before it was looked at.
  while asked.request_id is null loop
    insert into glow.requests as r (kind, agent, parameters, reason, requested_by)
    values (open_request.kind, open_request.agent, jsonb_strip_nulls(open_request.parameters),
            coalesce(open_request.reason, ''), coalesce(caller.person, session_user))
    on conflict (kind, agent) where state in ('queued', 'started') do nothing
    returning r.* into asked;
    if asked.request_id is null then
      select r.* into asked from glow.requests r
       where r.kind = open_request.kind and r.agent = open_request.agent and r.state in ('queued', 'started');
    end if;
  end loop;
  if asked.parameters <> jsonb_strip_nulls(open_request.parameters) then
    perform glow_api.refuse('PT409', 'request', asked.parameters::text,
      'the same as request ' || asked.request_id || ', which is open for this agent; cancel that one or wait for it');
  end if;
  return jsonb_build_object('request_id', asked.request_id, 'status', asked.state, 'requested_by', asked.requested_by,
                            'parameters', asked.parameters);
end $$;
comment on function glow_api.open_request is 'Writes a request, or answers the one that is already open for this agent.';

create function glow_api.request_prompt_optimization(agent text, goals jsonb default null, reason text default '')
  returns jsonb language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  -- The same list is in learning/prompts/goals.
  goals := nullif(goals, 'null');
  if not (case jsonb_typeof(goals)
            when 'array' then goals <> '[]' and glow_api.is_texts(goals) and goals - '{accuracy,clarity,brevity,cost,latency,format}'::text[] = '[]'
            else goals is null end) then
    perform glow_api.refuse('PT422', 'goals', left(goals::text, 80), 'an array of some of accuracy, clarity, brevity, cost, latency, format');
  end if;
  return glow_api.open_request('prompt_optimization', agent, jsonb_build_object('goals', goals), reason);
end $$;
comment on function glow_api.request_prompt_optimization is
  'Asks for a better prompt for an agent now, without waiting for the night. goals choose what is proposed and what must not '
  'get worse. Answers the open request if there is one.';

-- What no foreign key can say. The same is read by learning/datasets/rules.
create function glow_api.dataset_rule_problem(agent text, rule jsonb, caller glow_api.caller) returns glow_api.problem
  language plpgsql stable as $$
declare
  other text;
begin
  if jsonb_typeof(rule) <> 'object' then
    return row('PT422', 'rule', left(rule::text, 80), 'an object such as {"domain": "travel", "minimum_quality": 0.8}')::glow_api.problem;
  end if;
  select k into other from jsonb_object_keys(rule) k
   where k not in ('agents', 'kind', 'domain', 'since', 'until', 'minimum_quality', 'sources', 'languages', 'least') limit 1;
  if other is not null then
    return row('PT422', 'rule.' || left(other, 40), left(rule ->> other, 80),
      'one of agents, kind, domain, since, until, minimum_quality, sources, languages, least')::glow_api.problem;
  end if;
  rule := jsonb_strip_nulls(rule);
  if rule ? 'kind' and coalesce(rule ->> 'kind', '') not in ('sft', 'preference', 'evaluation', 'retrieval') then
    return row('PT422', 'rule.kind', left(rule ->> 'kind', 80), 'sft, preference, evaluation or retrieval')::glow_api.problem;
  elsif rule ? 'domain' and (jsonb_typeof(rule -> 'domain') <> 'string' or length(rule ->> 'domain') not between 1 and 200) then
    return row('PT422', 'rule.domain', left(rule ->> 'domain', 80), 'a text of 1 to 200 characters')::glow_api.problem;
  elsif rule ? 'minimum_quality' and not glow_api.is_number(rule -> 'minimum_quality', 0, 1) then
    return row('PT422', 'rule.minimum_quality', left(rule ->> 'minimum_quality', 80), 'a number from 0 to 1')::glow_api.problem;
  elsif rule ? 'least' and not glow_api.is_whole(rule -> 'least', 0, 2147483647) then
    return row('PT422', 'rule.least', left(rule ->> 'least', 80), 'a whole number from 0')::glow_api.problem;
  end if;
  foreach other in array '{agents,sources,languages}'::text[] loop
    if rule ? other and not (case when jsonb_typeof(rule -> other) = 'array'
         then glow_api.is_texts(rule -> other) and jsonb_array_length(rule -> other) between 1 and 100 else false end) then
      return row('PT422', 'rule.' || other, left(rule ->> other, 80), 'an array of 1 to 100 texts')::glow_api.problem;
    end if;
  end loop;
  select s into other from jsonb_array_elements_text(coalesce(rule -> 'sources', '[]')) s
   where s not in ('annotation', 'correction', 'demonstration', 'vote') limit 1;
  if other is not null then
    return row('PT422', 'rule.sources', left(other, 80), 'annotation, correction, demonstration or vote')::glow_api.problem;
  end if;
  select l into other from jsonb_array_elements_text(coalesce(rule -> 'languages', '[]')) l
   where length(l) not between 1 and 200 limit 1;
  if other is not null then
    return row('PT422', 'rule.languages', left(other, 80), 'texts of 1 to 200 characters')::glow_api.problem;
  end if;
  -- An agent of another tenant does not exist for this login.
  select a into other from jsonb_array_elements_text(coalesce(rule -> 'agents', '[]')) a
   where not exists (select from glow.agents k where k.agent = a) or not glow_api.is_mine(a, caller) limit 1;
  if other is not null then
    return row('PT404', 'rule.agents', left(other, 80), 'names of registered agents; see register_agent')::glow_api.problem;
  end if;
  foreach other in array '{since,until}'::text[] loop
    if rule ? other and not glow_api.fits(rule -> other, 'instant') then
      return row('PT422', 'rule.' || other, left(rule ->> other, 80), 'an instant such as 2026-11-22T14:00:00Z')::glow_api.problem;
    elsif rule ? other and not isfinite((rule ->> other)::timestamptz) then
      return row('PT422', 'rule.' || other, left(rule ->> other, 80), 'an instant such as 2026-11-22T14:00:00Z')::glow_api.problem;
    end if;
  end loop;
  if rule ? 'since' and rule ? 'until' and (rule ->> 'since')::timestamptz >= (rule ->> 'until')::timestamptz then
    return row('PT422', 'rule.until', left(rule ->> 'until', 80), 'an instant after since')::glow_api.problem;
  end if;
  return null;
end $$;
comment on function glow_api.dataset_rule_problem is 'What is wrong with the rule of a dataset, or null.';

create function glow_api.request_dataset(agent text, kind text default 'sft', reason text default '', rule jsonb default null)
  returns jsonb language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  caller glow_api.caller := glow_api.require_caller(null, agent);
  problem glow_api.problem;
begin
  if kind is null or kind not in ('sft', 'preference', 'evaluation', 'retrieval') then
    perform glow_api.refuse('PT422', 'kind', kind, 'sft, preference, evaluation or retrieval');
  end if;
  if rule is not null then
    problem := glow_api.dataset_rule_problem(agent, rule, caller);
    if problem.code is null and rule ->> 'kind' <> kind and kind <> 'sft' then
      problem := row('PT422', 'kind', kind, rule ->> 'kind' || ', the kind of the rule, or none');
    end if;
    if problem.code is not null then perform glow_api.refuse(problem); end if;
    kind := coalesce(rule ->> 'kind', kind);
    -- Written as our own reader takes them, whatever the spelling.
    select coalesce(nullif(jsonb_object_agg(e.key, case when e.key in ('since', 'until')
             then to_jsonb(to_char((rule ->> e.key)::timestamptz at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"'))
             else e.value end), '{}'), null)
      into rule from jsonb_each(jsonb_strip_nulls(rule) - 'kind') e;
  end if;
  return glow_api.open_request('dataset', agent, jsonb_build_object('kind', kind, 'rule', rule), reason);
end $$;
comment on function glow_api.request_dataset is
  'Asks for a new dataset version of an agent now: of all its approved examples, or by a rule with any of agents (whose '
  'examples), kind, domain, since and until (when the example was first learned), minimum_quality, sources, languages, '
  'least (rows it must have).';

create function glow_api.request_training_run(agent text, base_model text default null, reason text default '') returns jsonb
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  problem glow_api.problem := glow_api.id_problem('{base_model}', array[base_model], 0);
begin
  if problem.code is not null then perform glow_api.refuse(problem); end if;
  return glow_api.open_request('training_run', agent, jsonb_build_object('base_model', base_model), reason);
end $$;
comment on function glow_api.request_training_run is
  'Asks for a training run of an agent; what it may cost and whether it is submitted is decided by the settings.';

create function glow_api.request_status(request_id bigint) returns jsonb
  language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare
  caller glow_api.caller := glow_api.enter();
  asked jsonb;
begin
  select to_jsonb(r) into asked from glow.requests r 
   where r.request_id = request_status.request_id and glow_api.is_mine(r.agent, caller);
  if asked is null then
    perform glow_api.refuse('PT404', 'request_id', request_id::text, 'the id a request_ function answered');
  end if;
  return asked;
end $$;
comment on function glow_api.request_status is 'How a request goes: its state, its run, and what came of it.';

create function glow_api.cancel_request(request_id bigint, reason text default '') returns jsonb
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  caller glow_api.caller := glow_api.enter();
begin
  perform glow_api.request_status(request_id);
  update glow.requests r
     set state = 'cancelled', finished_at = clock_timestamp(),
         outcome = jsonb_build_object('cancelled_by', coalesce(caller.person, session_user), 'reason', left(cancel_request.reason, 2000))
   where r.request_id = cancel_request.request_id and r.state = 'queued' and glow_api.is_mine(r.agent, caller);
  if not found then
    perform glow_api.refuse('PT409', 'request_id', request_id::text, 'a request that is still queued; a run is ended in Dagster');
  end if;
  return glow_api.request_status(request_id);
end $$;
comment on function glow_api.cancel_request is 'Takes back a request that no run has taken up.';
