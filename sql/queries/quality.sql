-- What experts' judgements are worth.

-- judged_agents --
-- Agents with new annotations from a watermark up to the horizon: one probe of an index for each.
select a.agent from glow.agents a
 where exists (select from glow.expert_annotations x
                where x.agent = a.agent and x.xid >= %(since)s::text::xid8 and x.xid < %(horizon)s::text::xid8)
 order by a.agent

-- judgements_of_agent --
-- Current reviews of an agent's executions, before an instant where one is given. The answer each says is right only where asked for, else a
-- million characters may come with each. By the key of the execution, which says in which month to look.
select glow.qualified(a.tenant, a.execution_id) as item, glow.qualified(a.tenant, a.reviewer) as reviewer, a.verdict, a.recorded_at, a.dimensions,
       e.metadata ->> 'domain' as domain, md5(e.input || chr(31) || e.output) as content,
       case when %(answers)s then case a.verdict when 'correct' then a.output when 'approve' then e.output end end as answer
  from glow.expert_annotations a
  join glow.execution_keys k on k.tenant = a.tenant and k.execution_id = a.execution_id
  left join glow.executions e
    on e.tenant = k.tenant and e.execution_id = k.execution_id and e.recorded_at = k.recorded_at
 where a.agent = %(agent)s and a.superseded_by is null and a.role = 'review'
   and (%(until)s::timestamptz is null or a.recorded_at < %(until)s)
 order by a.annotation_id

-- gold_answers --
-- Executions of an agent whose right judgement is known beforehand. Not every adjudication: what had to be adjudicated was
-- hard, and an accuracy on it would be too low.
select glow.qualified(a.tenant, a.execution_id) as item, a.verdict,
       case when %(answers)s then case a.verdict when 'correct' then a.output when 'approve' then e.output end end as answer
  from glow.review_items i
  join glow.expert_annotations a on a.tenant = i.tenant and a.execution_id = i.execution_id
  join glow.execution_keys k on k.tenant = i.tenant and k.execution_id = i.execution_id
  left join glow.executions e
    on e.tenant = k.tenant and e.execution_id = k.execution_id and e.recorded_at = k.recorded_at
 where i.agent = %(agent)s and i.gold and a.role = 'adjudication' and a.superseded_by is null

-- review_seconds --
-- From claim to judgement, for each review of an agent's items that was claimed in the queue.
select glow.qualified(s.tenant, s.reviewer) as reviewer, extract(epoch from s.filled_at - s.claimed_at)::float8 as seconds
  from glow.review_slots s join glow.review_items i using (item_id)
 where i.agent = %(agent)s and s.annotation_id is not null and s.claimed_at is not null
   and (%(until)s::timestamptz is null or s.filled_at < %(until)s)

-- reliability_of_agent --
-- What each reviewer's word counts.
select reviewer, weight from glow.reviewer_reliability where agent = %(agent)s

-- upsert_reliability --
-- A reviewer's weight; the instant moves only with the weight, so that a reader sees what is new.
insert into glow.reviewer_reliability (agent, reviewer, weight, aggregator)
values (%(agent)s, %(reviewer)s, %(weight)s, %(aggregator)s)
on conflict (agent, reviewer) do update
   set weight = excluded.weight, aggregator = excluded.aggregator, computed_at = clock_timestamp()
 where (reviewer_reliability.weight, reviewer_reliability.aggregator) is distinct from (excluded.weight, excluded.aggregator)

-- forget_reliability --
-- Reviewers without a judgement any more.
delete from glow.reviewer_reliability where agent = %(agent)s and reviewer <> all (%(reviewers)s::text[])

-- upsert_report --
-- The report of an agent and week, in place of an earlier one.
insert into glow.annotation_reports (agent, week, report) values (%(agent)s, %(week)s, %(report)s)
on conflict (agent, week) do update set report = excluded.report, computed_at = clock_timestamp()

-- latest_reports --
-- The newest report of every agent.
select distinct on (agent) agent, week, report, computed_at from glow.annotation_reports order by agent, week desc

-- agreement_of_agents --
-- How far the experts of these agents agree, by the newest report.
select distinct on (agent) agent::text as agent, report -> 'agreement' ->> 'status' as status, report -> 'agreement' ->> 'detail' as detail
  from glow.annotation_reports where agent = any(%(agents)s) order by agent, week desc

-- unreported_agents --
-- Agents with annotations from before a week's end that have no report of that week.
select a.agent from glow.agents a
 where exists (select from glow.expert_annotations x
                where x.agent = a.agent and x.superseded_by is null and x.recorded_at < %(until)s)
   and not exists (select from glow.annotation_reports r where r.agent = a.agent and r.week = %(week)s)
 order by a.agent
