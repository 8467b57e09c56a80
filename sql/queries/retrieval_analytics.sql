-- What a search log shows, summed in the database: a report over 10⁵ searches fetches thousands of rows, not a million.

-- tune_analytics --
-- These sums are hashed; at the usual 4 MB they go to disk several times over.
select set_config('work_mem', '256MB', true), set_config('hash_mem_multiplier', '2', true), set_config('jit', 'off', true)

-- tallies --
-- Sums by week, configuration and policy, in buckets of whole conversations: what figures are resampled from.
select to_char(o.occurred_at at time zone 'UTC', 'IYYY-"W"IW') as week, coalesce(o.configuration, '') as configuration, o.policy,
       ('x' || left(md5(o.conversation), 7))::bit(28)::integer %% 400 as bucket,
       count(*) as events, count(*) filter (where o.listed) as listed, count(*) filter (where not o.listed) as empty,
       count(o.best) as scored, count(*) filter (where o.best < %(low)s) as low, count(o.liked_rank) as liked,
       coalesce(sum(o.liked_rank), 0) as ranks, coalesce(sum(1.0 / o.liked_rank), 0)::double precision as reciprocals,
       sum(o.liked_in_5) as liked_in_5, count(*) filter (where o.rejected) as rejected, count(*) filter (where o.cited) as cited,
       count(*) filter (where o.cited and o.vote <> 0) as voted, count(*) filter (where o.cited and o.vote > 0) as supported
  from glow.search_outcomes(%(agent)s, %(since)s, %(until)s) o
 group by 1, 2, 3, 4

-- totals --
-- People, conversations and latency of a period.
select count(*) as events, count(distinct o.person) as users, count(distinct o.conversation) as conversations,
       percentile_cont(0.5) within group (order by o.latency_ms) as latency_p50,
       percentile_cont(0.95) within group (order by o.latency_ms) as latency_p95,
       min(o.occurred_at) as first_at, max(o.occurred_at) as last_at
  from glow.search_outcomes(%(agent)s, %(since)s, %(until)s) o

-- exposures --
-- Every chunk that was listed, in how many lists, and in how many the user liked it; before and from an instant on.
select h.chunk_id, count(*) filter (where e.occurred_at < %(turn)s) as before, count(*) filter (where e.occurred_at >= %(turn)s) as after,
       count(*) filter (where glow.is_liked(h.explicit, h.expert, h.clicked, h.kept)) as liked
  from glow.retrieval_events e join glow.retrieval_hits h using (tenant, event_id, recorded_at)
 where e.agent = %(agent)s and e.occurred_at >= %(since)s and e.occurred_at < %(until)s and h.shown and h.rank <= 10
 group by h.chunk_id

-- lists --
-- How many searches listed something, before and from an instant on.
select count(*) filter (where o.occurred_at < %(turn)s) as before, count(*) filter (where o.occurred_at >= %(turn)s) as after
  from glow.search_outcomes(%(agent)s, %(since)s, %(until)s) o where o.listed

-- score_bins --
-- Best similarities before and from an instant on, in ten bins of as many scores each before it.
with scores as materialized (
  select o.best, o.occurred_at >= %(turn)s as late from glow.search_outcomes(%(agent)s, %(since)s, %(until)s) o where o.best is not null
), edges as materialized (
  select percentile_cont(array[0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]::double precision[]) within group (order by s.best) as cuts
    from scores s where not s.late
)
select width_bucket(s.best, e.cuts) as bin, count(*) filter (where not s.late) as before, count(*) filter (where s.late) as after
  from scores s, edges e where e.cuts is not null group by 1 order by 1

-- query_outcomes --
-- What became of each query text, the most asked first. Unanswered: nothing liked or cited, and something says that it should
-- have been. Rephrased: the next question of the conversation came soon and means nearly the same.
with outcomes as materialized (
  select o.*, lead(o.query) over conversation as next_query, lead(o.occurred_at) over conversation as next_at
    from glow.search_outcomes(%(agent)s, %(since)s, %(until)s) o
  window conversation as (partition by o.conversation order by o.occurred_at, o.event_id)
), embedded as materialized (
  select q.query, v.embedding
    from (select distinct o.query from outcomes o) q
    join glow.embeddings v on v.model = %(model)s and v.content_hash = encode(sha256(convert_to(q.query, 'UTF8')), 'hex')
), judged as (
  select o.query, o.person, o.conversation, o.liked_rank is null and not o.cited as unmet, not o.listed as empty, o.rejected or o.blamed as rejected,
         coalesce(o.best < %(low)s, false) as low,
         o.next_query <> o.query and o.next_at < o.occurred_at + interval '5 minutes'
           and coalesce(1 - (a.embedding <=> b.embedding) >= %(alike)s, false) as rephrased
    from outcomes o left join embedded a on a.query = o.query left join embedded b on b.query = o.next_query
), counted as (
  select j.query, count(*) as events, count(distinct j.person) as users, count(distinct j.conversation) as conversations,
         count(*) filter (where j.unmet and (j.empty or j.low or j.rephrased or j.rejected)) as unanswered,
         count(*) filter (where j.unmet and j.empty) as empty, count(*) filter (where j.unmet and j.low) as low,
         count(*) filter (where j.unmet and j.rephrased) as rephrased, count(*) filter (where j.unmet and j.rejected) as rejected
    from judged j group by j.query order by count(*) desc, j.query limit %(most)s
)
select c.*, v.embedding::text as embedding from counted c left join embedded v using (query) order by c.events desc, c.query

-- query_tallies --
-- The sums of `tallies` by query text, for topics.
select o.query, count(*) as events, count(*) filter (where o.listed) as listed, count(*) filter (where not o.listed) as empty,
       count(o.best) as scored, count(*) filter (where o.best < %(low)s) as low, count(o.liked_rank) as liked,
       coalesce(sum(o.liked_rank), 0) as ranks, coalesce(sum(1.0 / o.liked_rank), 0)::double precision as reciprocals,
       sum(o.liked_in_5) as liked_in_5, count(*) filter (where o.rejected) as rejected, count(*) filter (where o.cited) as cited,
       count(*) filter (where o.cited and o.vote <> 0) as voted, count(*) filter (where o.cited and o.vote > 0) as supported
  from glow.search_outcomes(%(agent)s, %(since)s, %(until)s) o
 group by o.query order by count(*) desc, o.query limit %(most)s

-- query_log --
-- Clicks and looks by query and chunk, of the most asked queries: what another ranking is judged by.
with asked as materialized (
  select e.tenant, e.event_id, e.recorded_at, e.query, count(*) over (partition by e.query) as events
    from glow.retrieval_events e
   where e.agent = %(agent)s and e.occurred_at >= %(since)s and e.occurred_at < %(until)s
), chosen as materialized (
  select a.query, max(a.events) as events from asked a group by a.query order by max(a.events) desc, a.query limit %(most)s
), cells as (
  select a.query, h.chunk_id, sum(h.propensity) as looks, count(*) as shows,
         count(*) filter (where glow.is_liked(h.explicit, h.expert, h.clicked, h.kept)) as clicks
    from asked a join chosen c using (query) join glow.retrieval_hits h using (tenant, event_id, recorded_at)
   where h.shown group by a.query, h.chunk_id
)
select c.query, c.events, coalesce(jsonb_object_agg(x.chunk_id, jsonb_build_array(x.looks, x.clicks, x.shows)) filter (where x.chunk_id is not null), '{}') as cells
  from chosen c left join cells x using (query) group by c.query, c.events order by c.events desc, c.query

-- pair_counts --
-- In how many conversations two chunks stood in one top 10, and in how many one answer cited both; of chunks that are in at
-- least `least` of them. Hashes stand for names while pairs are counted: 4.5 million pairs of texts took three times as long.
-- A large log is sampled by whole conversations (`share` of them): 45 pairs a list cost the same however many say the same.
with hits as materialized (
  select hashtextextended(e.tenant || chr(31) || coalesce(e.conversation_id, e.event_id), 0) as v,
         hashtextextended(e.tenant || chr(31) || e.event_id, 0) as s, hashtextextended(h.chunk_id, 0) as c, h.chunk_id, h.cited
    from glow.retrieval_events e join glow.retrieval_hits h using (tenant, event_id, recorded_at)
   where e.agent = %(agent)s and e.occurred_at >= %(since)s and e.occurred_at < %(until)s and h.shown and h.rank <= 10
     and ('x' || left(md5(coalesce(e.conversation_id, e.event_id)), 7))::bit(28)::integer < %(share)s * (1 << 28)
), conversations as (
  select count(distinct h.v) as n from hits h
), names as materialized (
  select x.c, min(x.chunk_id) as chunk_id, count(*) as shown, count(*) filter (where x.cited) as cited
    from (select h.c, h.v, min(h.chunk_id) as chunk_id, bool_or(h.cited) as cited from hits h group by h.c, h.v) x
   group by x.c having count(*) >= %(least)s
), pairs as (
  select x.a, x.b, count(*) as together, count(*) filter (where x.cited) as cited_together
    from (select one.v, one.c as a, other.c as b, bool_or(one.cited and other.cited) as cited
            from hits one join hits other on other.s = one.s and other.c > one.c
           where one.c in (select n.c from names n) and other.c in (select n.c from names n)
           group by one.v, one.c, other.c) x
   group by x.a, x.b having count(*) >= %(least)s
)
select a.chunk_id as first, b.chunk_id as second, p.together, p.cited_together, a.shown as first_shown, b.shown as second_shown,
       a.cited as first_cited, b.cited as second_cited, (select n from conversations) as conversations
  from pairs p join names a on a.c = p.a join names b on b.c = p.b

-- pair_facts --
-- How alike two chunks are, and whether they are neighbours in one document.
select x.first, x.second, (1 - (va.embedding <=> vb.embedding))::double precision as cosine,
       a.document_id = b.document_id and a.chunking = b.chunking and (a.ends between b.starts - 4 and b.starts or b.ends between a.starts - 4 and a.starts) as adjacent
  from unnest(%(first)s::text[], %(second)s::text[]) x(first, second)
  join glow.chunks a on a.agent = %(agent)s and a.chunk_id = x.first
  join glow.chunks b on b.agent = %(agent)s and b.chunk_id = x.second
  left join glow.embeddings va on va.model = %(model)s and va.content_hash = a.content_hash
  left join glow.embeddings vb on vb.model = %(model)s and vb.content_hash = b.content_hash

-- live_chunks --
-- All that could be listed now.
select distinct l.chunk_id from glow.live_chunks l where l.agent = %(agent)s order by 1

-- configuration_facts --
-- A configuration by an alias or the beginning of its name, with how much it learned.
select c.configuration, c.parameters, c.chunking, c.model, c.parent, c.created_at,
       coalesce((select array_agg(a.alias order by a.alias) from glow.retrieval_aliases a where a.configuration = c.configuration), '{}') as aliases,
       (select count(*) from glow.retrieval_memory m where m.configuration = c.configuration) as memory_rows,
       (select count(*) from glow.retrieval_shifts s where s.configuration = c.configuration) as shifted_chunks,
       (select count(*) from glow.retrieval_adapters d where d.configuration = c.configuration) as adapter_rows,
       (select count(*) from glow.retrieval_expansions x where x.configuration = c.configuration) as expansions,
       (select i.state from glow.retrieval_indexes i where i.agent = c.agent and i.chunking = c.chunking and i.model = c.model
         and i.state <> 'retired') as index_state,
       (select g.evidence ->> 'reason' from glow.retrieval_gates g where g.candidate = c.configuration order by g.created_at desc limit 1) as gate
  from glow.retrieval_configurations c
 where c.agent = %(agent)s
   and (c.configuration in (select a.configuration from glow.retrieval_aliases a where a.agent = %(agent)s and a.alias = %(which)s)
        or starts_with(c.configuration, %(which)s))
 order by c.created_at desc limit 2

-- why_chunk --
-- What a configuration remembers of a chunk: the questions it answered, and the searches that taught it so.
select m.query, m.attractiveness, m.examinations, m.event_ids
  from glow.retrieval_memory m
 where m.configuration = %(configuration)s and m.chunk_id = %(chunk_id)s
 order by m.attractiveness * m.examinations desc, m.position limit %(most)s

-- judgements --
-- Experts' verdicts on hits, the newest of each query and chunk.
select distinct on (e.query, h.chunk_id) e.query, h.chunk_id, greatest(h.explicit, 0)::double precision as grade
  from glow.retrieval_events e join glow.retrieval_hits h using (tenant, event_id, recorded_at)
 where e.agent = %(agent)s and e.occurred_at >= %(since)s and e.occurred_at < %(until)s and h.expert and h.explicit <> 0
 order by e.query, h.chunk_id, e.occurred_at desc

-- verdicts --
-- Experts' verdicts on hits of all times, the newest of each query and chunk.
select distinct on (e.query, h.chunk_id) e.query, h.chunk_id, greatest(h.explicit, 0)::double precision as grade
  from glow.retrieval_events e join glow.retrieval_hits h using (tenant, event_id, recorded_at)
 where e.agent = %(agent)s and h.expert and h.explicit <> 0
 order by e.query, h.chunk_id, e.occurred_at desc
