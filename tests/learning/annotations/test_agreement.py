"""Alpha against hand-worked numbers, its defining formula, and real judgements."""

import csv
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glow_pipelines.learning.annotations import (
    bootstrap_alpha,
    cohen_kappa,
    coincidences,
    krippendorff_alpha,
    label_table,
)

_ = np.nan
# The worked example of Krippendorff (2011), section C: four observers, twelve units.
TEXTBOOK = np.array(
    [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, _, _, _],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, _, 3],
        [_, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, _],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, _],
    ]
).T
XSUM = Path(__file__).parents[3] / "../shared/data/xsum/factuality_annotations_xsum_summaries.csv"


def test_textbook_coincidences() -> None:
    values, seen = coincidences(TEXTBOOK)
    third = 1 / 3
    assert values.tolist() == [1, 2, 3, 4, 5]
    expected = [
        [7, 4 * third, third, third, 0],
        [4 * third, 10, 4 * third, third, 0],
        [third, 4 * third, 8, third, 0],
        [third, third, third, 4, 0],
        [0, 0, 0, 0, 3],
    ]
    np.testing.assert_allclose(seen, expected, atol=1e-12)


@pytest.mark.parametrize(("level", "alpha"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849)])
def test_textbook_alpha(level: str, alpha: float) -> None:
    assert krippendorff_alpha(TEXTBOOK, level) == pytest.approx(alpha, abs=5e-4)


def by_definition(table: np.ndarray, level: str) -> float | None:
    """1 - Do/De, pair by pair over the paired values, as the definition reads."""
    units = [row[~np.isnan(row)].tolist() for row in table]
    units = [unit for unit in units if len(unit) > 1]
    every = [value for unit in units for value in unit]

    def distance(a: float, b: float) -> float:
        if level == "nominal":
            return float(a != b)
        if level == "interval":
            return (a - b) ** 2
        low, high = min(a, b), max(a, b)
        between = sum(low <= value <= high for value in every)
        return (between - (every.count(low) + every.count(high)) / 2) ** 2 if a != b else 0.0

    seen = sum(sum(distance(a, b) for a, b in permutations(unit, 2)) / (len(unit) - 1) for unit in units)
    chance = sum(distance(a, b) for a, b in permutations(every, 2))
    return None if chance == 0 else 1 - seen * (len(every) - 1) / chance


TABLES = st.integers(1, 4).flatmap(
    lambda people: st.lists(
        st.lists(st.sampled_from([_, 1.0, 2.0, 3.5, 7.0]), min_size=people, max_size=people), min_size=1, max_size=8
    )
)


@given(TABLES, st.sampled_from(["nominal", "ordinal", "interval"]))
def test_alpha_is_its_definition_with_missing_data(rows: list[list[float]], level: str) -> None:
    table = np.array(rows)
    expected, found = by_definition(table, level), krippendorff_alpha(table, level)
    if expected is None:
        assert found is None
    else:
        assert found == pytest.approx(expected, abs=1e-9)


def test_nothing_to_disagree_on_is_none() -> None:
    assert krippendorff_alpha(np.array([[1.0, 1.0], [1.0, 1.0]])) is None
    assert krippendorff_alpha(np.array([[1.0, _], [_, 2.0]])) is None
    found = bootstrap_alpha(np.array([[1.0, _]]), rng=np.random.default_rng(1))
    assert (found.alpha, found.interval, found.items) == (None, None, 0)


def test_bootstrap_covers_the_alpha_of_the_population() -> None:
    rng = np.random.default_rng(7)

    def judged(items: int) -> np.ndarray:
        truth = rng.integers(0, 3, size=(items, 1))
        return np.where(rng.random((items, 3)) < 0.8, truth, rng.integers(0, 3, size=(items, 3))).astype(float)

    population = krippendorff_alpha(judged(50_000))
    assert population is not None
    hits = 0
    for _round in range(60):
        found = bootstrap_alpha(judged(120), rng=rng, resamples=300)
        assert found.interval is not None
        hits += found.interval.low <= population <= found.interval.high
    assert hits >= 50  # 57 expected at 95 %; below 50 has a chance of 1e-4


def test_kappa_by_hand() -> None:
    a, b = [1, 1, 1, 1, 2, 2, 2, 3, 3, 3], [1, 1, 1, 2, 2, 2, 3, 3, 3, 1]
    # Seen agreement 7/10; chance (4·4 + 3·3 + 3·3)/100 = .34.
    assert cohen_kappa(a, b) == pytest.approx((0.7 - 0.34) / (1 - 0.34))
    # Linear: seen penalties 1 + 1 + 2 over 10; chance Σ pa pb |i - j| = .9.
    assert cohen_kappa(a, b, "linear") == pytest.approx(1 - 0.4 / 0.9)
    assert cohen_kappa([1, 1], [1, 1]) is None
    with pytest.raises(ValueError, match="2 labels and b 1"):
        cohen_kappa([1, 2], [1])


def test_label_table_puts_everyone_in_a_column() -> None:
    table = label_table([("b", "y", 2), ("a", "x", 1), ("b", "x", 3)])
    np.testing.assert_array_equal(table, [[1, _], [3, 2]])


@pytest.mark.skipif(not XSUM.exists(), reason="../shared/data/xsum is absent")
def test_alpha_of_real_factuality_judgements() -> None:
    with XSUM.open(encoding="utf-8") as file:
        rows = [
            (f"{row['bbcid']}/{row['system']}", row["worker_id"], float(row["is_factual"] == "yes"))
            for row in csv.DictReader(file)
            if row["is_factual"] in ("yes", "no")
        ]
    found = bootstrap_alpha(label_table(rows), rng=np.random.default_rng(1))
    assert found.alpha == pytest.approx(0.774, abs=5e-4)
    assert found.interval is not None
    assert found.interval.low < 0.774 < found.interval.high


@settings(deadline=None)
@given(TABLES)
def test_order_of_items_and_people_does_not_matter(rows: list[list[float]]) -> None:
    table = np.array(rows)
    a, b = krippendorff_alpha(table, "ordinal"), krippendorff_alpha(table[::-1, ::-1], "ordinal")
    assert a == b or (a is not None and b == pytest.approx(a))


@settings(max_examples=300, deadline=None)
@given(TABLES, st.sampled_from(["nominal", "ordinal", "interval"]))
def test_alpha_is_that_of_another_implementation(rows: list[list[float]], level: str) -> None:
    oracle = pytest.importorskip("krippendorff", reason="the reference implementation is in the extra dev")
    table = np.array(rows)
    found = krippendorff_alpha(table, level)
    if found is not None:  # it refuses what has no alpha
        assert oracle.alpha(reliability_data=table.T, level_of_measurement=level) == pytest.approx(found, abs=1e-9)


@pytest.mark.skipif(not XSUM.exists(), reason="../shared/data/xsum is absent")
def test_alpha_of_real_judgements_is_that_of_another_implementation() -> None:
    oracle = pytest.importorskip("krippendorff", reason="the reference implementation is in the extra dev")
    with XSUM.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    worth = {"no": 0.0, "NULL": 1.0, "yes": 2.0}
    table = label_table((f"{row['bbcid']}/{row['system']}", row["worker_id"], worth[row["is_factual"]]) for row in rows)
    for level in ("nominal", "ordinal", "interval"):
        expected = oracle.alpha(reliability_data=table.T, level_of_measurement=level)
        assert krippendorff_alpha(table, level) == pytest.approx(expected, abs=1e-9)
