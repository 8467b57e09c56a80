-- What experiments count: sums per cluster, kept as partial sums so that a look costs what is new.

-- How far the partial sums of a phase have come: executions recorded before `counted_until` by transactions below `horizon`.
create table glow.experiment_folds (
  fold_id       bigint generated always as identity primary key,
  experiment_id text not null references glow.learning_experiments,
  phase         integer not null,
  -- Null: nothing is counted, the next fold counts everything.
  counted_until timestamptz,
  horizon       xid8,
  -- What was counted by: other caps mean other sums.
  settings      jsonb not null default '{}',
  -- Exposures before then. Another number later: some came late, or were erased.
  units         bigint not null default 0,
  folded_at     timestamptz not null default clock_timestamp(),
  unique (experiment_id, phase),
  check ((counted_until is null) = (horizon is null))
);
comment on table glow.experiment_folds is 'How far the sums of experiment_sums have come; locked while somebody adds to them.';

-- Half empty pages: a row that grows finds room beside itself, and no index is touched. No foreign key: looking it up for each
-- row took a third of a whole count.
create table glow.experiment_sums (
  fold_id    bigint not null,
  cluster_id text collate "C" not null,
  -- before: the cluster's executions before the experiment began, for CUPED.
  side       text collate "C" not null check (side in ('control', 'treatment', 'before')),
  executions bigint not null default 0,
  rated      bigint not null default 0,
  thumbs     bigint not null default 0,
  ups        bigint not null default 0,
  net        bigint not null default 0,
  ratings    bigint not null default 0,
  rating_sum bigint not null default 0,
  low_ratings bigint not null default 0,
  corrected  bigint not null default 0,
  latencies  bigint not null default 0,
  latency_sum bigint not null default 0,
  slow       bigint not null default 0,
  costs      bigint not null default 0,
  cost_sum   numeric not null default 0,
  scores     bigint not null default 0,
  score_sum  numeric not null default 0,
  -- A bit for each unit (one of 64 hashes) seen with the version of the other arm: such a cluster counts for no metric.
  others     bigint not null default 0,
  primary key (fold_id, side, cluster_id)
) with (fillfactor = 50);
comment on table glow.experiment_sums is 'Partial sums of a phase of an experiment, by cluster and arm; also of exposed clusters without executions.';

-- State of pg_catalog's own regr_* functions: n, Σy, Syy, Σx, Sxx, Sxy (centred: Youngs and Cramer 1971). One of these instead of six functions.
create aggregate glow.moments(y double precision, x double precision) (
  sfunc = float8_regr_accum, stype = double precision[], combinefunc = float8_regr_combine, initcond = '{0,0,0,0,0,0}',
  parallel = safe);
comment on aggregate glow.moments(double precision, double precision) is 'n, sum and centred squares of x, sum and centred squares of y, centred products: what regr_* are made of.';

create function glow.words_at(of_tenant text, of_execution text, of_agent text, earliest timestamptz, latest timestamptz)
  returns table (rated integer, thumbs integer, ups integer, net integer, ratings integer, rating_sum integer, low_ratings integer,
                 corrected integer)
  language sql stable parallel safe as $$
  select (count(f.thumbs) + count(f.rating) > 0)::integer, count(f.thumbs)::integer, count(*) filter (where f.thumbs = 1)::integer,
         coalesce(sign(sum(f.thumbs)), 0)::integer, count(f.rating)::integer, coalesce(sum(f.rating), 0)::integer,
         count(*) filter (where f.rating <= 2)::integer, (count(f.correction) > 0)::integer
    from glow.agent_feedback f
   where f.tenant = of_tenant and f.execution_id = of_execution and f.agent = of_agent and not f.withdrawn
     and f.recorded_at >= earliest and f.recorded_at < latest
     and not exists (select from glow.agent_feedback g
                      where g.tenant = of_tenant and g.execution_id = of_execution and g.feedback_id = f.superseded_by
                        and g.recorded_at < latest)
$$;
comment on function glow.words_at is 'What was in force of what people said of an execution between two instants, at the second of them.';

-- The key by which executions find their exposure, as glow.unit_of says it; written out, because a function would be called for
-- each of a million rows.
--
-- One pass over executions, exposures and votes. Kept so that the planner writes it into the query around it and folds what is
-- constant there.
--
-- Of what people said of an execution counts what was in force when it matured: recorded at most `maturation` before or
-- after it, and before `seen`. Where all that was ever said falls into that time, those are the current words (`heard`); of
-- the few others they are looked up one by one (`later`).
create function glow.count_executions(
  of_agent text, of_experiment text, of_phase integer, of_unit text, of_kind text, of_control text, of_treatment text,
  since timestamptz, until timestamptz, below xid8, maturation interval, seen timestamptz, before boolean,
  latency_cap double precision, slow_above double precision, cost_cap double precision, score_key text, score_cap double precision
) returns table (
  cluster_id text, side text, executions bigint, rated bigint, thumbs bigint, ups bigint, net bigint, ratings bigint, rating_sum bigint,
  low_ratings bigint, corrected bigint, latencies bigint, latency_sum bigint, slow bigint, costs bigint, cost_sum numeric,
  scores bigint, score_sum numeric, others bigint)
  language sql stable parallel safe as $$
  with heard as materialized (
    select f.tenant, f.execution_id, count(*) as words, min(f.recorded_at) as first_at, max(f.recorded_at) as last_at,
           (count(f.thumbs) + count(f.rating) > 0)::integer as rated, count(f.thumbs)::integer as thumbs,
           count(*) filter (where f.thumbs = 1)::integer as ups, coalesce(sign(sum(f.thumbs)), 0)::integer as net,
           count(f.rating)::integer as ratings, coalesce(sum(f.rating), 0)::integer as rating_sum,
           count(*) filter (where f.rating <= 2)::integer as low_ratings, (count(f.correction) > 0)::integer as corrected
      from (select f.tenant, f.execution_id, f.recorded_at, case when f.superseded_by is null then f.thumbs end as thumbs,
                   case when f.superseded_by is null then f.rating end as rating,
                   case when f.superseded_by is null then f.correction end as correction
              from glow.agent_feedback f
             where f.agent = of_agent and f.recorded_at >= since - maturation) f
     group by f.tenant, f.execution_id
  ), exposed as materialized (
    select e.unit_id, e.cluster_id, e.variant, e.first_exposed_at,
           case e.variant when 'control' then of_treatment else of_control end as other,
           1::bigint << (hashtext(e.unit_id) & 63) as mark,
           -- Grouping by a number instead of two texts: a sixth of the whole.
           (dense_rank() over (order by e.cluster_id, e.variant))::integer as arm
      from glow.exposures e where e.experiment_id = of_experiment and e.phase = of_phase and not before
  ), counted as (
    select e.arm, case when before then k.key end as key, count(*) as executions,
           sum(h.rated) as rated, sum(h.thumbs) as thumbs, sum(h.ups) as ups, sum(h.net) as net, sum(h.ratings) as ratings,
           sum(h.rating_sum) as rating_sum, sum(h.low_ratings) as low_ratings, sum(h.corrected) as corrected,
           count(x.latency_ms) as latencies, sum(case when x.latency_ms > latency_cap::integer then latency_cap::integer else x.latency_ms::integer end) as latency_sum,
           count(*) filter (where x.latency_ms > slow_above) as slow, count(x.cost_usd) as costs,
           sum(case when x.cost_usd > cost_cap::numeric then cost_cap::numeric else x.cost_usd end) as cost_sum, count(v.score) as scores, sum(v.score) as score_sum,
           bit_or(e.mark) filter (
             where x.started_at >= e.first_exposed_at
               and case of_kind when 'prompt' then x.prompt_version when 'model' then x.model else x.metadata ->> of_kind end = e.other) as others
      from glow.executions x
     cross join lateral (select case x.tenant when 'default' then i.id else x.tenant || chr(31) || i.id end as key
       from (select case when of_unit = 'org' then x.metadata ->> 'org_id' when before or of_unit = 'user' then x.user_id
                         when of_unit = 'session' then x.conversation_id else x.execution_id end as id) i) k
      left join exposed e on e.unit_id = k.key and e.first_exposed_at <= x.recorded_at
      left join heard h
             on h.tenant = x.tenant and h.execution_id = x.execution_id
            and h.first_at >= x.recorded_at - maturation and h.last_at < least(x.recorded_at + maturation, seen)
     cross join lateral (
       select case when jsonb_typeof(x.metadata -> score_key) = 'number'
                   then round(least((x.metadata -> score_key)::numeric, score_cap::numeric), 12) end as score) v
     where x.agent = of_agent and x.recorded_at >= since and x.recorded_at < until and (below is null or x.xid < below)
       and (before and k.key is not null or e.unit_id is not null)
     group by 1, 2
  ), later as (
    select coalesce(e.cluster_id, k.key) as cluster_id, coalesce(e.variant, 'before') as side, sum(w.rated) as rated,
           sum(w.thumbs) as thumbs, sum(w.ups) as ups, sum(w.net) as net, sum(w.ratings) as ratings, sum(w.rating_sum) as rating_sum,
           sum(w.low_ratings) as low_ratings, sum(w.corrected) as corrected
      from heard h
      -- One by one by the primary key, whatever the planner expects of `words`.
     cross join lateral (
       select x.* from glow.executions x
        where x.tenant = h.tenant and x.execution_id = h.execution_id and x.agent = of_agent
          and x.recorded_at >= since and x.recorded_at < until and (below is null or x.xid < below)
          and not (h.first_at >= x.recorded_at - maturation and h.last_at < least(x.recorded_at + maturation, seen))
        limit 1) x
     cross join lateral (select case x.tenant when 'default' then i.id else x.tenant || chr(31) || i.id end as key
       from (select case when of_unit = 'org' then x.metadata ->> 'org_id' when before or of_unit = 'user' then x.user_id
                         when of_unit = 'session' then x.conversation_id else x.execution_id end as id) i) k
      left join exposed e on e.unit_id = k.key and e.first_exposed_at <= x.recorded_at
     cross join lateral glow.words_at(
       x.tenant, x.execution_id, of_agent, x.recorded_at - maturation, least(x.recorded_at + maturation, seen)) w
     where h.words > 1 and (before and k.key is not null or e.unit_id is not null)
     group by 1, 2
  )
  select coalesce(a.cluster_id, c.key), coalesce(a.variant, 'before'), c.executions, coalesce(c.rated, 0) + coalesce(l.rated, 0), coalesce(c.thumbs, 0) + coalesce(l.thumbs, 0),
         coalesce(c.ups, 0) + coalesce(l.ups, 0), coalesce(c.net, 0) + coalesce(l.net, 0), coalesce(c.ratings, 0) + coalesce(l.ratings, 0),
         coalesce(c.rating_sum, 0) + coalesce(l.rating_sum, 0), coalesce(c.low_ratings, 0) + coalesce(l.low_ratings, 0),
         coalesce(c.corrected, 0) + coalesce(l.corrected, 0), c.latencies, coalesce(c.latency_sum, 0), c.slow, c.costs,
         coalesce(c.cost_sum, 0), c.scores, coalesce(c.score_sum, 0), coalesce(c.others, 0)
    from counted c
    left join (select distinct on (arm) arm, cluster_id, variant from exposed) a on a.arm = c.arm
    left join later l on l.cluster_id = coalesce(a.cluster_id, c.key) and l.side = coalesce(a.variant, 'before')
$$;
comment on function glow.count_executions is
  'Sums by cluster and arm of the executions recorded from `since` until `until` that follow an exposure; with `before`, of all '
  'users. `others`: a bit for each unit that carries the version of the other arm (for one of 64 hashes of it).';

-- Nothing is lost: the next fold counts everything that is still there.
create function glow.recount_experiments(agents text[]) returns bigint
  language plpgsql as $$
declare
  n bigint;
begin
  update glow.experiment_folds f set counted_until = null, horizon = null
    from glow.learning_experiments x
   where x.experiment_id = f.experiment_id and x.agent = any (recount_experiments.agents) and f.counted_until is not null;
  get diagnostics n = row_count;
  return n;
end $$;
comment on function glow.recount_experiments is 'Lets the next fold of every experiment of some agents begin anew: what it counted has changed.';

-- One pass over an agent's executions: sums of a metric by session and half of the time, by person, and over people. `q` is the sum
-- of squares of single values, exact decimals, so that nothing cancels.
-- Both planners read it: learning/experiments/planning, and glow_api.plan_of.
create function glow.experiment_traffic(
  of_agent text, of_metric text, of_unit text, of_since timestamptz, of_until timestamptz, of_middle timestamptz,
  of_slow_above double precision, of_cap double precision, of_score_key text
) returns table (
  people bigint, executions_per_user double precision, sessions_per_user double precision, rated_per_user double precision,
  rated_deviation double precision, ratio double precision, raters bigint, "values" double precision, squared_counts double precision,
  between_people double precision, within_people double precision, pre_post_correlation double precision)
  language sql stable parallel safe as $$
  with heard as (
    select f.tenant, f.execution_id, count(f.thumbs) as thumbs, count(*) filter (where f.thumbs = 1) as ups, sign(sum(f.thumbs)) as net,
           count(f.rating) as ratings, sum(f.rating) as rating_sum, sum(f.rating * f.rating) as rating_squares,
           count(*) filter (where f.rating <= 2) as low_ratings, (count(f.correction) > 0)::integer as corrected
      from glow.agent_feedback f
     where f.agent = of_agent and f.recorded_at >= of_since and f.superseded_by is null
     group by f.tenant, f.execution_id
  ), single as (
    select x.tenant, case of_unit when 'org' then x.metadata ->> 'org_id' else x.user_id end as person, x.conversation_id,
           x.recorded_at >= of_middle as later,
           case of_metric
             when 'thumbs_up_rate' then h.ups when 'mean_rating' then h.rating_sum when 'low_rating_rate' then h.low_ratings
             when 'correction_rate' then coalesce(h.corrected, 0) when 'net_score' then coalesce(h.net, 0)
             when 'feedback_rate' then (h.thumbs + h.ratings > 0)::integer
             when 'latency_slo' then (x.latency_ms > of_slow_above)::integer
             when 'latency_mean' then case when x.latency_ms > of_cap::numeric then of_cap::numeric else x.latency_ms end
             when 'cost_mean' then case when x.cost_usd > of_cap::numeric then of_cap::numeric else x.cost_usd end
             when 'score' then case when jsonb_typeof(x.metadata -> of_score_key) = 'number'
                                    then round(least((x.metadata -> of_score_key)::numeric, of_cap::numeric), 12) end end::numeric as s,
           case of_metric
             when 'thumbs_up_rate' then h.thumbs when 'mean_rating' then h.ratings when 'low_rating_rate' then h.ratings
             when 'latency_slo' then (x.latency_ms is not null)::integer when 'latency_mean' then (x.latency_ms is not null)::integer
             when 'cost_mean' then (x.cost_usd is not null)::integer
             when 'score' then (jsonb_typeof(x.metadata -> of_score_key) is not distinct from 'number')::integer
             else 1 end::bigint as n,
           h.rating_squares
      from glow.executions x left join heard h using (tenant, execution_id)
     where x.agent = of_agent and x.recorded_at >= of_since and x.recorded_at < of_until
  ), sessions as (
    select tenant, person, conversation_id, count(*) as executions, coalesce(sum(s), 0) as s, coalesce(sum(n), 0) as n,
           coalesce(sum(case of_metric when 'mean_rating' then rating_squares
                                              when 'thumbs_up_rate' then s when 'low_rating_rate' then s else s * s end), 0) as q,
           coalesce(sum(s) filter (where later), 0) as s2, coalesce(sum(n) filter (where later), 0) as n2
      from single where person is not null group by tenant, person, conversation_id
  ), people as (
    select sum(executions) as executions, count(conversation_id) as sessions, sum(s) as s, sum(n) as n, sum(q) as q,
           sum(s2) as s2, sum(n2) as n2
      from sessions group by tenant, person
  ), whole as (
    select sum(s) / nullif(sum(n), 0) as ratio from people
  )
  select count(*) as people, avg(executions)::float8 as executions_per_user, avg(sessions)::float8 as sessions_per_user,
         avg(n)::float8 as rated_per_user, coalesce(stddev_pop(n), 0)::float8 as rated_deviation, min(w.ratio)::float8 as ratio,
         count(*) filter (where n > 0) as raters, coalesce(sum(n), 0)::float8 as values, sum(n * n)::float8 as squared_counts,
         sum(n * (s / nullif(n, 0) - w.ratio) ^ 2)::float8 as between_people, sum(q - s * s / nullif(n, 0))::float8 as within_people,
         corr(((s - s2) - w.ratio * (n - n2))::float8, (s2 - w.ratio * n2)::float8) filter (where n2 > 0) as pre_post_correlation
    from people cross join whole w
$$;
comment on function glow.experiment_traffic is
  'How people use an agent and how alike their values of a metric are: per person executions, sessions and values, the ratio of the '
  'metric, sums of squares between and within people, and how a person''s later half follows the earlier one.';
