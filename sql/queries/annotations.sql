-- Annotations, comparisons and demonstrations.

-- annotation_counts --
-- Current judgements by agent, and whether users said anything.
select a.agent, count(x.annotation_id) as annotations, count(distinct x.reviewer) as reviewers,
       count(*) filter (where x.verdict = 'approve') as approved,
       exists (select from glow.agent_feedback f where f.agent = a.agent) as heard
  from glow.agents a
  left join glow.expert_annotations x on x.agent = a.agent and x.superseded_by is null and not x.gold
 group by a.agent order by a.agent

-- annotations_of_agent --
-- Current annotations of an agent, each with the answer it judges. Not reviews of gold: they measure reviewers.
select a.annotation_id as id, glow.qualified(a.tenant, a.execution_id) as execution_id, a.agent, a.reviewer, a.verdict, a.output, a.dimensions, a.notes, a.role
  from glow.expert_annotations a
 where a.agent = %(agent)s and a.superseded_by is null and not a.gold order by a.annotation_id

-- comparisons_of_agent --
-- Current comparisons of an agent.
select c.comparison_id as id, glow.qualified(c.tenant, c.execution_id) as execution_id, c.agent, c.reviewer, c.first, c.second, c.preferred
  from glow.comparisons c
 where c.agent = %(agent)s and c.superseded_by is null order by c.comparison_id

-- gold_reviews --
-- What reviewers said of executions whose answer was known, with that answer as it is now.
select a.annotation_id as id, glow.qualified(a.tenant, a.execution_id) as execution_id, a.agent, a.reviewer, a.verdict, a.output,
       g.verdict as gold_verdict, g.output as gold_output, a.recorded_at
  from glow.expert_annotations a
  join glow.expert_annotations g on g.tenant = a.tenant and g.execution_id = a.execution_id and g.role = 'adjudication'
                                and g.superseded_by is null
 where a.agent = %(agent)s and a.gold and a.superseded_by is null order by a.annotation_id

-- demonstrations_of_agent --
-- Demonstrations of an agent.
select demonstration_id as id, agent, expert, input, output, notes
  from glow.demonstrations where agent = %(agent)s order by demonstration_id
