"""A search log written straight into the tables, large or small.

Belongs here: what several tests of retrieval analytics seed. Does not: assertions.
"""

# ruff: noqa: E501 -- SQL is read best unbroken

import psycopg

EVENTS = """
insert into glow.retrieval_events (tenant, event_id, agent, execution_id, query, policy, configuration, model, latency_ms,
  user_id, conversation_id, occurred_at, recorded_at)
select 'default', 'e-' || n, %(agent)s, 'x-' || n, 'question ' || (n::bigint * n) %% %(queries)s, case n %% 4 when 0 then 'interleave' else 'production' end,
       case when n * 2 < %(events)s then 'old' else 'new' end, 'm', 5 + n %% 40, 'u-' || n %% (%(events)s / 6 + 1),
       'c-' || n / 4, now() - interval '27 days' * (1 - n::float / %(events)s), now()
  from generate_series(1, %(events)s) n
"""
HITS = """
insert into glow.retrieval_hits (tenant, event_id, rank, chunk_id, score, score_dense, leg, propensity, cited, clicked, recorded_at)
select 'default', e.event_id, r, 'chunk ' || (h * (1 + r / 4) + r * r) %% %(chunks)s, 1.0 / r, 0.9 - r * 0.05, 'both', greatest(1.0 / r, 0.1),
       r = 2 and h %% 3 = 0, r = 1 + h %% 7, e.recorded_at
  from glow.retrieval_events e, lateral (select abs(hashtext(e.query)) / 7 as h) q, generate_series(1, 10) r
 where e.agent = %(agent)s
on conflict do nothing
"""


def seed(connection: psycopg.Connection, agent: str, events: int, queries: int = 500, chunks: int = 2000) -> None:
    """`events` searches over four weeks, four to a conversation, answered by `old` and then by `new`."""
    values = {"agent": agent, "events": events, "queries": queries, "chunks": chunks}
    connection.execute(EVENTS, values)
    connection.execute(HITS, values)
    connection.execute("analyze glow.retrieval_events, glow.retrieval_hits")
    connection.commit()
