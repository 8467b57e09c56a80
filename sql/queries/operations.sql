-- Watermarks, response cache, success metrics, upkeep of storage.

-- watermark --
-- How far a consumer has read.
select xid::text as xid from glow.watermarks where consumer = %(consumer)s and agent = %(agent)s

-- set_watermark --
-- Moves a watermark, forward only.
insert into glow.watermarks (consumer, agent, xid) values (%(consumer)s, %(agent)s, %(xid)s::text::xid8)
on conflict (consumer, agent) do update set xid = excluded.xid, updated_at = clock_timestamp()
 where watermarks.xid < excluded.xid

-- cached_responses --
-- Known answers by request.
select request_key, model, text, prompt_tokens, completion_tokens, seconds, cost_usd
  from glow.responses where request_key = any(%(keys)s)

-- insert_response --
-- An answer as it was paid for; a known request changes nothing.
insert into glow.responses (request_key, model, text, prompt_tokens, completion_tokens, seconds, cost_usd)
values (%(key)s, %(model)s, %(text)s, %(prompt_tokens)s, %(completion_tokens)s, %(seconds)s, %(cost_usd)s)
on conflict (request_key) do nothing

-- success_counts --
-- Raw counts behind the charter's success metrics. Annotations are neither reviews of gold, which measure reviewers, nor
-- decisions, which are said of what was annotated already. Votes since learning are those on a prompt that came from a gate;
-- baseline votes those on a registered prompt.
select
  (select count(*) from glow.executions) as executions,
  (select count(distinct (f.tenant, f.execution_id)) from glow.agent_feedback f join glow.executions e using (tenant, execution_id, agent)
    where f.superseded_by is null) as executions_with_feedback,
  (select count(distinct (f.tenant, f.execution_id)) from glow.agent_feedback f join glow.executions e using (tenant, execution_id, agent)
    where f.superseded_by is null and f.correction is not null) as executions_corrected,
  (select count(*) from glow.expert_annotations where superseded_by is null and role = 'review' and not gold) as annotations,
  (select count(*) from glow.expert_annotations
    where superseded_by is null and role = 'review' and not gold and verdict <> 'reject') as annotations_approved,
  (select coalesce(greatest(1, ceil(extract(epoch from max(recorded_at) - min(recorded_at)) / 86400)), 0)::int
     from glow.expert_annotations where role = 'review' and not gold) as annotation_days,
  (select count(distinct example_id) from glow.learning_examples
    where status = 'approved' and superseded_at is null and recorded_at > clock_timestamp() - interval '7 days') as new_examples,
  (select count(*) from glow.learning_experiments where not active) as experiments_concluded,
  (select count(*) from glow.agent_feedback f join glow.executions e using (tenant, execution_id, agent)
     join glow.prompt_versions p on p.agent = e.agent and p.prompt_version = e.prompt_version
    where f.superseded_by is null and f.thumbs is not null and p.operator <> 'registered') as votes,
  (select count(*) from glow.agent_feedback f join glow.executions e using (tenant, execution_id, agent)
     join glow.prompt_versions p on p.agent = e.agent and p.prompt_version = e.prompt_version
    where f.superseded_by is null and f.thumbs = 1 and p.operator <> 'registered') as votes_up,
  (select count(*) from glow.agent_feedback f join glow.executions e using (tenant, execution_id, agent)
     join glow.prompt_versions p on p.agent = e.agent and p.prompt_version = e.prompt_version
    where f.superseded_by is null and f.thumbs is not null and p.operator = 'registered') as baseline_votes,
  (select count(*) from glow.agent_feedback f join glow.executions e using (tenant, execution_id, agent)
     join glow.prompt_versions p on p.agent = e.agent and p.prompt_version = e.prompt_version
    where f.superseded_by is null and f.thumbs = 1 and p.operator = 'registered') as baseline_votes_up

-- latest_prompt_difference --
-- The accuracy difference of the newest gate that promoted.
select evidence -> 'difference' as difference from glow.prompt_gates
 where verdict = 'promote' order by created_at desc limit 1

-- latest_retrieval_gain --
-- The relative gain in nDCG@10 of the newest configuration that shipped.
select (evidence #>> '{overall,gain,estimate}')::float8 / (evidence #>> '{overall,current}')::float8 as estimate,
       (evidence #>> '{overall,gain,low}')::float8 / (evidence #>> '{overall,current}')::float8 as low,
       (evidence #>> '{overall,gain,high}')::float8 / (evidence #>> '{overall,current}')::float8 as high
  from glow.retrieval_gates where verdict = 'ship' order by created_at desc limit 1

-- insert_measurement --
-- One measurement of a success metric.
insert into glow.success_metrics (metric, value, low, high, target, status, detail)
values (%(metric)s, %(value)s, %(low)s, %(high)s, %(target)s, %(status)s, %(detail)s)

-- latest_measurements --
-- The newest measurement of every success metric.
select distinct on (metric) metric, value, low, high, target, status, detail, measured_at
  from glow.success_metrics order by metric, measured_at desc

-- learning_stats --
-- The counts apps see, for our own use.
select glow_api.learning_stats() as stats

-- limit_lock_wait --
-- Until the end of the transaction, gives up what cannot be locked at once: whoever waits for a whole table makes
-- every writer behind it wait too.
select set_config('lock_timeout', %(wait)s, true)

-- ensure_partitions --
-- Makes the partitions of this month and the next ones.
select glow.ensure_partitions() as name

-- partitioned_tables --
-- The tables kept in months.
select name from glow.partitioned_tables() order by name

-- drop_partitions --
-- Drops the months of one table that ended so many months ago, or as long ago as its policy says.
select glow.drop_partitions(t.relation, glow.retention_cutoff(t.name::text, clock_timestamp() - make_interval(months => %(months)s::int))) as name
  from glow.partitioned_tables() t where t.name = %(table)s::name

-- expire --
-- Removes what belongs to rows of months that ended so many months ago, or as long ago as policies say.
select glow.expire(clock_timestamp() - make_interval(months => %(months)s::int)) as name

-- kept_months --
-- How many months each table is kept that is kept for a while only; null: for ever.
select p.relation, p.action, case when r.relation is null and p.action = 'drop' then %(months)s::int else r.months end as months
  from glow.prunable() p left join glow.retention_policies r using (relation) order by p.relation

-- prune --
-- Deletes some rows of a table that are older than its policy.
select glow.prune(%(table)s, %(most)s) as deleted

-- forget_calls --
-- Deletes samples of calls that no limit looks at any more.
select glow.forget_calls('1 hour') as deleted

-- forget_staged_rows --
-- Staged rows of imports that ended, or that nobody went on with for a day: their file is read again from the last
-- line applied.
delete from glow.import_batches r
 where not exists (select from glow.imports i
                    where i.import_id = r.import_id and i.state = 'running'
                      and i.updated_at > clock_timestamp() - interval '1 day')

-- partition_summary --
-- Tables in months: how many, from when to when, how many months ahead, how large; and the rows that came in a month
-- nobody had made. Those lie before the first month or after the last, which is what lets the planner skip the months.
with months as (
  select p.name, i.inhrelid, to_date(substring(c.relname from '_([0-9]{4}_[0-9]{2})$'), 'YYYY_MM')::timestamp as month
    from glow.partitioned_tables() p join pg_inherits i on i.inhparent = p.relation join pg_class c on c.oid = i.inhrelid
), kept as (
  select m.name, count(m.month) as months, min(m.month)::date as oldest, max(m.month)::date as newest,
         case when not bool_or(coalesce(m.month = n.now, false)) then -1
              when not bool_or(coalesce(m.month = n.now + interval '1 month', false)) then 0
              else count(*) filter (where m.month > n.now) end as ahead,
         coalesce(min(m.month), 'infinity') at time zone 'UTC' as begins,
         coalesce(max(m.month) + interval '1 month', '-infinity') at time zone 'UTC' as ends,
         sum(pg_stat_get_live_tuples(m.inhrelid))::bigint as rows, sum(pg_total_relation_size(m.inhrelid))::bigint as bytes
    from months m, (select date_trunc('month', clock_timestamp() at time zone 'UTC') as now) n
   group by m.name
), outside as (
  select 'agent_feedback' as name, count(*) as rows, min(recorded_at) as oldest from glow.agent_feedback
   where recorded_at < (select begins from kept where name = 'agent_feedback')
      or recorded_at >= (select ends from kept where name = 'agent_feedback')
  union all
  select 'executions', count(*), min(recorded_at) from glow.executions
   where recorded_at < (select begins from kept where name = 'executions')
      or recorded_at >= (select ends from kept where name = 'executions')
  union all
  select 'retrieval_events', count(*), min(recorded_at) from glow.retrieval_events
   where recorded_at < (select begins from kept where name = 'retrieval_events')
      or recorded_at >= (select ends from kept where name = 'retrieval_events')
  union all
  select 'retrieval_hits', count(*), min(recorded_at) from glow.retrieval_hits
   where recorded_at < (select begins from kept where name = 'retrieval_hits')
      or recorded_at >= (select ends from kept where name = 'retrieval_hits')
)
select k.name, k.months::int, k.oldest, k.newest, k.ahead::int, k.rows, k.bytes,
       coalesce(o.rows, 0) as outside_rows, extract(epoch from clock_timestamp() - o.oldest)::float8 as outside_seconds
  from kept k left join outside o on o.name = k.name
 order by k.name

-- horizon_holder --
-- The oldest open write transaction of the server: no incremental reader steps over it. How long a login of another
-- role has been open is hidden without pg_read_all_stats (seconds is null then).
select h.xid::text as horizon, coalesce(a.usename::text, p.owner::text) as login, coalesce(a.datname::text, p.database::text) as database,
       coalesce(a.application_name, p.gid) as application, a.pid,
       extract(epoch from clock_timestamp() - coalesce(a.xact_start, p.prepared))::float8 as seconds
  from (select pg_snapshot_xmin(pg_current_snapshot()) as xid) h
  left join pg_stat_activity a on a.backend_xid = h.xid::xid
  left join pg_prepared_xacts p on p.transaction = h.xid::xid
 where a.pid is not null or p.gid is not null

-- held_back --
-- How long the oldest executions and feedback beyond the horizon have been waiting for a reader, by the first of each
-- agent. Needs no privilege.
select coalesce(extract(epoch from clock_timestamp() - min(x.recorded_at)), 0)::float8 as seconds
  from glow.agents a
 cross join lateral (
   (select f.recorded_at from glow.agent_feedback f
     where f.agent = a.agent and f.xid >= %(horizon)s::text::xid8 order by f.xid limit 1)
   union all
   (select e.recorded_at from glow.executions e
     where e.agent = a.agent and e.xid >= %(horizon)s::text::xid8 order by e.xid limit 1)) x
