"""Many signals as columns: a million of them are arrays here, and would be a gigabyte of objects.

Belongs here: the columns, taking some of them, and handing chunks over to their heirs. Does not belong here: what a
signal is (``signals``), what signals are worth together (``feedback``).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from glow_pipelines.learning.retrieval.types import Signal, Vector

Numbers = NDArray[np.int64]
T = TypeVar("T", bound=Hashable)


@dataclass(frozen=True, eq=False)
class SignalTable:
    """Signals by position; all arrays have shape (signals,).

    ``query``, ``chunk``, ``user`` and ``visit`` are places in ``queries``, ``chunk_ids``, ``users`` and ``visits``; a
    visit is the ids of its searches. Names that no signal has any more may stay. Iterates as ``Signal``.
    """

    queries: tuple[str, ...]
    chunk_ids: tuple[str, ...]
    users: tuple[str, ...]
    visits: tuple[tuple[str, ...], ...]
    query: Numbers
    chunk: Numbers
    user: Numbers
    visit: Numbers
    credit: Vector
    looks: Vector
    explicit: NDArray[np.int8]
    day: Vector

    @classmethod
    def of(cls, signals: Iterable[Signal]) -> SignalTable:
        """The same signals as columns, in the same order."""
        rows = list(signals)
        query, queries = _places(row.query for row in rows)
        chunk, chunk_ids = _places(row.chunk_id for row in rows)
        user, users = _places(row.user_id for row in rows)
        visit, visits = _places(row.event_ids for row in rows)
        return cls(
            queries,
            chunk_ids,
            users,
            visits,
            query,
            chunk,
            user,
            visit,
            np.array([row.credit for row in rows], dtype=np.float64),
            np.array([row.looks for row in rows], dtype=np.float64),
            np.array([row.explicit for row in rows], dtype=np.int8),
            np.array([row.day for row in rows], dtype=np.float64),
        )

    def __len__(self) -> int:
        return len(self.query)

    def __iter__(self) -> Iterator[Signal]:
        for at in range(len(self)):
            yield Signal(
                self.queries[self.query[at]],
                self.chunk_ids[self.chunk[at]],
                self.users[self.user[at]],
                float(self.credit[at]),
                float(self.looks[at]),
                int(self.explicit[at]),
                float(self.day[at]),
                self.visits[self.visit[at]],
            )

    def taking(self, keep: NDArray[np.bool_]) -> SignalTable:
        """Those at which ``keep`` is true."""
        return replace(
            self,
            query=self.query[keep],
            chunk=self.chunk[keep],
            user=self.user[keep],
            visit=self.visit[keep],
            credit=self.credit[keep],
            looks=self.looks[keep],
            explicit=self.explicit[keep],
            day=self.day[keep],
        )

    def asking(self, wanted: Callable[[str], bool]) -> SignalTable:
        """Those of the queries that are wanted; asked once for each query."""
        chosen = np.array([wanted(query) for query in self.queries], dtype=bool)
        return self.taking(chosen[self.query] if len(chosen) else np.zeros(0, dtype=bool))

    def joined(self, other: SignalTable) -> SignalTable:
        """These signals, then those of another table; names that both have are one."""
        queries, query = _merged(self.queries, other.queries)
        chunk_ids, chunk = _merged(self.chunk_ids, other.chunk_ids)
        users, user = _merged(self.users, other.users)
        return SignalTable(
            queries,
            chunk_ids,
            users,
            (*self.visits, *other.visits),
            np.concatenate([self.query, query[other.query]]),
            np.concatenate([self.chunk, chunk[other.chunk]]),
            np.concatenate([self.user, user[other.user]]),
            np.concatenate([self.visit, other.visit + len(self.visits)]),
            np.concatenate([self.credit, other.credit]),
            np.concatenate([self.looks, other.looks]),
            np.concatenate([self.explicit, other.explicit]),
            np.concatenate([self.day, other.day]),
        )

    def inherited(self, heirs: Mapping[str, str]) -> SignalTable:
        """Each chunk's signals under its heir (``signals.heirs``); those of chunks without one are left out.

        A person who saw a chunk and its heir on one day has two signals of the heir then, as of two wordings of a
        question: whoever counts them together takes their mean.
        """
        names: dict[str, int] = {}
        moved = np.array(
            [names.setdefault(heirs[c], len(names)) if c in heirs else -1 for c in self.chunk_ids], dtype=np.int64
        )
        chunk = moved[self.chunk] if len(moved) else self.chunk
        return replace(self, chunk_ids=tuple(names), chunk=chunk).taking(chunk >= 0)


def _places(values: Iterable[T]) -> tuple[Numbers, tuple[T, ...]]:
    """The place of each value among the distinct ones, and those in order of appearance."""
    known: dict[T, int] = {}
    places = [known.setdefault(value, len(known)) for value in values]
    return np.array(places, dtype=np.int64), tuple(known)


def _merged(one: tuple[str, ...], other: tuple[str, ...]) -> tuple[tuple[str, ...], Numbers]:
    """All names, those of `one` at their places, and where those of `other` went."""
    known = {name: at for at, name in enumerate(one)}
    places = [known.setdefault(name, len(known)) for name in other]
    return tuple(known), np.array(places, dtype=np.int64)
