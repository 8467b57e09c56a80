-- Executions and what users said of them.

-- horizon --
-- The oldest transaction still open: everything below it is committed or gone for good, so a reader that stops here
-- never steps over a late commit.
select pg_snapshot_xmin(pg_current_snapshot())::text as horizon

-- agents --
-- All agents with how their answers are judged.
select agent, description, evaluation, metric, metric_settings, train_share::float8, val_share::float8, test_share::float8
  from glow.agents order by agent

-- touched_agents --
-- Agents with new executions, feedback, annotations or demonstrations from a watermark up to the horizon. Feedback
-- whose execution is not logged yet does nothing here; when that execution arrives, its agent is touched again. One
-- probe of an index for each agent and table: what happened before the watermark costs nothing.
select a.agent from glow.agents a
 where exists (select from glow.executions e
                where e.agent = a.agent and e.xid >= %(since)s::text::xid8 and e.xid < %(horizon)s::text::xid8)
    or exists (select from glow.agent_feedback f
                where f.agent = a.agent and f.xid >= %(since)s::text::xid8 and f.xid < %(horizon)s::text::xid8)
    or exists (select from glow.expert_annotations x
                where x.agent = a.agent and x.xid >= %(since)s::text::xid8 and x.xid < %(horizon)s::text::xid8)
    or exists (select from glow.comparisons c
                where c.agent = a.agent and c.xid >= %(since)s::text::xid8 and c.xid < %(horizon)s::text::xid8)
    or exists (select from glow.demonstrations d
                where d.agent = a.agent and d.xid >= %(since)s::text::xid8 and d.xid < %(horizon)s::text::xid8)
 order by a.agent

-- feedback_of_agent --
-- Feedback of an agent on its executions: what is current, or what was current when feedback_id `until` was the newest.
select f.feedback_id as id, f.agent, glow.qualified(f.tenant, f.execution_id) as execution_id,
       glow.qualified(f.tenant, f.user_id) as user_id, f.kind, f.thumbs, f.rating, f.issues, f.comment, f.correction,
       glow.qualified(f.tenant, coalesce(f.conversation_id, e.conversation_id)) as conversation_id, f.recorded_at
  from glow.agent_feedback f join glow.executions e using (tenant, execution_id, agent)
 where f.agent = %(agent)s and (%(prompt_version)s::text is null or e.prompt_version = %(prompt_version)s)
   and case when %(until)s::bigint is null then f.superseded_by is null
            else f.feedback_id <= %(until)s and (f.superseded_by is null or f.superseded_by > %(until)s) end
 order by f.feedback_id

-- executions_of_agent --
-- Executions of an agent, of one prompt version if given.
select glow.qualified(tenant, execution_id) as id, agent, input, output, glow.qualified(tenant, user_id) as user_id,
       glow.qualified(tenant, conversation_id) as conversation_id, prompt_version
  from glow.executions
 where agent = %(agent)s and (%(prompt_version)s::text is null or prompt_version = %(prompt_version)s)
 order by id

-- execution_summary --
-- One line per agent: volume, feedback, cost and latency.
select a.agent,
       count(e.execution_id) as executions,
       count(f.heard) as with_feedback,
       percentile_cont(0.95) within group (order by e.latency_ms) as latency_p95_ms,
       coalesce(sum(e.prompt_tokens + e.completion_tokens), 0) as tokens,
       coalesce(sum(e.cost_usd), 0)::float8 as cost_usd,
       max(e.recorded_at) as last_at
  from glow.agents a
  left join glow.executions e using (agent)
  left join lateral (
    select true as heard from glow.current_feedback f
     where f.tenant = e.tenant and f.execution_id = e.execution_id and f.agent = e.agent and not f.withdrawn limit 1) f on true
 group by a.agent order by a.agent

-- waiting_feedback --
-- Feedback whose execution never came, or came for another agent, older than an age.
select f.agent, count(*) as waiting
  from glow.current_feedback f
 where not f.withdrawn and f.recorded_at < clock_timestamp() - %(age)s::interval
   and not exists (select from glow.execution_keys k
                    where k.tenant = f.tenant and k.execution_id = f.execution_id and k.agent = f.agent)
 group by f.agent order by f.agent

-- feedback_arrivals --
-- Agents with at least `threshold` new feedback rows behind the horizon, since each agent's own watermark (a JSON object
-- agent -> xid). Counts no further than `most_rows`: the work is agents times that, whatever the history. A count over
-- everything since the oldest watermark read all rows of everybody whenever one agent was quiet.
select a.agent, n.arrived, n.last_id, %(horizon)s::text as horizon
  from glow.agents a
 cross join lateral (
   select count(*) as arrived, max(x.feedback_id) as last_id from (
     select f.feedback_id from glow.agent_feedback f
      where f.agent = a.agent and f.xid >= coalesce((%(watermarks)s::jsonb ->> a.agent)::xid8, '0'::xid8)
        and f.xid < %(horizon)s::text::xid8
      order by f.xid
      limit greatest(%(threshold)s::int, %(most_rows)s::int)) x) n
 where n.arrived >= %(threshold)s
 order by a.agent
 limit %(most)s

-- positive_feedback --
-- Thumbs by prompt version of an agent, one row per person and version: votes of one person are not independent.
select e.prompt_version, glow.qualified(f.tenant, f.user_id) as user_id, count(*) filter (where f.thumbs = 1) as up,
       count(*) as votes
  from glow.agent_feedback f join glow.executions e using (tenant, execution_id, agent)
 where f.agent = %(agent)s and f.superseded_by is null and f.thumbs is not null
 group by e.prompt_version, f.tenant, f.user_id
 order by e.prompt_version, user_id
