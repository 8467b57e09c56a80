-- Prompt versions, aliases, and where their parts came from.

-- prompt_in_force --
-- The prompt behind an alias.
select a.prompt_version, a.revision, p.prompt, p.operator, p.parent
  from glow.prompt_aliases a join glow.prompt_versions p using (agent, prompt_version)
 where a.agent = %(agent)s and a.alias = %(alias)s

-- prompt --
-- A prompt version; none once it has lost a part to an erasure.
select prompt_version, prompt, operator, parent, reason, tokens, operator_model, operator_prompt, created_at
  from glow.prompt_versions where agent = %(agent)s and prompt_version = %(prompt_version)s and erased_at is null

-- insert_prompt --
-- A prompt version; the same content is the same row. The database computes the address.
insert into glow.prompt_versions (agent, prompt_version, prompt, operator, parent, reason, tokens, operator_model, operator_prompt)
values (%(agent)s, encode(sha256(convert_to((%(prompt)s::jsonb)::text, 'UTF8')), 'hex'), %(prompt)s::jsonb,
        %(operator)s, %(parent)s, %(reason)s, %(tokens)s, %(operator_model)s, %(operator_prompt)s)
on conflict do nothing

-- insert_lineage --
-- A source of a rule or demonstration; an example as it is now.
insert into glow.prompt_lineage (agent, prompt_version, kind, source_id, role, rule_id, example_version)
values (%(agent)s, %(prompt_version)s, %(kind)s, %(source_id)s, %(role)s, %(rule_id)s,
        (select x.example_version from glow.learning_examples x
          where %(kind)s = 'example' and x.example_id = %(source_id)s and x.superseded_at is null))
on conflict do nothing

-- move_alias --
-- Compare-and-swap: the new revision, or null when the alias is not at the revision the caller saw (0: no alias yet).
select glow.move_prompt_alias(%(agent)s, %(alias)s, %(prompt_version)s, %(expected)s, %(moved_by)s, %(reason)s, %(gate_id)s,
                              %(experiment_id)s) as revision

-- rollback --
-- The previous prompt in force again, or another that was.
select glow.rollback_prompt(%(agent)s, %(moved_by)s, %(reason)s, %(target)s) as receipt

-- gate_of_alias --
-- The gate behind the newest move of an alias.
select g.gate_id, g.verdict, g.finalist, h.prompt_version
  from glow.prompt_alias_history h left join glow.prompt_gates g using (gate_id)
 where h.agent = %(agent)s and h.alias = %(alias)s order by h.move_id desc limit 1

-- open_level --
-- The place of a test in the ledger of error.
select l.number, l.rejections from glow.open_gate_level(%(gate_key)s, %(agent)s) l

-- decide_level --
-- What a test came to. One that was decided stays so.
update glow.gate_levels
   set verdict = %(verdict)s, level = coalesce(%(level)s, level),
       decided_at = case when %(verdict)s <> 'carry_over' then clock_timestamp() end
 where gate_key = %(gate_key)s and decided_at is null

-- level --
-- A test in the ledger.
select number, gate_key, agent, rejections, level, verdict, opened_at, decided_at
  from glow.gate_levels where gate_key = %(gate_key)s

-- count_rule --
-- What one optimization saw a rule do. Seen again, it is the same row.
insert into glow.prompt_rule_counts as c (agent, rule_id, optimization_id, rule_text, helpful, harmful)
values (%(agent)s, %(rule_id)s, %(optimization_id)s, %(rule_text)s, %(helpful)s, %(harmful)s)
on conflict (agent, rule_id, optimization_id) do update
   set helpful = excluded.helpful, harmful = excluded.harmful, rule_text = excluded.rule_text, updated_at = clock_timestamp()

-- rule_counts --
-- How often the rules of an agent helped and harmed.
select rule_id, sum(helpful)::int as helpful, sum(harmful)::int as harmful
  from glow.prompt_rule_counts where agent = %(agent)s group by rule_id order by rule_id

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
