-- Gradual rollouts and the moves of experiments. The functions say what is legal and what they answer (0021, 0024, 0025).

-- rollout --
-- The rollout of an experiment, with what the experiment is now.
select r.experiment_id, x.agent, x.kind, x.treatment, r.state, r.stage, r.plan, r.carried, r.first_phase, r.approved_stage, r.awaiting_stage,
       r.opened_at, r.stage_started_at, r.paused_at, r.ended_at, r.revision, r.reason, x.state as experiment_state, x.phase,
       x.treatment_ppm, x.control_ppm
  from glow.rollouts r join glow.learning_experiments x using (experiment_id)
 where r.experiment_id = %(experiment_id)s

-- going_on --
-- Rollouts that go on (of an agent, or of all), the oldest first.
select r.experiment_id, x.agent, x.kind, x.treatment, r.state, r.stage, r.plan, r.carried, r.first_phase, r.approved_stage, r.awaiting_stage,
       r.opened_at, r.stage_started_at, r.paused_at, r.ended_at, r.revision, r.reason, x.state as experiment_state, x.phase,
       x.treatment_ppm, x.control_ppm
  from glow.rollouts r join glow.learning_experiments x using (experiment_id)
 where r.ended_at is null and x.agent = coalesce(%(agent)s::text, x.agent)
 order by r.opened_at, r.experiment_id

-- history --
-- Every move of an experiment and its rollout, the oldest first.
select move_id, move, state, rollout, stage, phase, treatment_ppm, control_ppm, revision, moved_by, reason, evidence, moved_at
  from glow.rollout_moves where experiment_id = %(experiment_id)s order by move_id

-- rolled_back_before --
-- The experiment whose rollout of this version was rolled back.
select glow.rolled_back_before(%(agent)s, %(kind)s, %(version)s) as experiment_id

-- open --
-- Begins a rollout.
select glow.open_rollout(%(experiment_id)s, %(plan)s, %(moved_by)s, %(reason)s, %(evidence)s) as receipt

-- advance --
-- The next stage, by compare-and-swap, or a person is asked for it.
select glow.advance_rollout(%(experiment_id)s, %(expected)s, %(moved_by)s, %(reason)s, %(carried)s, %(evidence)s, %(asks)s) as receipt

-- complete --
-- Puts the treatment in force.
select glow.complete_rollout(%(experiment_id)s, %(expected)s, %(moved_by)s, %(reason)s, %(evidence)s) as receipt

-- pause --
-- Nobody new enters.
select glow.pause_rollout(%(experiment_id)s, %(moved_by)s, %(reason)s, %(evidence)s) as receipt

-- resume --
-- Goes on at the stage it was in.
select glow.resume_rollout(%(experiment_id)s, %(moved_by)s, %(reason)s, %(evidence)s) as receipt

-- approve --
-- Lets a stage begin.
select glow.approve_rollout(%(experiment_id)s, %(stage)s, %(moved_by)s, %(reason)s, %(evidence)s) as receipt

-- roll_back --
-- Takes a rollout back.
select glow.roll_back(%(experiment_id)s, %(moved_by)s, %(reason)s, %(evidence)s, %(decision)s) as receipt

-- pause_experiment --
-- Nobody new enters a test.
select glow.pause_experiment(%(experiment_id)s, %(moved_by)s, %(reason)s, %(evidence)s) as receipt

-- resume_experiment --
-- New units enter a test again.
select glow.resume_experiment(%(experiment_id)s, %(moved_by)s, %(reason)s, %(evidence)s) as receipt

-- hold_experiment --
-- What is not valid cannot ship.
select glow.hold_experiment(%(experiment_id)s, %(moved_by)s, %(reason)s, %(evidence)s) as receipt

-- stop_experiment --
-- Ends a test without shipping.
select glow.stop_experiment(%(experiment_id)s, %(decision)s, %(moved_by)s, %(reason)s, %(evidence)s) as receipt

-- restart_experiment --
-- Begins a test anew as another phase.
select glow.restart_experiment(%(experiment_id)s, %(treatment_ppm)s, %(enroll_ppm)s, %(moved_by)s, %(reason)s, %(evidence)s) as receipt

-- extend_experiment --
-- Lets a test run longer, within its plan.
select glow.extend_experiment(%(experiment_id)s, %(until_day)s, %(moved_by)s, %(reason)s, %(evidence)s) as receipt
