-- Curation policies.

-- policy --
-- The policy in force of an agent.
select pii, secrets, keep, languages, shortest_input, shortest_target
  from glow.curation_policies where agent = %(agent)s and superseded_at is null

-- changed_agents --
-- Agents whose policy changed from watermark `since` up to `horizon`.
select distinct agent from glow.curation_policies
 where xid >= %(since)s::text::xid8 and xid < %(horizon)s::text::xid8 order by agent
