"""Every method on the same questions, folds and logs: unseen questions, unseen-clean ones, repeated intents.

Belongs here: running methods over folds and seeds, and the figures of one comparison. Does not: the methods.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmarks.retrieving import methods
from benchmarks.retrieving.clicks import HONEST, Clicks
from benchmarks.retrieving.measuring import METRICS, against, quality
from benchmarks.retrieving.trials import CLEAN, FOLDS, Searchable, Trial, trial
from glow_pipelines.learning.retrieval.types import Vector

UNTUNED = ("RRF k=60", "min-max 1:1, untuned")
DENSE, PRODUCT, FULL = "dense, frozen", "product, untuned", "full"
Learned = Callable[[Trial], Mapping[str, methods.Rank]]


@dataclass
class Scores:
    """By method: unseen[seed] and repeated[seed], each of shape (questions, 3)."""

    unseen: dict[str, list[Vector]] = field(default_factory=dict)
    repeated: dict[str, list[Vector]] = field(default_factory=dict)

    def best_untuned(self) -> str:
        """The better of the hybrids that nobody tuned, by nDCG@10 over all questions."""
        return max(UNTUNED, key=lambda name: _quality_of(self, name))


def run(
    place: Searchable,
    learned: Learned,
    seeds: range,
    logging: str = "interleave",
    sessions: int = 10,
    clicks: Clicks = HONEST,
    told: Callable[[str], None] = lambda line: None,
) -> Scores:
    """Each question is a test question once, and a repeated intent in the folds in which it was train (their mean)."""
    scores, untrained = Scores(), methods.untrained(place)
    unseen = {name: quality(rank(place.asked), place.grades) for name, rank in untrained.items()}
    for seed in seeds:
        reworded = place.rewordings(seed)
        for name, rank in untrained.items():
            scores.unseen.setdefault(name, []).append(unseen[name])
            scores.repeated.setdefault(name, []).append(quality(rank(reworded), place.grades))
        for number in range(FOLDS):
            fold = trial(place, seed, number, logging, sessions, clicks)
            for name, rank in learned(fold).items():
                _add(scores, name, seed - seeds.start, fold, rank, reworded)
        told(f"seed {seed}: " + ", ".join(f"{n} {s[-1][:, 0].mean():.4f}" for n, s in scores.unseen.items()))
    return scores


def figures(place: Searchable, scores: Scores) -> dict[str, Any]:
    """Means over seeds, gains in nDCG@10 with p by question, and how the worst seed did."""
    clean = place.nearest_train <= CLEAN
    best = scores.best_untuned()
    rows = {}
    for name in _kindest(scores):
        unseen, repeated = _mean(scores.unseen[name]), _mean(scores.repeated[name])
        row: dict[str, Any] = {
            "unseen": _metrics(unseen),
            "unseen-clean": _metrics(unseen[clean]),
            "repeated": _metrics(repeated),
        }
        for label, base in (("dense", DENSE), ("best untuned hybrid", best), ("product, untuned", PRODUCT)):
            before, again = _mean(scores.unseen[base]), _mean(scores.repeated[base])
            row[f"against {label}"] = {
                "unseen": against(unseen[:, 0], before[:, 0]),
                "unseen-clean": against(unseen[clean, 0], before[clean, 0]),
                "repeated": against(repeated[:, 0], again[:, 0]),
                "by seed, unseen %": _by_seed(scores.unseen[name], scores.unseen[base], slice(None)),
                "by seed, unseen-clean %": _by_seed(scores.unseen[name], scores.unseen[base], clean),
                "by seed, repeated %": _by_seed(scores.repeated[name], scores.repeated[base], slice(None)),
            }
        rows[name] = row
    return {
        "questions": len(place.ids),
        "unseen-clean questions": int(clean.sum()),
        "seeds": len(scores.unseen[best]),
        "best untuned hybrid": best,
        "methods": rows,
    }


def _kindest(scores: Scores) -> list[str]:
    """Every method once; of one tried at several weights the weight best on the test questions, in its favour."""
    best: dict[str, str] = {}
    for name in scores.unseen:
        method = name.split(f" {methods.KINDEST} ")[0]
        if method not in best or _quality_of(scores, name) > _quality_of(scores, best[method]):
            best[method] = name
    return list(best.values())


def _quality_of(scores: Scores, name: str) -> float:
    return float(np.mean([rows[:, 0].mean() for rows in scores.unseen[name]]))


def full_only(fold: Trial) -> dict[str, methods.Rank]:
    """The product with everything on."""
    return {FULL: methods.by_index(methods.product(fold, methods.COMPONENTS))}


def all_methods(fold: Trial) -> dict[str, methods.Rank]:
    """Each component of the product alone on the hybrid, single signals on dense search, votes, and the product."""
    _, index, training = methods.trained(fold, methods.COMPONENTS)
    ranks: dict[str, methods.Rank] = dict(methods.votes(fold)) | methods.on_dense(fold, training)
    for component in methods.COMPONENTS:
        ranks[f"{component} only"] = methods.by_index(methods.product(fold, (component,)))
    return ranks | {FULL: methods.by_index(index)}


def _add(scores: Scores, name: str, at: int, fold: Trial, rank: methods.Rank, reworded: list[Any]) -> None:
    place = fold.place
    for table in (scores.unseen, scores.repeated):
        rows = table.setdefault(name, [])
        if len(rows) <= at:
            rows.append(np.zeros((len(place.ids), len(METRICS))))
    scores.unseen[name][at][fold.test] = quality(rank([place.asked[i] for i in fold.test]), place.grades[fold.test])
    again = quality(rank([reworded[i] for i in fold.train]), place.grades[fold.train])
    scores.repeated[name][at][fold.train] += again / (FOLDS - 1)


def _mean(by_seed: list[Vector]) -> Vector:
    mean: Vector = np.mean(by_seed, axis=0)
    return mean


def _metrics(scores: Vector) -> dict[str, float]:
    return {name: round(float(mean), 4) for name, mean in zip(METRICS, scores.mean(axis=0), strict=True)}


def _by_seed(mine: list[Vector], base: list[Vector], rows: Any) -> list[float]:
    return [round(100 * float(m[rows, 0].mean() / b[rows, 0].mean() - 1), 2) for m, b in zip(mine, base, strict=True)]
