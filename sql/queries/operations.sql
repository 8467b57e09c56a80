-- Watermarks, response cache, success metrics.

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
-- Raw counts behind the charter's success metrics. Votes since learning are those on a prompt that came from a gate;
-- baseline votes those on a registered prompt.
select
  (select count(*) from glow.executions) as executions,
  (select count(distinct (f.tenant, f.execution_id)) from glow.agent_feedback f join glow.executions e using (tenant, execution_id, agent)
    where f.superseded_by is null) as executions_with_feedback,
  (select count(distinct (f.tenant, f.execution_id)) from glow.agent_feedback f join glow.executions e using (tenant, execution_id, agent)
    where f.superseded_by is null and f.correction is not null) as executions_corrected,
  (select count(*) from glow.expert_annotations where superseded_by is null) as annotations,
  (select count(*) from glow.expert_annotations where superseded_by is null and verdict <> 'reject') as annotations_approved,
  (select coalesce(greatest(1, ceil(extract(epoch from max(recorded_at) - min(recorded_at)) / 86400)), 0)::int
     from glow.expert_annotations) as annotation_days,
  (select count(distinct example_id) from glow.learning_examples
    where status = 'approved' and superseded_at is null and recorded_at > clock_timestamp() - interval '7 days') as new_examples,
  (select count(*) from glow.learning_experiments where state = 'stopped') as experiments_concluded,
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
