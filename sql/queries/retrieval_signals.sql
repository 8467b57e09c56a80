-- Signals: what searches say of chunks, folded as the log grows.

-- open --
-- The watermark of an agent, locked: two folds at once would write what the other had read before.
insert into glow.watermarks (consumer, agent, xid) values ('retrieval_signals', %(agent)s, '0')
on conflict (consumer, agent) do update set xid = watermarks.xid
returning xid::text as since

-- until --
-- How far to go at once: up to the horizon, or past `most` searches and the transaction the last of them is of.
select coalesce((
  select (e.xid::text::bigint + 1)::text from glow.retrieval_events e
   where e.agent = %(agent)s and e.xid >= %(since)s::text::xid8 and e.xid < %(horizon)s::text::xid8
   order by e.xid offset %(most)s - 1 limit 1), %(horizon)s::text) as until

-- fold --
-- Visits with news, made anew.
select visits, searches from glow.fold_retrieval_signals(%(agent)s::text, %(since)s::text::xid8, %(until)s::text::xid8)

-- close --
-- The signals have come that far.
update glow.watermarks set xid = %(until)s::text::xid8, updated_at = clock_timestamp()
 where consumer = 'retrieval_signals' and agent = %(agent)s

-- behind --
-- Agents with news for their signals: searches, votes or verdicts behind the horizon. One probe of an index each.
select a.agent
  from glow.agents a
  left join glow.watermarks w on w.consumer = 'retrieval_signals' and w.agent = a.agent
 where exists (select from glow.retrieval_events e
                where e.agent = a.agent and e.xid >= coalesce(w.xid, '0') and e.xid < %(horizon)s::text::xid8)
    or w.xid is not null and exists (select from glow.agent_feedback f
                where f.agent = a.agent and f.xid >= w.xid and f.xid < %(horizon)s::text::xid8)
    or w.xid is not null and exists (select from glow.expert_annotations x
                where x.agent = a.agent and x.xid >= w.xid and x.xid < %(horizon)s::text::xid8)
 order by a.agent

-- questions --
-- Every question with signals, in the order they were first met.
select q.query_number, q.query from glow.retrieval_queries q
 where q.agent = %(agent)s and exists (select from glow.retrieval_signals s where s.query_number = q.query_number)
 order by q.query_number

-- visits --
-- All signals of an agent, a row for each visit. Lists as one text or one run of bytes: a million numbers read one by one
-- took three times as long.
select s.query_number, s.person, s.day, array_to_string(s.event_ids, chr(30)) as event_ids, array_to_string(s.chunk_ids, chr(30)) as chunk_ids,
       array_send(s.credits) as credits, array_send(s.looks) as looks, array_send(s.explicit) as explicit
  from glow.retrieval_signals s where s.agent = %(agent)s
 order by s.query_number, s.person, s.day

-- successors --
-- Which chunks took the place of which, those that may inherit.
select chunk_id, successor, jaccard, overlap from glow.chunk_successors
 where agent = %(agent)s and (jaccard >= %(same)s or overlap >= %(holds)s)

-- exposures --
-- What the newest `most` searches showed, by question, chunk, rank and whether chance had a hand in the order.
select e.query, h.chunk_id, h.rank, e.policy <> 'production' as mixed, count(*) as shown,
       count(*) filter (where h.clicked or h.kept) as clicked
  from (select * from glow.retrieval_events
         where agent = %(agent)s and xid < %(horizon)s::text::xid8 order by xid desc limit %(most)s) e
 cross join lateral (
   select h.* from glow.retrieval_hits h
    where h.tenant = e.tenant and h.event_id = e.event_id and h.recorded_at = e.recorded_at and h.shown offset 0) h
 group by e.query, h.chunk_id, h.rank, e.policy <> 'production'

-- explored --
-- The share of the newest `most` searches in whose order chance had a hand.
select coalesce(avg((e.policy <> 'production')::integer), 0)::double precision as share
  from (select policy from glow.retrieval_events
         where agent = %(agent)s and xid < %(horizon)s::text::xid8 order by xid desc limit %(most)s) e

-- recent --
-- The watermark from which on there is news of about the newest `most` searches.
select coalesce((
  select e.xid::text from glow.retrieval_events e
   where e.agent = %(agent)s and e.xid < %(horizon)s::text::xid8 order by e.xid desc offset %(most)s - 1 limit 1), '0') as since
