"""The storm: ten thousand votes, out of order, twice, retried, while clients and the server are killed.

Belongs here: the plan, the kills, the final state. Does not: the rules of votes (`vote_model`), sending (`storm_client`).
"""
# ruff: noqa: E501 -- SQL is read best unbroken, and the names in it are ours

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from glow_pipelines.database import EmbeddedServer, connect, migrate
from tests.api.calling import AGENT, register
from tests.api.test_votes import USED_KEYS, assert_sound
from tests.api.vote_model import Model, Word

VOTES = 10_000
CLIENTS = 5
CLIENT_KILLS = 8
SERVER_KILLS = 2
START = datetime(2026, 5, 1, tzinfo=UTC)
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Planned:
    """A vote somebody meant to give, in the order it was meant."""

    word: Word
    vote: dict[str, Any]


def plan(dice: random.Random) -> list[Planned]:
    """Each person's words on each execution in their order: changes of mind, repetitions, withdrawals, corrections."""
    planned: list[Planned] = []
    instants: dict[tuple[str, str], int] = {}
    before: dict[tuple[str, str], tuple[tuple[str, Any], ...]] = {}
    while len(planned) < VOTES:
        number, person = len(planned), (f"e{dice.randrange(900)}", f"u{dice.randrange(4)}")
        at = instants[person] = instants.get(person, 0) + 1
        roll = dice.random()
        withdrawn = roll < 0.1
        said: tuple[tuple[str, Any], ...] = ()
        if not withdrawn:
            said = (("comment", f"no {number}"), ("thumbs", dice.choice((-1, 1))))
            if roll < 0.25 and person in before:
                said = before[person]
            elif roll < 0.35:
                said = (("correction", f"so {number}"),)
            before[person] = said
        word = Word("default", *person, said=said, withdrawn=withdrawn, at=at, key=f"k{number}")
        vote = {
            **dict(said),
            "agent": AGENT,
            "execution_id": word.execution,
            "user_id": word.user,
            "idempotency_key": word.key,
            "occurred_at": (START + timedelta(minutes=at)).isoformat(),
        }
        planned.append(Planned(word, vote | ({"withdrawn": True} if withdrawn else {})))
    return planned


@pytest.fixture
def server() -> Iterator[EmbeddedServer]:
    """A server of our own, durable: it will be killed. Not on a file system in memory, where a sync is nothing."""
    home = Path(tempfile.mkdtemp(prefix="glow-storm-"))
    home.chmod(0o711)
    server = EmbeddedServer(home)
    server.start()
    yield server
    server.remove()
    shutil.rmtree(home)


class Clients:
    """The processes; each has its own share, and forgets nothing that was acknowledged when it is started again."""

    def __init__(self, url: str, shares: list[list[dict[str, Any]]], folder: Path) -> None:
        self._url, self._folder, self._starts = url, folder, 0
        for number, share in enumerate(shares):
            (folder / f"{number}.share").write_text(json.dumps(share))
        self.running = {number: self._start(number) for number in range(len(shares))}

    def _start(self, number: int) -> "subprocess.Popen[bytes]":
        self._starts += 1
        share, acknowledged = self._folder / f"{number}.share", self._folder / f"{number}.acknowledged"
        command = [
            sys.executable,
            "-m",
            "tests.api.storm_client",
            self._url,
            str(share),
            str(acknowledged),
            str(self._starts),
        ]
        return subprocess.Popen(command, cwd=ROOT)

    def acknowledged(self) -> list[str]:
        # The last line of a killed client may be half a key.
        texts = [path.read_text() for path in self._folder.glob("*.acknowledged")]
        return [key for text in texts for key in text[: text.rfind("\n") + 1].split()]

    def kill(self, number: int) -> None:
        self.running[number].kill()
        self.running[number].wait()
        path = self._folder / f"{number}.acknowledged"
        text = path.read_text() if path.exists() else ""
        path.write_text(text[: text.rfind("\n") + 1])
        self.running[number] = self._start(number)

    def end(self) -> None:
        for process in self.running.values():
            process.kill()
            process.wait()


def final(planned: list[Planned]) -> dict[tuple[str, ...], tuple[Any, ...]]:
    """What the sequential model holds after the votes in the order they were meant: place -> (withdrawn, at, said)."""
    model = Model()
    for number, vote in enumerate(planned):
        model.expect(vote.word, AGENT, number)
    return {place[1:4]: (c.withdrawn, c.at, dict(c.contents[-1])) for place, c in model.current.items()}


def test_ten_thousand_votes_survive_the_storm(server: EmbeddedServer, tmp_path: Path) -> None:
    dice = random.Random(20261122)
    planned = plan(dice)
    url = server.url("glow")
    migrate(url)
    with connect(url, autocommit=True) as connection:
        register(connection)
        connection.execute("create role storm login password 'storm'")
        connection.execute("grant glow_app to storm")
    sent = [vote.vote for vote in planned] + dice.sample([vote.vote for vote in planned], VOTES // 5)
    dice.shuffle(sent)
    port = server.status().port
    clients = Clients(
        f"postgresql://storm:storm@127.0.0.1:{port}/glow", [sent[n::CLIENTS] for n in range(CLIENTS)], tmp_path
    )
    try:
        marks = sorted(
            [(len(sent) * (n + 1) // (CLIENT_KILLS + 1), "client") for n in range(CLIENT_KILLS)]
            + [(len(sent) * (2 * n + 1) // (2 * SERVER_KILLS), "server") for n in range(SERVER_KILLS)]
        )
        deadline, killed = time.monotonic() + 150, {"client": 0, "server": 0}
        while any(process.poll() is None for process in clients.running.values()):
            assert time.monotonic() < deadline, f"{len(clients.acknowledged())} of {len(sent)} after 150 s"
            if marks and len(clients.acknowledged()) >= marks[0][0]:
                _, what = marks.pop(0)
                killed[what] += 1
                if what == "client":
                    clients.kill(dice.randrange(CLIENTS))
                else:
                    pid = server.status().pid
                    assert pid is not None
                    os.kill(pid, signal.SIGKILL)
                    server.start()
            time.sleep(0.05)
        assert [process.returncode for process in clients.running.values()] == [0] * CLIENTS
        assert killed == {"client": CLIENT_KILLS, "server": SERVER_KILLS}
        assert set(clients.acknowledged()) == {vote.word.key for vote in planned}
    finally:
        clients.end()
    assert_final_state(server.url("glow"), planned)


def assert_final_state(url: str, planned: list[Planned]) -> None:
    with connect(url, autocommit=True) as connection:
        assert_sound(connection)
        current = {
            place: (
                withdrawn,
                round((at - START) / timedelta(minutes=1)),
                {k: v for k, v in said.items() if v is not None},
            )
            for *place_, withdrawn, at, said in connection.execute(
                "select c.execution_id, c.user_id, c.kind, c.withdrawn, c.occurred_at, jsonb_build_object('thumbs', f.thumbs,"
                "       'comment', f.comment, 'correction', f.correction)"
                "  from glow.current_feedback c join glow.agent_feedback f using (feedback_id)"
            ).fetchall()
            for place in [tuple(place_)]
        }
        assert current == final(planned)
        # Every vote that was acknowledged is there, as it was said: its own row, or the one that said the same already.
        rows = {
            key: (execution, user, withdrawn, {k: v for k, v in said.items() if v is not None})
            for key, execution, user, withdrawn, said in connection.execute(
                "select k.idempotency_key, f.execution_id, f.user_id, f.withdrawn, jsonb_build_object('thumbs', f.thumbs,"  # noqa: S608
                "       'comment', f.comment, 'correction', f.correction)"
                f"  from {USED_KEYS} k join glow.agent_feedback f using (feedback_id)"
            ).fetchall()
        }
    assert rows == {
        vote.word.key: (vote.word.execution, vote.word.user, vote.word.withdrawn, dict(vote.word.said))
        for vote in planned
    }
