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
-- A source of a rule or demonstration; an example as it is now, or as it last was.
insert into glow.prompt_lineage (agent, prompt_version, kind, source_id, role, rule_id, example_version)
values (%(agent)s, %(prompt_version)s, %(kind)s, %(source_id)s, %(role)s, %(rule_id)s,
        coalesce((select x.example_version from glow.learning_examples x
                   where %(kind)s = 'example' and x.example_id = %(source_id)s and x.superseded_at is null),
                 -- Learned anew while the prompt was made of it.
                 (select max(x.example_version) from glow.learning_examples x
                   where %(kind)s = 'example' and x.example_id = %(source_id)s and x.agent = %(agent)s)))
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
-- How often the rules of an agent helped and harmed, as they were worded then.
select rule_id, rule_text, sum(helpful)::int as helpful, sum(harmful)::int as harmful
  from glow.prompt_rule_counts where agent = %(agent)s group by rule_id, rule_text order by rule_id, rule_text

-- lineage --
-- Every row behind a prompt, down to the votes: demonstrations and rule evidence point to learning examples, those to
-- executions, feedback and annotations.
select l.role, l.rule_id, l.kind, l.source_id, s.kind as from_kind, s.source_id as from_id, s.role as from_role
  from glow.prompt_lineage l
  left join glow.example_sources s on s.example_version = l.example_version
 where l.agent = %(agent)s and l.prompt_version = %(prompt_version)s
 order by l.role, l.rule_id, l.source_id, s.kind, s.source_id

-- trace --
-- Every part of a prompt with every row it came from.
select part, part_id, content, traced, origin, origin_version, role, kind, source_id, source_role, example_id, said
  from glow.trace_prompt(%(agent)s, %(prompt_version)s)

-- untraced --
-- Parts of a prompt that nothing is known to be behind: must be none.
select distinct part, part_id as id
  from glow.trace_prompt(%(agent)s, %(prompt_version)s) where not traced order by part, part_id

-- versions --
-- The versions of an agent, the newest first.
select p.prompt_version, p.operator, p.parent, p.reason, p.tokens, p.operator_model, p.created_at, p.erased_at,
       array(select a.alias from glow.prompt_aliases a
              where a.agent = p.agent and a.prompt_version = p.prompt_version order by a.alias) as aliases
  from glow.prompt_versions p where p.agent = %(agent)s
 order by p.created_at desc, p.prompt_version limit %(most)s

-- history --
-- The moves of an agent's aliases, the newest first.
select move_id, alias, prompt_version, previous, revision, kind, moved_by, reason, gate_id, experiment_id, moved_at
  from glow.prompt_alias_history where agent = %(agent)s order by move_id desc limit %(most)s

-- find --
-- Versions that a person may mean: an alias, or the beginning of a version.
select p.prompt_version, p.prompt, p.operator, p.parent, p.reason, p.tokens, p.operator_model, p.operator_prompt, p.created_at,
       p.erased_at
  from glow.prompt_versions p
 where p.agent = %(agent)s
   and %(version)s <> ''
   and (starts_with(p.prompt_version, %(version)s)
     or p.prompt_version = (select a.prompt_version from glow.prompt_aliases a where a.agent = %(agent)s and a.alias = %(version)s))
 order by p.prompt_version limit 2
