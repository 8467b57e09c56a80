-- Optimizations, gates and evaluations.

-- start --
-- The row of one optimization; starting again finds it with what was fixed at the first start.
insert into glow.prompt_optimizations (optimization_id, agent, dataset_id, incumbent, goals, limits, model, metric, metric_version,
                                      metric_settings, feedback_until, carried_gate)
values (%(optimization_id)s, %(agent)s::glow.agent_name, %(dataset_id)s, %(incumbent)s, %(goals)s, %(limits)s, %(model)s,
        %(metric)s, %(metric_version)s, %(metric_settings)s,
        (select coalesce(max(f.feedback_id), 0) from glow.agent_feedback f),
        -- What another model or another metric said is no evidence for this one.
        (select case when g.verdict = 'carry_over' and g.incumbent = %(incumbent)s
                      and (o.model, o.metric, o.metric_version, o.metric_settings)
                          is not distinct from (%(model)s::text, %(metric)s::text, %(metric_version)s::integer, %(metric_settings)s::text)
                     then g.gate_id end
           from glow.prompt_gates g join glow.prompt_optimizations o using (optimization_id)
          where g.agent = %(agent)s::glow.agent_name order by g.created_at desc limit 1))
on conflict (optimization_id) do nothing

-- get --
-- One optimization.
select optimization_id, agent, dataset_id, incumbent, feedback_until, carried_gate, goals, limits, model, metric, metric_version,
       plan, spent, analysis, candidates, race, state, reason, created_at, updated_at
  from glow.prompt_optimizations where optimization_id = %(optimization_id)s

-- latest --
-- The optimization of an agent's newest dataset version.
select optimization_id, agent, dataset_id, incumbent, feedback_until, carried_gate, goals, limits, model, metric, metric_version,
       plan, spent, analysis, candidates, race, state, reason, created_at, updated_at
  from glow.prompt_optimizations where agent = %(agent)s order by created_at desc limit 1

-- record_analysis --
-- What the analysis found.
update glow.prompt_optimizations set analysis = %(content)s, updated_at = clock_timestamp()
 where optimization_id = %(optimization_id)s

-- record_candidates --
-- What was proposed.
update glow.prompt_optimizations set candidates = %(content)s, updated_at = clock_timestamp()
 where optimization_id = %(optimization_id)s

-- record_race --
-- How the race went.
update glow.prompt_optimizations set race = %(content)s, updated_at = clock_timestamp()
 where optimization_id = %(optimization_id)s

-- record_plan --
-- What each stage may ask for.
update glow.prompt_optimizations set plan = %(content)s, updated_at = clock_timestamp()
 where optimization_id = %(optimization_id)s

-- record_spent --
-- What it has used so far, over all attempts.
update glow.prompt_optimizations set spent = %(content)s, updated_at = clock_timestamp()
 where optimization_id = %(optimization_id)s

-- close --
-- The final state of an optimization, with its reason.
update glow.prompt_optimizations set state = %(state)s, reason = %(reason)s, updated_at = clock_timestamp()
 where optimization_id = %(optimization_id)s

-- insert_gate --
-- A gate is written once; a resumed run that computes it again changes nothing.
insert into glow.prompt_gates (gate_id, optimization_id, agent, incumbent, finalist, verdict, evidence, gate_key)
values (%(gate_id)s, %(optimization_id)s, %(agent)s, %(incumbent)s, %(finalist)s, %(verdict)s, %(evidence)s, %(gate_key)s)
on conflict (gate_id) do nothing

-- gate --
-- A gate by its id.
select gate_id, optimization_id, agent, incumbent, finalist, verdict, evidence, gate_key, created_at
  from glow.prompt_gates where gate_id = %(gate_id)s

-- latest_gate --
-- An agent's newest gate, but for those whose finalist lost a part to an erasure, since it is not what passed, or was rolled
-- back after it: users know better than the gate.
select gate_id, optimization_id, agent, incumbent, finalist, verdict, evidence, created_at
  from glow.prompt_gates g
 where agent = %(agent)s
   and not exists (select from glow.prompt_versions p
                    where p.agent = g.agent and p.prompt_version = g.finalist and p.erased_at is not null)
   and not exists (select from glow.prompt_alias_history h
                    where h.agent = g.agent and h.alias = 'production' and h.kind = 'rollback' and h.previous = g.finalist
                      and h.moved_at > g.created_at)
 order by created_at desc limit 1

-- spend_test_groups --
-- Groups of test items of a gate. One that another gate spent violates the primary key, and the gate fails.
insert into glow.test_spends (agent, group_key, gate_id)
select %(agent)s::glow.agent_name, unnest(%(groups)s::text[]), %(gate_id)s

-- spent_test_groups --
-- Groups already spent, and by which gate.
select group_key, gate_id from glow.test_spends where agent = %(agent)s and group_key = any(%(groups)s)

-- spent_before --
-- Groups that were spent when an optimization began.
select s.group_key from glow.test_spends s
  join glow.prompt_optimizations o on o.agent = s.agent and s.spent_at < o.created_at
 where o.optimization_id = %(optimization_id)s

-- open_gate --
-- The newest gate of a finalist against the same prompt by the same model and metric, if it decided nothing: begun anew, the
-- test would have two chances at the level of one.
select g.gate_id, g.evidence, g.gate_key
  from (select x.* from glow.prompt_gates x
          join glow.prompt_optimizations o using (optimization_id)
          join glow.prompt_optimizations mine on mine.optimization_id = %(optimization_id)s
         where (x.agent, x.incumbent, x.finalist) = (mine.agent, mine.incumbent, %(finalist)s)
           and (o.model, o.metric, o.metric_version, o.metric_settings)
               is not distinct from (mine.model, mine.metric, mine.metric_version, mine.metric_settings)
         order by x.created_at desc limit 1) g
 where g.verdict = 'carry_over'

-- insert_evaluation --
-- What a prompt answered for an example, how it scored, and what that took.
insert into glow.evaluations (agent, prompt_version, example_id, metric, metric_version, model, output, score, valid,
                              prompt_tokens, completion_tokens, seconds, stage)
values (%(agent)s, %(prompt_version)s, %(example_id)s, %(metric)s, %(metric_version)s, %(model)s, %(output)s, %(score)s,
        %(valid)s, %(prompt_tokens)s, %(completion_tokens)s, %(seconds)s, %(stage)s)
on conflict do nothing

-- answers --
-- What the answers to these requests cost when they were fresh, and how many of them came since then.
select count(*) as calls, coalesce(sum(prompt_tokens + completion_tokens), 0)::bigint as tokens,
       coalesce(sum(cost_usd), 0) as usd, count(*) filter (where created_at >= %(since)s) as new
  from glow.responses where request_key = any(%(keys)s)

-- evaluated --
-- Those of these prompts that were asked anything.
select distinct prompt_version from glow.evaluations
 where agent = %(agent)s and prompt_version = any(%(versions)s) order by prompt_version

-- gates_of --
-- The gates of a finalist against one prompt in force, the oldest first: its evidence over nights.
select gate_id, optimization_id, verdict, evidence, created_at from glow.prompt_gates
 where agent = %(agent)s and incumbent = %(incumbent)s and finalist = %(finalist)s order by created_at

-- rule_counts_before --
-- How often rules helped and harmed in the optimizations before this one: a resumed run must not learn from itself.
select c.rule_id, c.rule_text, sum(c.helpful)::int as helpful, sum(c.harmful)::int as harmful
  from glow.prompt_rule_counts c
  join glow.prompt_optimizations o on o.optimization_id = c.optimization_id
 where c.agent = %(agent)s
   and o.created_at < (select x.created_at from glow.prompt_optimizations x where x.optimization_id = %(optimization_id)s)
 group by c.rule_id, c.rule_text order by c.rule_id, c.rule_text
