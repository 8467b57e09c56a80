"""Signals in the database: folding what is new of the log, and reading them for training.

Belongs here: SQL, and rows as a SignalTable. Does not: what a signal is worth (learning/retrieval), documents and
configurations (retrieval).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

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

    def exposures(self, agent: str, horizon: str, most: int = MOST_SEARCHES) -> Exposures:
        """What the newest `most` searches showed at which rank, and what was clicked: for the examination curve."""
        rows = self._rows("exposures", agent=agent, horizon=horizon, most=most)
        return Exposures.of((r["query"], r["chunk_id"], r["rank"], r["mixed"], r["shown"], r["clicked"]) for r in rows)


def _table(rows: Sequence[Row], texts: dict[int, str]) -> SignalTable:
    queries = {number: at for at, number in enumerate(texts)}
    chunks: dict[str, int] = {}
    sizes = np.array([len(row["chunk_ids"]) for row in rows], dtype=np.int64)
    visit = np.repeat(np.arange(len(rows)), sizes)

    def per_visit(values: Sequence[float], kind: type) -> np.ndarray:
        return np.array(values, dtype=kind)[visit]

    def column(name: str, kind: type) -> np.ndarray:
        return np.fromiter(chain.from_iterable(row[name] for row in rows), dtype=kind, count=len(visit))

    chunk = np.fromiter(
        (chunks.setdefault(c, len(chunks)) for row in rows for c in row["chunk_ids"]), dtype=np.int64, count=len(visit)
    )
    return SignalTable(
        queries=tuple(texts.values()),
        chunk_ids=tuple(chunks),
        users=tuple(dict.fromkeys(row["person"] for row in rows)),
        visits=tuple(tuple(row["event_ids"]) for row in rows),
        query=per_visit([queries[row["query_number"]] for row in rows], np.int64),
        chunk=chunk,
        user=per_visit(_numbers([row["person"] for row in rows]), np.int64),
        visit=visit,
        credit=column("credits", np.float64),
        looks=column("looks", np.float64),
        explicit=column("explicit", np.int8),
        day=per_visit([row["day"] for row in rows], np.float64),
    )


def _numbers(names: Sequence[str]) -> list[int]:
    """The place of each name among the distinct ones, in order of appearance."""
    known: dict[str, int] = {}
    return [known.setdefault(name, len(known)) for name in names]
