-- Prompt versions, optimizations, gates and aliases.

-- prompt_in_force --
-- The prompt behind an alias.
select a.prompt_version, a.revision, p.prompt, p.operator, p.parent
  from glow.prompt_aliases a join glow.prompt_versions p using (agent, prompt_version)
 where a.agent = %(agent)s and a.alias = %(alias)s

-- prompt --
-- A prompt version; none once it has lost a part to an erasure.
select prompt_version, prompt, operator, parent, created_at
  from glow.prompt_versions where agent = %(agent)s and prompt_version = %(prompt_version)s and erased_at is null

-- insert_prompt --
-- A prompt version; the same content is the same row. The database computes the address.
insert into glow.prompt_versions (agent, prompt_version, prompt, operator, parent)
values (%(agent)s, encode(sha256(convert_to((%(prompt)s::jsonb)::text, 'UTF8')), 'hex'), %(prompt)s::jsonb,
        %(operator)s, %(parent)s)
on conflict do nothing

-- insert_lineage --
-- A source of a rule or demonstration; an example as it is now.
insert into glow.prompt_lineage (agent, prompt_version, kind, source_id, role, rule_id, example_version)
values (%(agent)s, %(prompt_version)s, %(kind)s, %(source_id)s, %(role)s, %(rule_id)s,
        (select x.example_version from glow.learning_examples x
          where %(kind)s = 'example' and x.example_id = %(source_id)s and x.superseded_at is null))
on conflict do nothing

-- start_optimization --
-- The row of one optimization; starting again finds it with what was fixed at the first start.
insert into glow.prompt_optimizations (optimization_id, agent, dataset_id, incumbent, feedback_until, carried_gate)
values (%(optimization_id)s, %(agent)s::glow.agent_name, %(dataset_id)s, %(incumbent)s,
        (select coalesce(max(f.feedback_id), 0) from glow.agent_feedback f),
        (select case when g.verdict = 'carry_over' and g.incumbent = %(incumbent)s then g.gate_id end
           from glow.prompt_gates g where g.agent = %(agent)s::glow.agent_name order by g.created_at desc limit 1))
on conflict (optimization_id) do nothing

-- optimization --
-- One optimization.
select optimization_id, agent, dataset_id, incumbent, feedback_until, carried_gate, analysis, candidates, race, state, reason, created_at, updated_at
  from glow.prompt_optimizations where optimization_id = %(optimization_id)s

-- latest_optimization --
-- The optimization of an agent's newest dataset version.
select optimization_id, agent, dataset_id, incumbent, feedback_until, carried_gate, analysis, candidates, race, state, reason, created_at, updated_at
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

-- close_optimization --
-- The final state of an optimization, with its reason.
update glow.prompt_optimizations set state = %(state)s, reason = %(reason)s, updated_at = clock_timestamp()
 where optimization_id = %(optimization_id)s

-- insert_gate --
-- A gate is written once; a resumed run that computes it again changes nothing.
insert into glow.prompt_gates (gate_id, optimization_id, agent, incumbent, finalist, verdict, evidence)
values (%(gate_id)s, %(optimization_id)s, %(agent)s, %(incumbent)s, %(finalist)s, %(verdict)s, %(evidence)s)
on conflict (gate_id) do nothing

-- gate --
-- A gate by its id.
select gate_id, optimization_id, agent, incumbent, finalist, verdict, evidence, created_at
  from glow.prompt_gates where gate_id = %(gate_id)s

-- latest_gate --
-- An agent's newest gate, but for those whose finalist lost a part to an erasure: it is not what passed.
select gate_id, optimization_id, agent, incumbent, finalist, verdict, evidence, created_at
  from glow.prompt_gates g
 where agent = %(agent)s
   and not exists (select from glow.prompt_versions p
                    where p.agent = g.agent and p.prompt_version = g.finalist and p.erased_at is not null)
 order by created_at desc limit 1

-- spend_test_groups --
-- Groups of test items of a gate. One that another gate spent violates the primary key, and the gate fails.
insert into glow.test_spends (agent, group_key, gate_id)
select %(agent)s::glow.agent_name, unnest(%(groups)s::text[]), %(gate_id)s

-- spent_test_groups --
-- Groups already spent, and by which gate.
select group_key, gate_id from glow.test_spends where agent = %(agent)s and group_key = any(%(groups)s)

-- insert_evaluation --
-- What a prompt answered for an example, and its score.
insert into glow.evaluations (agent, prompt_version, example_id, metric, model, output, score, stage)
values (%(agent)s, %(prompt_version)s, %(example_id)s, %(metric)s, %(model)s, %(output)s, %(score)s, %(stage)s)
on conflict do nothing

-- move_alias --
-- Compare-and-swap: moves only when the alias is still at the revision the caller saw (0: it does not exist yet).
insert into glow.prompt_aliases as a (agent, alias, prompt_version)
select %(agent)s::glow.agent_name, %(alias)s, %(prompt_version)s
 where %(revision)s = 0 or exists (
   select from glow.prompt_aliases x where x.agent = %(agent)s::glow.agent_name and x.alias = %(alias)s and x.revision = %(revision)s)
on conflict (agent, alias) do update
   set prompt_version = excluded.prompt_version, revision = a.revision + 1, moved_at = clock_timestamp()
 where a.revision = %(revision)s
returning revision

-- gate_of_alias --
-- The gate behind the newest move of an alias.
select g.gate_id, g.verdict, g.finalist, h.prompt_version
  from glow.prompt_alias_history h left join glow.prompt_gates g using (gate_id)
 where h.agent = %(agent)s and h.alias = %(alias)s order by h.move_id desc limit 1

-- insert_alias_move --
-- A move of an alias, for the record.
insert into glow.prompt_alias_history (agent, alias, prompt_version, previous, revision, moved_by, reason, gate_id)
values (%(agent)s, %(alias)s, %(prompt_version)s, %(previous)s, %(revision)s, %(moved_by)s, %(reason)s, %(gate_id)s)

-- lineage --
-- Every row behind a prompt, down to the votes: demonstrations and rule evidence point to learning examples, those to
-- executions, feedback and annotations.
select l.role, l.rule_id, l.kind, l.source_id, s.kind as from_kind, s.source_id as from_id, s.role as from_role
  from glow.prompt_lineage l
  left join glow.example_sources s on s.example_version = l.example_version
 where l.agent = %(agent)s and l.prompt_version = %(prompt_version)s
 order by l.role, l.rule_id, l.source_id, s.kind, s.source_id

-- untraced --
-- Rules and demonstrations of a prompt without a source row: must be none.
select part, id from (
  select 'demo' as part, d ->> 'example_id' as id
    from glow.prompt_versions p cross join jsonb_array_elements(p.prompt -> 'demonstrations') d
   where p.agent = %(agent)s and p.prompt_version = %(prompt_version)s
  union all
  select 'rule', r ->> 'id'
    from glow.prompt_versions p cross join jsonb_array_elements(p.prompt -> 'rules') r
   where p.agent = %(agent)s and p.prompt_version = %(prompt_version)s) parts
 where not exists (
   select from glow.prompt_lineage l
    where l.agent = %(agent)s and l.prompt_version = %(prompt_version)s
      and ((part = 'demo' and l.role = 'demo' and l.source_id = id)
        or (part = 'rule' and l.role = 'rule_evidence' and l.rule_id = id)))
