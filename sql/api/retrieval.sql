-- Retrieval.

create type glow_api.retrieval_call as (
  event_id text, agent text, query text, hits jsonb, execution_id text, policy text, configuration text, user_id text,
  conversation_id text, occurred_at timestamptz, tenant text, sent_at timestamptz, model text, index_number integer,
  latency_ms integer);

create function glow_api.retrieval_problem(call glow_api.retrieval_call) returns glow_api.problem
  language plpgsql stable as $$
declare
  problem glow_api.problem := glow_api.id_problem(
    '{event_id,execution_id,user_id,conversation_id,configuration,model}',
    array[call.event_id, call.execution_id, call.user_id, call.conversation_id, call.configuration, call.model], 1);
  hit jsonb;
  field text;
begin
  if problem.code is null then problem := glow_api.text_problem('query', call.query, 100000, true); end if;
  if problem.code is not null then return problem; end if;
  if call.policy not in ('production', 'interleave', 'explore') then
    return row('PT422', 'policy', call.policy, 'production, interleave or explore')::glow_api.problem;
  end if;
  if call.latency_ms < 0 then
    return row('PT422', 'latency_ms', call.latency_ms::text, 'milliseconds, 0 or more')::glow_api.problem;
  end if;
  if call.hits is null or jsonb_typeof(call.hits) <> 'array' or jsonb_array_length(call.hits) > 1000 then
    return row('PT422', 'hits', left(call.hits::text, 80), 'an array of at most 1000 hits')::glow_api.problem;
  end if;
  for hit in select * from jsonb_array_elements(call.hits) loop
    if jsonb_typeof(hit) <> 'object' or jsonb_typeof(hit -> 'rank') is distinct from 'number'
       or jsonb_typeof(hit -> 'chunk_id') is distinct from 'string' then
      return row('PT422', 'hits', left(hit::text, 80), 'objects with at least rank and chunk_id')::glow_api.problem;
    end if;
    if hit - '{rank,chunk_id,score,score_dense,score_lexical,leg,propensity,shown,cited,clicked,kept,explicit,expert}'::text[] <> '{}' then
      return row('PT400', 'hits', left(hit::text, 80), 'the fields rank, chunk_id, score, score_dense, score_lexical, '
        'leg, propensity, shown, cited, clicked, kept, explicit, expert')::glow_api.problem;
    end if;
    if not glow_api.is_whole(hit -> 'rank', 1, 1000) then
      return row('PT422', 'hits.rank', hit ->> 'rank', 'a whole number from 1 to 1000')::glow_api.problem;
    end if;
    problem := glow_api.id_problem('{hits.chunk_id}', array[hit ->> 'chunk_id'], 1);
    if problem.code is not null then return problem; end if;
    foreach field in array '{score,score_dense,score_lexical}'::text[] loop
      if not glow_api.is_float(hit -> field) then
        return row('PT422', 'hits.' || field, hit ->> field, 'a finite number')::glow_api.problem;
      end if;
    end loop;
    if not glow_api.is_number(hit -> 'propensity', 1e-9, 1) then
      return row('PT422', 'hits.propensity', hit ->> 'propensity', 'a probability above 0, up to 1')::glow_api.problem;
    end if;
    if coalesce(hit ->> 'leg', 'both') not in ('dense', 'lexical', 'both') then
      return row('PT422', 'hits.leg', hit ->> 'leg', 'dense, lexical or both')::glow_api.problem;
    end if;
    if coalesce(jsonb_typeof(hit -> 'explicit'), 'null') not in ('number', 'null') or coalesce(hit ->> 'explicit', '0') not in ('-1', '0', '1') then
      return row('PT422', 'hits.explicit', hit ->> 'explicit', '-1, 0 or 1')::glow_api.problem;
    end if;
    foreach field in array '{shown,cited,clicked,kept,expert}'::text[] loop
      if coalesce(jsonb_typeof(hit -> field), 'null') not in ('boolean', 'null') then
        return row('PT422', 'hits.' || field, hit ->> field, 'true or false')::glow_api.problem;
      end if;
    end loop;
    if hit -> 'expert' = 'true' and coalesce(hit ->> 'explicit', '0') = '0' then
      return row('PT422', 'hits.expert', 'true', 'the judgement beside it: explicit -1 or 1')::glow_api.problem;
    end if;
  end loop;
  if (select count(*) <> count(distinct h -> 'rank') or count(*) <> count(distinct h ->> 'chunk_id')
        from jsonb_array_elements(call.hits) h) then
    return row('PT422', 'hits', left(call.hits::text, 80), 'each rank and each chunk_id once')::glow_api.problem;
  end if;
  return null;
end $$;
comment on function glow_api.retrieval_problem is 'What is wrong with a search, or null.';

create function glow_api.record_retrieval(call glow_api.retrieval_call, caller glow_api.caller) returns jsonb
  language plpgsql as $$
declare
  problem glow_api.problem;
  known glow.retrieval_keys;
  arrived timestamptz := clock_timestamp();
  hash bytea;
  created boolean;
begin
  problem := glow_api.caller_problem(call.tenant, caller.tenant, call.agent);
  if problem.code is null then problem := glow_api.retrieval_problem(call); end if;
  if problem.code is null and call.user_id <> caller.person then
    problem := row('PT403', 'user_id', call.user_id, 'the person this login speaks for');
  end if;
  if problem.code is null and caller.person is not null
     and jsonb_path_exists(call.hits, 'strict $[*] ? (@.expert == true)', silent => true) then
    problem := row('PT403', 'hits.expert', 'true', 'a login that speaks for no single person: users are not their own experts');
  end if;
  if problem.code is not null then return glow_api.refused(problem); end if;
  call.tenant := coalesce(call.tenant, caller.tenant, 'default');
  hash := sha256(convert_to(call.query, 'UTF8'));

  insert into glow.retrieval_keys (tenant, event_id, agent, query_hash, recorded_at)
  values (call.tenant, call.event_id, call.agent, hash, arrived)
  on conflict do nothing;
  created := found;
  if created then
    insert into glow.retrieval_events (
      tenant, event_id, agent, execution_id, query, policy, configuration, model, index_number, latency_ms, user_id,
      conversation_id, occurred_at, recorded_at)
    values (call.tenant, call.event_id, call.agent, call.execution_id, call.query, coalesce(call.policy, 'production'),
            call.configuration, call.model, call.index_number, call.latency_ms, call.user_id, call.conversation_id,
            glow_api.occurred(call.occurred_at, call.sent_at), arrived);
  else
    select k.* into known from glow.retrieval_keys k
     where k.tenant = call.tenant and k.event_id = call.event_id for update;
    if known.agent <> call.agent or known.query_hash <> hash then
      return glow_api.refused(row('PT409', 'event_id', call.event_id,
        'a new id: this one was logged for another agent or query'));
    end if;
    arrived := known.recorded_at;
    -- A hit is its passage: a click on passage b must not count for a, whatever rank it is said to have had.
    if exists (select from glow.retrieval_hits h join jsonb_to_recordset(call.hits) as x(rank smallint, chunk_id text)
                   on (x.rank = h.rank) <> (x.chunk_id = h.chunk_id)
                where h.tenant = call.tenant and h.event_id = call.event_id and h.recorded_at = arrived) then
      return glow_api.refused(row('PT409', 'hits', left(call.hits::text, 80), 'each passage at the rank it was logged with'));
    end if;
    -- What `search` logged is all that was shown, and it says of which index: anything more is a click on nothing.
    if exists (select from glow.retrieval_events r
                where r.tenant = call.tenant and r.event_id = call.event_id and r.recorded_at = arrived and r.index_number is not null)
       and exists (select from jsonb_to_recordset(call.hits) as x(rank smallint, chunk_id text)
                    where not exists (select from glow.retrieval_hits h
                                       where h.tenant = call.tenant and h.event_id = call.event_id and h.recorded_at = arrived
                                         and h.rank = x.rank and h.chunk_id = x.chunk_id)) then
      return glow_api.refused(row('PT409', 'hits', left(call.hits::text, 80), 'rank and chunk_id of hits that search showed under this event_id'));
    end if;
    -- Readers that passed the event must see it again: a click is news.
    update glow.retrieval_events r set xid = pg_current_xact_id()
     where r.tenant = call.tenant and r.event_id = call.event_id and r.recorded_at = arrived;
  end if;

  insert into glow.retrieval_hits as h (
    tenant, event_id, rank, chunk_id, score, score_dense, score_lexical, leg, propensity, shown, cited, clicked, kept,
    explicit, expert, recorded_at)
  select call.tenant, call.event_id, x.rank, x.chunk_id, coalesce(x.score, 0), x.score_dense, x.score_lexical,
         coalesce(x.leg, 'both'), coalesce(x.propensity, greatest(1.0 / x.rank, 0.1)), coalesce(x.shown, true),
         coalesce(x.cited, false), coalesce(x.clicked, false), coalesce(x.kept, false), coalesce(x.explicit, 0),
         coalesce(x.expert, false), arrived
    from jsonb_to_recordset(call.hits) as x(
      rank smallint, chunk_id text, score double precision, score_dense double precision, score_lexical double precision,
      leg text, propensity double precision, shown boolean, cited boolean, clicked boolean, kept boolean,
      explicit smallint, expert boolean)
  -- What was shown stays as logged; what the user did is added as it happens and never taken back by a late retry.
  on conflict (tenant, event_id, rank, recorded_at) do update
     set cited = h.cited or excluded.cited, clicked = h.clicked or excluded.clicked, kept = h.kept or excluded.kept,
         -- An expert's word is overruled by an expert's only.
         explicit = case when excluded.explicit <> 0 and (excluded.expert or not h.expert) then excluded.explicit else h.explicit end,
         expert = h.expert or excluded.expert;
  return jsonb_build_object('event_id', call.event_id, 'status', case when created then 'accepted' else 'merged' end);
end $$;
comment on function glow_api.record_retrieval is 'Writes a search or adds to it, or says why not.';

create function glow_api.log_retrieval(
  event_id text, agent text, query text, hits jsonb, execution_id text default null, policy text default 'production',
  configuration text default null, user_id text default null, conversation_id text default null,
  occurred_at timestamptz default null, tenant text default null, sent_at timestamptz default null,
  model text default null, index_number integer default null, latency_ms integer default null
) returns jsonb language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  caller glow_api.caller := glow_api.enter(1, coalesce(octet_length(query), 0)::bigint + coalesce(octet_length(hits::text), 0));
begin
  return glow_api.answered(glow_api.record_retrieval(
    row(event_id, agent, query, hits, execution_id, policy, configuration, user_id, conversation_id, occurred_at, tenant,
        sent_at, model, index_number, latency_ms), caller));
end $$;
comment on function glow_api.log_retrieval is
  'Records a search: what was shown at which rank, under which policy (interleave where two rankings were mixed, explore '
  'where neighbours were swapped by chance) and configuration (the sha of what was in force; one that nobody knows is kept '
  'too). Call it again with the same event_id to add clicks, citations and verdicts as they happen; a hit''s `explicit` is '
  'the user''s own thumb on it, or an expert''s where `expert` is true. To what `search` logged, or who gave an index_number, '
  'no hit is added that was not shown there.';

create function glow_api.record_retrieval_rows(rows jsonb, caller glow_api.caller) returns table (n bigint, result jsonb)
  language plpgsql as $$
#variable_conflict use_column
begin
  return query
  select r.n, case when (r.misfit).code is null
                   then glow_api.record_retrieval(jsonb_populate_record(null::glow_api.retrieval_call, r.entry), caller)
                   else glow_api.refused(r.misfit) end
    from (select e.entry, e.n, m.problem as misfit
            from jsonb_array_elements(rows) with ordinality as e(entry, n)
            left join glow_api.misfits(rows, '{
    "event_id": "string", "agent": "string", "query": "string", "hits": "array", "execution_id": "string", "policy": "string",
    "configuration": "string", "user_id": "string", "conversation_id": "string", "occurred_at": "instant", "tenant": "string",
    "sent_at": "instant", "model": "string", "index_number": "integer", "latency_ms": "integer"}') m using (n)
           order by e.entry ->> 'event_id', e.n offset 0) r;
end $$;
comment on function glow_api.record_retrieval_rows is 'Writes many retrievals given as JSON objects; answers for each.';

create function glow_api.log_retrieval_batch(rows jsonb) returns jsonb
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  caller glow_api.caller := glow_api.enter(glow_api.require_rows(rows), octet_length(rows::text));
begin
  return (select coalesce(jsonb_agg(r.result order by r.n), '[]') from glow_api.record_retrieval_rows(rows, caller) r);
end $$;
comment on function glow_api.log_retrieval_batch is
  'Records many searches: an array of objects with the arguments of log_retrieval. Answers one result for each, in '
  'order; a refused row stops no other.';
