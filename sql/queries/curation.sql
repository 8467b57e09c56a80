-- From what people said to learning examples: what is new, the rows about it, and what is written.

-- lock --
-- One curation at a time; who freezes a dataset version shares the lock with its like.
select pg_advisory_xact_lock(hashtextextended('glow.curation', 0)), clock_timestamp() as at

-- slice_end --
-- Where to stop after `most` rows of a kind (ten times as many executions: few of them have feedback already), but never
-- within a transaction: its rows share one xid.
select least(%(horizon)s::text::numeric, min(greatest(x.xid::text::numeric, %(since)s::text::numeric + 1)))::text as until
  from (
    (select f.xid from glow.agent_feedback f
      where f.agent = %(agent)s and f.xid >= %(since)s::text::xid8 and f.xid < %(horizon)s::text::xid8
      order by f.xid offset %(most)s limit 1)
    union all
    (select e.xid from glow.executions e
      where e.agent = %(agent)s and e.xid >= %(since)s::text::xid8 and e.xid < %(horizon)s::text::xid8
      order by e.xid offset 10 * %(most)s limit 1)
    union all
    (select a.xid from glow.expert_annotations a
      where a.agent = %(agent)s and a.xid >= %(since)s::text::xid8 and a.xid < %(horizon)s::text::xid8
      order by a.xid offset %(most)s limit 1)
    union all
    (select c.xid from glow.comparisons c
      where c.agent = %(agent)s and c.xid >= %(since)s::text::xid8 and c.xid < %(horizon)s::text::xid8
      order by c.xid offset %(most)s limit 1)
    union all
    (select d.xid from glow.demonstrations d
      where d.agent = %(agent)s and d.xid >= %(since)s::text::xid8 and d.xid < %(horizon)s::text::xid8
      order by d.xid offset %(most)s limit 1)) x

-- spoken_of --
-- Executions that somebody said something new about, or that came after what was said of them. With the words where it
-- is not known yet which question they are.
with said as (
  select s.tenant, s.execution_id, bool_or(s.judged) as judged from (
    select f.tenant, f.execution_id, false as judged from glow.agent_feedback f
     where f.agent = %(agent)s and f.xid >= %(since)s::text::xid8 and f.xid < %(until)s::text::xid8
    union all
    select a.tenant, a.execution_id, true from glow.expert_annotations a
     where a.agent = %(agent)s and a.xid >= %(since)s::text::xid8 and a.xid < %(until)s::text::xid8
    union all
    select c.tenant, c.execution_id, true from glow.comparisons c
     where c.agent = %(agent)s and c.xid >= %(since)s::text::xid8 and c.xid < %(until)s::text::xid8
    union all
    select e.tenant, e.execution_id, false from glow.executions e
     where e.agent = %(agent)s and e.xid >= %(since)s::text::xid8 and e.xid < %(until)s::text::xid8
       and exists (select from glow.current_feedback c where c.tenant = e.tenant and c.execution_id = e.execution_id and c.agent = e.agent)
  ) s group by s.tenant, s.execution_id
)
select s.tenant, s.execution_id, s.judged, known.judged as known_judged, known.input_id, k.recorded_at,
       case when known.input_id is null then e.input end as input
  from said s
  join glow.execution_keys k on k.tenant = s.tenant and k.execution_id = s.execution_id and k.agent = %(agent)s
  join glow.executions e on e.tenant = k.tenant and e.execution_id = k.execution_id and e.recorded_at = k.recorded_at
  left join glow.execution_inputs known on known.tenant = s.tenant and known.execution_id = s.execution_id

-- new_demonstrations --
-- Experts' own examples, new or seen before.
select d.demonstration_id, d.input, known.input_id
  from glow.demonstrations d
  left join glow.demonstration_inputs known using (demonstration_id)
 where d.agent = %(agent)s and d.xid >= %(since)s::text::xid8 and d.xid < %(until)s::text::xid8

-- register_inputs --
-- The questions of these keys, made where they are new.
with given as (
  select distinct key from unnest(%(keys)s::bytea[]) as key
), made as (
  insert into glow.learning_inputs (agent, input_key)
  select %(agent)s::glow.agent_name, g.key from given g
   where not exists (select from glow.learning_inputs i where i.agent = %(agent)s::glow.agent_name and i.input_key = g.key)
  returning input_id, input_key
)
select m.input_id, encode(m.input_key, 'hex') as key, true as made from made m
union all
select i.input_id, encode(i.input_key, 'hex'), false from given g join glow.learning_inputs i on i.agent = %(agent)s::glow.agent_name and i.input_key = g.key

-- register_executions --
-- Which question each execution asked; that an expert judged it is added later.
insert into glow.execution_inputs as x (tenant, execution_id, input_id, judged, recorded_at)
select * from unnest(%(tenants)s::text[], %(executions)s::text[], %(inputs)s::bigint[], %(judged)s::boolean[], %(recorded)s::timestamptz[])
on conflict (tenant, execution_id) do update set judged = true where excluded.judged and not x.judged

-- register_demonstrations --
-- Which question each of an expert's own examples answers.
insert into glow.demonstration_inputs (demonstration_id, input_id)
select * from unnest(%(demonstrations)s::bigint[], %(inputs)s::bigint[])
on conflict do nothing

-- current_examples --
-- The examples in force of some questions, with what decides whether a new row is needed.
select x.example_version, x.first_version, x.example_id, x.content_hash, x.status, x.quality, x.expert_approved, x.source, x.reason,
       x.rejected_target, x.domain, x.language, x.quality_parts, x.group_key, x.input_id,
       coalesce((select jsonb_agg(jsonb_build_array(s.kind, s.source_id, s.role) order by s.kind, s.source_id, s.role)
                   from glow.source_spans s where s.first_version = x.first_version and s.until is null), '[]') as sources
  from glow.learning_examples x where x.input_id = any(%(inputs)s) and x.superseded_at is null

-- resting_on_expired --
-- Which of these records of examples came from an execution that retention removed. Asked of those alone for which it decides
-- something: of all of them it was two random pages for each execution that was ever heard.
select s.example_version
  from glow.example_sources s
  join glow.execution_keys k on k.tenant = glow.tenant_of(s.source_id) and k.execution_id = glow.unqualified(s.source_id)
 where s.example_version = any(%(versions)s) and s.kind = 'execution' and k.expired_at is not null

-- close_examples --
-- Ends what is in force, at the instant at which what takes its place begins.
update glow.learning_examples set superseded_at = %(at)s where example_version = any(%(versions)s)

-- insert_examples --
-- New versions of examples.
insert into glow.learning_examples (
  example_id, agent, input_id, input, target, source, status, quality, expert_approved, group_key, split, content_hash,
  rule_version, reason, rejected_target, domain, language, quality_parts, continues, recorded_at)
select x.example_id, %(agent)s::glow.agent_name, x.input_id, x.input, x.target, x.source, x.status, x.quality, x.expert_approved, x.group_key, a.split,
       x.content_hash, x.rule_version, x.reason, x.rejected_target, x.domain, x.language, x.quality_parts, x.continues, %(at)s
  from jsonb_to_recordset(%(examples)s) as x(
         example_id text, input_id bigint, input text, target text, source text, status text, quality float8,
         expert_approved boolean, group_key text, content_hash text, rule_version text, reason text, rejected_target text,
         domain text, language text, quality_parts jsonb, continues bigint)
  left join glow.split_assignments a on a.agent = %(agent)s::glow.agent_name and a.group_key = x.group_key
returning example_version, example_id, first_version

-- insert_sources --
-- What examples came from that they did not come from before.
insert into glow.source_spans (first_version, since, kind, source_id, role)
select * from unnest(%(firsts)s::bigint[], %(versions)s::bigint[], %(kinds)s::text[], %(sources)s::text[], %(roles)s::text[])

-- end_sources --
-- What examples came from before, and no more.
update glow.source_spans s set until = e.version
  from unnest(%(firsts)s::bigint[], %(versions)s::bigint[], %(kinds)s::text[], %(sources)s::text[], %(roles)s::text[])
    as e(first_version, version, kind, source_id, role)
 where s.first_version = e.first_version and s.kind = e.kind and s.source_id = e.source_id and s.role = e.role and s.until is null

-- stale_agents --
-- Agents with questions to learn again.
select distinct i.agent from glow.stale_inputs s join glow.learning_inputs i using (input_id) order by i.agent

-- stale_inputs --
-- Questions of an agent to learn again.
select s.input_id from glow.stale_inputs s join glow.learning_inputs i using (input_id)
 where i.agent = %(agent)s order by s.input_id limit %(most)s

-- forget_stale --
-- They have been learned again.
delete from glow.stale_inputs where input_id = any(%(inputs)s)

-- mark_stale --
-- All questions of an agent are to be learned again.
insert into glow.stale_inputs (input_id, because)
select i.input_id, %(because)s from glow.learning_inputs i where i.agent = %(agent)s
on conflict do nothing

-- mark_stale_of_reviewers --
-- All questions of an agent that these experts judged, compared or answered are to be learned again: their word counts otherwise now.
insert into glow.stale_inputs (input_id, because)
select x.input_id, %(because)s from glow.expert_annotations a join glow.execution_inputs x using (tenant, execution_id)
 where a.agent = %(agent)s and glow.qualified(a.tenant, a.reviewer) = any(%(reviewers)s) and a.superseded_by is null
union
select x.input_id, %(because)s from glow.comparisons c join glow.execution_inputs x using (tenant, execution_id)
 where c.agent = %(agent)s and glow.qualified(c.tenant, c.reviewer) = any(%(reviewers)s) and c.superseded_by is null
union
select n.input_id, %(because)s from glow.demonstrations d join glow.demonstration_inputs n using (demonstration_id)
 where d.agent = %(agent)s and glow.qualified(d.tenant, d.expert) = any(%(reviewers)s)
on conflict do nothing

-- expert_examples --
-- Approved examples of experts in train, the nearest first; their own inputs' embeddings, of one model.
select x.example_version, x.example_id as id, x.agent, x.input, x.target, x.source, x.status, x.quality, x.expert_approved,
       x.group_key, x.content_hash, x.rule_version, x.reason, x.rejected_target, x.domain, x.language, x.quality_parts,
       coalesce((select jsonb_agg(jsonb_build_array(s.kind, s.source_id, s.role) order by s.kind, s.source_id, s.role)
                   from glow.source_spans s
                  where s.first_version = x.first_version and s.since <= x.example_version and coalesce(s.until > x.example_version, true)), '[]') as sources
  from glow.learning_inputs i
  join glow.learning_examples x on x.input_id = i.input_id and x.superseded_at is null
 where i.agent = %(agent)s and i.embedding_model = %(model)s
   and x.status = 'approved' and x.expert_approved and x.split = 'train'
 order by i.embedding <=> %(query)s::text::vector, x.example_id
 limit %(most)s offset %(skip)s
