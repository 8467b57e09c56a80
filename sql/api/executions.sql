-- Executions.

create function glow_api.log_execution(
  execution_id text, agent text, input text, output text, user_id text default null, conversation_id text default null,
  channel text default null, prompt_version text default null, model text default null, latency_ms integer default null,
  prompt_tokens integer default null, completion_tokens integer default null, cost_usd numeric default null,
  started_at timestamptz default null, metadata jsonb default '{}'
) returns jsonb language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  hash bytea := glow_api.payload_hash(jsonb_build_array(
    agent, input, output, user_id, conversation_id, channel, prompt_version, model));
  known bytea;
  waiting bigint;
begin
  perform glow_api.require_id('execution_id', execution_id);
  perform glow_api.require_agent(agent);
  if input is null then perform glow_api.refuse('PT422', 'input', null, 'a text'); end if;
  if output is null then perform glow_api.refuse('PT422', 'output', null, 'a text'); end if;
  if input <> '' then perform glow_api.require_text('input', input, 1000000); end if;
  if output <> '' then perform glow_api.require_text('output', output, 1000000); end if;
  perform glow_api.require_id('user_id', user_id, true);
  perform glow_api.require_id('conversation_id', conversation_id, true);
  perform glow_api.require_id('channel', channel, true);
  perform glow_api.require_number('latency_ms', latency_ms, 0, 2147483647);
  perform glow_api.require_number('prompt_tokens', prompt_tokens, 0, 2147483647);
  perform glow_api.require_number('completion_tokens', completion_tokens, 0, 2147483647);
  perform glow_api.require_number('cost_usd', cost_usd, 0, 99999);
  perform glow_api.require_id('model', model, true);
  if jsonb_typeof(coalesce(metadata, '{}')) <> 'object' or octet_length(metadata::text) > 100000 then
    perform glow_api.refuse('PT422', 'metadata', metadata::text, 'an object of at most 100000 bytes');
  end if;
  if prompt_version is not null and not exists (
    select from glow.prompt_versions p
     where p.agent = log_execution.agent and p.prompt_version = log_execution.prompt_version
  ) then
    perform glow_api.refuse('PT404', 'prompt_version', prompt_version, 'a version that resolve_prompt returned for this agent');
  end if;

  insert into glow.executions as e (
    execution_id, agent, input, output, user_id, conversation_id, channel, prompt_version, model, latency_ms,
    prompt_tokens, completion_tokens, cost_usd, started_at, metadata, payload_hash)
  values (
    log_execution.execution_id, log_execution.agent, input, output, log_execution.user_id, log_execution.conversation_id,
    log_execution.channel, log_execution.prompt_version, log_execution.model, log_execution.latency_ms,
    log_execution.prompt_tokens, log_execution.completion_tokens, log_execution.cost_usd,
    glow_api.not_after_now(log_execution.started_at), coalesce(log_execution.metadata, '{}'), hash)
  on conflict on constraint executions_pkey do nothing;
  if not found then
    select e.payload_hash into known from glow.executions e where e.execution_id = log_execution.execution_id;
    if known <> hash then
      perform glow_api.refuse('PT409', 'execution_id', execution_id, 'a new id: this one was logged with other contents');
    end if;
    return jsonb_build_object('execution_id', execution_id, 'status', 'replayed');
  end if;
  select count(*) into waiting from glow.agent_feedback f
   where f.execution_id = log_execution.execution_id and f.superseded_by is null;
  return jsonb_build_object('execution_id', execution_id, 'status', 'accepted', 'feedback_waiting', waiting);
end $$;
comment on function glow_api.log_execution is
  'Records one run of an agent. Safe to retry: the same id with the same contents answers "replayed". '
  'Feedback that came before it is joined to it.';
