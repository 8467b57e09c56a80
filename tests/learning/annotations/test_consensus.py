"""Majority, Dawid-Skene, and the choice between them, on planted truths."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glow_pipelines.learning.annotations import Label, choose_aggregator, dawid_skene, majority
from tests.learning.annotations.judging import planted


def accuracy(found: dict, truth: dict[str, str]) -> float:
    return sum(found[item].value == right for item, right in truth.items()) / len(truth)


def test_a_tie_is_unresolved() -> None:
    found = majority([Label("a", "1", "x"), Label("a", "2", "y"), Label("b", "1", "x"), Label("b", "2", "x")])
    assert (found["a"].value, found["a"].share, found["a"].n) == (None, 0.5, 2)
    assert (found["b"].value, found["b"].share) == ("x", 1.0)
    assert dawid_skene([Label("a", "1", "x"), Label("a", "2", "y")]).consensus["a"].value is None


def test_dawid_skene_sees_who_is_reliable() -> None:
    labels, truth = planted([0.95, 0.9, 0.4, 0.4, 0.4], 400, seed=3)
    found = dawid_skene(labels)
    assert accuracy(found.consensus, truth) > accuracy(majority(labels), truth) + 0.05
    skill = {person: float(np.mean(diagonal)) for person, diagonal in found.reliability.items()}
    assert skill["p0"] == pytest.approx(0.95, abs=0.05)
    assert skill["p2"] == pytest.approx(0.4, abs=0.08)
    assert all(sum(row) == pytest.approx(1) for row in found.posterior.values())


def test_choice_takes_dawid_skene_only_where_gold_shows_it_better() -> None:
    labels, truth = planted([0.95, 0.9, 0.4, 0.4, 0.4], 400, seed=3)
    gold = dict(list(truth.items())[:200])
    chosen = choose_aggregator(labels, gold)
    assert chosen.name == "dawid_skene"
    assert chosen.dawid_skene is not None
    assert chosen.dawid_skene.successes > chosen.majority.successes
    equal, right = planted([1.0, 1.0, 1.0], 50, seed=4)
    assert choose_aggregator(equal, right).name == "majority"


def test_choice_falls_back_without_gold_or_labels_enough() -> None:
    labels, truth = planted([0.95, 0.9, 0.4, 0.4, 0.4], 400, seed=3)
    assert "0 gold items" in choose_aggregator(labels, {}).reason
    sparse = [Label(label.item, f"{label.annotator}-{i // 50}", label.value) for i, label in enumerate(labels)]
    chosen = choose_aggregator(sparse, truth)
    assert chosen.name == "majority"
    assert chosen.labels_per_cell < 5
    assert choose_aggregator([], {}).consensus == {}


@settings(max_examples=40)
@given(st.lists(st.tuples(*(st.sampled_from(c) for c in ("abc", "pq", "xyz"))), max_size=25), st.randoms())
def test_order_of_labels_does_not_matter(said: list[tuple[str, str, str]], random: object) -> None:
    labels = [Label(*row) for row in said]
    other = list(labels)
    random.shuffle(other)  # type: ignore[attr-defined]
    assert majority(labels) == majority(other)
    a, b = dawid_skene(labels), dawid_skene(other)
    assert a.posterior.keys() == b.posterior.keys()
    for item, row in a.posterior.items():
        assert row == pytest.approx(b.posterior[item], abs=1e-4)


def by_definition(labels: list[Label], rounds: int, smoothing: float) -> dict[str, list[float]]:
    """Dawid and Skene's equations 2.3 to 2.5, label by label."""
    items, people, classes = (sorted({getattr(label, f) for label in labels}) for f in ("item", "annotator", "value"))
    of = {item: [label for label in labels if label.item == item] for item in items}
    truth = {i: [sum(label.value == c for label in of[i]) / len(of[i]) for c in classes] for i in items}
    for _ in range(rounds):
        share = [sum(truth[i][t] for i in items) / len(items) for t in range(len(classes))]
        says = {}
        for person in people:
            for t in range(len(classes)):
                mine = [label for label in labels if label.annotator == person]
                row = [sum(truth[x.item][t] for x in mine if x.value == c) + smoothing for c in classes]
                says[person, t] = dict(zip(classes, (weight / sum(row) for weight in row), strict=True))
        for i in items:
            row = [s * math.prod(says[x.annotator, t][x.value] for x in of[i]) for t, s in enumerate(share)]
            truth[i] = [weight / sum(row) for weight in row]
    return truth


def test_dawid_skene_is_its_equations() -> None:
    labels, _ = planted([0.9, 0.6, 0.5], 30, seed=9, classes="xxxy")
    found = dawid_skene(labels, iterations=4, tolerance=0.0)
    assert found.iterations == 4
    for item, row in by_definition(labels, 4, 0.01).items():
        assert found.posterior[item] == pytest.approx(row, abs=1e-6)
