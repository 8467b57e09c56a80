-- Experiments, exposures and looks.

-- lock_agent --
-- Who starts an experiment of an agent waits for who is starting another.
select from glow.agents where agent = %(agent)s for no key update

-- create_experiment --
-- A started experiment; the same one is created once. Against what is in force, held until commit: a rollback comes before it
-- or is refused because of it. Nothing is in force where an app brings its own model and settings.
insert into glow.learning_experiments (
  experiment_id, agent, kind, design, hypothesis, control, treatment, control_config, treatment_config, layer, slot_from, slot_to,
  unit, hash, salt, treatment_ppm, control_ppm, enroll_ppm, plan, gate_id, request_id, state, planned_end)
select %(experiment_id)s, %(agent)s::text, %(kind)s::text, %(design)s, %(hypothesis)s, %(control)s::text, %(treatment)s, %(control_config)s,
       %(treatment_config)s, %(layer)s, %(slot_from)s, %(slot_to)s, %(unit)s, %(hash)s, %(salt)s, %(treatment_ppm)s, %(control_ppm)s,
       %(enroll_ppm)s, %(plan)s, %(gate_id)s, %(request_id)s, %(state)s,
       coalesce(%(planned_end)s::timestamptz, case %(design)s when 'ab' then
         clock_timestamp() + (%(plan)s::jsonb ->> 'planned_days')::double precision * interval '1 day' end)
 where coalesce(glow.in_force(%(agent)s::text, %(kind)s::text), case when %(kind)s::text <> 'prompt' then %(control)s::text end)
       = %(control)s::text
on conflict do nothing
returning experiment_id

-- experiment --
-- An experiment by its id.
select * from glow.learning_experiments where experiment_id = %(experiment_id)s

-- active_experiments --
-- The experiments of an agent in which units may see an arm, the oldest first.
select * from glow.learning_experiments
 where agent = %(agent)s and active and kind = coalesce(%(kind)s::text, kind) order by started_at, experiment_id

-- newest_experiment --
-- The experiment of an agent that was begun last.
select * from glow.learning_experiments where agent = %(agent)s order by started_at desc, experiment_id limit 1

-- running_agents --
-- Agents with an experiment in which units may see an arm.
select distinct agent from glow.learning_experiments where active order by agent

-- overdue_agents --
-- Agents with a test that had no decision look for a day and a half: one night was missed.
select distinct x.agent from glow.learning_experiments x
 where x.state in ('running', 'paused') and x.begun_at < clock_timestamp() - interval '36 hours'
   and not exists (select from glow.rollouts r where r.experiment_id = x.experiment_id)
   and not exists (select from glow.experiment_looks k
                    where k.experiment_id = x.experiment_id and k.kind = 'decision' and k.looked_at > clock_timestamp() - interval '36 hours')
 order by x.agent

-- now --
-- The time by the clock that executions are recorded by.
select clock_timestamp() as now

-- experiment_of_request --
-- The experiment that a request has started.
select experiment_id from glow.learning_experiments where request_id = %(request_id)s

-- begun_experiments --
-- How many experiments of a name were begun: the name itself, and with a number behind it.
select count(*) as begun from glow.learning_experiments
 where experiment_id = %(named)s::text or starts_with(experiment_id, %(named)s::text || '-')

-- in_force --
-- The version of a kind that an agent uses now, held until commit.
select glow.in_force(%(agent)s, %(kind)s) as version

-- config_in_force --
-- The settings that an agent uses now.
select config from glow.agent_configs where agent = %(agent)s and kind = 'config' and alias = 'production'

-- config_version --
-- The name of settings.
select glow.config_version(%(config)s) as version

-- lock_looks --
-- Until commit, nobody else looks at an experiment. Not its row: resolve_prompt would wait for every look.
select pg_advisory_xact_lock(hashtextextended('experiment look ' || %(experiment_id)s, 0))

-- looks --
-- The looks of a phase of an experiment, the oldest first.
select kind, as_of, day, result, decision, reason from glow.experiment_looks
 where experiment_id = %(experiment_id)s and phase = %(phase)s order by as_of, look_id

-- was_seen --
-- Whether a moment of an experiment was looked at so, in whatever phase it was then.
select exists (select from glow.experiment_looks k
                where k.experiment_id = %(experiment_id)s and k.kind = %(kind)s and k.as_of = %(as_of)s) as seen

-- put_in_force --
-- An arm for everybody; 0 where it is in force already.
select glow.put_in_force(%(experiment_id)s, %(which)s, %(moved_by)s, %(reason)s, %(kind)s) as revision

-- insert_look --
-- One look at an experiment; looks are never changed, and one that is retried is the same row.
insert into glow.experiment_looks (experiment_id, phase, kind, as_of, day, statistics, result, decision, reason)
values (%(experiment_id)s, %(phase)s, %(kind)s, %(as_of)s, %(day)s, %(statistics)s, %(result)s, %(decision)s, %(reason)s)
on conflict (experiment_id, phase, kind, as_of) do nothing
