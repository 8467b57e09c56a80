-- Fine-tuning runs.

-- insert_training_run --
-- The same inputs are the same run: nothing is planned or paid twice.
insert into glow.training_runs (run_key, agent, dataset_id, provider, base_model, state, reason, manifest_sha256, plan)
values (%(run_key)s, %(agent)s, %(dataset_id)s, %(provider)s, %(base_model)s, %(state)s, %(reason)s, %(manifest_sha256)s,
        %(plan)s)
on conflict (run_key) do nothing
returning run_key

-- move_training_run --
-- Compare-and-set on the state.
update glow.training_runs
   set state = %(to_state)s, reason = %(reason)s, updated_at = clock_timestamp(),
       intent_at = case when %(to_state)s = 'submitting' then clock_timestamp() else intent_at end,
       job_id = coalesce(%(job_id)s, job_id)
 where run_key = %(run_key)s and state = %(from_state)s
returning run_key

-- insert_training_event --
-- A step in the life of a run.
insert into glow.training_run_events (run_key, from_state, to_state, detail)
values (%(run_key)s, %(from_state)s, %(to_state)s, %(detail)s)

-- training_run --
-- A run by its key.
select run_key, agent, dataset_id, provider, base_model, state, reason, manifest_sha256, plan, job_id, created_at
  from glow.training_runs where run_key = %(run_key)s

-- latest_training_run --
-- An agent's newest run.
select run_key, agent, dataset_id, provider, base_model, state, reason, manifest_sha256, plan, job_id, created_at
  from glow.training_runs where agent = %(agent)s order by created_at desc limit 1
