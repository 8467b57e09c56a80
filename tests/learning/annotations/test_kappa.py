"""The kappas against worked examples, their definitions, and the alpha of an independent implementation."""

from collections import Counter
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glow_pipelines.learning.annotations import (
    bootstrap_alpha,
    bootstrap_cohen,
    bootstrap_fleiss,
    cohen_kappa,
    fleiss_kappa,
    krippendorff_alpha,
    units_of,
)
from glow_pipelines.learning.annotations.units import as_units, patterns_of, resampled

_ = np.nan
# Ten items, fourteen labels each, five categories; P = .378, Pe = .213, kappa = .210.
WORKED = [
    [0, 0, 0, 0, 14],
    [0, 2, 6, 4, 2],
    [0, 0, 3, 5, 6],
    [0, 3, 9, 2, 0],
    [2, 2, 8, 1, 1],
    [7, 7, 0, 0, 0],
    [3, 2, 6, 3, 0],
    [2, 5, 3, 2, 2],
    [6, 5, 2, 1, 0],
    [0, 2, 2, 3, 7],
]
TABLES = st.integers(1, 4).flatmap(
    lambda people: st.lists(
        st.lists(st.sampled_from([_, 1.0, 2.0, 3.5, 7.0]), min_size=people, max_size=people), min_size=1, max_size=12
    )
)


def table_of(counts: list[list[int]]) -> np.ndarray:
    return np.array([[value for value, count in enumerate(row) for _each in range(count)] for row in counts], float)


def fleiss_by_definition(table: np.ndarray) -> float | None:
    """Agreeing pairs over pairs, averaged over items judged twice; chance from the mean shares of all items."""
    items = [[value for value in row if not np.isnan(value)] for row in table.tolist()]
    items = [item for item in items if item]
    twice = [item for item in items if len(item) > 1]
    values = {value for item in items for value in item}
    if not twice or len(values) < 2:
        return None
    seen = np.mean([np.mean([a == b for a, b in combinations(item, 2)]) for item in twice])
    chance = sum(np.mean([item.count(value) / len(item) for item in items]) ** 2 for value in values)
    return float((seen - chance) / (1 - chance))


def cohen_by_definition(a: list[float], b: list[float]) -> float | None:
    seen = sum(one == other for one, other in zip(a, b, strict=True)) / len(a)
    mine, theirs = Counter(a), Counter(b)
    chance = sum(mine[value] * theirs[value] for value in mine) / len(a) ** 2
    return None if chance == 1 else (seen - chance) / (1 - chance)


def test_worked_example_of_fleiss() -> None:
    assert fleiss_kappa(table_of(WORKED)) == pytest.approx(0.210, abs=5e-4)


@given(TABLES)
def test_fleiss_is_its_definition_with_unequal_numbers_of_labels(rows: list[list[float]]) -> None:
    table = np.array(rows)
    expected, found = fleiss_by_definition(table), fleiss_kappa(table)
    assert found == expected if expected is None else found == pytest.approx(expected, abs=1e-9)


@given(st.lists(st.tuples(st.sampled_from([1.0, 2.0, 5.0]), st.sampled_from([1.0, 2.0, 5.0])), min_size=1))
def test_cohen_is_its_definition(both: list[tuple[float, float]]) -> None:
    a, b = [one for one, _other in both], [other for _one, other in both]
    expected, found = cohen_by_definition(a, b), cohen_kappa(a, b)
    if expected is None:
        assert found is None
    else:
        assert found == pytest.approx(expected, abs=1e-9)
        assert found == bootstrap_cohen(a, b, rng=np.random.default_rng(1), resamples=10).kappa


def test_nothing_to_disagree_on_is_none() -> None:
    rng = np.random.default_rng(1)
    for table in (np.array([[1.0, 1.0], [1.0, 1.0]]), np.array([[1.0, _], [_, 2.0]]), np.full((2, 2), _)):
        assert fleiss_kappa(table) is None
        found = bootstrap_fleiss(table, rng=rng, resamples=20)
        assert (found.kappa, found.interval) == (None, None)
    assert bootstrap_cohen([], [], rng=rng).kappa is None
    with pytest.raises(ValueError, match="2 labels and b 1"):
        bootstrap_cohen([1, 2], [1], rng=rng)


def judged(rng: np.random.Generator, items: int, people: int = 3) -> np.ndarray:
    truth = rng.integers(0, 3, size=(items, 1))
    return np.where(rng.random((items, people)) < 0.8, truth, rng.integers(0, 3, size=(items, people))).astype(float)


def test_intervals_cover_the_kappas_of_the_population() -> None:
    rng = np.random.default_rng(11)
    whole = judged(rng, 50_000)
    fleiss, cohen = fleiss_kappa(whole), cohen_kappa(whole[:, 0].tolist(), whole[:, 1].tolist())
    assert fleiss is not None
    assert cohen is not None
    hits = [0, 0]
    for _round in range(60):
        sample = judged(rng, 120)
        many = bootstrap_fleiss(sample, rng=rng, resamples=300)
        two = bootstrap_cohen(sample[:, 0].tolist(), sample[:, 1].tolist(), rng=rng, resamples=300)
        assert many.interval is not None
        assert two.interval is not None
        hits[0] += many.interval.low <= fleiss <= many.interval.high
        hits[1] += two.interval.low <= cohen <= two.interval.high
    assert min(hits) >= 50  # 57 expected at 95 %; below 50 has a chance of 1e-4


def test_resampling_patterns_is_resampling_items() -> None:
    """The spread of the pattern bootstrap is that of drawing whole items, one by one, and computing anew."""
    rng = np.random.default_rng(5)
    table = judged(rng, 80)
    naive = [fleiss_kappa(table[rng.integers(80, size=80)]) for _round in range(1500)]
    low, high = np.quantile(np.array(naive, float), [0.025, 0.975])
    found = bootstrap_fleiss(table, rng=rng, resamples=3000).interval
    assert found is not None
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.02)
    naive = [krippendorff_alpha(table[rng.integers(80, size=80)], "ordinal") for _round in range(1500)]
    low, high = np.quantile(np.array(naive, float), [0.025, 0.975])
    found = bootstrap_alpha(table, "ordinal", rng=rng, resamples=3000).interval
    assert found is not None
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.02)


@given(TABLES)
def test_patterns_stand_for_all_items(rows: list[list[float]]) -> None:
    units = as_units(np.array(rows))
    patterns = patterns_of(units)
    whole = Counter(map(tuple, units.counts.toarray().tolist()))
    shown = zip(patterns.units.counts.toarray().tolist(), patterns.weights.tolist(), strict=True)
    assert whole == Counter({tuple(row): int(weight) for row, weight in shown})


@settings(max_examples=30)
@given(st.lists(st.integers(1, 60), min_size=1, max_size=40), st.integers(1, 30))
def test_a_resample_has_as_many_items(weights: list[int], resamples: int) -> None:
    drawn = list(resampled(np.array(weights, float), np.random.default_rng(2), resamples, 400_000))
    assert sum(len(each) for each in drawn) == resamples
    assert {float(total) for each in drawn for total in each.sum(axis=1)} == {float(sum(weights))}


def test_a_fine_scale_needs_little_memory() -> None:
    """Twenty thousand items with a value each their own: dense counts would be 40 000 x 20 000."""
    rng = np.random.default_rng(3)
    items = np.repeat(np.arange(20_000), 2)
    values = np.repeat(rng.normal(size=20_000), 2) + rng.normal(scale=0.3, size=40_000)
    found = bootstrap_alpha(units_of(items, values), "interval", rng=rng, resamples=50)
    assert found.alpha == pytest.approx(1 / (1 + 0.09), abs=0.01)
    assert found.interval is not None
    assert found.interval.high - found.interval.low < 0.02


def test_alpha_and_fleiss_agree_in_the_large() -> None:
    table = judged(np.random.default_rng(4), 30_000)
    assert fleiss_kappa(table) == pytest.approx(krippendorff_alpha(table), abs=1e-4)
