-- Search: what is asked of an index, and what it answers. The statement itself is glow.search_text.

-- Loads the extension's library: before that, only a superuser may name its settings in a function.
do $$ begin perform '[1]'::public.vector; end $$;

create type glow_api.search_plan as (
  agent text, configuration text, parameters jsonb, chunking text, model text, index_number integer, dimensions integer,
  chunks integer, dense_floor double precision);
comment on type glow_api.search_plan is 'A retrieval configuration with the index that it searches.';

create type glow_api.found_chunk as (
  chunk_id text, score double precision, dense double precision, lexical double precision, dense_rank integer,
  lexical_rank integer, leg text);
comment on type glow_api.found_chunk is
  'A candidate: its score, the two legs on their scales, and its rank within each (null where the leg does not know it).';

create function glow_api.weight(plan glow_api.search_plan, name text, usual double precision default 0) returns double precision
  language sql immutable
  return coalesce((plan.parameters ->> name)::double precision, usual);
comment on function glow_api.weight is 'A parameter of a configuration; absent it has its usual value.';

-- learning/retrieval/asking.py: unit((1 - weight) q + weight unit(W q)). Written with operator(), all operators bind alike.
create function glow_api.adapted_query(plan glow_api.search_plan, vector public.vector) returns public.vector
  language plpgsql stable as $$
declare
  share double precision := glow_api.weight(plan, 'adapter_weight');
  turned public.vector;
begin
  if share = 0 or vector is null then return vector; end if;
  select public.l2_normalize(array_agg(-(a.row operator(public.<#>) vector) order by a.position)::public.vector) into turned
    from glow.retrieval_adapters a where a.configuration = plan.configuration;
  if turned is null then return vector; end if;
  return public.l2_normalize(
    (vector operator(public.*) array_fill((1 - share)::real, array[plan.dimensions])::public.vector)
    operator(public.+) (turned operator(public.*) array_fill(share::real, array[plan.dimensions])::public.vector));
end $$;
comment on function glow_api.adapted_query is 'The vector that the dense leg asks with.';

create function glow_api.asked_terms(plan glow_api.search_plan, query text, out terms text[], out times double precision[])
  language plpgsql stable as $$
declare
  strength double precision := glow_api.weight(plan, 'expansion_weight');
begin
  terms := glow.terms(query);
  times := array_fill(1::double precision, array[cardinality(terms)]);
  if strength = 0 then return; end if;
  select asked_terms.terms || coalesce(array_agg(x.word), '{}'), asked_terms.times || coalesce(array_agg(x.weight), '{}')
    into terms, times
    from (select a.word, max(e.weight) * strength as weight
            from glow.retrieval_expansions e cross join unnest(e.added_terms) a(word)
           where e.configuration = plan.configuration and e.weight > 0 and cardinality(e.phrase_terms) > 0
             and e.phrase_terms <@ asked_terms.terms and a.word <> all (asked_terms.terms)
           group by a.word) x;
end $$;
comment on function glow_api.asked_terms is
  'The words of a question and those that expansions add, with how often each counts.';

-- learning/retrieval/memory.py: the sum over the nearest questions of cos^power times the excess over the base rate.
create function glow_api.remembered(
  plan glow_api.search_plan, vector public.vector, out chunk_ids text[], out worth double precision[]
) language sql stable
begin atomic
  with near as (
    select x.query, x.cosine
      from (select q.query, -(q.embedding operator(public.<#>) vector) as cosine, q.question
              from glow.retrieval_questions q where q.configuration = plan.configuration
             order by 2 desc, q.question offset 0) x
     -- A question of which no chunk is left takes nobody's place.
     where exists (select from glow.retrieval_memory m
                     join glow.live_chunks l on l.agent = plan.agent and l.chunking = plan.chunking and l.chunk_id = m.chunk_id
                    where m.configuration = plan.configuration and md5(m.query) = md5(x.query))
     limit glow_api.weight(plan, 'memory_neighbours', 20)::bigint
  )
  select coalesce(array_agg(t.chunk_id), '{}'), coalesce(array_agg(t.worth), '{}')
    from (select m.chunk_id, sum(power(n.cosine, glow_api.weight(plan, 'memory_power', 4))
                                 * (m.attractiveness - glow_api.weight(plan, 'base_attractiveness'))) as worth
            from near n
            join glow.retrieval_memory m on m.configuration = plan.configuration and md5(m.query) = md5(n.query)
           where n.cosine > glow_api.weight(plan, 'memory_floor', 0.3)
           group by m.chunk_id) t;
end;
comment on function glow_api.remembered is 'What the nearest remembered questions say of chunks.';

-- `exact` reads every vector instead of the graph. The usual shapes of the statement are functions of the index, planned once
-- for a session (glow.make_searchers); the settings make that plan one for any depth: entries are found by key.
create function glow_api.found_chunks(
  plan glow_api.search_plan, terms text[], times double precision[], vector public.vector, asked public.vector, k integer,
  every_leg boolean, exact boolean default false
) returns setof glow_api.found_chunk language plpgsql stable
  set jit = off set enable_hashjoin = off set enable_mergejoin = off set enable_seqscan = off set enable_indexscan = on
  set plan_cache_mode = force_generic_plan set hnsw.ef_search = 40 as $$
declare
  depth integer := greatest(glow_api.weight(plan, 'candidate_depth', 40)::integer, 2 * k);
  remembers boolean := vector is not null and glow_api.weight(plan, 'memory_weight') > 0;
  shifts boolean := glow_api.weight(plan, 'shift') > 0;
  likes boolean := glow_api.weight(plan, 'prior_weight') > 0;
  moves boolean := vector is not null and glow_api.weight(plan, 'pseudo_weight') > 0;
  chunk_ids text[];
  worth double precision[];
begin
  -- As this statement sees the index, which may have grown since the plan was read: a term that more chunks hold than there
  -- are would count negative.
  select i.chunks, i.dense_floor into plan.chunks, plan.dense_floor
    from glow.retrieval_indexes i where i.index_number = plan.index_number;
  if remembers then
    select r.chunk_ids, r.worth into chunk_ids, worth from glow_api.remembered(plan, vector) r;
  end if;
  if exact then
    perform set_config('enable_indexscan', 'off', true), set_config('enable_seqscan', 'on', true);
  elsif depth <> 40 then
    perform set_config('hnsw.ef_search', least(depth, 1000)::text, true);
  end if;
  return query execute
    case when vector is null or moves or every_leg or exact
      then glow.search_text(plan.index_number, plan.dimensions, vector is not null, remembers, shifts, likes, moves, every_leg)
      else format('select * from glow.%I($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15,$16,$17,$18)',
                  'search_index_' || plan.index_number || case when remembers or shifts or likes then '_learned' else '' end) end
    using plan.index_number, asked, depth, plan.chunks, terms, times,
          coalesce((plan.parameters ->> 'dense_floor')::double precision, plan.dense_floor),
          glow_api.weight(plan, 'dense_weight', 1), glow_api.weight(plan, 'lexical_weight', 1), chunk_ids, worth,
          glow_api.weight(plan, 'memory_weight'), glow_api.weight(plan, 'prior_weight'), plan.configuration,
          glow_api.weight(plan, 'base_attractiveness'), glow_api.weight(plan, 'pseudo_weight'),
          glow_api.weight(plan, 'pseudo_depth', 3)::bigint, k;
end $$;
comment on function glow_api.found_chunks is
  'The best k candidates by score, the best first; with `every_leg` the best k of each leg instead.';

-- Without it the graph gives up after ef_search entries, dead ones among them, and answers fewer than were asked for.
do $$
begin
  perform '[1]'::public.vector; -- loads the library, which knows the setting
  if current_setting('hnsw.iterative_scan', true) is not null then
    alter function glow_api.found_chunks set hnsw.iterative_scan = 'relaxed_order';
  end if;
end $$;
