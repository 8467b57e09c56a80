-- Search: the face. Scores are in candidates.sql.

-- SHA-256 of "{seed}:{block}", sixteen draws of 16 bits a block: EventChance in learning/retrieval/interleaving.py.
create function glow_api.draw(seed text, n integer) returns double precision
  language sql immutable
  return (get_byte(sha256(convert_to(seed || ':' || n / 16, 'UTF8')), n % 16 * 2) * 256
          + get_byte(sha256(convert_to(seed || ':' || n / 16, 'UTF8')), n % 16 * 2 + 1)) / 65536.0::double precision;
comment on function glow_api.draw is 'A number from 0 to below 1 that belongs to a search: asked again it is the same.';

-- Radlinski, Kurup & Joachims 2008, as team_draft there: each round a coin says who picks first, each picks its best that
-- is not taken yet.
create function glow_api.team_draft(chosen glow_api.found_chunk[], k integer, seed text) returns glow_api.found_chunk[]
  language plpgsql stable as $$
declare
  sides text[];
  side text;
  pick glow_api.found_chunk;
  drafted glow_api.found_chunk[] := '{}';
  taken text[] := '{}';
  round integer := 0;
  before integer;
begin
  loop
    before := cardinality(drafted);
    exit when before >= k;
    sides := case when glow_api.draw(seed, round) < 0.5 then '{dense,lexical}' else '{lexical,dense}' end;
    foreach side in array sides loop
      exit when cardinality(drafted) >= k;
      select f.* into pick from unnest(chosen) f
       where case side when 'dense' then f.dense_rank else f.lexical_rank end <= k and f.chunk_id <> all (taken)
       order by case side when 'dense' then f.dense_rank else f.lexical_rank end limit 1;
      continue when pick.chunk_id is null;
      pick.leg := side;
      drafted := drafted || pick;
      taken := taken || pick.chunk_id;
    end loop;
    exit when cardinality(drafted) = before;
    round := round + 1;
  end loop;
  return drafted;
end $$;
comment on function glow_api.team_draft is 'A list that both legs placed, so that clicks can compare them.';

-- FairPairs for one pair, as `swapped` there.
create function glow_api.swapped(chosen glow_api.found_chunk[], seed text) returns glow_api.found_chunk[]
  language plpgsql immutable as $$
declare
  n integer := cardinality(chosen);
  at integer;
  kept glow_api.found_chunk;
begin
  if n > 1 and glow_api.draw(seed, 1) < 0.5 then
    at := 1 + floor(glow_api.draw(seed, 0) * (n - 1))::integer;
    kept := chosen[at];
    chosen[at] := chosen[at + 1];
    chosen[at + 1] := kept;
  end if;
  return chosen;
end $$;
comment on function glow_api.swapped is 'A list with one random pair of neighbours swapped, or not: what shows how much a rank alone is worth.';

create function glow_api.plan_search(agent text, configuration text) returns glow_api.search_plan
  language plpgsql stable as $$
declare
  plan glow_api.search_plan;
begin
  select c.agent, c.configuration, c.parameters, c.chunking, c.model, i.index_number, i.dimensions, i.chunks, i.dense_floor
    into plan
    from glow.retrieval_configurations c
    left join glow.retrieval_indexes i on i.agent = c.agent and i.chunking = c.chunking and i.model = c.model and i.state = 'ready'
   where c.agent = plan_search.agent and c.configuration = coalesce(plan_search.configuration, (
     select a.configuration from glow.retrieval_aliases a where a.agent = plan_search.agent and a.alias = 'production'));
  if plan.configuration is null and configuration is not null then
    perform glow_api.refuse('PT404', 'configuration', configuration, 'a retrieval configuration of this agent');
  elsif plan.configuration is null then
    perform glow_api.refuse('PT404', 'agent', agent, 'an agent whose documents are indexed; see put_document');
  elsif plan.index_number is null then
    perform glow_api.refuse('PT409', 'configuration', plan.configuration, 'a configuration whose index is ready');
  elsif plan.parameters ->> 'version' <> 'floor-1' then
    perform glow_api.refuse('PT409', 'configuration', plan.parameters ->> 'version', 'parameters of the version floor-1');
  end if;
  return plan;
end $$;
comment on function glow_api.plan_search is 'A configuration of an agent, by default that in force, with its index. Refuses what cannot be searched.';

-- Of length 1, or null where nobody has embedded exactly this text: then words are all there is.
create function glow_api.query_vector(plan glow_api.search_plan, query text, embedding double precision[]) returns public.vector
  language plpgsql stable as $$
declare
  vector public.vector;
begin
  if embedding is null then
    select public.l2_normalize(e.embedding) into vector from glow.embeddings e
     where e.model = plan.model and e.content_hash = encode(sha256(convert_to(query, 'UTF8')), 'hex')
       and public.vector_dims(e.embedding) = plan.dimensions;
    return vector;
  end if;
  begin
    vector := public.l2_normalize(embedding::public.vector);
  exception when data_exception or program_limit_exceeded or array_subscript_error or null_value_not_allowed then
    vector := null;
  end;
  if vector is null or public.vector_dims(vector) <> plan.dimensions then
    perform glow_api.refuse('PT422', 'embedding', coalesce(cardinality(embedding), 0) || ' numbers',
      format('%s finite numbers: the query as %s embeds it', plan.dimensions, plan.model));
  elsif public.vector_norm(vector) = 0 then
    perform glow_api.refuse('PT422', 'embedding', 'zeros alone', 'a vector with a direction: the query as ' || plan.model || ' embeds it');
  end if;
  return vector;
end $$;
comment on function glow_api.query_vector is 'The vector of a query: as given, or that of the same text in the cache.';

create function glow_api.search_answer(plan glow_api.search_plan, event_id text, policy text, is_dense boolean, hits jsonb) returns jsonb
  language sql stable
  return jsonb_build_object('configuration', plan.configuration, 'index_number', plan.index_number, 'model', plan.model,
                            'event_id', event_id, 'policy', policy, 'dense', is_dense, 'hits', coalesce(hits, '[]'));
comment on function glow_api.search_answer is 'What search answers.';

-- Not from the document, which may be ahead of the index; and each look-up of ten rows costs as much as three in the graph.
create function glow_api.chunk_title(chunk glow.chunks) returns text
  language sql immutable
  return left(chunk.text, greatest(length(chunk.text) - (chunk.ends - chunk.starts) - 1, 0));
comment on function glow_api.chunk_title is 'The title of a chunk''s document as it was indexed: what its text has before the span, and a line end.';

create function glow_api.shown_hits(plan glow_api.search_plan, chosen glow_api.found_chunk[]) returns jsonb
  language plpgsql stable as $$
begin
  return (
    select jsonb_agg(jsonb_build_object(
             'rank', f.rank, 'chunk_id', f.chunk_id, 'document_id', c.document_id, 'title', glow_api.chunk_title(c), 'text', c.text,
             'starts', coalesce(l.starts, c.starts), 'ends', coalesce(l.ends, c.ends), 'score', f.score,
             'score_dense', case when f.dense_rank is not null then f.dense end, 'score_lexical', f.lexical, 'leg', f.leg,
             'propensity', greatest(1.0 / f.rank, 0.1)::double precision) order by f.rank)
      from unnest(chosen) with ordinality as f(chunk_id, score, dense, lexical, dense_rank, lexical_rank, leg, rank)
      join glow.chunks c on c.agent = plan.agent and c.chunk_id = f.chunk_id
      left join glow.live_chunks l on l.agent = c.agent and l.chunking = c.chunking and l.chunk_id = c.chunk_id);
end $$;
comment on function glow_api.shown_hits is 'A list of chunks as the app gets it. The chance of a look is that of an unknown user: 1 / rank, at least 0.1.';

-- What was shown is what counts, whatever is in force by now.
create function glow_api.searched_before(call glow_api.retrieval_call) returns jsonb
  language plpgsql as $$
declare
  known glow.retrieval_keys;
  said glow.retrieval_events;
begin
  select k.* into known from glow.retrieval_keys k where k.tenant = call.tenant and k.event_id = call.event_id;
  if known.event_id is null then return null; end if;
  if known.agent <> call.agent or known.query_hash <> sha256(convert_to(call.query, 'UTF8')) then
    perform glow_api.refuse('PT409', 'event_id', call.event_id, 'a new id: this one was logged for another agent or query');
  end if;
  select e.* into said from glow.retrieval_events e
   where e.tenant = call.tenant and e.event_id = call.event_id and e.recorded_at = known.recorded_at;
  return (
    select jsonb_build_object(
             'configuration', said.configuration, 'index_number', said.index_number, 'model', said.model, 'event_id', call.event_id,
             'policy', said.policy, 'dense', coalesce(bool_or(h.score_dense is not null), false), 'hits', coalesce(jsonb_agg(jsonb_build_object(
             'rank', h.rank, 'chunk_id', h.chunk_id, 'document_id', c.document_id, 'title', glow_api.chunk_title(c), 'text', c.text,
             'starts', coalesce(l.starts, c.starts), 'ends', coalesce(l.ends, c.ends), 'score', h.score, 'score_dense', h.score_dense,
             'score_lexical', h.score_lexical, 'leg', h.leg, 'propensity', h.propensity) order by h.rank)
             filter (where h.rank is not null), '[]'))
      from glow.retrieval_hits h
      left join glow.chunks c on c.agent = call.agent and c.chunk_id = h.chunk_id
      left join glow.live_chunks l on l.agent = c.agent and l.chunking = c.chunking and l.chunk_id = c.chunk_id
     where h.tenant = call.tenant and h.event_id = call.event_id and h.recorded_at = known.recorded_at);
end $$;
comment on function glow_api.searched_before is 'What a search with this id showed, or null where there was none.';

create function glow_api.log_search(call glow_api.retrieval_call) returns boolean
  language plpgsql as $$
declare
  arrived timestamptz := clock_timestamp();
begin
  insert into glow.retrieval_keys (tenant, event_id, agent, query_hash, recorded_at)
  values (call.tenant, call.event_id, call.agent, sha256(convert_to(call.query, 'UTF8')), arrived)
  on conflict do nothing;
  if not found then return false; end if;
  insert into glow.retrieval_events (
    tenant, event_id, agent, execution_id, query, policy, configuration, model, index_number, latency_ms, user_id, conversation_id,
    occurred_at, recorded_at)
  values (call.tenant, call.event_id, call.agent, call.execution_id, call.query, call.policy, call.configuration, call.model,
          call.index_number, call.latency_ms, call.user_id, call.conversation_id, arrived, arrived);
  insert into glow.retrieval_hits (tenant, event_id, rank, chunk_id, score, score_dense, score_lexical, leg, propensity, recorded_at)
  select call.tenant, call.event_id, x.rank, x.chunk_id, x.score, x.score_dense, x.score_lexical, x.leg, x.propensity, arrived
    from jsonb_to_recordset(call.hits) as x(
      rank smallint, chunk_id text, score double precision, score_dense double precision, score_lexical double precision, leg text,
      propensity double precision);
  return true;
end $$;
comment on function glow_api.log_search is 'Writes a search with what it shows; answers whether it is new.';

create function glow_api.search_problem(call glow_api.retrieval_call, k integer, unit text) returns glow_api.problem
  language plpgsql immutable as $$
declare
  problem glow_api.problem := glow_api.text_problem('query', call.query, 100000, true);
begin
  if problem.code is null then
    problem := glow_api.id_problem('{event_id,user_id,conversation_id,execution_id,unit,configuration,model}', array[
      call.event_id, call.user_id, call.conversation_id, call.execution_id, unit, call.configuration, call.model], 0);
  end if;
  if problem.code is not null then return problem; end if;
  if k is null or k not between 1 and 100 then
    return row('PT422', 'k', k::text, 'a number of chunks from 1 to 100')::glow_api.problem;
  elsif call.policy is null or call.policy not in ('production', 'interleave', 'explore') then
    return row('PT422', 'policy', call.policy, 'production, interleave or explore')::glow_api.problem;
  end if;
  return null;
end $$;
comment on function glow_api.search_problem is 'What is wrong with the arguments of a search, or null.';

create function glow_api.search(
  agent text, query text, k integer default 10, embedding double precision[] default null, configuration text default null,
  policy text default 'production', event_id text default null, user_id text default null, conversation_id text default null,
  execution_id text default null, tenant text default null, unit text default null, model text default null
) returns jsonb language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  began timestamptz := clock_timestamp();
  caller glow_api.caller := glow_api.enter(1, coalesce(octet_length(query), 0));
  problem glow_api.problem := glow_api.caller_problem(tenant, caller.tenant, agent);
  call glow_api.retrieval_call;
  plan glow_api.search_plan;
  terms record;
  vector public.vector;
  asked public.vector;
  seed text;
  chosen glow_api.found_chunk[];
  answer jsonb;
begin
  call.event_id := event_id; call.agent := agent; call.query := query; call.policy := policy; call.user_id := user_id;
  call.conversation_id := conversation_id; call.execution_id := execution_id; call.configuration := configuration;
  call.tenant := coalesce(tenant, caller.tenant, 'default'); call.model := model;
  if problem.code is null then problem := glow_api.search_problem(call, k, unit); end if;
  if problem.code is null and user_id <> caller.person then
    problem := row('PT403', 'user_id', user_id, 'the person this login speaks for');
  elsif problem.code is null and configuration is not null and not glow_api.serves_all() then
    problem := row('PT403', 'configuration', configuration, 'what is in force, for a login that is no engineer''s');
  end if;
  if problem.code is not null then perform glow_api.refuse(problem); end if;
  if event_id is not null then
    answer := glow_api.searched_before(call);
    if answer is not null then return answer; end if;
  end if;

  if unit is not null and configuration is null and exists (
    select from glow.learning_experiments x where x.agent = search.agent and x.active and x.kind = 'retrieval') then
    select a.version into configuration
      from glow_api.assigned_arms(agent, call.tenant, unit, conversation_id, null, execution_id, 'retrieval') a limit 1;
  end if;
  plan := glow_api.plan_search(agent, configuration);
  -- Apps learn of a new model after it is in force, and some keep the old one in an experiment: until then words answer.
  vector := glow_api.query_vector(plan, query, case when model is null or model = plan.model then embedding end);
  asked := glow_api.adapted_query(plan, vector);
  terms := glow_api.asked_terms(plan, query);
  chosen := array(select f from glow_api.found_chunks(plan, terms.terms, terms.times, vector, asked, k, policy = 'interleave') f);
  -- The graph has been given up by a vacuum that is behind, or by a setting: then every vector is read.
  if vector is not null and cardinality(chosen) < least(k, plan.chunks) then
    chosen := array(select f from glow_api.found_chunks(plan, terms.terms, terms.times, vector, asked, k, policy = 'interleave', true) f);
  end if;
  seed := coalesce(event_id, gen_random_uuid()::text);
  chosen := case policy when 'interleave' then glow_api.team_draft(chosen, k, seed)
                       when 'explore' then glow_api.swapped(chosen, seed) else chosen end;
  answer := glow_api.search_answer(plan, event_id, policy, vector is not null, glow_api.shown_hits(plan, chosen));
  if event_id is not null then
    call.configuration := plan.configuration; call.model := plan.model; call.index_number := plan.index_number;
    call.hits := answer -> 'hits';
    call.latency_ms := round(extract(epoch from clock_timestamp() - began) * 1000);
    -- Somebody else logged it meanwhile: theirs was shown.
    if not glow_api.log_search(call) then return glow_api.searched_before(call); end if;
  end if;
  return answer;
end $$;
comment on function glow_api.search is
  'The k best chunks of an agent''s documents for a query, with texts: by meaning and by words, with what was learned. '
  '`embedding` is the query as the configuration''s model embeds it; without it that of the same text in the cache is used, else words '
  'alone: the answer says `dense`. `model` names what made it: where that is another, it counts as not given. With `unit` the arm of a retrieval experiment is served and its exposure written. With '
  '`event_id` the search is logged as shown, and asked again it shows the same: what is not logged cannot be learned. '
  '`policy`: interleave lets both legs place hits, explore swaps two neighbours by chance, so that clicks can tell them apart.';
