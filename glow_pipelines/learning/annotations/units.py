"""Judgements as counts: how often each value was given to each item.

Belongs here: the sparse table that agreement is computed on, resampling its items. Does not belong here: any measure.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Name = TypeVar("Name", str, float)

MOST_CELLS = 2_000_000
"""Numbers of one array while resampling, 16 MB: a hundred thousand items are resampled some at a time."""


@dataclass(frozen=True, slots=True)
class Units:
    """`counts` is items x `values` and sparse: a dense one of 100 000 items on a fine scale would take 40 GB.

    `values` are the distinct values in order, or the codes of words. Every item has at least one label.
    """

    values: Floats
    counts: csr_array

    @property
    def sizes(self) -> Floats:
        """Labels of each item."""
        return np.asarray(self.counts.sum(axis=1), dtype=np.float64)

    def paired(self) -> "Units":
        """Only the items judged at least twice."""
        keep = self.sizes >= 2
        return self if keep.all() else Units(self.values, self.counts[np.flatnonzero(keep)])


@dataclass(frozen=True, slots=True)
class Patterns:
    """Items with the same counts are one pattern; `weights` says how many items each stands for."""

    units: Units
    weights: Floats


def codes_of(names: Sequence[Name]) -> tuple[list[Name], Ints]:
    """The distinct names in order, and the place of each name among them."""
    distinct = sorted(set(names))
    places = {name: place for place, name in enumerate(distinct)}
    return distinct, np.fromiter((places[name] for name in names), dtype=np.int64, count=len(names))


def units_of(items: Ints, values: Floats) -> Units:
    """Counts from one entry for each label: the place of its item, and its value."""
    # Sorting with the inverse takes five times as long as sorting and looking up.
    distinct = np.unique(values)
    key = items * max(len(distinct), 1) + np.searchsorted(distinct, values)
    cells = (int(items.max()) + 1) * len(distinct) if len(items) else 0
    if cells <= 4 * len(values):
        times = np.bincount(key, minlength=cells)
        key = np.flatnonzero(times)
        times = times[key]
    else:
        key, times = np.unique(key, return_counts=True)
    row, column = np.divmod(key, max(len(distinct), 1))
    first = np.flatnonzero(np.diff(row, prepend=-1))  # an item without a label has no row
    begins = np.append(first, len(row))
    shape = (len(first), len(distinct))
    return Units(distinct, csr_array((times.astype(np.float64), column, begins), shape=shape))


def label_table(triples: Iterable[tuple[str, str, float]]) -> Floats:
    """(item, annotator, value) → items x annotators, NaN where someone gave nothing; a later value replaces."""
    rows = list(triples)
    items, row = codes_of([item for item, _, _ in rows])
    people, column = codes_of([person for _, person, _ in rows])
    table = np.full((len(items), len(people)), np.nan)
    for place, (_, _, value) in enumerate(rows):
        table[row[place], column[place]] = value
    return table


def as_units(labels: Floats | Units) -> Units:
    """Counts of an items x annotators table with NaN for missing; counts as they are."""
    if isinstance(labels, Units):
        return labels
    present = ~np.isnan(labels)
    return units_of(np.nonzero(present)[0], labels[present])


def patterns_of(units: Units) -> Patterns:
    """The different rows of the counts."""
    counts = units.counts
    widths = np.diff(counts.indptr)
    chosen, weights = [], []
    for width in np.unique(widths):  # rows of one width are a dense table
        rows = np.flatnonzero(widths == width)
        cells = counts.indptr[rows][:, None] + np.arange(width)[None, :]
        table = np.concatenate([counts.indices[cells], counts.data[cells].astype(np.int64)], axis=1)
        _, first, times = np.unique(table, axis=0, return_index=True, return_counts=True)
        chosen.append(rows[first])
        weights.append(times)
    if not chosen:
        return Patterns(units, np.zeros(0))
    return Patterns(Units(units.values, counts[np.concatenate(chosen)]), np.concatenate(weights).astype(np.float64))


def resampled(weights: Floats, rng: np.random.Generator, resamples: int, width: int) -> Iterator[Floats]:
    """Bootstrap weights, some resamples x patterns at a time; `width` is the widest array made for one resample.

    Drawing items is a multinomial over patterns. Where nearly every item is its own pattern, drawing them one by one
    is ten times faster than as many binomials.
    """
    items, patterns = int(weights.sum()), len(weights)
    at_once = max(1, MOST_CELLS // max(width, patterns, 1))
    owner = np.repeat(np.arange(patterns), weights.astype(np.int64))
    for start in range(0, resamples, at_once):
        size = min(at_once, resamples - start)
        if patterns * 4 < items:
            yield rng.multinomial(items, weights / items, size=size).astype(np.float64)
        else:
            drawn = (owner[rng.integers(items, size=items)] for _ in range(size))
            yield np.stack([np.bincount(each, minlength=patterns) for each in drawn]).astype(np.float64)
