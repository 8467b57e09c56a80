-- Experiments and rollouts as a person reads and asks for them: the functions that engineers call (sql/api/experiments.sql, rollouts.sql).

-- experiments --
-- The experiments of an agent or of all, the newest first.
select * from glow_api.experiments(agent => %(agent)s, most => %(most)s)

-- looks --
-- Every look at an experiment, the newest first.
select * from glow_api.experiment_looks(experiment_id => %(experiment_id)s, most => %(most)s)

-- decision --
-- Where an experiment stands.
select glow_api.experiment_decision(%(experiment_id)s) as decision

-- rollouts --
-- Gradual rollouts, the newest first.
select * from glow_api.rollouts(agent => %(agent)s, most => %(most)s)

-- moves --
-- Every move of an experiment and its rollout, the newest first.
select * from glow_api.rollout_history(experiment_id => %(experiment_id)s, most => %(most)s)

-- ask_experiment --
-- Asks for an experiment.
select glow_api.create_experiment(
  agent => %(agent)s, kind => %(kind)s, treatment => %(version)s, config => %(config)s,
  control => %(control)s, control_config => %(control_config)s, hypothesis => %(hypothesis)s,
  effect => %(effect)s, unit => %(unit)s, objective => %(objective)s, metric => %(metric)s, days => %(days)s,
  score_key => %(score_key)s, cuped => %(cuped)s, hash => %(hash)s, approval => %(approval)s,
  reason => %(reason)s) as receipt

-- ask_rollout --
-- Asks for a rollout without a test.
select glow_api.start_rollout(
  agent => %(agent)s, kind => %(kind)s, version => %(version)s, config => %(config)s, control => %(control)s,
  control_config => %(control_config)s, unit => %(unit)s, approval => %(approval)s,
  reason => %(reason)s) as receipt
