-- How searches do, for dashboards and auditors. The figures are those of learning/retrieval/figures.py; the limits here are
-- computed, not resampled: of a ratio of sums over conversations (Cochran 1977, 6.3), so that one query answers in one pass.

create function glow_api.retrieval_performance(
  agent text, since timestamptz default '-infinity', until timestamptz default 'infinity', tenant text default null
) returns table (kind text, name text, figure text, value double precision, low double precision, high double precision,
                 events bigint, conversations bigint)
  -- A million hits are hashed: with the usual 4 MB they went to disk.
  language plpgsql stable security definer set search_path = pg_catalog, pg_temp set work_mem = '128MB' set jit = off as $$
#variable_conflict use_column
declare
  own text := (glow_api.require_caller(tenant, agent)).tenant;
begin
  since := coalesce(since, '-infinity');
  until := coalesce(until, 'infinity');
  if since >= until then
    perform glow_api.refuse('PT422', 'until', until::text, 'an instant after since');
  end if;
  return query
  with outcomes as materialized (
    select o.*, to_char(o.occurred_at at time zone 'UTC', 'IYYY-"W"IW') as week
      from glow.search_outcomes(retrieval_performance.agent, since, until, own) o
  ), by_conversation as materialized (
    select case when grouping(o.week) = 0 then 'week' when grouping(o.configuration) = 0 then 'configuration'
                when grouping(o.policy) = 0 then 'policy' else 'all' end as kind,
           coalesce(o.week, o.configuration, o.policy, '') as name, o.conversation,
           count(*)::double precision as events,
           count(*) filter (where o.listed) as listed, count(*) filter (where not o.listed) as empty,
           count(o.best) as scored, count(*) filter (where o.best < 0.3) as low,
           count(o.liked_rank) as liked, coalesce(sum(o.liked_rank), 0) as ranks,
           coalesce(sum(1.0 / o.liked_rank), 0)::double precision as reciprocals, sum(o.liked_in_5) as liked_in_5,
           count(*) filter (where o.rejected) as rejected, count(*) filter (where o.cited) as cited,
           count(*) filter (where o.cited and o.vote <> 0) as voted,
           count(*) filter (where o.cited and o.vote > 0) as supported
      from outcomes o
     group by grouping sets ((o.conversation), (o.conversation, o.week), (o.conversation, o.configuration), (o.conversation, o.policy))
  ), sums as (
    select c.kind, c.name, f.figure, f.place, sum(f.x) as x, sum(f.n) as n, sum(f.x * f.x) as xx, sum(f.x * f.n) as xn,
           sum(f.n * f.n) as nn, sum(c.events)::bigint as events, count(*) as conversations
      from by_conversation c
     cross join lateral (values
       (1, 'zero_hit_rate', c.empty::double precision, c.events), (2, 'low_score_rate', c.low, c.scored),
       (3, 'liked_rate', c.liked, c.listed), (4, 'rejected_rate', c.rejected, c.listed),
       (5, 'citation_rate', c.cited, c.listed), (6, 'answer_support_rate', c.supported, c.voted),
       (7, 'first_liked_rank', c.ranks, c.liked), (8, 'logged_mrr', c.reciprocals, c.listed),
       (9, 'liked_in_first_5', c.liked_in_5, c.listed)) f(place, figure, x, n)
     group by c.kind, c.name, f.figure, f.place
  ), ratios as (
    select s.*, s.x / s.n as value,
           sqrt(greatest(0, s.xx - 2 * s.x / s.n * s.xn + (s.x / s.n) ^ 2 * s.nn)
                * s.conversations / nullif(s.conversations - 1, 0)) / s.n as error
      from sums s where s.n > 0
  ), shows as (
    select h.chunk_id, count(*)::double precision as n
      from outcomes o join glow.retrieval_hits h on h.tenant = o.tenant and h.event_id = o.event_id and h.recorded_at = o.recorded_at
     where h.shown group by h.chunk_id
  ), crowd as (
    -- Of the chunks that were shown; the concentration over all that could be is in `glow retrieval analyze`.
    select max(s.n) as most, sum((2 * s.place - s.many - 1) * s.n) / nullif(max(s.many) * sum(s.n), 0) as gini
      from (select s.n, row_number() over (order by s.n) as place, count(*) over () as many from shows s) s
  )
  -- Where nothing is known of the spread there are no limits; greatest and least would make some of null.
  select r.kind, r.name, r.figure, r.value, case when r.error is not null then greatest(0, r.value - 1.96 * r.error) end,
         case when r.error is null then null when r.place <= 6 or r.place = 8 then least(1, r.value + 1.96 * r.error)
              else r.value + 1.96 * r.error end,
         r.events, r.conversations
    from (
      select r.kind, r.name, r.place, r.figure, r.value, r.error, r.events, r.conversations from ratios r
      union all
      select 'all', '', 10 + l.place, l.figure, l.value, null, l.events, null
        from (select count(o.latency_ms) as events,
                     percentile_cont(0.5) within group (order by o.latency_ms) as half,
                     percentile_cont(0.95) within group (order by o.latency_ms) as most from outcomes o) q
       cross join lateral (values (0, 'latency_p50_ms', q.half, q.events), (1, 'latency_p95_ms', q.most, q.events)) l(place, figure, value, events)
       where l.value is not null
      union all
      select 'all', '', 12 + l.place, l.figure, l.value, null, n.lists, null
        from crowd c, (select count(*) as lists from outcomes o where o.listed) n
       cross join lateral (values (0, 'top_hub_share', c.most / nullif(n.lists, 0)), (1, 'exposure_gini', c.gini)) l(place, figure, value)
       where l.value is not null) r
   order by array_position('{all,policy,configuration,week}', r.kind), r.name, r.place;
end $$;
comment on function glow_api.retrieval_performance is
  'How an agent''s searches did in a period, over all and by policy, configuration and week: shares with limits of 95 % that '
  'count conversations, not searches; latency; and whether a few chunks take every place. answer_support_rate: of answers '
  'with a citation and a vote, those with a thumb up.';
