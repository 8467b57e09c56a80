"""Embedding training pairs on their way into files.

Belongs here: streaming rows of one split, and knowing whether some were erased meanwhile. Does not: files (exporting),
making pairs (retrieval).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from glow_pipelines.learning.datasets import Split
from glow_pipelines.store.noun import Noun


@dataclass(frozen=True)
class Standing:
    """The pairs of a split at one instant: how many, the newest, and a fingerprint of which."""

    pairs: int
    newest: datetime | None
    fingerprint: str


@dataclass(frozen=True)
class PairRow:
    """A row of a file, its texts as they are stored."""

    anchor: str
    positive: str
    negatives: tuple[str, ...]
    weight: float


class PairExports(Noun):
    queries = "pair_exports"

    def standing(self, agent: str, split: Split, newest: datetime | None = None) -> Standing:
        """All pairs of a split, or those up to `newest`: pairs are only added, or erased."""
        row = self._row("standing", agent=agent, split=split, newest=newest)
        assert row is not None
        return Standing(row["pairs"], row["newest"], row["fingerprint"])

    def left_out(self, agent: str, split: Split) -> dict[str, int]:
        """Pairs that no file gets, by reason."""
        row = self._row("left_out", agent=agent, split=split)
        assert row is not None
        return {"query is in another split too": row["elsewhere"], "negative has the positive's text": row["same"]}

    def rows(
        self, agent: str, split: Split, newest: datetime, negatives: int | None, most: int, skip: int = 0
    ) -> Iterator[list[PairRow]]:
        """Rows by up to `most`, less the first `skip`: one a pair, or with `negatives` one a query and positive."""
        of = {"agent": agent, "split": split, "newest": newest, "skip": skip}
        if negatives is None:
            found = self._stream("triplets", most, **of)
        else:
            found = self._stream("tuples", most, negatives=negatives, **of)
        for rows in found:
            yield [PairRow(row[0], row[1], tuple(row[2]), row[3]) for row in rows]
