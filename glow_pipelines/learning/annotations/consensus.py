"""What several people's labels of one item say together.

Belongs here: majority and Dawid-Skene. Does not belong here: which of the two to believe (choice), agreement.
Source of Dawid-Skene: A. P. Dawid and A. M. Skene, Applied Statistics 28 (1979).
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from glow_pipelines.learning.annotations.units import Floats, codes_of


@dataclass(frozen=True, slots=True)
class Label:
    """One person's label of one item."""

    item: str
    annotator: str
    value: str


@dataclass(frozen=True, slots=True)
class Consensus:
    """`value` is None when the item is unresolved; `share` is the support of the best value, `n` the labels."""

    item: str
    value: str | None
    share: float
    n: int


@dataclass(frozen=True, slots=True)
class DawidSkene:
    """`reliability[annotator][k]`: the estimated chance that they say class k when k is true (classes sorted)."""

    consensus: Mapping[str, Consensus]
    posterior: Mapping[str, tuple[float, ...]]
    classes: tuple[str, ...]
    reliability: Mapping[str, tuple[float, ...]]
    iterations: int


def majority(labels: Iterable[Label]) -> dict[str, Consensus]:
    """The most frequent value of each item; a tie for first place leaves it unresolved."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for label in labels:
        counts[label.item][label.value] += 1
    result = {}
    for item in sorted(counts):
        best = max(counts[item].values())
        leaders = [value for value, count in counts[item].items() if count == best]
        n = counts[item].total()
        result[item] = Consensus(item, leaders[0] if len(leaders) == 1 else None, best / n, n)
    return result


def dawid_skene(
    labels: Sequence[Label], *, iterations: int = 100, tolerance: float = 1e-6, smoothing: float = 0.01
) -> DawidSkene:
    """Truth and each person's confusions together, by expectation-maximisation from the vote shares.

    `smoothing` is added to every confusion cell, so that a person who never erred so far is not believed for ever.
    An item whose best classes tie within 1e-9 stays unresolved.
    """
    if not labels:
        return DawidSkene({}, {}, (), {}, 0)
    items, item = codes_of([label.item for label in labels])
    people, person = codes_of([label.annotator for label in labels])
    classes, said = codes_of([label.value for label in labels])
    n, p, k = len(items), len(people), len(classes)
    once = np.ones(len(labels))
    votes = csr_array((once, (item, said)), shape=(n, k)).toarray()
    truth: Floats = votes / votes.sum(axis=1, keepdims=True)
    # (person, said) x item: both steps are a product with it. Counting label by label took five times as long.
    given = csr_array((once, (person * k + said, item)), shape=(p * k, n))
    taken = given.T.tocsr()
    confusion, moved, rounds = np.zeros((p, k, k)), np.inf, 0
    while rounds < iterations and moved >= tolerance:
        rounds += 1
        confusion = (given @ truth).reshape(p, k, k) + smoothing  # person, said, true
        confusion /= confusion.sum(axis=1, keepdims=True)
        # Classes x items from here: sums over the short axis took half of the time.
        score = np.ascontiguousarray((taken @ np.log(confusion).reshape(p * k, k)).T)
        score += np.log(truth.mean(axis=0) + 1e-12)[:, None]
        score = np.exp(score - score.max(axis=0))
        updated: Floats = np.ascontiguousarray((score / score.sum(axis=0)).T)
        moved, truth = float(np.abs(updated - truth).max()), updated
    best = truth.argmax(axis=1)
    top = truth[np.arange(n), best]
    others = truth.copy()
    others[np.arange(n), best] = -np.inf
    tied = (top - others.max(axis=1) < 1e-9).tolist()
    rows = zip(items, best.tolist(), top.tolist(), votes.sum(axis=1).astype(int).tolist(), tied, strict=True)
    reliability = np.diagonal(confusion, axis1=1, axis2=2).tolist()
    return DawidSkene(
        consensus={
            name: Consensus(name, None if even else classes[place], share, size)
            for name, place, share, size, even in rows
        },
        posterior=dict(zip(items, map(tuple, truth.tolist()), strict=True)),
        classes=tuple(classes),
        reliability=dict(zip(people, map(tuple, reliability), strict=True)),
        iterations=rounds,
    )
