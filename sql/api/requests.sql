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
  if not glow_api.is_texts(goals) then
    perform glow_api.refuse('PT422', 'goals', left(goals::text, 80), 'an array of texts, such as ["accuracy", "brevity"]');
  end if;
  return glow_api.open_request('prompt_optimization', agent, jsonb_build_object('goals', goals), reason);
end $$;
comment on function glow_api.request_prompt_optimization is
  'Asks for a better prompt for an agent now, without waiting for the night. Answers the open request if there is one.';

create function glow_api.request_dataset(agent text, kind text default 'sft', reason text default '') returns jsonb
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  if kind is null or kind not in ('sft', 'preference', 'evaluation') then
    perform glow_api.refuse('PT422', 'kind', kind, 'sft, preference or evaluation');
  end if;
  return glow_api.open_request('dataset', agent, jsonb_build_object('kind', kind), reason);
end $$;
comment on function glow_api.request_dataset is 'Asks for a new dataset version of an agent now.';

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
