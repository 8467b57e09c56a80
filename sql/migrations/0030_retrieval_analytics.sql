-- What became of searches: the one reading of events, hits and votes that figures, reports and dashboards share.

create function glow.is_liked(explicit smallint, expert boolean, clicked boolean, kept boolean) returns boolean
  language sql immutable parallel safe
  return case when explicit = 0 or expert then clicked or kept else explicit > 0 end;
comment on function glow.is_liked is
  'Whether the user liked a hit: a thumb up, or a click or keep that no thumb down takes back. Experts judge, they do not like.';

create function glow.search_outcomes(agent text, since timestamptz, until timestamptz, own text default null)
  returns table (
    tenant text, event_id text, recorded_at timestamptz, occurred_at timestamptz, query text, policy text,
    configuration text, latency_ms double precision, person text, conversation text,
    listed boolean, best double precision, liked_rank integer, liked_in_5 integer, rejected boolean, cited boolean,
    vote integer, blamed boolean)
  language sql stable as $$
  select e.tenant, e.event_id, e.recorded_at, e.occurred_at, e.query, e.policy, e.configuration, e.latency_ms,
         e.tenant || chr(31) || e.user_id, e.tenant || chr(31) || coalesce(e.conversation_id, e.event_id),
         h.event_id is not null, h.best, h.liked_rank, coalesce(h.liked_in_5, 0), coalesce(h.rejected, false),
         coalesce(h.cited, false), v.vote, coalesce(v.blamed, false)
    from glow.retrieval_events e
    left join (
      select x.tenant, x.event_id, x.recorded_at, max(x.score_dense) as best,
             min(x.rank) filter (where x.liked) as liked_rank,
             count(*) filter (where x.rank <= 5 and x.liked)::integer as liked_in_5,
             bool_or(x.explicit < 0 and not x.expert) as rejected, bool_or(x.cited) as cited
        from (select y.*, glow.is_liked(y.explicit, y.expert, y.clicked, y.kept) as liked from glow.retrieval_hits y) x
       where x.shown
       group by x.tenant, x.event_id, x.recorded_at) h
      on h.tenant = e.tenant and h.event_id = e.event_id and h.recorded_at = e.recorded_at
    left join (
      select f.tenant, f.execution_id, sign(sum(f.thumbs))::integer as vote,
             -- Thumbs down blame the search only where the user says so: a wrong answer has many makers.
             bool_or(f.thumbs < 0 and f.issues && '{wrong_source,irrelevant}') as blamed
        from glow.agent_feedback f
       where f.agent = search_outcomes.agent and f.superseded_by is null and f.thumbs is not null
       group by f.tenant, f.execution_id) v
      on v.tenant = e.tenant and v.execution_id = e.execution_id
   where e.agent = search_outcomes.agent and e.tenant = coalesce(own, e.tenant)
     and e.occurred_at >= since and e.occurred_at < until
$$;
comment on function glow.search_outcomes is
  'A row for each search of an agent: whether it listed anything, the best similarity, the first rank the user liked, what was '
  'rejected and cited, the votes on the answer (-1, 0, 1), and whether they blame the search.';
