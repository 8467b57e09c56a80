-- Comparisons: which of two answers is better.

create function glow_api.request_comparison(
  execution_id text, alternative text, reason text default '', tenant text default null
) returns jsonb language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  asked glow_api.caller := glow_api.require_execution(execution_id, tenant, coalesce(octet_length(alternative), 0));
  problem glow_api.problem := coalesce(glow_api.text_problem('alternative', alternative, 1000000, true),
                                       glow_api.text_problem('reason', nullif(reason, ''), 2000));
  item glow.review_items;
  answer text;
begin
  if problem.code is null then
    select e.output into answer from glow.execution_keys k join glow.executions e using (tenant, execution_id, recorded_at)
     where k.tenant = asked.tenant and k.execution_id = request_comparison.execution_id;
    if glow.answer_key(answer) = glow.answer_key(alternative) then
      problem := row('PT422', 'alternative', alternative, 'an answer that differs from the output in more than case, spaces and marks');
    end if;
  end if;
  if problem.code is not null then perform glow_api.refuse(problem); end if;
  item := glow_api.enter_item(asked.tenant, execution_id, 'comparison', alternative, 'manual', reason);
  if item.alternative <> alternative then
    perform glow_api.refuse('PT409', 'alternative', alternative, 'the one of item ' || item.item_id || ': an execution is compared with one other answer');
  end if;
  return jsonb_build_object('item_id', item.item_id, 'status', 'accepted', 'reviews', item.reviews);
end $$;
comment on function glow_api.request_comparison is
  'Asks reviewers which is better: the output of an execution, or another answer to the same input. Twice is once.';

create function glow_api.submit_comparison(
  item_id bigint, preferred text, notes text default null, idempotency_key text default null, reviewer text default null,
  tenant text default null
) returns jsonb language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  me glow_api.caller := glow_api.require_reviewer(reviewer, tenant);
  item glow.review_items;
  problem glow_api.problem := coalesce(
    glow_api.id_problem('{idempotency_key}', array[idempotency_key], 0), glow_api.text_problem('notes', notes, 40000));
  hash bytea := glow_api.payload_hash(jsonb_build_array('comparison', item_id, me.person, preferred, notes));
  known glow.comparisons;
  slot glow.review_slots;
  answer text;
  new_id bigint;
begin
  if problem.code is null and (preferred is null or preferred not in ('first', 'second', 'tie', 'neither')) then
    problem := row('PT422', 'preferred', preferred, 'first, second, tie or neither');
  elsif problem.code is null and length(notes) > 10000 then
    problem := row('PT413', 'notes', length(notes) || ' characters', 'at most 10000 characters');
  end if;
  if problem.code is not null then perform glow_api.refuse(problem); end if;
  item := glow_api.require_item(item_id, me.tenant);
  if item.kind <> 'comparison' then
    perform glow_api.refuse('PT422', 'item_id', item_id::text, 'a comparison; a judgement is given with submit_annotation');
  end if;
  if idempotency_key is not null then
    perform pg_advisory_xact_lock(hashtextextended(me.tenant || chr(31) || item.agent || chr(31) || idempotency_key, 12));
    select c.* into known from glow.comparisons c
     where c.tenant = me.tenant and c.agent = item.agent and c.idempotency_key = submit_comparison.idempotency_key;
    if known.payload_hash <> hash then
      perform glow_api.refuse('PT409', 'idempotency_key', idempotency_key, 'a new key: this one was used for other contents');
    elsif found then
      return jsonb_build_object('comparison_id', known.comparison_id, 'status', 'replayed');
    end if;
  end if;
  select i.* into item from glow.review_items i where i.item_id = submit_comparison.item_id for no key update;
  slot := glow_api.slot_to_fill(item, me.person, true);
  if slot.item_id is null then perform glow_api.refuse(glow_api.not_held(item_id)); end if;
  select c.* into known from glow.comparisons c
   where c.tenant = me.tenant and c.execution_id = item.execution_id and c.reviewer = me.person and c.superseded_by is null;
  if known.payload_hash = hash then
    return jsonb_build_object('comparison_id', known.comparison_id, 'status', 'unchanged');
  end if;
  select e.output into answer from glow.execution_keys k join glow.executions e using (tenant, execution_id, recorded_at)
   where k.tenant = item.tenant and k.execution_id = item.execution_id;
  if not found then
    perform glow_api.refuse('PT404', 'item_id', item_id::text, 'an execution whose text is still kept');
  end if;
  new_id := nextval(pg_get_serial_sequence('glow.comparisons', 'comparison_id'));
  update glow.comparisons c set superseded_by = new_id where c.comparison_id = known.comparison_id;
  insert into glow.comparisons (
    comparison_id, tenant, execution_id, agent, reviewer, first, second, preferred, notes, idempotency_key, payload_hash)
  overriding system value
  values (new_id, item.tenant, item.execution_id, item.agent, me.person,
          case slot.first when 'output' then answer else item.alternative end,
          case slot.first when 'output' then item.alternative else answer end,
          preferred, notes, idempotency_key, hash);
  perform glow_api.fill_slot(item, slot, null, new_id);
  return jsonb_strip_nulls(jsonb_build_object(
    'comparison_id', new_id, 'status', 'accepted', 'supersedes', known.comparison_id));
end $$;
comment on function glow_api.submit_comparison is
  'Says which of the two answers of a claimed comparison is better, as they were shown: first, second, tie, or neither '
  'when both are wrong.';
