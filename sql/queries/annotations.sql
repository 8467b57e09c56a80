-- Annotations and demonstrations.

-- annotations_of_agent --
-- Current annotations of an agent, each with the answer it judges.
select a.annotation_id as id, glow.qualified(a.tenant, a.execution_id) as execution_id, a.agent, a.reviewer, a.verdict, a.output, a.dimensions, a.notes
  from glow.expert_annotations a
 where a.agent = %(agent)s and a.superseded_by is null order by a.annotation_id

-- demonstrations_of_agent --
-- Demonstrations of an agent.
select demonstration_id as id, agent, expert, input, output, notes
  from glow.demonstrations where agent = %(agent)s order by demonstration_id
