-- Executions and what users said of them.

-- horizon --
-- The oldest transaction still open: everything below it is committed or gone for good, so a reader that stops here
-- never steps over a late commit.
select pg_snapshot_xmin(pg_current_snapshot())::text as horizon

-- agents --
-- All agents with how their answers are judged.
select agent, description, evaluation, train_share::float8, val_share::float8, test_share::float8
  from glow.agents order by agent

-- touched_agents --
-- Agents with new executions, feedback, annotations or demonstrations from a watermark up to the horizon. Feedback
-- whose execution is not logged yet does nothing here; when that execution arrives, its agent is touched again.
select agent from glow.executions where xid >= %(since)s::text::xid8 and xid < %(horizon)s::text::xid8
union
select agent from glow.agent_feedback where xid >= %(since)s::text::xid8 and xid < %(horizon)s::text::xid8
union
select agent from glow.expert_annotations where xid >= %(since)s::text::xid8 and xid < %(horizon)s::text::xid8
union
select agent from glow.demonstrations where xid >= %(since)s::text::xid8 and xid < %(horizon)s::text::xid8
order by agent

-- feedback_of_agent --
-- Feedback of an agent on its executions: what is current, or what was current when feedback_id `until` was the newest.
select f.feedback_id as id, f.agent, f.execution_id, f.user_id, f.kind, f.thumbs, f.rating, f.issues, f.comment, f.correction,
       coalesce(f.conversation_id, e.conversation_id) as conversation_id, f.recorded_at
  from glow.agent_feedback f join glow.executions e using (execution_id, agent)
 where f.agent = %(agent)s and (%(prompt_version)s::text is null or e.prompt_version = %(prompt_version)s)
   and case when %(until)s::bigint is null then f.superseded_by is null
            else f.feedback_id <= %(until)s and (f.superseded_by is null or f.superseded_by > %(until)s) end
 order by f.feedback_id

-- executions_of_agent --
-- Executions of an agent, of one prompt version if given.
select execution_id as id, agent, input, output, user_id, conversation_id, prompt_version
  from glow.executions
 where agent = %(agent)s and (%(prompt_version)s::text is null or prompt_version = %(prompt_version)s)
 order by execution_id

-- execution_summary --
-- One line per agent: volume, feedback, cost and latency.
select a.agent,
       count(e.execution_id) as executions,
       count(distinct f.execution_id) as with_feedback,
       percentile_cont(0.95) within group (order by e.latency_ms) as latency_p95_ms,
       coalesce(sum(e.prompt_tokens + e.completion_tokens), 0) as tokens,
       coalesce(sum(e.cost_usd), 0)::float8 as cost_usd,
       max(e.recorded_at) as last_at
  from glow.agents a
  left join glow.executions e using (agent)
  left join lateral (
    select f.execution_id from glow.agent_feedback f
     where f.execution_id = e.execution_id and f.superseded_by is null limit 1) f on true
 group by a.agent order by a.agent

-- waiting_feedback --
-- Feedback whose execution never came, or came for another agent, older than an age.
select f.agent, count(*) as waiting
  from glow.agent_feedback f
 where f.superseded_by is null and f.recorded_at < clock_timestamp() - %(age)s::interval
   and not exists (select from glow.executions e where e.execution_id = f.execution_id and e.agent = f.agent)
 group by f.agent order by f.agent

-- feedback_arrivals --
-- New feedback per agent behind the horizon, since each agent's own watermark (a JSON object agent -> xid).
with bounds as materialized (
  select a.agent, coalesce((%(watermarks)s::jsonb ->> a.agent)::xid8, '0'::xid8) as since from glow.agents a
)
select f.agent, count(*) as arrived, max(f.feedback_id) as last_id, %(horizon)s::text as horizon
  from glow.agent_feedback f join bounds b on b.agent = f.agent
 -- The first bound is for the index on (xid, feedback_id): the work is what is new, not the history.
 where f.xid >= (select min(since) from bounds) and f.xid >= b.since and f.xid < %(horizon)s::text::xid8
 group by f.agent
having count(*) >= %(threshold)s
 order by f.agent
 limit %(most)s

-- positive_feedback --
-- Thumbs by prompt version of an agent, one row per person and version: votes of one person are not independent.
select e.prompt_version, f.user_id, count(*) filter (where f.thumbs = 1) as up, count(*) as votes
  from glow.agent_feedback f join glow.executions e using (execution_id, agent)
 where f.agent = %(agent)s and f.superseded_by is null and f.thumbs is not null
 group by e.prompt_version, f.user_id
 order by e.prompt_version, f.user_id
