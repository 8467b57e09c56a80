"""Poison and the ways to send it: singly, in a batch, in a file.

Belongs here: what several files of poison share. Does not: the poison itself (test_poison_*), fixtures (conftest).
"""
# ruff: noqa: S608 -- SQL is read best unbroken, and the names in it are ours

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import psycopg
from psycopg.types.json import Jsonb

from tests.api.calling import (
    Arguments,
    Refused,
    annotation,
    attempt,
    batch,
    call,
    demonstration,
    execution,
    feedback,
    one,
    retrieval,
)

MEGABYTE = 1_000_000
# What the server itself says before any function of ours is called: text that is no text, JSON that is no JSON, nested
# deeper than its parser goes, a number that no numeric holds.
PROTOCOL = {"22021", "22P02", "22P05", "22003", "54001", "22007", "22008", "42804"}


@dataclass(frozen=True)
class Noun:
    """What apps write: its three ways in, a good row, where it is kept, and its texts with the bytes each may have."""

    single: str
    kind: str
    good: Callable[[int], Arguments]
    table: str
    key: str
    ids: tuple[str, ...]
    texts: dict[str, int]


NOUNS = {
    noun.kind: noun
    for noun in (
        Noun(
            "log_execution",
            "execution",
            execution,
            "executions",
            "execution_id",
            ("execution_id", "user_id", "conversation_id", "channel", "model"),
            {"input": MEGABYTE, "output": MEGABYTE},
        ),
        Noun(
            "submit_feedback",
            "feedback",
            feedback,
            "agent_feedback",
            "execution_id",
            ("execution_id", "user_id", "channel", "conversation_id", "idempotency_key"),
            {"correction": MEGABYTE, "comment": 10_000},
        ),
        Noun(
            "log_retrieval",
            "retrieval",
            retrieval,
            "retrieval_events",
            "event_id",
            ("event_id", "execution_id", "user_id", "conversation_id", "configuration", "model"),
            {"query": 100_000},
        ),
        Noun(
            "submit_annotation",
            "annotation",
            annotation,
            "expert_annotations",
            "reviewer",
            ("reviewer", "idempotency_key"),
            {"output": MEGABYTE, "notes": 10_000},
        ),
        Noun(
            "submit_demonstration",
            "demonstration",
            demonstration,
            "demonstrations",
            "expert",
            ("expert", "idempotency_key"),
            {"input": MEGABYTE, "output": MEGABYTE, "notes": 10_000},
        ),
    )
}
STAGE = "copy glow.import_batches (import_id, line, kind, lines, parts, rows) from stdin"
FORMS = ("single", "batch", "import")


class Written(str):
    """A row that is JSON text already: Python cannot say all of it."""


class Way:
    """One way in: sends rows, answers one result or refusal for each, or Refused where the whole call was."""

    def __init__(self, connection: psycopg.Connection, noun: Noun, form: str) -> None:
        self.connection, self.noun, self.form = connection, noun, form

    def send(self, *rows: Any) -> Any:
        if self.form == "single":
            return [self._single(row) for row in rows]
        if self.form == "batch":
            return batch(self.connection, f"{self.noun.single}_batch", list(rows))
        return self._import(rows)

    def _single(self, row: Arguments) -> Any:
        hits = {"hits": Jsonb(row["hits"])} if "hits" in row else {}
        return attempt(self.connection, self.noun.single, **{**row, **hits})

    def _import(self, rows: tuple[Any, ...]) -> Any:
        """Through COPY and apply_import; refusals are read back in the order of the lines."""
        import_id = uuid4().hex * 2
        try:
            with self.connection.transaction():
                self.connection.execute(
                    "insert into glow.imports (import_id, source, format) values (%s, 'poison', 'jsonl')", (import_id,)
                )
                with (
                    self.connection.cursor() as cursor,
                    cursor.copy(STAGE) as copy,
                ):
                    written = [row if isinstance(row, Written) else json.dumps(row) for row in rows]
                    lines = list(range(1, len(rows) + 1))
                    batch = f"[{','.join(written)}]"
                    copy.write_row((import_id, len(rows), self.noun.kind, lines, [0] * len(rows), batch))
                done = call(self.connection, "apply_import", import_id=import_id)
        except psycopg.Error as error:
            return Refused(error.sqlstate or "", error.diag.message_primary or "", error.diag.message_hint or "")
        assert done["applied"] == len(rows)
        assert one(self.connection, "select count(*) from glow.import_batches where import_id = %s", import_id) == 0
        refused = {
            line: {"status": "refused", "code": code, "field": field, "message": message, "hint": hint}
            for line, code, field, message, hint in self.connection.execute(
                "select line, code, field, message, hint from glow.import_refusals where import_id = %s", (import_id,)
            )
        }
        assert len(refused) == done["refused"]
        return [refused.get(line, {"status": "accepted"}) for line in range(1, len(rows) + 1)]


def kept(way: Way, row: Arguments) -> Any:
    """The row as it is in the table, as JSON; None when it is not there."""
    query = f"select to_jsonb(t) from glow.{way.noun.table} t where t.{way.noun.key} = %s"
    return one(way.connection, query, row[way.noun.key])


def assert_refused(answer: Any, field: str | None = None) -> None:
    """A refusal of our own, which says which field, and what would be accepted."""
    code, message, hint = (
        (answer.code, answer.message, answer.hint)
        if isinstance(answer, Refused)
        else (answer.get("code", ""), answer.get("message", ""), answer.get("hint", ""))
    )
    assert re.fullmatch("PT4[0-9][0-9]", code), answer
    assert hint, answer
    assert len(message) < 500
    if field is not None:
        assert field in message, answer


def is_refused(answer: Any) -> bool:
    return isinstance(answer, Refused) or answer.get("status") == "refused"


def send_among_good(way: Way, numbers: Iterator[int], poison: Any) -> Any:
    """The answer for the poison, between two good rows that must live whatever it is."""
    first, last = (way.noun.good(next(numbers)) for _ in range(2))
    answers = way.send(first, poison, last)
    assert isinstance(answers, list), f"the whole call was refused: {answers}"
    assert [answers[0]["status"], answers[2]["status"]] == ["accepted", "accepted"], answers
    assert kept(way, first)
    assert kept(way, last)
    return answers[1]


def assert_kept_or_refused(way: Way, numbers: Iterator[int], field: str, value: Any) -> bool:
    """True when it was kept, and then as it was sent."""
    row = {**way.noun.good(next(numbers)), field: value}
    answer = send_among_good(way, numbers, row)
    if is_refused(answer):
        assert_refused(answer, field)
        if isinstance(row.get(way.noun.key), str) and "\0" not in row[way.noun.key]:
            assert kept(way, row) is None
        return False
    found = kept(way, row)
    assert found is not None, f"{answer}, but nothing is there"
    assert found[field] == value
    return True
