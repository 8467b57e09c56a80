"""What the sender does with rows, without threads and without a database: the clock and the answers are the test's."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glow_pipelines.client import (
    ExecutionReceipt,
    FeedbackReceipt,
    Forbidden,
    GlowError,
    InvalidValue,
    RateLimited,
    Refusal,
    Retries,
    Spool,
    Unavailable,
)
from glow_pipelines.client.call import Call
from glow_pipelines.client.delivery import deliver
from glow_pipelines.client.queue import Queue
from glow_pipelines.client.rows import Row
from glow_pipelines.client.sender import Sender, log_refusal

NOW = datetime(2026, 11, 22, 14, tzinfo=UTC)
SENT_AT = NOW.isoformat()


@dataclass
class Database:
    """Takes batches and remembers their rows; a row "bad" fails its whole batch, a row "no" itself."""

    fails: GlowError | None = None
    most: int = 10_000
    rows: list[tuple[str, str]] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)

    def run(self, call: Call[tuple[Any, ...]]) -> tuple[Any, ...]:
        rows: Any = call.arguments["rows"]
        if self.fails:
            raise self.fails
        if len(rows) > self.most:
            raise RateLimited(f"{len(rows)} in a minute", sqlstate="PT429")
        if any(row["said"] == "bad" for row in rows):
            raise InvalidValue("rows: not accepted", "good rows", "22P05")
        self.batches.append(len(rows))
        self.rows += [(call.function, row["said"]) for row in rows if row["said"] != "no"]
        receipt = (
            ExecutionReceipt("e", "accepted") if "execution" in call.function else FeedbackReceipt("accepted", True)
        )
        return tuple(Refusal("PT422", "no", "said", row=row) if row["said"] == "no" else receipt for row in rows)


def row(said: str, function: str = "submit_feedback") -> Row:
    return Row(function, f'{{"said":"{said}"}}', NOW.timestamp())


@dataclass
class Time:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


class Desk:
    """A sender with all it needs."""

    def __init__(self, spool: Spool | None = None, batch_rows: int = 4) -> None:
        self.database, self.queue, self.spool, self.time = Database(), Queue(100, 1 << 20), spool, Time()
        self.refusals: list[Refusal] = []
        self.sender = Sender(
            self.database.run, self.queue, spool, batch_rows, self.refusals.append,
            Retries(first=1.0, longest=8.0, random=lambda: 1.0), lambda: NOW, self.time,
        )  # fmt: skip

    def put(self, *said: str) -> None:
        for each in said:
            self.queue.put(row(each), 0)

    def work(self) -> None:
        while self.sender.step():
            pass

    @property
    def arrived(self) -> list[str]:
        return [said for _, said in self.database.rows]


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    spool = Spool(tmp_path / "spool")
    yield spool
    spool.close()


def test_rows_go_in_order_in_batches() -> None:
    desk = Desk()
    desk.put(*"abcdefghi")
    desk.work()
    assert (desk.arrived, desk.database.batches) == (list("abcdefghi"), [4, 4, 1])
    assert (desk.sender.sent, desk.sender.refused, len(desk.queue)) == (9, 0, 0)


@given(st.lists(st.sampled_from(["ok", "no", "bad"]), min_size=1, max_size=12))
def test_bad_rows_are_refused_alone_and_hold_up_no_other(said: list[str]) -> None:
    database = Database()
    delivery = deliver(database.run, [row(each) for each in said], lambda: NOW)
    assert [each for _, each in database.rows] == [each for each in said if each == "ok"]
    assert len(delivery.refusals) == len(said) - len(database.rows)
    assert (len(delivery.done), delivery.error) == (len(said), None)
    for refusal in delivery.refusals:
        assert (refusal.function, refusal.row["said"]) in (("submit_feedback", "bad"), ("", "no"))


def test_executions_go_before_what_speaks_of_them() -> None:
    database = Database()
    deliver(database.run, [row("a"), row("b", "submit_annotation"), row("c", "log_execution"), row("d")], lambda: NOW)
    assert database.rows == [
        ("log_execution_batch", "c"), ("submit_feedback_batch", "a"), ("submit_feedback_batch", "d"),
        ("submit_annotation_batch", "b"),
    ]  # fmt: skip


def test_without_the_right_to_one_function_the_others_still_go() -> None:
    database = Database()

    def run(call: Call[tuple[Any, ...]]) -> tuple[Any, ...]:
        if call.function == "submit_annotation_batch":
            raise Forbidden("permission denied for function submit_annotation_batch", sqlstate="42501")
        return database.run(call)

    delivery = deliver(run, [row("a", "submit_annotation"), row("b", "submit_demonstration"), row("c")], lambda: NOW)
    assert [said for _, said in database.rows] == ["c", "b"]
    assert ([each.function for each in delivery.done], delivery.refusals) == (
        ["submit_feedback", "submit_demonstration"],
        [],
    )
    assert isinstance(delivery.error, Forbidden)


def test_while_the_database_is_away_rows_stay_and_pauses_grow() -> None:
    desk = Desk()
    desk.put("a")
    desk.database.fails = Unavailable("away")
    pauses = []
    for _ in range(6):
        desk.work()
        pauses.append(desk.sender.pause())
        desk.time.now += pauses[-1]
    assert pauses == [1.0, 2.0, 4.0, 8.0, 8.0, 8.0]
    assert (desk.sender.away, desk.sender.last_error, len(desk.queue)) == (True, desk.database.fails, 1)
    desk.database.fails = None
    desk.work()
    assert (desk.arrived, desk.sender.away, desk.sender.last_error) == (["a"], False, None)


def test_during_a_pause_nothing_is_asked_and_rows_go_to_disk(spool: Spool) -> None:
    desk = Desk(spool)
    desk.database.fails = Unavailable("away")
    desk.put("a")
    desk.work()
    desk.database.fails = None
    desk.put("b")
    desk.work()
    assert (desk.arrived, len(desk.queue), spool.counts().rows) == ([], 0, 2)
    desk.put("c")
    desk.time.now += 60
    desk.work()
    assert (desk.arrived, spool.counts().rows) == (["a", "b", "c"], 0)


def test_memory_waits_for_the_rows_of_its_own_that_are_on_disk(spool: Spool) -> None:
    desk = Desk(spool, batch_rows=2)
    desk.database.fails = Unavailable("away")
    desk.put(*"abcd")
    desk.work()
    desk.time.now += 60
    desk.database.fails = None
    desk.sender.step()
    desk.put(*"ef")
    with spool.draining():  # another process has the turn: ours must not overtake itself
        desk.work()
        assert (desk.arrived, len(desk.queue), spool.counts().rows) == (["a", "b"], 2, 2)
    desk.work()
    assert desk.arrived == list("abcdef")


def test_a_full_spool_leaves_rows_in_memory_and_says_so(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "small", most_rows=4)
    desk = Desk(spool)
    desk.database.fails = Unavailable("away")
    desk.put(*"abcdefgh")
    desk.work()
    assert (spool.counts().rows, len(desk.queue)) == (4, 4)
    assert "small holds 4 rows" in str(desk.sender.last_error)
    desk.time.now += 60
    desk.database.fails = None
    desk.work()
    assert desk.arrived == list("abcdefgh")
    spool.close()


def test_batches_shrink_below_the_limit_of_the_login_and_grow_again() -> None:
    desk = Desk(batch_rows=8)
    desk.database.most = 3
    desk.put(*"abcdefgh")
    for _ in range(8):
        desk.work()
        desk.time.now += 60
    assert desk.arrived == list("abcdefgh")
    assert max(desk.database.batches) <= 3
    desk.database.most = 100
    desk.put(*"ijklmnopqrst")
    desk.work()
    assert desk.database.batches[-1] > 3


def test_a_broken_callback_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    desk = Desk()
    desk.sender._on_refused = lambda refusal: 1 / 0  # type: ignore[assignment, return-value]
    desk.put("no", "a")
    desk.work()
    assert (desk.arrived, desk.sender.refused) == (["a"], 1)
    assert "on_refused failed" in caplog.text


def test_whatever_happens_the_sender_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    desk = Desk()
    desk.put("a")
    run: Callable[..., Any] = desk.sender._run
    desk.sender._run = lambda call: {}["absent"]
    desk.work()
    assert "KeyError" in str(desk.sender.last_error)
    desk.sender._run = run
    desk.time.now += 60
    desk.work()
    assert desk.arrived == ["a"]


def test_the_log_of_a_refusal_holds_nothing_a_user_wrote(caplog: pytest.LogCaptureFixture) -> None:
    secret = "my doctor said"
    log_refusal(
        Refusal("PT422", f"comment: '{secret}'", f"dimensions.{secret}", secret, "submit_feedback", {"a": secret})
    )
    assert "submit_feedback" in caplog.text
    assert "PT422 dimensions" in caplog.text
    assert secret not in caplog.text
