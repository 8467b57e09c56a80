-- The review queue: what enters it, in which order it is reviewed, how it goes.

-- enter --
-- News between two watermarks becomes items: executions users complained of, corrected or disagree about (among
-- themselves, or with a judge), the control sample, and examples nobody is sure of. What is known already gets the new
-- reasons and counts. The work goes by the news: everything is looked up from there, by index.
with touched as materialized (
  select distinct k.tenant, k.execution_id, k.agent
    from glow.agents a
   cross join lateral (select f.tenant, f.execution_id from glow.agent_feedback f
                        where f.agent = a.agent and f.xid >= %(since)s::text::xid8 and f.xid < %(horizon)s::text::xid8
                          and f.recorded_at > clock_timestamp() - %(oldest)s::interval) f
    join glow.execution_keys k on k.tenant = f.tenant and k.execution_id = f.execution_id and k.agent = a.agent
), arrived as materialized (
  select e.tenant, e.execution_id, e.agent
    from glow.agents a
   cross join lateral (select e.tenant, e.execution_id, e.agent from glow.executions e
                        where e.agent = a.agent and e.xid >= %(since)s::text::xid8 and e.xid < %(horizon)s::text::xid8
                          and e.recorded_at > clock_timestamp() - %(oldest)s::interval) e
), unsure as materialized (
  select distinct on (x.example_version) glow.tenant_of(s.source_id) as tenant, glow.unqualified(s.source_id) as execution_id, x.agent
    from glow.learning_examples x
    join glow.example_sources s on s.example_version = x.example_version and s.kind = 'execution'
   where x.example_version > %(seen)s and x.superseded_at is null and x.erased_at is null
     and (x.status = 'pending' or x.status = 'approved' and not x.expert_approved and x.quality between 0.4 and 0.6)
   order by x.example_version, length(s.source_id) desc, s.source_id desc
), drifted as materialized (
  select d ->> 'tenant' as tenant, d ->> 'execution_id' as execution_id, d ->> 'agent' as agent from jsonb_array_elements(%(drifted)s) d
), said as materialized (
  -- Also where nothing is said any more: the last vote was taken back.
  select t.tenant, t.execution_id, t.agent,
         count(*) filter (where not j.judge and j.liked > 0) as votes_up, count(*) filter (where not j.judge and j.liked < 0) as votes_down,
         count(*) filter (where j.judge and j.liked > 0) as judge_up, count(*) filter (where j.judge and j.liked < 0) as judge_down,
         coalesce(bool_or(not j.judge and j.corrects), false) as corrected
    from (select * from touched union select * from arrived union select * from unsure union select * from drifted) t
    left join lateral (
      select f.channel is not distinct from 'judge' as judge, coalesce(f.thumbs, sign(f.rating - 3)) as liked,
             f.correction is not null as corrects
        from glow.current_feedback c
        join glow.agent_feedback f on f.feedback_id = c.feedback_id and f.recorded_at = c.recorded_at
       where c.tenant = t.tenant and c.execution_id = t.execution_id and c.agent = t.agent and not c.withdrawn) j on true
   group by t.tenant, t.execution_id, t.agent
), reasons as (
  -- Counts go along with each reason: to join them again, of CTEs without statistics, was a loop in a loop.
  select s.tenant, s.execution_id, r.reason, s.votes_up, s.votes_down, s.judge_up, s.judge_down from said s
   cross join lateral (values
     (null, true),
     ('low_vote', s.votes_down > 0),
     ('correction', s.corrected),
     ('disagreement', s.votes_up > 0 and s.votes_down > 0
        or sign(s.votes_up - s.votes_down) * sign(s.judge_up - s.judge_down) < 0)) r(reason, given)
   where r.given
  union all
  select e.tenant, e.execution_id, 'control', 0, 0, 0, 0 from arrived e
   where glow.control_draw(e.tenant, e.execution_id) < (glow.review_policy(e.agent)).control_share
  union all
  select u.tenant, u.execution_id, 'uncertainty', 0, 0, 0, 0 from unsure u
  union all
  select d.tenant, d.execution_id, 'drift', 0, 0, 0, 0 from drifted d
), wanted as (
  select r.tenant, r.execution_id, coalesce(array_agg(distinct r.reason) filter (where r.reason is not null), '{}') as reasons,
         max(r.votes_up)::int as votes_up, max(r.votes_down)::int as votes_down,
         max(r.judge_up)::int as judge_up, max(r.judge_down)::int as judge_down
    from reasons r group by 1, 2
)
insert into glow.review_items as i (
  tenant, execution_id, agent, reasons, priority, reviews, most_reviews, input_key, votes_up, votes_down, judge_up, judge_down)
select k.tenant, k.execution_id, k.agent, w.reasons, 0.5, p.reviews, p.most_reviews, glow.input_key(e.input),
       w.votes_up, w.votes_down, w.judge_up, w.judge_down
  from wanted w
  join glow.execution_keys k on k.tenant = w.tenant and k.execution_id = w.execution_id and k.expired_at is null
  join glow.executions e on e.tenant = k.tenant and e.execution_id = k.execution_id and e.recorded_at = k.recorded_at
 cross join lateral glow.review_policy(k.agent) p
 -- Not where experts have said enough already. But a control always: which ones they looked at by themselves is no chance.
 where w.reasons && '{control}'
    or exists (select from glow.review_items i where i.tenant = w.tenant and i.execution_id = w.execution_id and i.kind = 'judgement')
    or w.reasons <> '{}' and (
         select count(*) < p.reviews and not coalesce(bool_or(a.role = 'adjudication'), false) from glow.expert_annotations a
          where a.tenant = w.tenant and a.execution_id = w.execution_id and a.superseded_by is null)
 order by k.tenant, k.execution_id
on conflict (tenant, execution_id, kind) do update
   set reasons = array(select distinct r from unnest(i.reasons || excluded.reasons) r order by r),
       votes_up = excluded.votes_up, votes_down = excluded.votes_down,
       judge_up = excluded.judge_up, judge_down = excluded.judge_down
 where (i.votes_up, i.votes_down, i.judge_up, i.judge_down) is distinct from
       (excluded.votes_up, excluded.votes_down, excluded.judge_up, excluded.judge_down)
    or not i.reasons @> excluded.reasons
returning i.item_id, i.agent, i.xmax = 0 as new

-- open_slots --
-- Items that have just entered get their slots, filled with what experts had said of them before.
select glow.open_slots(%(items)s::bigint[])

-- count_traffic --
-- How often the inputs of open items came in again.
update glow.review_items i set occurrences = i.occurrences + t.times
  from (select e.agent, glow.input_key(e.input) as input_key, count(*)::int as times
          from glow.agents a
         cross join lateral (select e.agent, e.input from glow.executions e
                              where e.agent = a.agent and e.xid >= %(since)s::text::xid8 and e.xid < %(horizon)s::text::xid8
                                and e.recorded_at > clock_timestamp() - %(oldest)s::interval) e
         where exists (select from glow.review_items o where o.agent = a.agent and o.state = 'open')
         group by 1, 2) t
 where i.agent = t.agent and i.input_key = t.input_key and i.state = 'open'

-- newest_example --
-- The newest row of learning examples. Curation writes them one run after the other, so that ids come in order.
select coalesce(max(example_version), 0)::text as newest from glow.learning_examples

-- count_votes --
-- Votes of users that came in, by the day they came.
insert into glow.vote_days as d (agent, day, votes, negative)
select a.agent, (f.recorded_at at time zone 'UTC')::date, count(*), count(*) filter (where f.liked < 0)
  from glow.agents a
 cross join lateral (select f.recorded_at, coalesce(f.thumbs, sign(f.rating - 3)) as liked from glow.agent_feedback f
                      where f.agent = a.agent and f.xid >= %(since)s::text::xid8 and f.xid < %(horizon)s::text::xid8
                        and f.recorded_at > clock_timestamp() - %(oldest)s::interval
                        and f.channel is distinct from 'judge') f
 where f.liked is not null
 group by 1, 2
on conflict (agent, day) do update set votes = d.votes + excluded.votes, negative = d.negative + excluded.negative

-- vote_weeks --
-- Votes of the last seven days and of the four weeks before them, by agent.
select d.agent,
       sum(d.negative) filter (where d.day > x.today - 7)::int as negative_now, sum(d.votes) filter (where d.day > x.today - 7)::int as votes_now,
       sum(d.negative) filter (where d.day <= x.today - 7)::int as negative_before, sum(d.votes) filter (where d.day <= x.today - 7)::int as votes_before
  from glow.vote_days d cross join (select (clock_timestamp() at time zone 'UTC')::date as today) x
 where d.day > x.today - 35 and d.day <= x.today
 group by d.agent
having sum(d.votes) filter (where d.day > x.today - 7) > 0
 order by d.agent

-- week_sample --
-- A random sample of the week's executions of an agent, together with those sampled before no more than `most`.
select e.tenant, e.execution_id, e.agent
  from glow.executions e
 where e.agent = %(agent)s and e.recorded_at > clock_timestamp() - interval '7 days'
   and not exists (select from glow.review_items i
                    where i.tenant = e.tenant and i.execution_id = e.execution_id and i.reasons @> '{drift}')
 order by glow.control_draw(e.tenant, 'drift-' || to_char(clock_timestamp(), 'IYYY-IW') || e.execution_id)
 limit greatest(0, %(most)s - (
   select count(*) from glow.review_items i
    where i.agent = %(agent)s and i.reasons @> '{drift}' and i.entered_at > clock_timestamp() - interval '7 days'))

-- close_expired --
-- Items whose execution retention has removed: there is nothing left to look at.
update glow.review_items i set state = 'closed', closed_at = clock_timestamp()
  from glow.execution_keys k
 where i.state <> 'closed' and not i.gold and k.tenant = i.tenant and k.execution_id = i.execution_id and k.expired_at is not null

-- open_items --
-- What the priority of each open item is made of. What somebody asked for stays first.
select i.item_id, i.agent, i.priority, i.votes_up, i.votes_down, i.judge_up, i.judge_down, i.occurrences,
       extract(epoch from clock_timestamp() - i.entered_at)::float8 / 86400 as days,
       count(a.annotation_id) filter (where a.verdict = 'approve')::int as approvals,
       count(a.annotation_id) filter (where a.verdict <> 'approve')::int as denials
  from glow.review_items i
  left join glow.review_slots s on s.item_id = i.item_id and s.filled_at is not null
  left join glow.expert_annotations a on a.annotation_id = s.annotation_id
 where i.state = 'open' and not i.gold and not i.reasons @> '{manual}'
 group by i.item_id

-- item_inputs --
-- The normalised beginnings of items' inputs.
select i.item_id, glow.answer_key(left(e.input, 1000)) as input
  from unnest(%(items)s::bigint[]) u(item_id)
  join glow.review_items i using (item_id)
  join glow.execution_keys k on k.tenant = i.tenant and k.execution_id = i.execution_id
  join glow.executions e on e.tenant = k.tenant and e.execution_id = k.execution_id and e.recorded_at = k.recorded_at

-- set_priorities --
-- New priorities, except of items that a reviewer's call has in hand: the next time will do.
update glow.review_items i set priority = n.priority
  from (select o.item_id, u.priority
          from unnest(%(items)s::bigint[], %(priorities)s::float8[]) u(item_id, priority)
          join glow.review_items o using (item_id)
         where o.state = 'open' order by o.item_id for no key update of o skip locked) n
 where i.item_id = n.item_id

-- waiting --
-- Items that wait, by agent and reason; one with two reasons is counted for each.
select i.agent, r.reason, count(*) as items, min(i.entered_at) as oldest
  from glow.review_items i cross join lateral unnest(i.reasons) r(reason)
 where i.state = 'open' and not i.gold
 group by i.agent, r.reason order by i.agent, r.reason

-- state_of_queue --
-- How the queue stands: items, the oldest one that waits, adjudications that wait, reviews at work.
select count(*) filter (where i.state = 'open')::int as waiting,
       coalesce(extract(epoch from clock_timestamp() - min(i.entered_at) filter (where i.state = 'open')) / 3600, 0)::float8 as oldest_hours,
       count(*) filter (where i.state = 'adjudicate')::int as adjudications,
       coalesce(extract(epoch from clock_timestamp() - min(i.entered_at) filter (where i.state = 'adjudicate')) / 3600, 0)::float8
         as oldest_adjudication_hours,
       (select count(*)::int from glow.review_slots s
         where s.reviewer is not null and s.filled_at is null and s.lease_until > clock_timestamp() and isfinite(s.lease_until)) as leased
  from glow.review_items i where i.state in ('open', 'adjudicate') and not i.gold

-- events_since --
-- What reviewers did, by agent.
select agent, event, count(*)::int as events, count(distinct (tenant, reviewer))::int as reviewers
  from glow.review_events where happened_at > clock_timestamp() - %(age)s::interval
 group by agent, event order by agent, event

-- control_items --
-- The control sample of an agent: each with its draw, and whether experts approved it. What is not decided yet counts with
-- what its first reviewer said.
select glow.control_draw(i.tenant, i.execution_id) as draw,
       case when i.outcome is not null and (i.state = 'closed' or i.gold) then i.outcome = 'approve'
            else (select a.verdict = 'approve' from glow.review_slots s join glow.expert_annotations a using (annotation_id)
                   where s.item_id = i.item_id and s.filled_at is not null order by s.filled_at, s.slot limit 1) end as approved
  from glow.review_items i
 where i.agent = %(agent)s and i.kind = 'judgement' and i.reasons @> '{control}'
   and i.entered_at > clock_timestamp() - %(age)s::interval
