"""The review queue in the database.

Belongs here: letting news into the queue, ordering it, telling how it goes. Does not: claiming and reviewing
(glow_api), what an item is worth, what drift is (learning/annotations).
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import datetime, timedelta

import numpy as np

from glow_pipelines.learning.annotations import (
    ControlItem,
    Drift,
    Signals,
    expected_value,
    less_redundant,
    letter_vectors,
    negative_drift,
)
from glow_pipelines.store.noun import Noun, Row, json
from glow_pipelines.store.operations import Operations

CONSUMER = "review_queue"
EXAMPLES = "review_queue/examples"
OLDEST = timedelta(days=90)
"""What was recorded longer ago does not enter by itself: the first run on a long history would ask for all of it."""
DRIFT_SAMPLE = 50
"""Executions of a week in which an agent's users complain more than before that are looked at."""
COMPARED = 2000
"""Of each agent, the best items, among which those that repeat another come later."""
_CHANGED = 0.005


@dataclass(frozen=True)
class Entered:
    """`items`: new ones by agent; `updated`: known ones with a new reason or vote; `drifts`: agents with drift."""

    items: dict[str, int]
    updated: int
    drifts: dict[str, Drift]


@dataclass(frozen=True)
class Waiting:
    """Items of one agent that wait for one reason."""

    agent: str
    reason: str
    items: int
    oldest: datetime


@dataclass(frozen=True)
class QueueState:
    """Items that wait, reviews at work, adjudications that wait, and for how long the oldest have."""

    waiting: int
    oldest_hours: float
    adjudications: int
    oldest_adjudication_hours: float
    leased: int


class Reviews(Noun):
    queries = "reviews"

    def enqueue(self, horizon: str) -> Entered:
        """Let in what the news up to `horizon` gives reason for, from this consumer's own watermark, and move that.

        One transaction with the watermark: a run that fails loses no news and counts none twice.
        """
        marks = Operations(self._connection)
        news = {"since": marks.watermark(CONSUMER), "horizon": horizon, "oldest": OLDEST}
        seen, newest = marks.watermark(EXAMPLES), self._row("newest_example")
        assert newest is not None
        self._run("count_votes", **news)
        drifts = self.drifts()
        sample = [row for agent in drifts for row in self._rows("week_sample", agent=agent, most=DRIFT_SAMPLE)]
        rows = self._rows("enter", **news, seen=int(seen), drifted=json(sample))
        fresh = [row for row in rows if row["new"]]
        if fresh:
            self._row("open_slots", items=[row["item_id"] for row in fresh])
        self._run("count_traffic", **news)
        self._run("close_expired")
        marks.set_watermark(CONSUMER, horizon)
        marks.set_watermark(EXAMPLES, newest["newest"])
        entered: dict[str, int] = defaultdict(int)
        for row in fresh:
            entered[row["agent"]] += 1
        return Entered(dict(entered), len(rows) - len(fresh), drifts)

    def drifts(self) -> dict[str, Drift]:
        """Agents whose share of negative votes this week is greater than in the four weeks before, beyond chance."""
        found = {}
        for row in self._rows("vote_weeks"):
            drift = negative_drift(
                row["negative_before"] or 0, row["votes_before"] or 0, row["negative_now"], row["votes_now"]
            )
            if drift.found:
                found[row["agent"]] = drift
        return found

    def reprioritise(self) -> int:
        """Compute the priority of every open item anew; returns how many changed."""
        rows = self._rows("open_items")
        if not rows:
            return 0
        scores = expected_value(_signals(rows))
        for places in _by_agent(rows):
            best = places[np.argsort(-scores[places], kind="stable")[:COMPARED]]
            found = self._rows("item_inputs", items=[rows[place]["item_id"] for place in best])
            inputs = {row["item_id"]: row["input"] for row in found}
            vectors = letter_vectors([inputs.get(rows[place]["item_id"], "") for place in best])
            scores[best] = less_redundant(scores[best], vectors)
        scores = np.clip(scores, 0.0, 1.0)
        changed = np.flatnonzero(np.abs(scores - [row["priority"] for row in rows]) > _CHANGED)
        items = [rows[place]["item_id"] for place in changed]
        return self._run("set_priorities", items=items, priorities=scores[changed].tolist())

    def waiting(self) -> list[Waiting]:
        return [Waiting(**row) for row in self._rows("waiting")]

    def state(self) -> QueueState:
        row = self._row("state_of_queue")
        assert row is not None
        return QueueState(**row)

    def events(self, age: timedelta) -> list[Row]:
        """What reviewers did not longer than `age` ago: agent, event, events, reviewers."""
        return self._rows("events_since", age=age)

    def control_items(self, agent: str, age: timedelta) -> list[ControlItem]:
        """The control sample of what came in not longer than `age` ago."""
        return [ControlItem(**row) for row in self._rows("control_items", agent=agent, age=age)]


def _signals(rows: list[Row]) -> Signals:
    def column(name: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        return np.array([row[name] for row in rows], dtype=np.float64)

    return Signals(**{field.name: column(field.name) for field in fields(Signals)})


def _by_agent(rows: list[Row]) -> Iterable[np.ndarray[tuple[int], np.dtype[np.intp]]]:
    places: dict[str, list[int]] = defaultdict(list)
    for place, row in enumerate(rows):
        places[row["agent"]].append(place)
    return [np.array(each, dtype=np.intp) for each in places.values()]
