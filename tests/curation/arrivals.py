"""Rows that people and agents write, arriving in whatever order.

Belongs here: rows with ids of their own, written as the functions of glow_api leave them; reading what curation made of
them. Does not: what is asserted. Ids are given, not drawn, so that the same rows can arrive in another order.
"""
# ruff: noqa: E501 -- SQL is read best unbroken

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

AGENT = "desk"
BEGAN = datetime(2026, 3, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Run:
    """An execution."""

    id: str
    input: str
    output: str
    conversation: str | None = None
    minute: int = 0


@dataclass(frozen=True)
class Vote:
    """What a user said of an execution; with neither thumbs nor correction they took it back."""

    id: int
    run: str
    user: str
    thumbs: int | None = None
    correction: str | None = None


@dataclass(frozen=True)
class Judged:
    """What an expert said of an execution."""

    id: int
    run: str
    reviewer: str
    verdict: str
    output: str | None = None


@dataclass(frozen=True)
class Shown:
    """An expert's own example."""

    id: int
    expert: str
    input: str
    output: str


Rows = Run | Vote | Judged | Shown

_KEY = """insert into glow.execution_keys (tenant, execution_id, agent, payload_hash, recorded_at)
values ('default', %(id)s, 'desk', '', %(at)s)"""
_RUN = """insert into glow.executions (tenant, execution_id, agent, input, output, conversation_id, started_at, recorded_at)
values ('default', %(id)s, 'desk', %(input)s, %(output)s, %(conversation)s, %(at)s, %(at)s)"""
# The vote machine of sql/api/feedback.sql for rows whose order of speaking is that of their ids.
_VOTE = """insert into glow.agent_feedback (feedback_id, tenant, agent, execution_id, user_id, kind, withdrawn, thumbs,
  correction, occurred_at, recorded_at, superseded_by)
select %(id)s::bigint, 'default', 'desk', %(run)s::text, %(user)s::text, 'vote', %(withdrawn)s::boolean, %(thumbs)s::smallint, %(correction)s::text, %(at)s::timestamptz, %(at)s::timestamptz,
  coalesce((select c.feedback_id from glow.current_feedback c where c.tenant = 'default' and c.execution_id = %(run)s::text
             and c.user_id = %(user)s::text and c.kind = 'vote' and c.agent = 'desk' and c.feedback_id > %(id)s::bigint),
           case when %(withdrawn)s::boolean then %(id)s::bigint end)"""
_SUPERSEDE = """update glow.agent_feedback f set superseded_by = %(id)s::bigint from glow.current_feedback c
 where c.tenant = 'default' and c.execution_id = %(run)s::text and c.user_id = %(user)s::text and c.kind = 'vote' and c.agent = 'desk'
   and f.feedback_id = c.feedback_id and c.feedback_id < %(id)s::bigint and not f.withdrawn"""
_CURRENT = """insert into glow.current_feedback as c (tenant, execution_id, user_id, kind, agent, feedback_id, withdrawn,
  occurred_at, corrected, recorded_at)
values ('default', %(run)s::text, %(user)s::text, 'vote', 'desk', %(id)s::bigint, %(withdrawn)s::boolean, %(at)s::timestamptz, false, %(at)s::timestamptz)
on conflict (tenant, execution_id, user_id, kind, agent) do update
   set feedback_id = excluded.feedback_id, withdrawn = excluded.withdrawn, recorded_at = excluded.recorded_at
 where c.feedback_id < excluded.feedback_id"""
_JUDGED = """insert into glow.expert_annotations (annotation_id, tenant, execution_id, agent, reviewer, verdict, output, payload_hash)
overriding system value values (%(id)s, 'default', %(run)s, 'desk', %(reviewer)s, %(verdict)s, %(output)s, '')"""
_SHOWN = """insert into glow.demonstrations (demonstration_id, tenant, agent, expert, input, output, payload_hash)
overriding system value values (%(id)s, 'default', 'desk', %(expert)s, %(input)s, %(output)s, '')"""

EXAMPLES = """select x.example_id, x.input, x.target, x.source, x.status, x.quality, x.quality_parts, x.expert_approved,
       x.content_hash, x.reason, x.rejected_target,
       (select jsonb_agg(jsonb_build_array(s.kind, s.source_id, s.role) order by s.kind, s.source_id, s.role)
          from glow.example_sources s where s.example_version = x.example_version) as sources
  from glow.learning_examples x where x.superseded_at is null order by x.example_id"""


def arrive(connection: psycopg.Connection, rows: Iterable[Rows]) -> None:
    """Write the rows in this order, in one transaction."""
    with connection.transaction(), connection.cursor() as cursor:
        for row in rows:
            values: dict[str, Any] = dict(vars(row))
            match row:
                case Run():
                    values["at"] = BEGAN + timedelta(minutes=row.minute)
                    cursor.execute(_KEY, values)
                    cursor.execute(_RUN, values)
                case Vote():
                    values["at"] = BEGAN + timedelta(seconds=row.id)
                    values["withdrawn"] = row.thumbs is None and row.correction is None
                    for statement in (_VOTE, _SUPERSEDE, _CURRENT):
                        cursor.execute(statement, values)
                case Judged():
                    cursor.execute(_JUDGED, values)
                case Shown():
                    cursor.execute(_SHOWN, values)


def approved(runs: Iterable[Run], reviewer: str = "eve", first: int = 1) -> list[Rows]:
    """Executions, each approved by an expert; the annotations count from `first`."""
    return [row for n, run in enumerate(runs, first) for row in (run, Judged(n, run.id, reviewer, "approve"))]


def arrive_in_bulk(connection: psycopg.Connection, runs: Iterable[Run], judged: Iterable[Judged]) -> None:
    """The same for many executions and annotations."""
    with connection.transaction(), connection.cursor() as cursor:
        given = [{**vars(run), "at": BEGAN + timedelta(minutes=run.minute)} for run in runs]
        cursor.executemany(_KEY, given)
        cursor.executemany(_RUN, given)
        cursor.executemany(_JUDGED, [vars(row) for row in judged])


def forget_everything(connection: psycopg.Connection) -> None:
    """As if nobody had ever said anything; the agent stays."""
    connection.execute(
        "truncate glow.execution_keys, glow.executions, glow.agent_feedback, glow.current_feedback, glow.expert_annotations,"
        " glow.demonstrations, glow.split_assignments, glow.learning_inputs, glow.learning_examples, glow.near_keys,"
        " glow.execution_inputs, glow.demonstration_inputs, glow.stale_inputs, glow.source_spans, glow.watermarks cascade"
    )


def examples(connection: psycopg.Connection) -> list[tuple[Any, ...]]:
    """The examples in force with all that decides what they are, their groups aside."""
    return connection.execute(EXAMPLES.encode()).fetchall()
