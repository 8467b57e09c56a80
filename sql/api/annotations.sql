-- Annotations and demonstrations: what experts judged, and what they showed.

create type glow_api.annotation_call as (
  execution_id text, reviewer text, verdict text, output text, dimensions jsonb, notes text, idempotency_key text,
  tenant text, item_id bigint);

create function glow_api.annotation_problem(call glow_api.annotation_call, caller glow_api.caller) returns glow_api.problem
  language plpgsql stable as $$
declare
  problem glow_api.problem := glow_api.id_problem(
    '{execution_id,reviewer,idempotency_key}', array[call.execution_id, call.reviewer, call.idempotency_key], 2);
begin
  if problem.code is not null then return problem; end if;
  if call.tenant <> caller.tenant then
    return row('PT403', 'tenant', call.tenant, 'the tenant of this login')::glow_api.problem;
  elsif call.reviewer <> caller.person then
    return row('PT403', 'reviewer', call.reviewer, 'the person this login speaks for')::glow_api.problem;
  elsif call.verdict is null or call.verdict not in ('approve', 'correct', 'reject') then
    return row('PT422', 'verdict', call.verdict, 'approve, correct or reject')::glow_api.problem;
  elsif call.verdict <> 'correct' and call.output is not null then
    return row('PT422', 'output', left(call.output, 80), 'an output only with the verdict correct')::glow_api.problem;
  elsif call.dimensions is not null and (
    jsonb_typeof(call.dimensions) <> 'object' or octet_length(call.dimensions::text) > 10000 or exists (
      select from jsonb_each(call.dimensions) d where not glow_api.is_number(d.value, -1000000, 1000000))
  ) then
    return row('PT422', 'dimensions', left(call.dimensions::text, 80), 'an object of quality dimension and score')::glow_api.problem;
  elsif length(call.notes) > 10000 then
    return row('PT413', 'notes', length(call.notes) || ' characters', 'at most 10000 characters')::glow_api.problem;
  end if;
  return coalesce(glow_api.text_problem('output', call.output, 1000000, call.verdict = 'correct'),
                  glow_api.text_problem('notes', call.notes, 40000));
end $$;
comment on function glow_api.annotation_problem is 'What is wrong with an annotation, or null.';

create function glow_api.record_annotation(call glow_api.annotation_call, caller glow_api.caller) returns jsonb
  language plpgsql as $$
declare
  problem glow_api.problem := glow_api.annotation_problem(call, caller);
  hash bytea;
  known glow.expert_annotations;
  owner text;
  new_id bigint;
  item glow.review_items;
  slot glow.review_slots;
begin
  if problem.code is not null then return glow_api.refused(problem); end if;
  call.tenant := coalesce(call.tenant, caller.tenant, 'default');
  hash := glow_api.payload_hash(jsonb_build_array(
    call.execution_id, call.reviewer, call.verdict, call.output, coalesce(call.dimensions, '{}'), call.notes));
  select k.agent into owner from glow.execution_keys k
   where k.tenant = call.tenant and k.execution_id = call.execution_id;
  if owner is null then
    return glow_api.refused(row('PT404', 'execution_id', call.execution_id, 'the id of a logged execution'));
  end if;
  if call.idempotency_key is not null then
    perform pg_advisory_xact_lock(hashtextextended(call.tenant || chr(31) || owner || chr(31) || call.idempotency_key, 9));
  end if;
  perform pg_advisory_xact_lock(hashtextextended(call.tenant || chr(31) || call.execution_id || chr(31) || call.reviewer, 8));

  if call.idempotency_key is not null then
    select a.* into known from glow.expert_annotations a
     where a.tenant = call.tenant and a.agent = owner and a.idempotency_key = call.idempotency_key;
    if found then
      if known.payload_hash <> hash then
        return glow_api.refused(row('PT409', 'idempotency_key', call.idempotency_key,
          'a new key: this one was used for other contents'));
      end if;
      return jsonb_build_object('annotation_id', known.annotation_id, 'status', 'replayed');
    end if;
  end if;

  select a.* into known from glow.expert_annotations a
   where a.tenant = call.tenant and a.execution_id = call.execution_id and a.reviewer = call.reviewer
     and a.superseded_by is null;
  if known.role = 'adjudication' then
    return glow_api.refused(row('PT409', 'reviewer', call.reviewer,
      'somebody else: this person has adjudicated the execution; see adjudicate'));
  end if;
  -- Always, also when no item is named: an item with this execution counts what is said of it.
  select i.* into item from glow.review_items i
   where i.tenant = call.tenant and i.execution_id = call.execution_id and i.kind = 'judgement' for no key update;
  if call.item_id is not null and item.item_id is distinct from call.item_id then
    return glow_api.refused(row('PT404', 'item_id', call.item_id::text, 'the item_id that claim_annotation answered with this execution'));
  end if;
  if item.item_id is not null then
    slot := glow_api.slot_to_fill(item, call.reviewer, call.item_id is not null);
    if call.item_id is not null and slot.item_id is null then
      return glow_api.refused(glow_api.not_held(call.item_id));
    end if;
  end if;
  if known.payload_hash = hash then
    perform glow_api.fill_slot(item, slot, known.annotation_id, null);
    return jsonb_build_object('annotation_id', known.annotation_id, 'status', 'unchanged');
  end if;

  new_id := nextval(pg_get_serial_sequence('glow.expert_annotations', 'annotation_id'));
  update glow.expert_annotations a set superseded_by = new_id where a.annotation_id = known.annotation_id;
  insert into glow.expert_annotations (
    annotation_id, tenant, execution_id, agent, reviewer, gold, verdict, output, dimensions, notes, idempotency_key,
    payload_hash)
  overriding system value
  values (new_id, call.tenant, call.execution_id, owner, call.reviewer, coalesce(item.gold, false), call.verdict,
          call.output, coalesce(call.dimensions, '{}'), call.notes, call.idempotency_key, hash);
  perform glow_api.fill_slot(item, slot, new_id, null);
  return jsonb_strip_nulls(jsonb_build_object(
    'annotation_id', new_id, 'status', 'accepted', 'supersedes', known.annotation_id));
end $$;
comment on function glow_api.record_annotation is 'Writes an expert''s judgement, or says why not.';

create function glow_api.submit_annotation(
  execution_id text, reviewer text, verdict text, output text default null, dimensions jsonb default '{}',
  notes text default null, idempotency_key text default null, tenant text default null, item_id bigint default null
) returns jsonb language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  caller glow_api.caller := glow_api.enter(1, coalesce(octet_length(output), 0)::bigint + coalesce(octet_length(notes), 0));
begin
  return glow_api.answered(glow_api.record_annotation(
    row(execution_id, reviewer, verdict, output, dimensions, notes, idempotency_key, tenant, item_id), caller));
end $$;
comment on function glow_api.submit_annotation is
  'Records an expert''s judgement: approve the output, correct it (with the right output) or reject it. '
  'One current judgement per reviewer and execution; a change supersedes and the old row stays. With the item_id of '
  'claim_annotation it is the review that was claimed, also after the lease ended, as long as nobody else has it.';

create function glow_api.record_annotation_rows(rows jsonb, caller glow_api.caller) returns table (n bigint, result jsonb)
  language plpgsql as $$
#variable_conflict use_column
begin
  return query
  select r.n, case when (r.misfit).code is null
                   then glow_api.record_annotation(jsonb_populate_record(null::glow_api.annotation_call, r.entry), caller)
                   else glow_api.refused(r.misfit) end
    from (select e.entry, e.n, m.problem as misfit
            from jsonb_array_elements(rows) with ordinality as e(entry, n)
            left join glow_api.misfits(rows, '{
    "execution_id": "string", "reviewer": "string", "verdict": "string", "output": "string", "dimensions": "object",
    "notes": "string", "idempotency_key": "string", "tenant": "string", "item_id": "integer"}') m using (n)
           order by e.entry ->> 'execution_id', e.entry ->> 'reviewer', e.n offset 0) r;
end $$;
comment on function glow_api.record_annotation_rows is 'Writes many annotations given as JSON objects; answers for each.';

create function glow_api.submit_annotation_batch(rows jsonb) returns jsonb
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  caller glow_api.caller := glow_api.enter(glow_api.require_rows(rows), octet_length(rows::text));
begin
  return (select coalesce(jsonb_agg(r.result order by r.n), '[]') from glow_api.record_annotation_rows(rows, caller) r);
end $$;
comment on function glow_api.submit_annotation_batch is
  'Records many judgements: an array of objects with the arguments of submit_annotation. Answers one result for each, in '
  'order; a refused row stops no other.';

create type glow_api.demonstration_call as (
  agent text, expert text, input text, output text, notes text, idempotency_key text, tenant text);

create function glow_api.record_demonstration(call glow_api.demonstration_call, caller glow_api.caller) returns jsonb
  language plpgsql as $$
declare
  problem glow_api.problem := glow_api.caller_problem(call.tenant, caller.tenant, call.agent);
  hash bytea := glow_api.payload_hash(jsonb_build_array(call.expert, call.input, call.output, call.notes));
  known glow.demonstrations;
  new_id bigint;
begin
  if problem.code is null then
    problem := glow_api.id_problem('{expert,idempotency_key}', array[call.expert, call.idempotency_key], 1);
  end if;
  if problem.code is null and call.expert <> caller.person then
    problem := row('PT403', 'expert', call.expert, 'the person this login speaks for');
  end if;
  if problem.code is null and length(call.notes) > 10000 then
    problem := row('PT413', 'notes', length(call.notes) || ' characters', 'at most 10000 characters');
  end if;
  if problem.code is null then
    problem := coalesce(glow_api.text_problem('input', call.input, 1000000, true),
                        glow_api.text_problem('output', call.output, 1000000, true),
                        glow_api.text_problem('notes', call.notes, 40000));
  end if;
  if problem.code is not null then return glow_api.refused(problem); end if;
  call.tenant := coalesce(call.tenant, caller.tenant, 'default');

  insert into glow.demonstrations as d (tenant, agent, expert, input, output, notes, idempotency_key, payload_hash)
  values (call.tenant, call.agent, call.expert, call.input, call.output, call.notes, call.idempotency_key, hash)
  on conflict (tenant, agent, idempotency_key) where idempotency_key is not null do nothing
  returning d.demonstration_id into new_id;
  if new_id is null then
    select d.* into known from glow.demonstrations d
     where d.tenant = call.tenant and d.agent = call.agent and d.idempotency_key = call.idempotency_key;
    if known.payload_hash <> hash then
      return glow_api.refused(row('PT409', 'idempotency_key', call.idempotency_key,
        'a new key: this one was used for other contents'));
    end if;
    return jsonb_build_object('demonstration_id', known.demonstration_id, 'status', 'replayed');
  end if;
  return jsonb_build_object('demonstration_id', new_id, 'status', 'accepted');
end $$;
comment on function glow_api.record_demonstration is 'Writes a demonstration, or says why not.';

create function glow_api.submit_demonstration(
  agent text, expert text, input text, output text, notes text default null, idempotency_key text default null,
  tenant text default null
) returns jsonb language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  caller glow_api.caller := glow_api.enter(
    1, coalesce(octet_length(input), 0)::bigint + coalesce(octet_length(output), 0) + coalesce(octet_length(notes), 0));
begin
  return glow_api.answered(glow_api.record_demonstration(
    row(agent, expert, input, output, notes, idempotency_key, tenant), caller));
end $$;
comment on function glow_api.submit_demonstration is 'Records an expert''s own example of an input and its right output.';

create function glow_api.record_demonstration_rows(rows jsonb, caller glow_api.caller) returns table (n bigint, result jsonb)
  language plpgsql as $$
#variable_conflict use_column
begin
  return query
  select r.n, case when (r.misfit).code is null
                   then glow_api.record_demonstration(jsonb_populate_record(null::glow_api.demonstration_call, r.entry), caller)
                   else glow_api.refused(r.misfit) end
    from (select e.entry, e.n, m.problem as misfit
            from jsonb_array_elements(rows) with ordinality as e(entry, n)
            left join glow_api.misfits(rows, '{
    "agent": "string", "expert": "string", "input": "string", "output": "string", "notes": "string", "idempotency_key": "string",
    "tenant": "string"}') m using (n)
           order by e.n offset 0) r;
end $$;
comment on function glow_api.record_demonstration_rows is 'Writes many demonstrations given as JSON objects; answers for each.';

create function glow_api.submit_demonstration_batch(rows jsonb) returns jsonb
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  caller glow_api.caller := glow_api.enter(glow_api.require_rows(rows), octet_length(rows::text));
begin
  return (select coalesce(jsonb_agg(r.result order by r.n), '[]') from glow_api.record_demonstration_rows(rows, caller) r);
end $$;
comment on function glow_api.submit_demonstration_batch is
  'Records many demonstrations: an array of objects with the arguments of submit_demonstration. Answers one result for '
  'each, in order; a refused row stops no other.';
