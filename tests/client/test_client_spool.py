"""Rows that wait: the queue in memory and the spool on disk."""

import sqlite3
import stat
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from glow_pipelines.client import InvalidValue, QueueFull, Spool, SpoolFull, SpoolUnusable, reading, writing
from glow_pipelines.client.queue import Queue
from glow_pipelines.client.rows import Row, row, within

NOW = datetime(2026, 11, 22, 14, tzinfo=UTC)


def some(text: str) -> Row:
    return Row("submit_feedback", text, 0.0)


def test_a_row_is_a_copy_with_its_key_and_its_instant() -> None:
    metadata = {"a": 1}
    made = row(writing.log_execution("e1", "coder", "in", "out", metadata=metadata), NOW, lambda: "k")
    metadata["a"] = 2
    later = NOW.replace(minute=5)
    assert made.arguments(later) == {
        "execution_id": "e1", "agent": "coder", "input": "in", "output": "out", "metadata": {"a": 1},
        "started_at": NOW.isoformat(), "sent_at": later,
    }  # fmt: skip
    vote = row(writing.withdraw_feedback("coder", "e1", "u1"), NOW, lambda: "k").arguments(later)
    assert (vote["withdrawn"], vote["idempotency_key"], vote["occurred_at"]) == (True, "k", NOW.isoformat())
    judged = row(writing.submit_annotation("e1", "x1", "approve"), NOW, lambda: "k").arguments(later)
    assert judged == {"execution_id": "e1", "reviewer": "x1", "verdict": "approve", "idempotency_key": "k"}


def test_only_what_has_a_batch_form_is_a_row() -> None:
    with pytest.raises(TypeError, match="feedback_stats"):
        row(reading.feedback_stats("coder"), NOW, lambda: "k")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"output": "nul \x00"}, "NUL"),
        ({"output": "half \ud800"}, "Unicode"),
        ({"output": "o", "cost_usd": float("nan")}, "finite"),
        ({"output": "o", "metadata": {"a": {1, 2}}}, "set"),
    ],
)
def test_what_no_json_can_hold_is_refused_to_the_caller(arguments: dict[str, object], told: str) -> None:
    with pytest.raises(InvalidValue, match=told):
        row(writing.log_execution("e1", "coder", "in", **arguments), NOW, lambda: "k")  # type: ignore[arg-type]


def test_text_that_only_looks_like_nul_is_text() -> None:
    text = "a backslash and u0000: \\u0000"
    assert row(writing.log_execution("e1", "c", "in", text), NOW, lambda: "k").arguments(NOW)["output"] == text


def test_the_first_row_goes_however_large() -> None:
    rows = [some("x" * 100), some("y")]
    assert within(rows, 10) == rows[:1]
    assert within(rows, 101) == rows


def test_a_full_queue_makes_its_callers_wait_and_then_refuses() -> None:
    queue = Queue(most_rows=2, most_bytes=100)
    queue.put(some("a"), 0)
    queue.put(some("b"), 0)
    with pytest.raises(QueueFull, match="2 rows"):
        queue.put(some("c"), 0.01)
    waiter = threading.Thread(target=queue.put, args=(some("c"), None))
    waiter.start()
    queue.drop(queue.peek(1, 100))
    waiter.join(5)
    assert [each.payload for each in queue.peek(9, 100)] == ["b", "c"]


def test_a_queue_is_bounded_in_bytes_too() -> None:
    queue = Queue(most_rows=10, most_bytes=10)
    queue.put(some("x" * 50), 0)  # alone, whatever its size
    with pytest.raises(QueueFull, match="50 bytes"):
        queue.put(some("y"), 0)


def test_a_spool_keeps_order_and_bounds_across_openings(tmp_path: Path) -> None:
    path = tmp_path / "spool"
    spool = Spool(path, most_rows=3)
    assert spool.append([some("a"), some("b")]) == 2
    spool.close()
    spool = Spool(path, most_rows=3, most_bytes=6)
    with pytest.raises(SpoolFull, match="2 rows"):
        spool.append([some("c"), some("d")])
    with pytest.raises(SpoolFull, match="bytes"):
        spool.append([some("ccccc")])
    spool.append([some("c")])
    assert [each.payload for each in spool.peek(9, 99)] == ["a", "b", "c"]
    assert (spool.counts().rows, spool.counts().bytes) == (3, 3)
    spool.close()


def test_a_spool_is_for_its_owner_alone(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")
    spool.append([some("a")])
    modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in tmp_path.iterdir()}
    spool.close()
    assert len(modes) >= 3  # the file, its write-ahead log, the turn
    assert set(modes.values()) == {0o600}


def test_what_cannot_be_a_spool_is_told_with_its_path(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("not a database, but long enough to be taken for one" * 20)
    with pytest.raises(SpoolUnusable, match="text"):
        Spool(tmp_path / "text")
    with pytest.raises(SpoolUnusable, match="absent"):
        Spool(tmp_path / "absent" / "spool")
    newer = sqlite3.connect(tmp_path / "newer")
    newer.execute("pragma user_version = 99")
    newer.close()
    with pytest.raises(SpoolUnusable, match="newer version"):
        Spool(tmp_path / "newer")


def test_a_full_disk_is_a_full_spool(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")
    spool._file.execute("pragma max_page_count = 20")  # SQLite then behaves as on a full disk
    with pytest.raises(SpoolFull, match="disk"):
        spool.append([some("x" * 200_000)])
    assert spool.counts().rows == 0
    spool.append([some("small")])
    spool.close()


def test_one_drains_at_a_time_and_a_killed_process_gives_its_turn_back(tmp_path: Path) -> None:
    path = tmp_path / "spool"
    spool = Spool(path)
    with spool.draining() as mine, spool.draining() as too:
        assert (mine, too) == (True, False)
    script = (
        "import sys, time\nfrom glow_pipelines.client import Spool\n"
        "with Spool(sys.argv[1]).draining() as mine:\n    print(mine, flush=True)\n    time.sleep(60)\n"
    )
    child = subprocess.Popen([sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "True\n"
    with spool.draining() as mine:
        assert not mine
    child.kill()
    child.wait()
    child.stdout.close()
    with spool.draining() as mine:
        assert mine
    spool.close()


def test_many_threads_append_to_one_file_and_nothing_is_lost(tmp_path: Path) -> None:
    spools = [Spool(tmp_path / "spool") for _ in range(2)]

    def fill(spool: Spool, name: str) -> None:
        for number in range(25):
            spool.append([some(f"{name}{number:02}")])

    threads = [threading.Thread(target=fill, args=(spools[index % 2], f"{index}-")) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    payloads = [each.payload for each in spools[0].peek(1000, 1 << 20)]
    for index in range(4):
        own = [each for each in payloads if each.startswith(f"{index}-")]
        assert own == sorted(own)
        assert len(own) == 25
    for spool in spools:
        spool.close()


def test_an_append_costs_little_however_much_waits(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")
    spool._file.execute("pragma synchronous = off")  # the disk's own time is not what is measured

    def seconds() -> float:
        began = time.perf_counter()
        for _ in range(50):
            spool.append([some("x")])
        return time.perf_counter() - began

    seconds()
    empty = min(seconds() for _ in range(3))
    spool.append([some("x" * 100)] * 50_000)
    assert min(seconds() for _ in range(3)) < 5 * empty
    spool.close()


class SpoolMachine(RuleBasedStateMachine):
    """A spool is a list on disk, whoever opens it."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        self.path = Path(self.folder.name) / "spool"
        self.spool, self.model = self.opened(), list[str]()

    def opened(self) -> Spool:
        spool = Spool(self.path, most_rows=8, most_bytes=40)
        spool._file.execute("pragma synchronous = off")
        return spool

    @rule(texts=st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12), max_size=5))
    def append(self, texts: list[str]) -> None:
        size = sum(len(each.encode()) for each in (*self.model, *texts))
        if len(self.model) + len(texts) > 8 or size > 40:
            with pytest.raises(SpoolFull):
                self.spool.append([some(each) for each in texts])
        else:
            self.spool.append([some(each) for each in texts])
            self.model += texts

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def drop(self, data: st.DataObject) -> None:
        rows = self.spool.peek(len(self.model), 1 << 20)
        chosen = data.draw(st.sets(st.integers(0, len(rows) - 1)))
        self.spool.drop([each for index, each in enumerate(rows) if index in chosen])
        self.model = [each for index, each in enumerate(self.model) if index not in chosen]

    @rule()
    def reopen(self) -> None:
        self.spool.close()
        self.spool = self.opened()

    @invariant()
    def is_the_list(self) -> None:
        assert [each.payload for each in self.spool.peek(99, 1 << 20)] == self.model
        counts = self.spool.counts()
        assert (counts.rows, counts.bytes) == (len(self.model), sum(len(each.encode()) for each in self.model))
        assert self.spool.passed(self.spool.last()) is (not self.model)

    def teardown(self) -> None:
        self.spool.close()
        self.folder.cleanup()


SpoolMachine.TestCase.settings = settings(max_examples=25, stateful_step_count=15, deadline=None)
TestSpoolMachine = SpoolMachine.TestCase
