-- What conversations and corrected answers say about words and boundaries.

-- reformulations --
-- Searches that found what the person liked, each with those before it that did not: same person, same conversation, at
-- most ten minutes earlier, nothing liked between. The newest `most` successes. Equal to reformulations() in Python.
with liked as materialized (
  select e.tenant, e.event_id, e.recorded_at, e.query, e.user_id, e.conversation_id, e.occurred_at,
         (select array_agg(h.chunk_id::text order by h.rank) from glow.retrieval_hits h
           where h.tenant = e.tenant and h.event_id = e.event_id and h.recorded_at = e.recorded_at
             and (h.explicit > 0 or h.explicit = 0 and (h.clicked or h.kept))) as liked
    from glow.retrieval_events e
   where e.agent = %(agent)s and e.xid < %(horizon)s::text::xid8
     and e.user_id is not null and e.conversation_id is not null
), told as (
  select s.*, count(s.liked) over before as successes
    from liked s
  window before as (partition by s.tenant, s.user_id, s.conversation_id order by s.occurred_at, s.event_id
                    rows between unbounded preceding and 1 preceding)
)
select f.query as first, t.query as then, glow.qualified(t.tenant, t.user_id) as user_id,
       glow.qualified(t.tenant, t.conversation_id) as conversation_id, t.liked,
       glow.qualified(t.tenant, f.event_id) as first_id, glow.qualified(t.tenant, t.event_id) as then_id,
       (extract(epoch from t.occurred_at) / 86400)::double precision as day
  from (select * from told where liked is not null order by occurred_at desc, event_id limit %(most)s) t
  join told f on f.tenant = t.tenant and f.user_id = t.user_id and f.conversation_id = t.conversation_id
             and f.liked is null and f.successes = t.successes
             and (f.occurred_at, f.event_id) < (t.occurred_at, t.event_id)
             and f.occurred_at >= t.occurred_at - interval '10 minutes'
 order by 3, 4, t.occurred_at, t.event_id, f.occurred_at, f.event_id

-- corrected_answers --
-- What users and experts say the answers to searched questions should have been; the newest `most` of each.
(select e.query, f.correction as text, glow.qualified(f.tenant, f.user_id) as user_id, 'feedback ' || f.feedback_id as source_id
   from glow.agent_feedback f
   join glow.retrieval_events e on e.tenant = f.tenant and e.execution_id = f.execution_id and e.agent = f.agent
  where f.agent = %(agent)s and f.xid < %(horizon)s::text::xid8 and f.correction is not null and f.superseded_by is null
    and e.xid < %(horizon)s::text::xid8
  order by f.feedback_id desc, e.event_id limit %(most)s)
union all
(select e.query, a.output, glow.qualified(a.tenant, a.reviewer), 'annotation ' || a.annotation_id
   from glow.expert_annotations a
   join glow.retrieval_events e on e.tenant = a.tenant and e.execution_id = a.execution_id and e.agent = a.agent
  where a.agent = %(agent)s and a.xid < %(horizon)s::text::xid8 and a.verdict = 'correct' and a.superseded_by is null and not a.gold
    and e.xid < %(horizon)s::text::xid8
  order by a.annotation_id desc, e.event_id limit %(most)s)
order by source_id, query

-- cited_answers --
-- Chunks of a chunking that answers cite, with the answers: as the asker or an expert corrected them, else as given.
-- Answers that the asker disliked and nobody corrected cite nothing. Only chunks of documents as they are now.
select e.query, glow.qualified(e.tenant, e.event_id) as event_id, glow.qualified(e.tenant, e.user_id) as user_id,
       glow.qualified(e.tenant, coalesce(e.conversation_id, e.event_id)) as conversation_id,
       l.document_id, l.chunk_id, l.starts, l.ends, coalesce(f.correction, a.output, x.output) as answer
  from (select * from glow.retrieval_events
         where agent = %(agent)s and xid < %(horizon)s::text::xid8 and execution_id is not null and user_id is not null
         order by xid desc, event_id limit %(most)s) e
  join glow.executions x on x.tenant = e.tenant and x.execution_id = e.execution_id and x.agent = e.agent
  join glow.retrieval_hits h on h.tenant = e.tenant and h.event_id = e.event_id and h.recorded_at = e.recorded_at
                            and (h.cited or h.kept) and h.explicit >= 0
  join glow.live_chunks l on l.agent = e.agent and l.chunking = %(chunking)s and l.chunk_id = h.chunk_id
  join glow.documents d on d.agent = l.agent and d.document_id = l.document_id and d.content_hash = l.document_hash
                       and d.retired_at is null
  left join lateral (
    select v.correction, coalesce(v.thumbs < 0, v.rating <= 2, false) as disliked from glow.agent_feedback v
     where v.tenant = e.tenant and v.execution_id = e.execution_id and v.agent = e.agent and v.user_id = e.user_id
       and v.superseded_by is null and not v.withdrawn
     order by v.correction is null, v.feedback_id desc limit 1) f on true
  left join lateral (
    select n.output from glow.expert_annotations n
     where n.tenant = e.tenant and n.execution_id = e.execution_id and n.agent = e.agent and n.verdict = 'correct'
       and n.superseded_by is null and not n.gold
     order by n.annotation_id desc limit 1) a on true
 where f.correction is not null or a.output is not null or f.disliked is not true
 order by e.tenant, e.event_id, l.document_id, l.position

-- present_documents --
-- Documents as they are now, with the chunks of a chunking that stand for exactly this version.
select d.document_id, d.title, d.body,
       (select jsonb_agg(jsonb_build_array(l.chunk_id, l.starts, l.ends) order by l.position) from glow.live_chunks l
         where l.agent = d.agent and l.chunking = %(chunking)s and l.document_id = d.document_id
           and l.document_hash = d.content_hash) as chunks
  from glow.documents d
 where d.agent = %(agent)s and d.retired_at is null
 order by d.document_id
