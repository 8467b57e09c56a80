-- How an agent's people use it before an experiment.

-- plan_memory --
-- Until the end of the transaction: room for hash tables over a million executions, plans made for the values at hand (what
-- no metric asks for is then not computed), no compiler for a query that runs a second, and one core: others are the apps'.
select set_config('work_mem', '256MB', true), set_config('jit', 'off', true), set_config('plan_cache_mode', 'force_custom_plan', true),
       set_config('max_parallel_workers_per_gather', '0', true)

-- caps --
-- What few executions exceed: the 99.9th percentile of what is averaged, the 95th of latency as a threshold.
select percentile_disc(0.999) within group (order by x.latency_ms::integer)::float8 as latency_mean,
       percentile_disc(0.95) within group (order by x.latency_ms::integer)::float8 as latency_slo,
       percentile_disc(0.999) within group (order by x.cost_usd)::float8 as cost_mean,
       percentile_disc(0.999) within group (order by case when jsonb_typeof(x.metadata -> %(score_key)s::text) = 'number'
         then (x.metadata -> %(score_key)s::text)::numeric::float8 end) as score
  from glow.executions x where x.agent = %(agent)s and x.recorded_at >= %(since)s and x.recorded_at < %(until)s

-- baselines --
-- Every metric over all people of an agent.
select count(*) as clusters, sum(executions)::bigint as executions,
       (sum(ups) / nullif(sum(thumbs), 0))::float8 as thumbs_up_rate,
       (sum(rating_sum) / nullif(sum(ratings), 0))::float8 as mean_rating,
       (sum(low_ratings) / nullif(sum(ratings), 0))::float8 as low_rating_rate,
       (sum(corrected) / nullif(sum(executions), 0))::float8 as correction_rate,
       (sum(score_sum) / nullif(sum(scores), 0))::float8 as score,
       (sum(slow) / nullif(sum(latencies), 0))::float8 as latency_slo,
       (sum(latency_sum) / nullif(sum(latencies), 0))::float8 as latency_mean,
       (sum(cost_sum) / nullif(sum(costs), 0))::float8 as cost_mean,
       (sum(rated) / nullif(sum(executions), 0))::float8 as feedback_rate,
       (sum(net) / nullif(sum(executions), 0))::float8 as net_score
  from glow.count_executions(
    %(agent)s::text, '', 0, %(unit)s::text, 'prompt', '', '', %(since)s, %(until)s, null, %(maturation)s::interval, %(seen)s, true,
    %(latency_cap)s::float8, %(slow_above)s::float8, %(cost_cap)s::float8, %(score_key)s::text, %(score_cap)s::float8)

-- traffic --
-- How an agent's people use it and how a metric varies.
select * from glow.experiment_traffic(
  %(agent)s::text, %(metric)s::text, %(unit)s::text, %(since)s::timestamptz, %(until)s::timestamptz, %(middle)s::timestamptz,
  %(slow_above)s::float8, %(cap)s::float8, %(score_key)s::text)
