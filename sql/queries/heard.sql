-- What is heard of a question: executions, and what people said of them.

-- kept --
-- What was heard of these questions when they were last learned, where that was kept.
select input_id, said from glow.heard_inputs where input_id = any(%(inputs)s)

-- keep --
-- What is heard of these questions now: the next time what is new is all that is read of them.
insert into glow.heard_inputs as h (input_id, oldest, said)
select k.input_id, k.oldest, k.said::json from unnest(%(inputs)s::bigint[], %(oldest)s::timestamptz[], %(said)s::text[]) as k(input_id, oldest, said)
on conflict (input_id) do update set oldest = excluded.oldest, said = excluded.said

-- let_go --
-- Questions of which nothing is kept any more.
delete from glow.heard_inputs where input_id = any(%(inputs)s)

-- heard_executions --
-- The executions of each question that are heard: those that experts judged, then the newest, `most` at the most of those
-- that are there still. A question that was asked 100,000 times ("hello") costs no more than one asked `most` times, and
-- what is heard does not depend on when it was curated. One by one, by `limit 1`: without statistics of the tables a planner
-- that may choose reads all executions for each question, 500 questions of 100,000 in 17 s.
select i.input_id, x.tenant, x.execution_id, x.judged, x.recorded_at, glow.qualified(x.tenant, x.execution_id) as id, x.agent, x.input, x.output,
       glow.qualified(x.tenant, x.user_id) as user_id, glow.qualified(x.tenant, x.conversation_id) as conversation_id, x.prompt_version
  from unnest(%(inputs)s::bigint[]) as i(input_id)
 cross join lateral (
   select x.tenant, x.execution_id, x.judged, x.recorded_at, e.agent, e.input, e.output, e.user_id, e.conversation_id, e.prompt_version
     from glow.execution_inputs x
    cross join lateral (
      select e.* from glow.executions e
       where e.tenant = x.tenant and e.execution_id = x.execution_id and e.recorded_at = x.recorded_at limit 1) e
    where x.input_id = i.input_id
    order by x.judged desc, x.recorded_at desc, x.tenant, x.execution_id limit %(most)s) x

-- executions_with_news --
-- These executions of questions that are known: as above, one by one.
select x.input_id, x.tenant, x.execution_id, x.judged, x.recorded_at, glow.qualified(x.tenant, x.execution_id) as id, e.agent, e.input, e.output,
       glow.qualified(e.tenant, e.user_id) as user_id, glow.qualified(e.tenant, e.conversation_id) as conversation_id, e.prompt_version
  from unnest(%(tenants)s::text[], %(executions)s::text[]) as n(tenant, execution_id)
 cross join lateral (
   select x.* from glow.execution_inputs x where x.tenant = n.tenant and x.execution_id = n.execution_id limit 1) x
 cross join lateral (
   select e.* from glow.executions e
    where e.tenant = x.tenant and e.execution_id = x.execution_id and e.recorded_at = x.recorded_at limit 1) e

-- feedback_of_executions --
-- What users say of these executions now, the `most` newest words on each.
select f.feedback_id as id, f.agent, glow.qualified(f.tenant, f.execution_id) as execution_id,
       glow.qualified(f.tenant, f.user_id) as user_id, f.kind, f.thumbs, f.rating, f.issues, f.comment, f.correction,
       glow.qualified(f.tenant, f.conversation_id) as conversation_id, f.recorded_at
  from unnest(%(tenants)s::text[], %(executions)s::text[]) as x(tenant, execution_id)
 cross join lateral (
   select c.feedback_id, c.recorded_at from glow.current_feedback c
    where c.tenant = x.tenant and c.execution_id = x.execution_id and c.agent = %(agent)s and not c.withdrawn
    order by c.feedback_id desc limit %(most)s) c
  join glow.agent_feedback f on f.feedback_id = c.feedback_id and f.recorded_at = c.recorded_at
 where f.superseded_by is null

-- annotations_of_executions --
-- What experts say of these executions now. Not reviews of gold: they measure reviewers.
select a.annotation_id as id, glow.qualified(a.tenant, a.execution_id) as execution_id, a.agent,
       glow.qualified(a.tenant, a.reviewer) as reviewer, a.verdict, a.output, a.dimensions, a.notes, a.role
  from unnest(%(tenants)s::text[], %(executions)s::text[]) as x(tenant, execution_id)
  join glow.expert_annotations a on a.tenant = x.tenant and a.execution_id = x.execution_id and a.superseded_by is null
 where a.agent = %(agent)s and not a.gold

-- comparisons_of_executions --
-- Which of two answers experts prefer now.
select c.comparison_id as id, glow.qualified(c.tenant, c.execution_id) as execution_id, c.agent,
       glow.qualified(c.tenant, c.reviewer) as reviewer, c.first, c.second, c.preferred
  from unnest(%(tenants)s::text[], %(executions)s::text[]) as x(tenant, execution_id)
  join glow.comparisons c on c.tenant = x.tenant and c.execution_id = x.execution_id and c.superseded_by is null
 where c.agent = %(agent)s

-- demonstrations_of_inputs --
-- Experts' own examples of these questions, the `most` newest of each.
select d.demonstration_id as id, d.agent, glow.qualified(d.tenant, d.expert) as expert, d.input, d.output, d.notes
  from unnest(%(inputs)s::bigint[]) as i(input_id)
 cross join lateral (
   select n.demonstration_id from glow.demonstration_inputs n where n.input_id = i.input_id
    order by n.demonstration_id desc limit %(most)s) n
  join glow.demonstrations d using (demonstration_id)
