-- Experiments, exposures and looks.

-- create_experiment --
-- A started experiment; the same one is created once, and an agent runs one at a time. Against what is in production, held
-- until commit: a rollback comes before it or is refused because of it.
insert into glow.learning_experiments (experiment_id, agent, kind, hypothesis, control, treatment, plan, gate_id, request_id)
select %(experiment_id)s, %(agent)s, 'prompt', %(hypothesis)s, %(control)s, %(treatment)s, %(plan)s, %(gate_id)s, %(request_id)s
  from (select from glow.prompt_aliases a
         where a.agent = %(agent)s and a.alias = 'production' and a.prompt_version = %(control)s for share) in_force
on conflict do nothing
returning experiment_id

-- running_experiment --
-- The experiment an agent runs now.
select experiment_id, agent, hypothesis, control, treatment, phase, treatment_ppm, enroll_ppm, plan, gate_id, request_id, state,
       reason, started_at
  from glow.learning_experiments where agent = %(agent)s and state = 'running'

-- running_agents --
-- Agents that run an experiment.
select agent from glow.learning_experiments where state = 'running' order by agent

-- exposure_counts --
-- Units by variant.
select variant, count(*) as units from glow.exposures
 where experiment_id = %(experiment_id)s and phase = %(phase)s group by variant order by variant

-- votes_by_unit --
-- Thumbs of exposed units on executions that began after their exposure, with the prompt that answered: the unit is the
-- person, because votes of one person are correlated.
select x.unit_id, x.variant, count(f.thumbs) filter (where f.thumbs = 1) as up, count(f.thumbs) as votes
  from glow.exposures x
  join glow.executions e on glow.qualified(e.tenant, e.user_id) = x.unit_id and e.agent = %(agent)s and e.recorded_at >= x.first_exposed_at
       and e.prompt_version = case x.variant when 'treatment' then %(treatment)s else %(control)s end
  left join glow.agent_feedback f
         on f.tenant = e.tenant and f.execution_id = e.execution_id and f.agent = e.agent and f.superseded_by is null
 where x.experiment_id = %(experiment_id)s and x.phase = %(phase)s
 group by x.unit_id, x.variant order by x.unit_id

-- insert_look --
-- One look at a running experiment; looks are never changed.
insert into glow.experiment_looks (experiment_id, phase, statistics, decision, reason)
values (%(experiment_id)s, %(phase)s, %(statistics)s, %(decision)s, %(reason)s)

-- agent_traffic --
-- Users and days of an agent over the last four weeks.
select count(distinct glow.qualified(tenant, user_id)) as users,
       greatest(1, ceil(extract(epoch from max(started_at) - min(started_at)) / 86400))::int as days
  from glow.executions where agent = %(agent)s and started_at > clock_timestamp() - interval '28 days'

-- votes_per_user --
-- Thumbs of each user of an agent, for the plan of an experiment.
select glow.qualified(tenant, user_id) as user_id, count(*) filter (where thumbs = 1) as up, count(*) as votes
  from glow.agent_feedback
 where agent = %(agent)s and superseded_by is null and thumbs is not null
 group by 1 order by 1
