"""Signals in the database: folding what is new of the log, and reading them for training.

Belongs here: SQL, and rows as a SignalTable. Does not: what a signal is worth (learning/retrieval), documents and
configurations (retrieval).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glow_pipelines.learning.retrieval.examination import Exposures
from glow_pipelines.learning.retrieval.signal_table import SignalTable
from glow_pipelines.learning.retrieval.signals import HOLDS_SPAN, SAME_CHUNK, Successor
from glow_pipelines.store.noun import Noun, Row

MOST_SEARCHES = 20_000
"""In one fold: a transaction of a few seconds. An agent's first fold takes as many as there are."""


@dataclass(frozen=True)
class Folded:
    """What a fold did. `searches`: all of the visits that had news, also known ones. `done`: the horizon is reached."""

    visits: int
    searches: int
    watermark: str
    done: bool


class RetrievalSignals(Noun):
    queries = "retrieval_signals"

    def behind(self, horizon: str) -> list[str]:
        """Agents with news below the horizon."""
        return [row["agent"] for row in self._rows("behind", horizon=horizon)]

    def fold(self, agent: str, horizon: str, most: int = MOST_SEARCHES) -> Folded:
        """Take in what is new below the horizon, about `most` searches of it. Call again until it is done.

        Each visit with news is made anew from all its searches: late clicks, changed votes and retries count once.
        """
        opened = self._row("open", agent=agent)
        assert opened is not None
        since = str(opened["since"])
        if int(since) >= int(horizon):
            return Folded(0, 0, since, True)
        bound = self._row("until", agent=agent, since=since, horizon=horizon, most=most)
        assert bound is not None
        until = str(bound["until"])
        counts = self._row("fold", agent=agent, since=since, until=until)
        assert counts is not None
        self._run("close", agent=agent, until=until)
        return Folded(counts["visits"], counts["searches"], until, until == horizon)

    def table(self, agent: str) -> SignalTable:
        """All signals of an agent, as columns."""
        rows = self._rows("visits", agent=agent)
        texts = {row["query_number"]: row["query"] for row in self._rows("questions", agent=agent)}
        return _table(rows, texts)

    def successors(self, agent: str) -> list[Successor]:
        """Chunks that took another's place and inherit its signals; see `signals.heirs`."""
        rows = self._rows("successors", agent=agent, same=SAME_CHUNK, holds=HOLDS_SPAN)
        return [Successor(**row) for row in rows]

    def explored(self, agent: str, horizon: str, most: int = MOST_SEARCHES) -> float:
        """The share of the newest `most` searches in whose order chance had a hand."""
        row = self._row("explored", agent=agent, horizon=horizon, most=most)
        assert row is not None
        return float(row["share"])

    def recent(self, agent: str, horizon: str, most: int = MOST_SEARCHES) -> str:
        """The watermark from which on there is news of about the newest `most` searches: for `retrieval.events`."""
        row = self._row("recent", agent=agent, horizon=horizon, most=most)
        assert row is not None
        return str(row["since"])

    def exposures(self, agent: str, horizon: str, most: int = MOST_SEARCHES) -> Exposures:
        """What the newest `most` searches showed at which rank, and what was clicked: for the examination curve."""
        rows = self._rows("exposures", agent=agent, horizon=horizon, most=most)
        return Exposures.of((r["query"], r["chunk_id"], r["rank"], r["mixed"], r["shown"], r["clicked"]) for r in rows)


_BETWEEN = "\x1e"
"""Stands between the parts of a list: in no id, qualified or not."""
_HEADER = 20
"""Bytes before the elements of an array as PostgreSQL sends it; of one without elements nothing follows."""


def _table(rows: Sequence[Row], texts: Mapping[int, str]) -> SignalTable:
    numbers = {number: at for at, number in enumerate(texts)}
    sizes = [row["chunk_ids"].count(_BETWEEN) + 1 if row["chunk_ids"] else 0 for row in rows]
    visit = np.repeat(np.arange(len(rows)), sizes)
    chunk, chunk_ids = _places(
        chain.from_iterable(row["chunk_ids"].split(_BETWEEN) for row in rows if row["chunk_ids"])
    )
    user, users = _places(row["person"] for row in rows)
    return SignalTable(
        queries=tuple(texts.values()),
        chunk_ids=chunk_ids,
        users=users,
        visits=tuple(tuple(row["event_ids"].split(_BETWEEN)) for row in rows),
        query=np.array([numbers[row["query_number"]] for row in rows], dtype=np.int64)[visit],
        chunk=chunk,
        user=user[visit],
        visit=visit,
        credit=_column(rows, "credits", "f8"),
        looks=_column(rows, "looks", "f8"),
        explicit=_column(rows, "explicit", "i2").astype(np.int8),
        day=np.array([row["day"] for row in rows], dtype=np.float64)[visit],
    )


def _column(rows: Sequence[Row], name: str, kind: str) -> NDArray[Any]:
    """The elements of all rows' arrays, in order: each stands behind its length in four bytes."""
    sent = b"".join(row[name][_HEADER:] for row in rows)
    return np.frombuffer(sent, dtype=[("length", ">i4"), ("value", f">{kind}")])["value"].astype(kind)


def _places(names: Iterable[str]) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """The place of each name among the distinct ones, and those in order of appearance."""
    known: dict[str, int] = {}
    places = [known.setdefault(name, len(known)) for name in names]
    return np.array(places, dtype=np.int64), tuple(known)
