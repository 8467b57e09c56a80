-- Corrections, and what people keep changing.

-- lock_patterns --
-- One snapshot at a time.
select pg_advisory_xact_lock(hashtextextended('glow.correction_patterns', 0))

-- agents_with_news --
-- Agents whose corrections changed from watermark `since` up to `horizon`: one came, was taken back or replaced, or the
-- execution of one came; and those whose snapshot is to be taken anew. Each look goes by an index over news alone.
select a.agent from glow.agents a
 where exists (select from glow.correction_snapshots s where s.agent = a.agent and s.stale)
    or exists (select from glow.agent_feedback f
                where f.agent = a.agent and f.xid >= %(since)s::text::xid8 and f.xid < %(horizon)s::text::xid8
                  and (f.correction is not null or exists (
                    select from glow.agent_feedback o
                     where o.tenant = f.tenant and o.execution_id = f.execution_id and o.superseded_by = f.feedback_id
                       and o.correction is not null)))
    or exists (select from glow.expert_annotations x
                where x.agent = a.agent and x.xid >= %(since)s::text::xid8 and x.xid < %(horizon)s::text::xid8
                  and (x.verdict = 'correct' or exists (
                    select from glow.expert_annotations o
                     where o.superseded_by = x.annotation_id and o.tenant = x.tenant and o.execution_id = x.execution_id
                       and o.verdict = 'correct')))
    or exists (select from glow.executions e
                where e.agent = a.agent and e.xid >= %(since)s::text::xid8 and e.xid < %(horizon)s::text::xid8
                  and exists (select from glow.agent_feedback f
                               where f.tenant = e.tenant and f.execution_id = e.execution_id and f.agent = e.agent
                                 and f.correction is not null and f.superseded_by is null))
 order by a.agent

-- corrections --
-- The newest corrections of an agent, of users and of experts, each with the output it corrects.
select * from (
  (select f.agent, glow.qualified(f.tenant, f.execution_id) as execution_id, e.output as before, f.correction as after,
          glow.qualified(f.tenant, f.user_id) as person, f.recorded_at as at, f.feedback_id as source,
          glow.qualified(f.tenant, coalesce(f.conversation_id, e.conversation_id)) as conversation, 'feedback' as kind
     from glow.agent_feedback f join glow.executions e using (tenant, execution_id, agent)
    where f.agent = %(agent)s and f.correction is not null and f.superseded_by is null and btrim(f.correction) <> btrim(e.output)
    order by f.feedback_id desc limit %(most)s)
  union all
  (select a.agent, glow.qualified(a.tenant, a.execution_id), e.output, a.output, glow.qualified(a.tenant, a.reviewer), a.recorded_at, a.annotation_id,
          glow.qualified(a.tenant, e.conversation_id), 'annotation'
     from glow.expert_annotations a join glow.executions e using (tenant, execution_id, agent)
    where a.agent = %(agent)s and a.verdict = 'correct' and a.superseded_by is null and not a.gold and btrim(a.output) <> btrim(e.output)
    order by a.annotation_id desc limit %(most)s)) x
 order by at desc, kind, source desc limit %(most)s

-- uncorrected_outputs --
-- Outputs of the newest executions that nobody corrected or rejected.
select left(e.output, 20000) as output
  from glow.executions e
 where e.agent = %(agent)s
   and not exists (select from glow.agent_feedback f
                    where f.tenant = e.tenant and f.execution_id = e.execution_id and f.agent = e.agent
                      and f.correction is not null and f.superseded_by is null)
   and not exists (select from glow.expert_annotations a
                    where a.tenant = e.tenant and a.execution_id = e.execution_id and a.superseded_by is null
                      and a.verdict <> 'approve')
 order by e.xid desc limit %(most)s

-- forget_patterns --
-- The patterns of an agent, before new ones are written.
delete from glow.correction_patterns where agent = %(agent)s

-- record_snapshot --
-- When, and of how much.
insert into glow.correction_snapshots as s (agent, corrections, outputs)
values (%(agent)s::glow.agent_name, %(corrections)s, %(outputs)s)
on conflict (agent) do update
   set corrections = excluded.corrections, outputs = excluded.outputs, computed_at = excluded.computed_at, stale = false

-- insert_pattern --
-- A pattern.
insert into glow.correction_patterns (
  agent, position, kind, about, detail, standing, count, experts, people, conversations, share, share_low, share_high, lift, q,
  trend, trend_low, trend_high, first_seen, last_seen, feedback, annotations)
values (
  %(agent)s::glow.agent_name, %(position)s, %(kind)s, %(about)s, %(detail)s, %(standing)s, %(count)s, %(experts)s, %(people)s,
  %(conversations)s, %(share)s, %(share_low)s, %(share_high)s, %(lift)s, %(q)s, %(trend)s, %(trend_low)s, %(trend_high)s,
  %(first_seen)s, %(last_seen)s, %(feedback)s, %(annotations)s)

-- rising --
-- Named patterns whose share of the corrections grows from week to week.
select agent, kind, detail, count, trend, trend_low from glow.correction_patterns
 where standing = 'named' and trend_low > 0 order by trend desc, agent, position

-- snapshots --
-- The agents and how many patterns each has.
select s.agent, s.corrections, s.outputs, count(p.agent) filter (where p.standing = 'named') as named,
       count(p.agent) filter (where p.standing = 'emerging') as emerging
  from glow.correction_snapshots s left join glow.correction_patterns p on p.agent = s.agent
 group by s.agent order by s.agent

-- shown --
-- The first patterns of each agent.
select agent, standing, kind, about, detail, count, people, share, q, trend from glow.correction_patterns
 where standing <> 'total' and position <= %(most)s order by agent, position
