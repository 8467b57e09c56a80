"""Demonstrations on real data: facility location against chance, judged by the label of the nearest demonstration.

No model is called: an input gets the label of the demonstration it is nearest to by tf-idf of its words and their
beginnings. That is no accuracy of a prompt, but it tells sets of equal size apart.
"""

import csv
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from glow_pipelines.learning.prompts.facility import choose, similarities
from glow_pipelines.learning.prompts.vocabulary import words

DATA = Path(__file__).parents[3] / "../shared/data/banking77"
TRAIN, TEST = 50, 30  # of each intent


def rows(path: Path, labels: list[str] | None, each: int) -> list[tuple[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        found = [(row["text"], row["category"]) for row in csv.DictReader(file)]
    kept = labels or sorted({label for _, label in found})
    return [row for label in kept for row in [r for r in found if r[1] == label][:each]]


def vectors(texts: list[str], known: list[str]) -> np.ndarray:
    """tf-idf of words and of their first four letters, idf by the texts of `known`."""

    def terms(text: str) -> Counter[str]:
        told = words(text)
        return Counter([*told, *(f"^{word[:4]}" for word in told if len(word) > 4)])

    held = [terms(text) for text in known]
    frequency = Counter(term for each in held for term in each)
    column = {term: at for at, term in enumerate(sorted(frequency))}
    cells = [
        (row, column[term], (1 + np.log(count)) * np.log(len(known) / frequency[term]))
        for row, text in enumerate(texts)
        for term, count in terms(text).items()
        if term in column
    ]
    where = ([cell[0] for cell in cells], [cell[1] for cell in cells])
    matrix = csr_matrix(([cell[2] for cell in cells], where), shape=(len(texts), len(column))).toarray()
    return matrix / np.maximum(np.linalg.norm(matrix, axis=1, keepdims=True), 1e-12)


@pytest.mark.skipif(not DATA.exists(), reason="../shared/data/banking77 is absent")
def test_one_demonstration_per_intent_beats_chance_on_banking() -> None:
    labels = sorted({label for _, label in rows(DATA / "train.csv", None, 1)})
    train, test = rows(DATA / "train.csv", labels, TRAIN), rows(DATA / "test.csv", labels, TEST)
    known = vectors([text for text, _ in train], [text for text, _ in train])
    asked = vectors([text for text, _ in test], [text for text, _ in train])
    names = [label for _, label in train]
    right = np.array([label for _, label in test])

    def accuracy(chosen: list[int]) -> float:
        nearest = np.argmax(asked @ known[chosen].T, axis=1)
        return float(np.mean(np.array([names[index] for index in chosen])[nearest] == right))

    total = len(labels)
    chosen = accuracy(choose(similarities(known, names), np.ones(len(train)), names, range(len(train)), total, 1))
    rng = np.random.default_rng(0)
    drawn = [
        accuracy([int(rng.choice([at for at, name in enumerate(names) if name == label])) for label in labels])
        for _ in range(10)
    ]
    anyhow = [accuracy(rng.choice(len(train), size=total, replace=False).tolist()) for _ in range(10)]
    told = f"facility location {chosen:.3f}, one of each by chance {np.mean(drawn):.3f}, any {np.mean(anyhow):.3f}"
    assert chosen > np.mean(drawn) + 2 * np.std(drawn), told
    assert np.mean(drawn) > np.mean(anyhow), told
