"""A reviewer of the storm: claims, dawdles, judges, retries until answered; may be killed at any instant.

Belongs here: one reviewer's work. Does not: the kills, what must hold in the end (`test_review_storm`). What was
acknowledged is appended to a file, and known after a restart.
"""

import random
import sys
import time
from pathlib import Path
from typing import Any

import psycopg

RETRIED = ("08", "40", "53", "57")
LEASE = 1.0
"""Seconds: the shortest there is, and some reviewers are slower than that."""


def verdict(item: int, reviewer: str) -> str:
    """What somebody thinks of an item, the same whenever they are asked: one item in five is contested."""
    contested = item % 5 == 0
    return "reject" if contested and sum(reviewer.encode()) % 2 else "approve"


class Reviewer:
    """Names its tries: the key of a judgement is the same for all retries of it."""

    def __init__(self, url: str, name: str, log: Path, seed: int) -> None:
        self.url, self.name, self.log, self.dice = url, name, log, random.Random(seed)
        self.connection: psycopg.Connection | None = None
        self.late = 0

    def ask(self, query: str, *values: Any) -> list[Any] | None:
        """The rows; None where the connection or the server was lost, or the slot."""
        try:
            if self.connection is None or self.connection.closed:
                self.connection = psycopg.connect(self.url, autocommit=True, connect_timeout=5)
            return self.connection.execute(query.encode(), values).fetchall()
        except psycopg.Error as error:
            if error.sqlstate == "PT409" and "item_id" in (error.diag.message_primary or ""):
                self.late += 1
                return []
            if error.sqlstate is not None and not error.sqlstate.startswith(RETRIED):
                raise
            if self.connection is not None and self.connection.broken:
                self.connection.close()
            time.sleep(0.02 + self.dice.random() * 0.05)
            return None

    def work(self) -> None:
        """Until nothing is left to claim twice in a row, a lease apart: what others hold may come back."""
        empty = 0
        with self.log.open("a") as log:
            while empty < 3:
                n = self.dice.choice((1, 2, 5, 10))
                claimed = self.ask(
                    "select item_id, execution_id, input"
                    "  from glow_api.claim_annotation(n => %s, lease => make_interval(secs => %s))",
                    n,
                    LEASE,
                )
                if not claimed:
                    empty += claimed is not None
                    time.sleep(LEASE / 2)
                    continue
                empty = 0
                for item, execution, text in claimed:
                    assert text == f"question {execution}"
                    roll = self.dice.random()
                    if roll < 0.02:
                        time.sleep(LEASE * 1.5)
                    if roll < 0.05:
                        self.ask("select glow_api.skip(%s)", item)
                        continue
                    if roll < 0.07:
                        continue
                    answers = None
                    while answers is None:
                        answers = self.ask(
                            "select glow_api.submit_annotation(%s, %s, %s, idempotency_key => %s, item_id => %s)",
                            execution, self.name, verdict(item, self.name), f"{self.name}-{item}", item,
                        )  # fmt: skip
                    if answers:
                        log.write(f"{item} {answers[0][0]['annotation_id']}\n")
                        log.flush()
        if self.connection is not None:
            self.connection.close()


if __name__ == "__main__":
    Reviewer(sys.argv[1], sys.argv[2], Path(sys.argv[3]), int(sys.argv[4])).work()
