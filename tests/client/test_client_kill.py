"""kill -9 of apps that write with durable=True: what was acknowledged arrives, and arrives once."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from gate import Gate

from glow_pipelines.client import GlowClient, GlowWriter, Spool

APP = """
import sys
from glow_pipelines.client import GlowClient, GlowWriter, Spool

url, spool, name = sys.argv[1:]
writer = GlowWriter(GlowClient(url, timeout=0.2), spool=Spool(spool), durable=True, batch_rows=7, linger=0.002)
for number in range(1_000_000):
    writer.submit_feedback("coder", f"{name}-{number}", "u1", thumbs=1)
    print(number, flush=True)
"""


class App:
    """A process that votes as fast as it can and says which votes were taken."""

    def __init__(self, url: str, spool: Path, name: str) -> None:
        command = [sys.executable, "-c", APP, url, str(spool), name]
        self.name = name
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    def killed_after(self, votes: int) -> set[str]:
        """The executions whose votes had been taken when it was killed."""
        assert self.process.stdout is not None
        taken = [self.process.stdout.readline() for _ in range(votes)]
        os.kill(self.process.pid, signal.SIGKILL)
        taken += self.process.stdout.readlines()
        assert self.process.wait() == -signal.SIGKILL
        self.process.stdout.close()
        return {f"{self.name}-{int(number)}" for number in taken if number.endswith("\n")}


@pytest.fixture
def url(database_url: str) -> str:
    with GlowClient(database_url) as client:
        client.register_agent("coder")
    return database_url


def drained(url: str, spool: Path) -> list[str]:
    """The executions voted on, once the spool is empty; one that was voted on twice stands there twice."""
    with GlowClient(url) as client, GlowWriter(client, spool=Spool(spool)) as writer:
        assert writer.flush(30)
        assert writer.status().spooled == 0
    with psycopg.connect(url) as connection:
        return [name for (name,) in connection.execute("select execution_id from glow.agent_feedback")]


def is_whole(arrived: list[str], taken: set[str], apps: int) -> bool:
    """All that was taken arrived, nothing twice, and of each app at most the one vote it was killed in."""
    return len(arrived) == len(set(arrived)) and taken <= set(arrived) and len(arrived) <= len(taken) + apps


def test_killed_while_the_database_is_away(url: str, tmp_path: Path) -> None:
    with Gate(url) as gate:
        gate.shut()
        taken = App(gate.url, tmp_path / "spool", "a").killed_after(60)
    assert is_whole(drained(url, tmp_path / "spool"), taken, 1)


def test_killed_again_and_again_while_sending(url: str, tmp_path: Path) -> None:
    taken: set[str] = set()
    for number, votes in enumerate((15, 60, 130)):
        taken |= App(url, tmp_path / "spool", f"a{number}").killed_after(votes)
    assert len(taken) >= 205
    assert is_whole(drained(url, tmp_path / "spool"), taken, 3)


def test_killed_while_two_share_a_spool_and_an_answer_is_lost(url: str, tmp_path: Path) -> None:
    with Gate(url) as gate:
        apps = [App(gate.url, tmp_path / "spool", name) for name in ("a", "b")]
        for app in apps:
            assert app.process.stdout is not None
            app.process.stdout.readline()
        gate.lose_next_answer()
        taken = set().union(*(app.killed_after(40) for app in apps)) | {"a-0", "b-0"}
    assert gate.lost == 1
    assert is_whole(drained(url, tmp_path / "spool"), taken, 2)


def test_without_durable_an_app_that_ends_normally_loses_nothing(url: str, tmp_path: Path) -> None:
    script = (
        "import sys\nfrom glow_pipelines.client import GlowClient, GlowWriter\n"
        "writer = GlowWriter(GlowClient(sys.argv[1]), linger=30)\n"
        "writer.submit_feedback('coder', 'e1', 'u1', thumbs=1)\n"  # and no close: the interpreter's end does it
    )
    subprocess.run([sys.executable, "-c", script, url], check=True, timeout=60)
    with psycopg.connect(url) as connection:
        assert connection.execute("select count(*) from glow.agent_feedback").fetchone() == (1,)
