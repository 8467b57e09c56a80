"""What several people's labels of one item say together.

Belongs here: majority and Dawid-Skene. Does not belong here: which of the two to believe (choice), agreement.
Source of Dawid-Skene: A. P. Dawid and A. M. Skene, Applied Statistics 28 (1979).
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


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
    items, item = np.unique([label.item for label in labels], return_inverse=True)
    people, person = np.unique([label.annotator for label in labels], return_inverse=True)
    classes, said = np.unique([label.value for label in labels], return_inverse=True)
    n, p, k = len(items), len(people), len(classes)
    votes = np.bincount(item * k + said, minlength=n * k).reshape(n, k).astype(np.float64)
    truth: Floats = votes / votes.sum(axis=1, keepdims=True)
    confusion = np.zeros((p, k, k))
    cell, moved, rounds = person * k + said, np.inf, 0
    while rounds < iterations and moved >= tolerance:
        rounds += 1
        for true in range(k):
            weight = np.bincount(cell, weights=truth[item, true], minlength=p * k)
            confusion[:, true, :] = weight.reshape(p, k) + smoothing
        confusion /= confusion.sum(axis=2, keepdims=True)
        log_share = np.log(truth.mean(axis=0) + 1e-12)
        evidence = np.log(confusion)[person, :, said]
        score = np.stack([np.bincount(item, weights=evidence[:, t], minlength=n) for t in range(k)], axis=1) + log_share
        score = np.exp(score - score.max(axis=1, keepdims=True))
        updated: Floats = score / score.sum(axis=1, keepdims=True)
        moved, truth = float(np.abs(updated - truth).max()), updated
    sizes = votes.sum(axis=1).astype(int)
    found = {}
    for i, name in enumerate(items.tolist()):
        order = np.argsort(-truth[i], kind="stable")
        tied = k > 1 and truth[i, order[0]] - truth[i, order[1]] < 1e-9
        value = None if tied else str(classes[order[0]])
        found[name] = Consensus(name, value, float(truth[i, order[0]]), int(sizes[i]))
    return DawidSkene(
        consensus=found,
        posterior={name: tuple(truth[i].tolist()) for i, name in enumerate(items.tolist())},
        classes=tuple(classes.tolist()),
        reliability={name: tuple(np.diagonal(confusion[i]).tolist()) for i, name in enumerate(people.tolist())},
        iterations=rounds,
    )
