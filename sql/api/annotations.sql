-- Annotations and demonstrations.

create function glow_api.submit_annotation(
  execution_id text, reviewer text, verdict text, output text default null, dimensions jsonb default '{}',
  notes text default null, idempotency_key text default null
) returns jsonb language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  hash bytea := glow_api.payload_hash(jsonb_build_array(execution_id, reviewer, verdict, output, dimensions, notes));
  known glow.expert_annotations;
  owner text;
  new_id bigint;
begin
  perform glow_api.require_id('execution_id', execution_id);
  perform glow_api.require_id('reviewer', reviewer);
  perform glow_api.require_id('idempotency_key', idempotency_key, true);
  if verdict is null or verdict not in ('approve', 'correct', 'reject') then
    perform glow_api.refuse('PT422', 'verdict', verdict, 'approve, correct or reject');
  end if;
  if verdict = 'correct' then
    perform glow_api.require_text('output', output, 1000000);
  elsif output is not null then
    perform glow_api.refuse('PT422', 'output', output, 'an output only with the verdict correct');
  end if;
  if dimensions is null or jsonb_typeof(dimensions) <> 'object' then
    perform glow_api.refuse('PT422', 'dimensions', dimensions::text, 'an object of quality dimension and score');
  end if;
  perform glow_api.require_text('notes', notes, 10000, true);
  select e.agent into owner from glow.executions e where e.execution_id = submit_annotation.execution_id;
  if owner is null then
    perform glow_api.refuse('PT404', 'execution_id', execution_id, 'the id of a logged execution');
  end if;
  if idempotency_key is not null then
    perform pg_advisory_xact_lock(hashtextextended(owner || chr(31) || idempotency_key, 9));
  end if;
  perform pg_advisory_xact_lock(hashtextextended(execution_id || chr(31) || reviewer, 8));

  if idempotency_key is not null then
    select a.* into known from glow.expert_annotations a
     where a.agent = owner and a.idempotency_key = submit_annotation.idempotency_key;
    if found then
      if known.payload_hash <> hash then
        perform glow_api.refuse('PT409', 'idempotency_key', idempotency_key, 'a new key: this one was used for other contents');
      end if;
      return jsonb_build_object('annotation_id', known.annotation_id, 'status', 'replayed');
    end if;
  end if;
  select a.* into known from glow.expert_annotations a
   where a.execution_id = submit_annotation.execution_id and a.reviewer = submit_annotation.reviewer
     and a.superseded_by is null;
  if found and known.payload_hash = hash then
    return jsonb_build_object('annotation_id', known.annotation_id, 'status', 'unchanged');
  end if;

  new_id := nextval(pg_get_serial_sequence('glow.expert_annotations', 'annotation_id'));
  update glow.expert_annotations a set superseded_by = new_id where a.annotation_id = known.annotation_id;
  insert into glow.expert_annotations (
    annotation_id, execution_id, agent, reviewer, verdict, output, dimensions, notes, idempotency_key, payload_hash)
  overriding system value
  values (new_id, execution_id, owner, reviewer, verdict, output, dimensions, notes, idempotency_key, hash);
  return jsonb_strip_nulls(jsonb_build_object(
    'annotation_id', new_id, 'status', 'accepted', 'supersedes', known.annotation_id));
end $$;
comment on function glow_api.submit_annotation is
  'Records an expert''s judgement: approve the output, correct it (with the right output) or reject it. '
  'One current judgement per reviewer and execution; a change supersedes and the old row stays.';

create function glow_api.submit_demonstration(
  agent text, expert text, input text, output text, notes text default null, idempotency_key text default null
) returns jsonb language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  hash bytea := glow_api.payload_hash(jsonb_build_array(expert, input, output, notes));
  known glow.demonstrations;
  new_id bigint;
begin
  perform glow_api.require_agent(agent);
  perform glow_api.require_id('expert', expert);
  perform glow_api.require_text('input', input, 1000000);
  perform glow_api.require_text('output', output, 1000000);
  perform glow_api.require_text('notes', notes, 10000, true);
  perform glow_api.require_id('idempotency_key', idempotency_key, true);
  insert into glow.demonstrations (agent, expert, input, output, notes, idempotency_key, payload_hash)
  values (agent, expert, input, output, notes, idempotency_key, hash)
  on conflict (agent, idempotency_key) where idempotency_key is not null do nothing
  returning demonstration_id into new_id;
  if new_id is null then
    select d.* into known from glow.demonstrations d
     where d.agent = submit_demonstration.agent and d.idempotency_key = submit_demonstration.idempotency_key;
    if known.payload_hash <> hash then
      perform glow_api.refuse('PT409', 'idempotency_key', idempotency_key, 'a new key: this one was used for other contents');
    end if;
    return jsonb_build_object('demonstration_id', known.demonstration_id, 'status', 'replayed');
  end if;
  return jsonb_build_object('demonstration_id', new_id, 'status', 'accepted');
end $$;
comment on function glow_api.submit_demonstration is 'Records an expert''s own example of an input and its right output.';
