-- Search: candidates of an index and their scores. learning/retrieval/index.py says the formula; this gives the candidates
-- the same scores in the same order. Candidates are the nearest and the wordiest chunks, and those remembered for questions
-- near this one.

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

-- learning/retrieval/memory.py, `priors`.
create function glow_api.chunk_prior(plan glow_api.search_plan, chunk_id text) returns double precision
  language sql stable
begin atomic
  select case when p.base <= 0 then 0 else greatest(-1, least(1, ln(
           (sum(greatest(m.attractiveness * (m.examinations + 2) - p.base * 2, 0)) + 5 * p.base)
           / ((sum(m.examinations) + 5) * p.base)) / 5)) end
    from (select glow_api.weight(plan, 'base_attractiveness') as base offset 0) p
    join glow.retrieval_memory m on m.configuration = plan.configuration and m.chunk_id = chunk_prior.chunk_id
   group by p.base;
end;
comment on function glow_api.chunk_prior is 'How much more a chunk is liked than chunks are, over all questions; null where nothing is known.';

-- One statement over the tables of one index, addressed by number: nothing in its text is a user's. `exact` reads every
-- vector instead of the graph. Of a term only its 200 heaviest passages are candidates (all, where no more have it): common
-- terms weigh little, and every candidate is then scored over all terms.
create function glow_api.found_chunks(
  plan glow_api.search_plan, terms text[], times double precision[], vector public.vector, asked public.vector, k integer,
  every_leg boolean, exact boolean default false
) returns setof glow_api.found_chunk language plpgsql stable
  set jit = off set hnsw.ef_search = 40 set enable_indexscan = on as $$
declare
  depth integer := greatest(glow_api.weight(plan, 'candidate_depth', 40)::integer, 2 * k);
  moves boolean := glow_api.weight(plan, 'pseudo_weight') > 0 and vector is not null;
  entries text := glow.index_part('index_entries', plan.index_number);
  near text := format(case when plan.dimensions between 2001 and 4000
    then '(e.embedding::public.halfvec(%1$s)) operator(public.<=>) $2::public.halfvec(%1$s)'
    else '(e.embedding::public.vector(%1$s)) operator(public.<=>) $2' end, plan.dimensions);
  chunk_ids text[] := '{}';
  worth double precision[] := '{}';
  fused constant text := $sql$
    select f.chunk_id, f.vector, f.cosine, f.bm25,
           glow_api_dense.value * $8 + glow_api_words.value * $9 + f.extra as score, glow_api_dense.value as dense,
           glow_api_words.value as lexical
      from (select s.*, max(s.cosine) over () as high, least($7, max(s.cosine) over () - 0.1) as low, max(s.bm25) over () as best
              from %I s) f
     cross join lateral (select case when f.cosine is null then 0 else (f.cosine - f.low) / (f.high - f.low) end as value) glow_api_dense
     cross join lateral (select case when f.best > 0 then f.bm25 / f.best else 0 end as value) glow_api_words$sql$;
  statement text;
begin
  if exact then
    perform set_config('enable_indexscan', 'off', true);
  else
    perform set_config('hnsw.ef_search', least(depth, 1000)::text, true);
  end if;
  if vector is not null and glow_api.weight(plan, 'memory_weight') > 0 then
    select r.chunk_ids, r.worth into chunk_ids, worth from glow_api.remembered(plan, vector) r;
  end if;
  statement := format($sql$
    with asked as materialized (
      select t.term_number, sum(x.times) * ln(1 + ($4 - t.chunks + 0.5::float8) / (t.chunks + 0.5::float8)) as weight
        from unnest($5, $6) x(term, times)
        join %2$s t on t.index_number = $1 and t.term = x.term
       group by t.term_number, t.chunks
    ), candidate as (
      select w.entry from (
        select p.entry from (select a.term_number, a.weight from asked a order by a.weight desc limit 64) a
         cross join lateral (
           select p.entry, p.weight from %3$s p
            where p.index_number = $1 and p.term_number = a.term_number order by p.weight desc limit 200) p
         group by p.entry order by sum(a.weight * p.weight) desc limit $3) w$sql$,
    entries, glow.index_part('index_terms', plan.index_number), glow.index_part('index_postings', plan.index_number));
  if vector is not null then
    statement := statement || format($sql$
      union
      select n.entry from (select e.entry from %s e where e.embedding is not null order by %s limit $3) n$sql$, entries, near);
  end if;
  if cardinality(chunk_ids) > 0 then
    statement := statement || format($sql$
      union
      select e.entry from unnest($10, $11) m(chunk_id, worth) join %s e on e.index_number = $1 and e.chunk_id = m.chunk_id
       where m.worth > 0$sql$, entries);
  end if;
  statement := statement || format($sql$
    ), scored as materialized (
      select e.chunk_id, %2$s as vector, -(%2$s operator(public.<#>) $2) as cosine,
             coalesce(-(e.lexical operator(public.<#>) (select ('{' || string_agg(a.term_number || ':' || a.weight, ',' order by a.term_number)
               || '}/1000000000')::public.sparsevec from asked a)), 0) as bm25,
             %3$s::float8 as extra
        from candidate c join %1$s e on e.index_number = $1 and e.entry = c.entry
        %4$s %5$s
    )$sql$, entries,
    case when glow_api.weight(plan, 'shift') > 0 then 'coalesce(d.embedding, e.embedding)' else 'e.embedding' end,
    case when cardinality(chunk_ids) > 0 then 'coalesce(m.worth, 0) * $12' else '0' end
      || case when glow_api.weight(plan, 'prior_weight') > 0 then ' + coalesce(glow_api.chunk_prior($14, e.chunk_id), 0) * $13' else '' end,
    case when glow_api.weight(plan, 'shift') > 0
      then 'left join glow.retrieval_shifts d on d.configuration = ($14).configuration and d.chunk_id = e.chunk_id' else '' end,
    case when cardinality(chunk_ids) > 0 then 'left join unnest($10, $11) m(chunk_id, worth) on m.chunk_id = e.chunk_id' else '' end);
  if moves then
    statement := statement || ', first as (' || format(fused, 'scored') || $sql$
    ), moved as materialized (
      select public.l2_normalize($2 operator(public.+) (public.avg(f.vector)
               operator(public.*) array_fill($15::real, array[($14).dimensions])::public.vector)) as asked
        from (select f.vector from first f where f.cosine is not null order by f.score desc, f.chunk_id limit $16) f
    ), again as materialized (
      select s.chunk_id, s.vector, -(s.vector operator(public.<#>) m.asked) as cosine, s.bm25, s.extra from scored s cross join moved m
    )$sql$;
  end if;
  statement := statement || ', fused as (' || format(fused, case when moves then 'again' else 'scored' end) || $sql$
    ), ranked as (
      select f.chunk_id::text, f.score, f.dense, f.lexical,
             case when f.cosine is not null then row_number() over (order by f.cosine desc nulls last, f.chunk_id) end::integer as dense_rank,
             case when f.bm25 > 0 then row_number() over (order by f.bm25 desc, f.chunk_id) end::integer as lexical_rank
        from fused f
    )
    select r.*, case when (r.dense_rank <= $17 and r.dense > 0) is not true and r.lexical_rank <= $17 then 'lexical'
                     when (r.lexical_rank <= $17) is not true and r.dense_rank <= $17 and r.dense > 0 then 'dense'
                     else 'both' end as leg
      from ranked r $sql$
    || case when every_leg then 'where r.dense_rank <= $17 or r.lexical_rank <= $17 order by r.score desc, r.chunk_id'
            else 'order by r.score desc, r.chunk_id limit $17' end;
  return query execute statement
    using plan.index_number, asked, depth, plan.chunks, terms, times,
          coalesce((plan.parameters ->> 'dense_floor')::double precision, plan.dense_floor),
          glow_api.weight(plan, 'dense_weight', 1), glow_api.weight(plan, 'lexical_weight', 1), chunk_ids, worth,
          glow_api.weight(plan, 'memory_weight'), glow_api.weight(plan, 'prior_weight'), plan,
          glow_api.weight(plan, 'pseudo_weight'), glow_api.weight(plan, 'pseudo_depth', 3)::bigint, k;
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
