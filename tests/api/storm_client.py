"""A client of the storm: sends its share, retries until each vote is acknowledged, may be killed at any instant.

Belongs here: sending. Does not: the plan, the kills, what must hold in the end (`test_storm`). Run with a file of its
share; what is acknowledged is appended to another, and sent no more after a restart.
"""

import json
import random
import sys
import time
from pathlib import Path
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

RETRIED = ("08", "40", "53", "57")
BATCH = 25


def send(connection: psycopg.Connection, votes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    if len(votes) > 1:
        row = connection.execute("select glow_api.submit_feedback_batch(%s)", (Jsonb(votes),)).fetchone()
        assert row is not None
        return list(row[0])
    vote = dict(votes[0])
    function = "withdraw_feedback" if vote.pop("withdrawn", False) else "submit_feedback"
    arguments = ", ".join(f"{name} => %({name})s" for name in vote)
    row = connection.execute(f"select glow_api.{function}({arguments})".encode(), vote).fetchone()
    assert row is not None
    return [row[0]]


def main(url: str, share: Path, acknowledged: Path, seed: int) -> None:
    dice = random.Random(seed)
    done = set(acknowledged.read_text().split()) if acknowledged.exists() else set()
    left = [vote for vote in json.loads(share.read_text()) if vote["idempotency_key"] not in done]
    connection: psycopg.Connection | None = None
    with acknowledged.open("a") as log:
        while left:
            take = left[: 1 if dice.random() < 0.96 else BATCH]
            try:
                if connection is None or connection.closed:
                    connection = psycopg.connect(url, autocommit=True, connect_timeout=5)
                answers = send(connection, take)
            except psycopg.Error as error:
                if error.sqlstate is not None and not error.sqlstate.startswith(RETRIED):
                    raise
                if connection is not None and connection.broken:
                    connection.close()
                    connection = None
                time.sleep(0.02 + dice.random() * 0.05)
                continue
            refused = [answer for answer in answers if answer["status"] == "refused"]
            assert not refused, refused
            log.write("".join(f"{vote['idempotency_key']}\n" for vote in take))
            log.flush()
            del left[: len(take)]
    if connection is not None:
        connection.close()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]))
