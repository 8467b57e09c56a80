-- What experiments count: partial sums by cluster and their moments.

-- plan_memory --
-- Until the end of the transaction: room for hash tables over a million executions, plans made for the values at hand (what
-- no metric asks for is then not computed), no compiler for a query that runs a second, and one core: others are the apps'.
select set_config('work_mem', '256MB', true), set_config('jit', 'off', true), set_config('plan_cache_mode', 'force_custom_plan', true),
       set_config('max_parallel_workers_per_gather', '0', true)

-- horizon --
-- The oldest transaction still open: everything below it is committed or gone for good.
select pg_snapshot_xmin(pg_current_snapshot())::text as horizon

-- counted_experiment --
-- What decides which executions count for which arm.
select experiment_id, agent, unit, kind, control, treatment, phase, plan, started_at, begun_at
  from glow.learning_experiments where experiment_id = %(experiment_id)s

-- open_fold --
-- The sums of a phase, empty.
insert into glow.experiment_folds (experiment_id, phase) values (%(experiment_id)s, %(phase)s)
on conflict (experiment_id, phase) do nothing

-- fold --
-- How far the sums of a phase have come; held until commit, so that two folds come one after the other.
select fold_id, counted_until, horizon::text as horizon, settings, units from glow.experiment_folds
 where experiment_id = %(experiment_id)s and phase = %(phase)s for update

-- counted_until --
-- How far the sums of a phase have come.
select fold_id, counted_until, settings from glow.experiment_folds where experiment_id = %(experiment_id)s and phase = %(phase)s

-- first_exposure --
-- Since when a phase has exposures.
select min(first_exposed_at) as first_at from glow.exposures
 where experiment_id = %(experiment_id)s and phase = %(phase)s

-- next_exposure --
-- When a phase was over: since when a later one exposes.
select min(first_exposed_at) as first_at from glow.exposures
 where experiment_id = %(experiment_id)s and phase > %(phase)s

-- exposures_until --
-- Exposures of a phase until an instant.
select count(*) as units from glow.exposures
 where experiment_id = %(experiment_id)s and phase = %(phase)s and first_exposed_at < %(until)s

-- came_late --
-- Whether anything that a fold has passed came or changed after it: an execution or a vote whose transaction was longer open
-- than the vote takes to mature, or whose rows an erasure touched.
select exists (
    select from glow.executions x
     where x.agent = %(agent)s and x.xid >= %(since_xid)s::text::xid8 and x.xid < %(horizon)s::text::xid8
       and x.recorded_at < %(counted_until)s)
  or exists (
    select from glow.agent_feedback f
     where f.agent = %(agent)s and f.xid >= %(since_xid)s::text::xid8 and f.xid < %(horizon)s::text::xid8
       and f.recorded_at < %(counted_until)s + %(maturation)s::interval
       and exists (select from glow.executions x
                    where x.tenant = f.tenant and x.execution_id = f.execution_id and x.recorded_at < %(counted_until)s
                      and f.recorded_at < x.recorded_at + %(maturation)s::interval)) as late

-- clear_sums --
-- Begins anew.
delete from glow.experiment_sums where fold_id = %(fold_id)s

-- add_clusters --
-- Exposed clusters count from their exposure on, whatever they do.
insert into glow.experiment_sums (fold_id, cluster_id, side)
select distinct %(fold_id)s::bigint, e.cluster_id, e.variant from glow.exposures e
 where e.experiment_id = %(experiment_id)s and e.phase = %(phase)s
   and e.first_exposed_at >= %(since)s and e.first_exposed_at < %(until)s
on conflict do nothing

-- add_before --
-- The time before the experiment, once and of everybody: who is exposed later finds it there.
insert into glow.experiment_sums
select %(fold_id)s, c.* from glow.count_executions(
  %(agent)s::text, %(experiment_id)s::text, %(phase)s, %(unit)s::text, %(kind)s::text, %(control)s::text, %(treatment)s::text,
  %(since)s, %(until)s, %(horizon)s::text::xid8, %(maturation)s::interval, %(until)s, true,
  %(latency_cap)s::float8, %(slow_above)s::float8, %(cost_cap)s::float8, %(score_key)s::text, %(score_cap)s::float8) c

-- count_all --
-- The sums of a phase from its first exposure on; exposed clusters count whatever they do.
insert into glow.experiment_sums
select %(fold_id)s, e.cluster_id, e.variant, coalesce(c.executions, 0), coalesce(c.rated, 0), coalesce(c.thumbs, 0), coalesce(c.ups, 0), coalesce(c.net, 0), coalesce(c.ratings, 0), coalesce(c.rating_sum, 0), 
       coalesce(c.low_ratings, 0), coalesce(c.corrected, 0), coalesce(c.latencies, 0), coalesce(c.latency_sum, 0), coalesce(c.slow, 0), coalesce(c.costs, 0), coalesce(c.cost_sum, 0), coalesce(c.scores, 0), coalesce(c.score_sum, 0), coalesce(c.others, 0)
  from (select distinct cluster_id, variant from glow.exposures
         where experiment_id = %(experiment_id)s and phase = %(phase)s and first_exposed_at < %(until)s) e
  left join glow.count_executions(
    %(agent)s::text, %(experiment_id)s::text, %(phase)s, %(unit)s::text, %(kind)s::text, %(control)s::text, %(treatment)s::text,
    %(since)s, %(until)s, %(horizon)s::text::xid8, %(maturation)s::interval, %(seen)s, false,
    %(latency_cap)s::float8, %(slow_above)s::float8, %(cost_cap)s::float8, %(score_key)s::text, %(score_cap)s::float8) c on c.cluster_id = e.cluster_id and c.side = e.variant

-- add_executions --
-- What matured since.
update glow.experiment_sums s
   set executions = s.executions + c.executions, rated = s.rated + c.rated, thumbs = s.thumbs + c.thumbs, ups = s.ups + c.ups,
       net = s.net + c.net, ratings = s.ratings + c.ratings, rating_sum = s.rating_sum + c.rating_sum,
       low_ratings = s.low_ratings + c.low_ratings, corrected = s.corrected + c.corrected, latencies = s.latencies + c.latencies,
       latency_sum = s.latency_sum + c.latency_sum, slow = s.slow + c.slow, costs = s.costs + c.costs,
       cost_sum = s.cost_sum + c.cost_sum, scores = s.scores + c.scores, score_sum = s.score_sum + c.score_sum,
       others = s.others | c.others
  from glow.count_executions(
    %(agent)s::text, %(experiment_id)s::text, %(phase)s, %(unit)s::text, %(kind)s::text, %(control)s::text, %(treatment)s::text,
    %(since)s, %(until)s, %(horizon)s::text::xid8, %(maturation)s::interval, %(seen)s, false,
    %(latency_cap)s::float8, %(slow_above)s::float8, %(cost_cap)s::float8, %(score_key)s::text, %(score_cap)s::float8) c
 where s.fold_id = %(fold_id)s and s.side = c.side and s.cluster_id = c.cluster_id

-- close_fold --
-- The sums have come that far.
update glow.experiment_folds
   set counted_until = %(counted_until)s, horizon = %(horizon)s::text::xid8, settings = %(settings)s, units = %(units)s,
       folded_at = clock_timestamp()
 where fold_id = %(fold_id)s

-- units --
-- Exposed units by phase and arm until an instant, with the chance an enrolled unit had of that arm. Not of phases before a restart
-- of what was held: what was found invalid and mended would hold every phase after it too.
select phase, count(*) filter (where variant = 'control') as control, count(*) filter (where variant = 'treatment') as treatment,
       max(propensity) filter (where variant = 'control') as control_share,
       max(propensity) filter (where variant = 'treatment') as treatment_share
  from glow.exposures
 where experiment_id = %(experiment_id)s and phase <= %(phase)s and first_exposed_at < %(as_of)s
   and phase >= coalesce((select max(m.phase) from glow.rollout_moves m
                           where m.experiment_id = %(experiment_id)s and m.move = 'experiment_restarted' and m.evidence ->> 'was' = 'held'), 1)
 group by phase order by phase

-- multiple --
-- Units seen with the version of the other arm.
select coalesce(sum(bit_count(others::bit(64))) filter (where side = 'control'), 0)::bigint as control,
       coalesce(sum(bit_count(others::bit(64))) filter (where side = 'treatment'), 0)::bigint as treatment
  from glow.experiment_sums where fold_id = %(fold_id)s and others <> 0

-- arm_moments --
-- Moments of the clusters of each arm, every metric at once. Large sums are taken from one cluster's value on (`_from`): far from
-- 0, float8 would lose what they differ by.
with o as materialized (
  select latency_sum, cost_sum, score_sum from glow.experiment_sums where fold_id = %(fold_id)s and side <> 'before' limit 1
)
select s.side, count(*) as n, (select latency_sum from o)::float8 as latency_mean_from, (select cost_sum from o)::float8 as cost_mean_from,
       (select score_sum from o)::float8 as score_from,
       glow.moments(s.ups::float8, s.thumbs::float8) as thumbs_up_rate,
       glow.moments(s.rating_sum::float8, s.ratings::float8) as mean_rating,
       glow.moments(s.low_ratings::float8, s.ratings::float8) as low_rating_rate,
       glow.moments(s.corrected::float8, s.executions::float8) as correction_rate,
       glow.moments((s.score_sum - (select o.score_sum from o))::float8, s.scores::float8) as score,
       glow.moments(s.slow::float8, s.latencies::float8) as latency_slo,
       glow.moments((s.latency_sum - (select o.latency_sum from o))::float8, s.latencies::float8) as latency_mean,
       glow.moments((s.cost_sum - (select o.cost_sum from o))::float8, s.costs::float8) as cost_mean,
       glow.moments(s.rated::float8, s.executions::float8) as feedback_rate,
       glow.moments(s.net::float8, s.executions::float8) as net_score
  from glow.experiment_sums s
 where s.fold_id = %(fold_id)s and s.side <> 'before' and s.others = 0
 group by s.side

-- cuped_moments --
-- The same of some metrics, together with what the cluster did before the experiment.
select v.metric, s.side, count(*) as n, min(v.at) as at, glow.moments(v.s, v.n) as s_n, glow.moments(v.xs, v.xn) as xs_xn,
       glow.moments(v.s, v.xs) as s_xs, glow.moments(v.s, v.xn) as s_xn, glow.moments(v.n, v.xs) as n_xs, glow.moments(v.n, v.xn) as n_xn
  from glow.experiment_sums s
 cross join (select * from glow.experiment_sums where fold_id = %(fold_id)s and side <> 'before' limit 1) o
  left join glow.experiment_sums b on b.fold_id = %(fold_id)s and b.side = 'before' and b.cluster_id = s.cluster_id
 cross join lateral (values
    ('thumbs_up_rate', o.ups::float8, (s.ups - o.ups)::float8, s.thumbs::float8, coalesce(b.ups, 0)::float8, coalesce(b.thumbs, 0)::float8),
    ('mean_rating', o.rating_sum::float8, (s.rating_sum - o.rating_sum)::float8, s.ratings::float8, coalesce(b.rating_sum, 0)::float8, coalesce(b.ratings, 0)::float8),
    ('low_rating_rate', o.low_ratings::float8, (s.low_ratings - o.low_ratings)::float8, s.ratings::float8, coalesce(b.low_ratings, 0)::float8, coalesce(b.ratings, 0)::float8),
    ('correction_rate', o.corrected::float8, (s.corrected - o.corrected)::float8, s.executions::float8, coalesce(b.corrected, 0)::float8, coalesce(b.executions, 0)::float8),
    ('score', o.score_sum::float8, (s.score_sum - o.score_sum)::float8, s.scores::float8, coalesce(b.score_sum, 0)::float8, coalesce(b.scores, 0)::float8),
    ('latency_slo', o.slow::float8, (s.slow - o.slow)::float8, s.latencies::float8, coalesce(b.slow, 0)::float8, coalesce(b.latencies, 0)::float8),
    ('latency_mean', o.latency_sum::float8, (s.latency_sum - o.latency_sum)::float8, s.latencies::float8, coalesce(b.latency_sum, 0)::float8, coalesce(b.latencies, 0)::float8),
    ('cost_mean', o.cost_sum::float8, (s.cost_sum - o.cost_sum)::float8, s.costs::float8, coalesce(b.cost_sum, 0)::float8, coalesce(b.costs, 0)::float8),
    ('feedback_rate', o.rated::float8, (s.rated - o.rated)::float8, s.executions::float8, coalesce(b.rated, 0)::float8, coalesce(b.executions, 0)::float8),
    ('net_score', o.net::float8, (s.net - o.net)::float8, s.executions::float8, coalesce(b.net, 0)::float8, coalesce(b.executions, 0)::float8)) v(metric, at, s, n, xs, xn)
 where s.fold_id = %(fold_id)s and s.side <> 'before' and s.others = 0 and v.metric = any(%(metrics)s::text[])
 group by v.metric, s.side

-- crossed_moments --
-- Moments of clusters that may have executions in both arms: one vector each. Before the experiment: the cluster's own value
-- less the agent's, as often as it has executions in the arm; 0 where nothing is known.
select v.metric, count(*) as n, min(v.at) as at, count(*) filter (where v.nc > 0) as control_clusters,
       count(*) filter (where v.nt > 0) as treatment_clusters,
       glow.moments(v.sc, v.nc) as sc_nc, glow.moments(v.sc, v.st) as sc_st, glow.moments(v.sc, v.nt) as sc_nt,
       glow.moments(v.nc, v.st) as nc_st, glow.moments(v.nc, v.nt) as nc_nt, glow.moments(v.st, v.nt) as st_nt,
       glow.moments(v.sc, v.nc * x.x) as sc_xc, glow.moments(v.sc, v.nt * x.x) as sc_xt, glow.moments(v.nc, v.nc * x.x) as nc_xc,
       glow.moments(v.nc, v.nt * x.x) as nc_xt, glow.moments(v.st, v.nc * x.x) as st_xc, glow.moments(v.st, v.nt * x.x) as st_xt,
       glow.moments(v.nt, v.nc * x.x) as nt_xc, glow.moments(v.nt, v.nt * x.x) as nt_xt,
       glow.moments(v.nc * x.x, v.nt * x.x) as xc_xt
  from (select * from glow.experiment_sums where fold_id = %(fold_id)s and side = 'control') c
  full join (select * from glow.experiment_sums where fold_id = %(fold_id)s and side = 'treatment') t using (cluster_id)
  left join glow.experiment_sums b on b.fold_id = %(fold_id)s and b.side = 'before' and b.cluster_id = coalesce(c.cluster_id, t.cluster_id)
 cross join (select * from glow.experiment_sums where fold_id = %(fold_id)s and side <> 'before' limit 1) o
 cross join lateral (values
    ('thumbs_up_rate', o.ups::float8, (coalesce(c.ups, 0) - o.ups)::float8, coalesce(c.thumbs, 0)::float8, (coalesce(t.ups, 0) - o.ups)::float8, coalesce(t.thumbs, 0)::float8, coalesce(b.ups, 0)::float8, coalesce(b.thumbs, 0)::float8),
    ('mean_rating', o.rating_sum::float8, (coalesce(c.rating_sum, 0) - o.rating_sum)::float8, coalesce(c.ratings, 0)::float8, (coalesce(t.rating_sum, 0) - o.rating_sum)::float8, coalesce(t.ratings, 0)::float8, coalesce(b.rating_sum, 0)::float8, coalesce(b.ratings, 0)::float8),
    ('low_rating_rate', o.low_ratings::float8, (coalesce(c.low_ratings, 0) - o.low_ratings)::float8, coalesce(c.ratings, 0)::float8, (coalesce(t.low_ratings, 0) - o.low_ratings)::float8, coalesce(t.ratings, 0)::float8, coalesce(b.low_ratings, 0)::float8, coalesce(b.ratings, 0)::float8),
    ('correction_rate', o.corrected::float8, (coalesce(c.corrected, 0) - o.corrected)::float8, coalesce(c.executions, 0)::float8, (coalesce(t.corrected, 0) - o.corrected)::float8, coalesce(t.executions, 0)::float8, coalesce(b.corrected, 0)::float8, coalesce(b.executions, 0)::float8),
    ('score', o.score_sum::float8, (coalesce(c.score_sum, 0) - o.score_sum)::float8, coalesce(c.scores, 0)::float8, (coalesce(t.score_sum, 0) - o.score_sum)::float8, coalesce(t.scores, 0)::float8, coalesce(b.score_sum, 0)::float8, coalesce(b.scores, 0)::float8),
    ('latency_slo', o.slow::float8, (coalesce(c.slow, 0) - o.slow)::float8, coalesce(c.latencies, 0)::float8, (coalesce(t.slow, 0) - o.slow)::float8, coalesce(t.latencies, 0)::float8, coalesce(b.slow, 0)::float8, coalesce(b.latencies, 0)::float8),
    ('latency_mean', o.latency_sum::float8, (coalesce(c.latency_sum, 0) - o.latency_sum)::float8, coalesce(c.latencies, 0)::float8, (coalesce(t.latency_sum, 0) - o.latency_sum)::float8, coalesce(t.latencies, 0)::float8, coalesce(b.latency_sum, 0)::float8, coalesce(b.latencies, 0)::float8),
    ('cost_mean', o.cost_sum::float8, (coalesce(c.cost_sum, 0) - o.cost_sum)::float8, coalesce(c.costs, 0)::float8, (coalesce(t.cost_sum, 0) - o.cost_sum)::float8, coalesce(t.costs, 0)::float8, coalesce(b.cost_sum, 0)::float8, coalesce(b.costs, 0)::float8),
    ('feedback_rate', o.rated::float8, (coalesce(c.rated, 0) - o.rated)::float8, coalesce(c.executions, 0)::float8, (coalesce(t.rated, 0) - o.rated)::float8, coalesce(t.executions, 0)::float8, coalesce(b.rated, 0)::float8, coalesce(b.executions, 0)::float8),
    ('net_score', o.net::float8, (coalesce(c.net, 0) - o.net)::float8, coalesce(c.executions, 0)::float8, (coalesce(t.net, 0) - o.net)::float8, coalesce(t.executions, 0)::float8, coalesce(b.net, 0)::float8, coalesce(b.executions, 0)::float8)) v(metric, at, sc, nc, st, nt, xs, xn)
 cross join lateral (
   select case when v.xn > 0 then v.xs / v.xn - (%(baselines)s::jsonb ->> v.metric)::float8 else 0 end as x) x
 where coalesce(c.others, 0) = 0 and coalesce(t.others, 0) = 0 and v.metric = any(%(metrics)s::text[])
 group by v.metric
