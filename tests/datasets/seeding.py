"""Approved examples in a database, without curation: rows as it leaves them.

Belongs here: agents, inputs, groups, examples with one source each. Does not: datasets, which the tests build.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from glow_pipelines.learning.datasets import LearningExample, example_hash, example_id, split_of, text_key
from glow_pipelines.learning.datasets.text import digest

AGENT = "coder"
_NUMBERS = count(1)


@dataclass(frozen=True)
class Seed:
    """An example; the group is that of the input unless it is named."""

    input: str
    target: str = "travel"
    agent: str = AGENT
    status: str = "approved"
    source: str = "annotation"
    quality: float = 0.9
    expert: bool = True
    rejected: str | None = None
    domain: str | None = None
    language: str | None = None
    group: str | None = None
    split: str | None = None

    @property
    def id(self) -> str:
        return example_id(self.agent, self.input, self.target)

    @property
    def group_key(self) -> str:
        return self.group or f"g-{digest(text_key(self.input))[:16]}"


def seeds(number: int, **more: Any) -> list[Seed]:
    """Examples that have nothing to do with each other."""
    words = [f"{digest(str(n))[:9]} {digest(str(-n - 1))[:11]} {digest(f'x{n}')[:7]}" for n in range(number)]
    return [replace(Seed(f"question {word}", f"answer {n % 5}"), **more) for n, word in enumerate(words)]


def register(connection: psycopg.Connection, agent: str = AGENT) -> None:
    connection.execute("select glow_api.register_agent(%s)", (agent,))
    connection.commit()


def learn(connection: psycopg.Connection, examples: Iterable[Seed]) -> list[int]:
    """Write examples as curation does: one transaction under its lock; those in force of the same id are superseded."""
    versions = []
    with connection.transaction():
        connection.execute("select pg_advisory_xact_lock(hashtextextended('glow.curation', 0))")
        for each in examples:
            versions.append(_learn(connection, each))
    return versions


def _learn(connection: psycopg.Connection, each: Seed) -> int:
    split = each.split or split_of(each.group_key)
    connection.execute(
        "insert into glow.split_assignments (agent, group_key, split) values (%s, %s, %s) on conflict do nothing",
        (each.agent, each.group_key, split),
    )
    connection.execute(
        "update glow.learning_examples set superseded_at = clock_timestamp()"
        " where example_id = %s and superseded_at is null",
        (each.id,),
    )
    row = connection.execute(
        """
        with i as (
          insert into glow.learning_inputs (agent, input_key, group_key)
          values (%(agent)s, sha256(convert_to(%(key)s, 'UTF8')), %(group)s)
          on conflict (agent, input_key) do update set group_key = excluded.group_key returning input_id)
        insert into glow.learning_examples (
          example_id, agent, input_id, input, target, source, status, quality, expert_approved, group_key, split,
          content_hash, rule_version, reason, rejected_target, domain, language)
        select %(id)s, %(agent)s, i.input_id, %(input)s, %(target)s, %(source)s, %(status)s, %(quality)s, %(expert)s,
               %(group)s, (select s.split from glow.split_assignments s
                            where s.agent = %(agent)s and s.group_key = %(group)s),
               %(hash)s, 'behavior-1', '1 expert(s) for', %(rejected)s, %(domain)s, %(language)s from i
        returning example_version
        """,
        {
            "id": each.id,
            "agent": each.agent,
            "key": text_key(each.input),
            "group": each.group_key,
            "input": each.input,
            "target": each.target,
            "source": each.source,
            "status": each.status,
            "quality": each.quality,
            "expert": each.expert,
            "hash": example_hash(each.input, each.target, each.rejected),
            "rejected": each.rejected,
            "domain": each.domain,
            "language": each.language,
        },
    ).fetchone()
    assert row is not None
    connection.execute(
        "insert into glow.source_spans (first_version, since, kind, source_id, role)"
        " values (%s, %s, 'annotation', %s, 'supports')",
        (row[0], row[0], str(next(_NUMBERS))),
    )
    return int(row[0])


def in_force(connection: psycopg.Connection) -> tuple[list[LearningExample], dict[str, str]]:
    """The agent's examples as values, and the splits of their groups: what a notebook works with."""
    rows = connection.execute(
        "select example_id, input, target, source, status, quality, group_key, expert_approved, content_hash,"
        " rejected_target, domain, split from glow.learning_examples where agent = %s and superseded_at is null",
        (AGENT,),
    ).fetchall()
    connection.commit()
    examples = [
        LearningExample(
            id=row[0],
            agent=AGENT,
            input=row[1],
            target=row[2],
            source=row[3],
            status=row[4],
            quality=row[5],
            group=row[6],
            expert_approved=row[7],
            content_hash=row[8],
            sources=(),
            rule_version="",
            reason="",
            rejected_target=row[9],
            domain=row[10],
        )
        for row in rows
    ]
    return examples, {row[6]: row[11] for row in rows}


def put_prompt_in_force(connection: psycopg.Connection, demonstrations: list[dict[str, str]]) -> None:
    """A prompt of the agent that demonstrates these (id, input, output), as the optimizer would leave it."""
    connection.execute(
        """
        with p as (
          insert into glow.prompt_versions (agent, prompt_version, prompt, operator)
          select %(agent)s, encode(sha256(convert_to(p::text, 'UTF8')), 'hex'), p, 'few_shot'
            from (select %(prompt)s::jsonb as p) x returning prompt_version)
        insert into glow.prompt_aliases (agent, alias, prompt_version)
        select %(agent)s, 'production', prompt_version from p
        """,
        {"agent": AGENT, "prompt": Jsonb({"instruction": "Which account?", "demonstrations": demonstrations})},
    )
    connection.commit()
