-- What searches say of chunks: one row for each visit, folded from the log as it grows.

create table glow.retrieval_queries (
  query_number bigint generated always as identity primary key,
  agent        glow.agent_name not null references glow.agents,
  query        text not null,
  -- sha256: a question may be longer than an index takes.
  query_hash   bytea not null,
  unique (agent, query_hash)
);
comment on table glow.retrieval_queries is 'Every question an agent was searched with, in the order they were first folded.';

-- A visit is all that a person searched with one question on one day. One row with lists instead of one for each chunk: a
-- tenth of the rows to write, to find and to read.
create table glow.retrieval_signals (
  agent        glow.agent_name not null,
  query_number bigint not null references glow.retrieval_queries,
  -- Qualified user id; without one U+001F and the qualified conversation; without both empty, all such are one person.
  person       text collate "C" not null,
  -- Since 1970, UTC.
  day          integer not null,
  event_ids    text[] not null check (cardinality(event_ids) > 0),
  -- Ordered; the other lists are by chunk.
  chunk_ids    text[] not null,
  credits      double precision[] not null,
  looks        double precision[] not null,
  -- 2, -2: an expert's judgement. 1, -1: the person's. 0: none.
  explicit     smallint[] not null,
  -- Of its searches, when they were recorded: retention takes it with them.
  oldest       timestamptz not null,
  primary key (agent, query_number, person, day)
);
comment on table glow.retrieval_signals is 'What each person said by deed, per day, of the chunks one question showed: learning/retrieval/signals says how much.';
create index signals_by_person on glow.retrieval_signals (person);
create index signals_by_query on glow.retrieval_signals (query_number);
create index signals_of_nobody on glow.retrieval_signals using gin (event_ids) where person = '';

create function glow.retrieval_person(tenant text, user_id text, conversation_id text) returns text
  language sql immutable parallel safe
  return coalesce(glow.qualified(tenant, user_id), chr(31) || glow.qualified(tenant, conversation_id), '');
comment on function glow.retrieval_person is 'Whose visit a search belongs to.';

-- What is new of searches, of votes and of verdicts on the answers they led to, between two transaction ids: each visit it
-- touches is made anew from all its searches, so that nothing counts twice, whatever came late or changed. What the searches
-- of a visit are is known from the row itself; each is looked up by its key (offset 0 and limit 1: whatever the planner
-- believes of young tables, the cost is that of the visits touched). glow.qualified and retrieval_person are written
-- out: called for each search, they took half of the whole.
create function glow.fold_retrieval_signals(of_agent text, since xid8, until xid8, out visits bigint, out searches bigint)
  language sql as $$
  with news as materialized (
    select e.tenant, e.query, e.event_id, e.recorded_at, e.user_id, e.conversation_id, e.occurred_at
      from glow.retrieval_events e where e.agent = of_agent and e.xid >= since and e.xid < until
    union all
    select e.tenant, e.query, e.event_id, e.recorded_at, e.user_id, e.conversation_id, e.occurred_at
      from (select f.tenant, f.execution_id from glow.agent_feedback f
             where f.agent = of_agent and f.xid >= since and f.xid < until
            union
            select a.tenant, a.execution_id from glow.expert_annotations a
             where a.agent = of_agent and a.xid >= since and a.xid < until) x
     cross join lateral (
       select r.* from glow.retrieval_events r
        where r.tenant = x.tenant and r.execution_id = x.execution_id and r.agent = of_agent offset 0) e
  ), hashed as materialized (
    select n.*, sha256(convert_to(n.query, 'UTF8')) as query_hash from news n
  ), met as (
    insert into glow.retrieval_queries (agent, query, query_hash)
    select of_agent, n.query, n.query_hash
      from (select distinct on (h.query_hash) h.* from hashed h order by h.query_hash, h.occurred_at, h.tenant, h.event_id) n
     order by n.occurred_at, n.tenant, n.event_id
    on conflict do nothing
    returning query_number, query_hash
  ), numbered as materialized (
    select query_number, query_hash from met
    union all
    select q.query_number, q.query_hash
      from (select distinct query_hash from hashed) n
     cross join lateral (
       select q.query_number, q.query_hash from glow.retrieval_queries q
        where q.agent = of_agent and q.query_hash = n.query_hash limit 1) q
  ), fresh as materialized (
    select distinct q.query_number,
           case when h.user_id is not null then case h.tenant when 'default' then h.user_id else h.tenant || chr(31) || h.user_id end
                when h.conversation_id is not null
                then chr(31) || case h.tenant when 'default' then h.conversation_id else h.tenant || chr(31) || h.conversation_id end
                else '' end collate "C" as person,
           floor(extract(epoch from h.occurred_at) / 86400)::integer as day, h.tenant, h.event_id, h.recorded_at
      from hashed h join numbered q using (query_hash)
  ), touched as materialized (
    select f.query_number, f.person, f.day, f.tenant, f.event_id, f.recorded_at from fresh f
    union
    select v.query_number, v.person, v.day, k.tenant, k.event_id, k.recorded_at
      from (select distinct query_number, person, day from fresh) v
     cross join lateral (
       select s.event_ids from glow.retrieval_signals s
        where s.agent = of_agent and s.query_number = v.query_number and s.person = v.person and s.day = v.day limit 1) s
     cross join lateral (
       select split_part(u.id, chr(31), 1) as first, split_part(u.id, chr(31), 2) as second from unnest(s.event_ids) u(id)) n
     cross join lateral (
       select k.tenant, k.event_id, k.recorded_at from glow.retrieval_keys k
        where k.tenant = case n.second when '' then 'default' else n.first end
          and k.event_id = case n.second when '' then n.first else n.second end limit 1) k
  ), asked as materialized (
    select v.query_number, v.person, v.day, v.recorded_at, v.tenant, v.event_id,
           case v.tenant when 'default' then v.event_id else v.tenant || chr(31) || v.event_id end collate "C" as id, e.occurred_at, coalesce(w.vote, 0) as vote, coalesce(w.blames, false) as blames, coalesce(a.approved, false) as approved
      from touched v
     cross join lateral (
       select e.* from glow.retrieval_events e
        where e.tenant = v.tenant and e.event_id = v.event_id and e.recorded_at = v.recorded_at limit 1) e
      -- The person's own current words on the answer; of a search of nobody, those of whoever spoke.
      left join lateral (
        select sign(sum(s.said)) as vote, bool_or(s.said < 0 and s.blames) as blames
          from (
            select coalesce(f.thumbs, case when f.rating >= 4 then 1 when f.rating <= 2 then -1 when f.rating = 3 then 0 end,
                            case when f.issues && '{wrong_source,irrelevant}' then -1 end) as said,
                   f.issues && '{wrong_source,irrelevant}' as blames
              from glow.current_feedback c
             cross join lateral (
               select f.thumbs, f.rating, f.issues from glow.agent_feedback f
                where f.feedback_id = c.feedback_id and f.recorded_at = c.recorded_at and f.superseded_by is null limit 1) f
             where c.tenant = e.tenant and c.execution_id = e.execution_id and c.agent = of_agent and not c.withdrawn
               and (e.user_id is null or c.user_id = e.user_id)) s) w on e.execution_id is not null
      left join lateral (
        select coalesce(bool_or(x.verdict = 'approve') filter (where x.role = 'adjudication'),
                        bool_and(x.verdict = 'approve')) as approved
          from glow.expert_annotations x
         where x.tenant = e.tenant and x.execution_id = e.execution_id and x.agent = of_agent
           and x.superseded_by is null and not x.gold) a on e.execution_id is not null
  ), shown as (
    select a.query_number, a.person, a.day, a.occurred_at, a.id, h.chunk_id, h.explicit, h.expert, g.credit, g.looks
      from asked a
     cross join lateral (
       select h.*, (count(*) filter (where h.cited) over ())::double precision as cites
         from glow.retrieval_hits h
        where h.tenant = a.tenant and h.event_id = a.event_id and h.recorded_at = a.recorded_at offset 0) h
     cross join lateral (
       select greatest(h.propensity, 0.1) as looks,
              case when h.clicked or h.kept then 1.0 when h.cited then 0.5 else 0.0 end::double precision as credit) d
     cross join lateral (
       select case when not h.cited then d.credit when a.approved then 1.0 when a.vote < 0 and a.blames then 0.0
                   when a.vote > 0 then least(1.0, d.credit + 1 / h.cites) else d.credit end as credit,
              case when not h.cited then d.looks when a.approved then 1.0
                   when a.vote > 0 or a.vote < 0 and a.blames then least(1.0, d.looks + 1 / h.cites) else d.looks end as looks) g
     where h.shown or h.cited or h.clicked or h.kept or h.explicit <> 0
  ), said as (
    select s.query_number, s.person, s.day, s.chunk_id, avg(s.credit) as credit, avg(s.looks) as looks,
           (array_agg(s.explicit * case when s.expert then 2 else 1 end order by s.expert desc, s.occurred_at desc, s.id desc)
              filter (where s.explicit <> 0))[1] as judged
      from shown s group by s.query_number, s.person, s.day, s.chunk_id
  ), lists as (
    select s.query_number, s.person, s.day, array_agg(s.chunk_id::text order by s.chunk_id) as chunk_ids,
           array_agg(case when s.judged is null then s.credit when s.judged > 0 then 1 else 0 end order by s.chunk_id) as credits,
           array_agg(case when s.judged is null then s.looks else 1 end order by s.chunk_id) as looks,
           array_agg(coalesce(s.judged, 0)::smallint order by s.chunk_id) as explicit
      from said s group by s.query_number, s.person, s.day
  ), ids as (
    select a.query_number, a.person, a.day, array_agg(a.id order by a.id) as event_ids, min(a.recorded_at) as oldest
      from asked a group by a.query_number, a.person, a.day
  ), written as (
    insert into glow.retrieval_signals as s (
      agent, query_number, person, day, event_ids, chunk_ids, credits, looks, explicit, oldest)
    select of_agent, i.query_number, i.person, i.day, i.event_ids, coalesce(l.chunk_ids, '{}'), coalesce(l.credits, '{}'),
           coalesce(l.looks, '{}'), coalesce(l.explicit, '{}'), i.oldest
      from ids i left join lists l using (query_number, person, day)
     order by i.query_number, i.person, i.day
    on conflict (agent, query_number, person, day) do update
       set event_ids = excluded.event_ids, chunk_ids = excluded.chunk_ids, credits = excluded.credits, looks = excluded.looks,
           explicit = excluded.explicit, oldest = excluded.oldest
    returning cardinality(s.event_ids) as n
  )
  select count(*), coalesce(sum(w.n), 0)::bigint from written w
$$;
comment on function glow.fold_retrieval_signals is
  'Makes anew the signals of every visit that has news from transaction `since` up to `until`; answers how many visits, of how many searches.';
