"""S5. Claim: demonstrations chosen by label-aware facility location say more than random ones of the same number.

A model that copies the label of the nearest demonstration; Banking77, all 77 intents, character trigram vectors. Also:
choosing greedily by validation gain, which over-fits. Skipped when the data is absent.
"""

import csv
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glow_pipelines.learning.prompts.facility import choose, similarities

DATA = Path(__file__).parents[3] / "shared" / "data" / "banking77"
SEED, WIDTH = 7, 1024
POOL, VAL, TEST = 1000, 300, 1500
COUNTS = (16, 77)
GREEDY_POOL = 60  # greedy by validation looks at so many at each step

Vectors = NDArray[np.float64]


def simulate(full: bool) -> dict[str, Any]:
    """Test accuracy of the nearest-demonstration proxy by choice and number of demonstrations."""
    path = next(iter(sorted(DATA.rglob("*test*.csv"))), None) if DATA.exists() else None
    if path is None:
        return {"skipped": "the banking77 data is not there"}
    pool, val, test = _parts(path)
    found: dict[str, Any] = {}
    for count in COUNTS if full else COUNTS[:1]:
        rng = np.random.default_rng([SEED, count])
        drawn = [rng.choice(len(pool[1]), count, replace=False).tolist() for _ in range(20 if full else 3)]
        random = [accuracy(pool, each, test) for each in drawn]
        per_label = -(-count // 77)
        similarity = similarities(pool[0], pool[1])
        aware = choose(similarity, np.ones(len(pool[1])), pool[1], range(len(pool[1])), count, per_label)
        found[f"{count} demonstrations"] = {
            "random": round(float(np.mean(random)), 3),
            "random, standard deviation": round(float(np.std(random)), 3),
            "facility location": round(accuracy(pool, aware, test), 3),
            **(_greedy(pool, val, test, count, rng) if full else {}),
        }
    return found


def accuracy(pool: tuple[Vectors, list[str]], chosen: Sequence[int], asked: tuple[Vectors, list[str]]) -> float:
    """Of copying the label of the nearest chosen example."""
    nearest = (asked[0] @ pool[0][list(chosen)].T).argmax(axis=1)
    return float(np.mean([pool[1][chosen[at]] == label for at, label in zip(nearest, asked[1], strict=True)]))


def _greedy(
    pool: tuple[Vectors, list[str]],
    val: tuple[Vectors, list[str]],
    test: tuple[Vectors, list[str]],
    count: int,
    rng: np.random.Generator,
) -> dict[str, float]:
    chosen: list[int] = []
    while len(chosen) < count:
        tried = [each for each in rng.choice(len(pool[1]), GREEDY_POOL, replace=False).tolist() if each not in chosen]
        chosen.append(max(tried, key=lambda each: accuracy(pool, [*chosen, each], val)))
    return {
        "greedy by validation, on validation": round(accuracy(pool, chosen, val), 3),
        "greedy by validation, on test": round(accuracy(pool, chosen, test), 3),
    }


def _parts(path: Path) -> tuple[tuple[Vectors, list[str]], ...]:
    with path.open(encoding="utf-8", newline="") as lines:
        rows = [(row["text"], row["category"]) for row in csv.DictReader(lines)]
    order = np.random.default_rng(SEED).permutation(len(rows))[: POOL + VAL + TEST].tolist()
    texts, labels = [rows[at][0] for at in order], [rows[at][1] for at in order]
    vectors, parts, start = _vectors(texts), [], 0
    for size in (POOL, VAL, TEST):
        parts.append((vectors[start : start + size], labels[start : start + size]))
        start += size
    return tuple(parts)


def _vectors(texts: Sequence[str]) -> Vectors:
    """Hashed character trigrams, weighted by rarity, of unit length."""
    counts = np.zeros((len(texts), WIDTH))
    for row, text in enumerate(texts):
        padded = f"  {text.casefold()}  "
        for at in range(len(padded) - 2):
            counts[row, zlib.crc32(padded[at : at + 3].encode()) % WIDTH] += 1
    weighted: Vectors = np.log1p(counts) * np.log(len(texts) / (1 + (counts > 0).sum(axis=0)))
    found: Vectors = weighted / np.maximum(np.linalg.norm(weighted, axis=1, keepdims=True), 1e-12)
    return found
