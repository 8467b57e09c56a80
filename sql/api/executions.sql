-- Executions.

create type glow_api.execution_call as (
  execution_id text, agent text, input text, output text, user_id text, conversation_id text, channel text,
  prompt_version text, model text, latency_ms integer, prompt_tokens integer, completion_tokens integer, cost_usd numeric,
  started_at timestamptz, metadata jsonb, tenant text, sent_at timestamptz);

create function glow_api.execution_problem(call glow_api.execution_call, caller glow_api.caller) returns glow_api.problem
  language plpgsql stable as $$
declare
  problem glow_api.problem := glow_api.caller_problem(call.tenant, caller.tenant, call.agent);
begin
  if problem.code is not null then return problem; end if;
  problem := glow_api.id_problem('{execution_id,user_id,conversation_id,channel,model}',
    array[call.execution_id, call.user_id, call.conversation_id, call.channel, call.model], 1);
  if problem.code is not null then return problem; end if;
  if call.user_id <> caller.person then
    return row('PT403', 'user_id', call.user_id, 'the person this login speaks for')::glow_api.problem;
  end if;
  -- An empty input or output happens: a model may answer nothing.
  if call.input is null then return row('PT422', 'input', null, 'a text')::glow_api.problem; end if;
  if call.output is null then return row('PT422', 'output', null, 'a text')::glow_api.problem; end if;
  problem := coalesce(glow_api.text_problem('input', nullif(call.input, ''), 1000000),
                      glow_api.text_problem('output', nullif(call.output, ''), 1000000));
  if problem.code is not null then return problem; end if;
  if call.latency_ms < 0 then
    return row('PT422', 'latency_ms', call.latency_ms::text, 'milliseconds from 0')::glow_api.problem;
  elsif call.prompt_tokens < 0 then
    return row('PT422', 'prompt_tokens', call.prompt_tokens::text, 'a number from 0')::glow_api.problem;
  elsif call.completion_tokens < 0 then
    return row('PT422', 'completion_tokens', call.completion_tokens::text, 'a number from 0')::glow_api.problem;
  -- NaN is above every number in PostgreSQL, so that the bounds refuse it too.
  elsif call.cost_usd not between 0 and 99999 then
    return row('PT422', 'cost_usd', call.cost_usd::text, 'US dollars from 0 to 99999')::glow_api.problem;
  end if;
  if call.metadata is not null and (jsonb_typeof(call.metadata) <> 'object' or not glow_api.is_shallow(call.metadata)) then
    return row('PT422', 'metadata', left(call.metadata::text, 80), 'an object nested at most 32 deep')::glow_api.problem;
  elsif octet_length(call.metadata::text) > 100000 then
    return row('PT413', 'metadata', octet_length(call.metadata::text) || ' bytes', 'at most 100000 bytes')::glow_api.problem;
  end if;
  if call.prompt_version is not null and not exists (
    select from glow.prompt_versions p where p.agent = call.agent and p.prompt_version = call.prompt_version
  ) then
    return row('PT404', 'prompt_version', call.prompt_version, 'a version that resolve_prompt returned for this agent')::glow_api.problem;
  end if;
  return null;
end $$;
comment on function glow_api.execution_problem is 'What is wrong with an execution, or null.';

create function glow_api.execution_hash(call glow_api.execution_call) returns bytea
  language sql stable
  return glow_api.payload_hash(jsonb_build_array(call.agent, call.input, call.output, call.user_id,
    call.conversation_id, call.channel, call.prompt_version, call.model));
comment on function glow_api.execution_hash is 'What makes an execution with a known id the same execution.';

create function glow_api.feedback_waiting(tenant text, execution_id text, agent text) returns bigint
  language sql stable as $$
  select count(*) from glow.current_feedback f
   where f.tenant = feedback_waiting.tenant and f.execution_id = feedback_waiting.execution_id
     and f.agent = feedback_waiting.agent and not f.withdrawn
$$;
comment on function glow_api.feedback_waiting is 'Feedback that came before its execution.';

create function glow_api.record_execution(call glow_api.execution_call, caller glow_api.caller) returns jsonb
  language plpgsql as $$
declare
  problem glow_api.problem;
  hash bytea;
  known glow.execution_keys;
  arrived timestamptz := clock_timestamp();
begin
  problem := glow_api.execution_problem(call, caller);
  if problem.code is not null then return glow_api.refused(problem); end if;
  call.tenant := coalesce(call.tenant, caller.tenant, 'default');
  hash := glow_api.execution_hash(call);
  insert into glow.execution_keys (tenant, execution_id, agent, payload_hash, recorded_at)
  values (call.tenant, call.execution_id, call.agent, hash, arrived)
  on conflict do nothing;
  if not found then
    select k.* into known from glow.execution_keys k
     where k.tenant = call.tenant and k.execution_id = call.execution_id;
    if known.payload_hash <> hash then
      return glow_api.refused(row('PT409', 'execution_id', call.execution_id,
        'a new id: this one was logged with other contents'));
    end if;
    return jsonb_build_object('execution_id', call.execution_id, 'status', 'replayed');
  end if;
  insert into glow.executions (
    tenant, execution_id, agent, input, output, user_id, conversation_id, channel, prompt_version, model, latency_ms,
    prompt_tokens, completion_tokens, cost_usd, metadata, started_at, recorded_at)
  values (
    call.tenant, call.execution_id, call.agent, call.input, call.output, call.user_id, call.conversation_id, call.channel,
    call.prompt_version, call.model, call.latency_ms, call.prompt_tokens, call.completion_tokens, call.cost_usd,
    coalesce(call.metadata, '{}'), glow_api.occurred(call.started_at, call.sent_at), arrived);
  return jsonb_build_object('execution_id', call.execution_id, 'status', 'accepted',
    'feedback_waiting', glow_api.feedback_waiting(call.tenant, call.execution_id, call.agent));
end $$;
comment on function glow_api.record_execution is 'Writes an execution, or says why not.';

-- New ids are written together; what is left (refused, known before, twice in the batch) goes one by one.
create function glow_api.record_execution_rows(rows jsonb, caller glow_api.caller) returns table (n bigint, result jsonb)
  language plpgsql as $$
#variable_conflict use_column
declare
  given record;
  arrived timestamptz := clock_timestamp();
begin
  for given in
    with called as materialized (
      select r.n, m.problem as misfit,
             case when m.n is null then jsonb_populate_record(null::glow_api.execution_call, r.entry) end as call
        from jsonb_array_elements(rows) with ordinality as r(entry, n)
        left join glow_api.misfits(rows, '{
          "execution_id": "string", "agent": "string", "input": "string", "output": "string", "user_id": "string",
          "conversation_id": "string", "channel": "string", "prompt_version": "string", "model": "string",
          "latency_ms": "integer", "prompt_tokens": "integer", "completion_tokens": "integer", "cost_usd": "number",
          "started_at": "instant", "metadata": "object", "tenant": "string", "sent_at": "instant"}') m using (n)
    ), judged as materialized (
      select c.n, c.call, coalesce((c.call).tenant, caller.tenant, 'default') as tenant,
             case when (c.misfit).code is not null then c.misfit else glow_api.execution_problem(c.call, caller) end as problem
        from called c
    ), new as materialized (
      select distinct on (j.tenant, (j.call).execution_id) j.n, j.tenant, j.call
        from judged j where j.problem is null
       order by j.tenant, (j.call).execution_id, j.n
    ), keyed as (
      insert into glow.execution_keys as k (tenant, execution_id, agent, payload_hash, recorded_at)
      select w.tenant, (w.call).execution_id, (w.call).agent, glow_api.execution_hash(w.call), arrived from new w
      on conflict do nothing
      returning k.tenant, k.execution_id
    ), written as (
      insert into glow.executions as e (
        tenant, execution_id, agent, input, output, user_id, conversation_id, channel, prompt_version, model, latency_ms,
        prompt_tokens, completion_tokens, cost_usd, metadata, started_at, recorded_at)
      select w.tenant, (w.call).execution_id, (w.call).agent, (w.call).input, (w.call).output, (w.call).user_id,
             (w.call).conversation_id, (w.call).channel, (w.call).prompt_version, (w.call).model, (w.call).latency_ms,
             (w.call).prompt_tokens, (w.call).completion_tokens, (w.call).cost_usd, coalesce((w.call).metadata, '{}'),
             glow_api.occurred((w.call).started_at, (w.call).sent_at), arrived
        from new w
       where ((w.tenant, (w.call).execution_id) in (select k.tenant, k.execution_id from keyed k)) is true
    )
    -- Hashed, both times: see record_feedback_rows.
    select j.n, j.call, j.problem, j.tenant,
           j.n in (select w.n from new w where ((w.tenant, (w.call).execution_id) in (select k.tenant, k.execution_id from keyed k)) is true)
             as written
      from judged j
     order by j.n
  loop
    n := given.n;
    result := case
      when (given.problem).code is not null then glow_api.refused(given.problem)
      when given.written then jsonb_build_object('execution_id', (given.call).execution_id, 'status', 'accepted',
        'feedback_waiting', glow_api.feedback_waiting(given.tenant, (given.call).execution_id, (given.call).agent))
      else glow_api.record_execution(given.call, caller) end;
    return next;
  end loop;
end $$;
comment on function glow_api.record_execution_rows is 'Writes many executions given as JSON objects; answers for each.';

create function glow_api.log_execution(
  execution_id text, agent text, input text, output text, user_id text default null, conversation_id text default null,
  channel text default null, prompt_version text default null, model text default null, latency_ms integer default null,
  prompt_tokens integer default null, completion_tokens integer default null, cost_usd numeric default null,
  started_at timestamptz default null, metadata jsonb default '{}', tenant text default null,
  sent_at timestamptz default null
) returns jsonb language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  caller glow_api.caller := glow_api.enter(
    1, coalesce(octet_length(input), 0)::bigint + coalesce(octet_length(output), 0) + coalesce(octet_length(metadata::text), 0));
begin
  return glow_api.answered(glow_api.record_execution(
    row(execution_id, agent, input, output, user_id, conversation_id, channel, prompt_version, model, latency_ms,
        prompt_tokens, completion_tokens, cost_usd, started_at, metadata, tenant, sent_at), caller));
end $$;
comment on function glow_api.log_execution is
  'Records one run of an agent. Safe to retry: the same id with the same contents answers "replayed". '
  'Feedback that came before it is joined to it.';

create function glow_api.log_execution_batch(rows jsonb) returns jsonb
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  caller glow_api.caller := glow_api.enter(glow_api.require_rows(rows), octet_length(rows::text));
begin
  return (select coalesce(jsonb_agg(r.result order by r.n), '[]') from glow_api.record_execution_rows(rows, caller) r);
end $$;
comment on function glow_api.log_execution_batch is
  'Records many executions: an array of objects with the arguments of log_execution. Answers one result for each, in '
  'order; a refused row stops no other.';
