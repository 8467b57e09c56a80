"""Pure functions of the queue: what an item is worth, drift, the estimate from the control sample, claims."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glow_pipelines.learning.annotations import (
    AnnotationRow,
    ComparisonRow,
    ControlItem,
    Signals,
    control_estimate,
    expected_value,
    less_redundant,
    letter_vectors,
    negative_drift,
)
from glow_pipelines.learning.datasets.claims import claims_of
from glow_pipelines.learning.feedback import ExecutionRow

NAMES = ("votes_up", "votes_down", "judge_up", "judge_down", "approvals", "denials", "occurrences", "days")


def worth(**given: float) -> float:
    values = {"occurrences": 1.0, **given}
    return float(expected_value(Signals(**{name: np.array([values.get(name, 0.0)]) for name in NAMES}))[0])


def test_the_parts_have_the_weights_of_the_formula() -> None:
    assert worth(occurrences=0) == pytest.approx(0.4)  # nobody knows anything: one bit
    assert worth(occurrences=1000) == pytest.approx(0.4 + 0.2)
    assert worth(occurrences=10**6) == pytest.approx(0.4 + 0.2)
    assert worth(occurrences=0, days=7) == pytest.approx(0.4 + 0.1 * (1 - np.exp(-1)))
    assert worth(occurrences=0, votes_up=1, votes_down=1) == pytest.approx(0.4 + 0.3)  # the only pair disagrees
    assert worth(occurrences=0, votes_up=2, votes_down=2) == pytest.approx(0.4 + 0.3 * 4 / 6)
    assert worth(occurrences=0, approvals=1, judge_down=1) > worth(occurrences=0, approvals=2)


@given(st.lists(st.integers(0, 50), min_size=8, max_size=8))
def test_worth_is_a_share(values: list[int]) -> None:
    found = worth(**dict(zip(NAMES, map(float, values), strict=True)))
    assert 0 <= found <= 1
    assert worth(**{**dict(zip(NAMES, map(float, values), strict=True)), "days": 1000.0}) >= found - 1e-9


def test_of_items_that_repeat_each_other_the_best_one_keeps_its_place() -> None:
    texts = [
        "what is the limit for meals on a trip",
        "what is the limit for meals on a business trip",
        "may i take a taxi at night",
        "",
    ]
    scores = np.array([0.6, 0.61, 0.55, 0.5])
    found = less_redundant(scores, letter_vectors(texts))
    assert found[1] == 0.61
    assert found[0] < 0.5
    assert found[2] > 0.5
    assert found[3] == 0.5  # like nothing


@settings(max_examples=50)
@given(st.lists(st.tuples(st.floats(0, 1), st.text("abcd ", max_size=12)), max_size=12), st.randoms())
def test_the_order_given_changes_nothing_and_nothing_gains(items: list[tuple[float, str]], dice: object) -> None:
    scores, vectors = np.array([score for score, _ in items]), letter_vectors([text for _, text in items])
    found = less_redundant(scores, vectors)
    assert np.all(found <= scores)
    assert not items or found.max() == scores.max()
    order = np.argsort(-scores, kind="stable")
    again = less_redundant(scores[order], vectors[order])
    if len(set(scores)) == len(scores):
        assert np.allclose(again, found[order])


def test_scores_without_their_vectors_are_refused() -> None:
    with pytest.raises(ValueError, match="2 rows, but 1 scores"):
        less_redundant(np.array([1.0]), np.zeros((2, 4)))


@pytest.mark.parametrize(
    ("before", "now", "found"),
    [((20, 400), (40, 200), True), ((20, 400), (10, 200), False), ((40, 200), (0, 200), False),
     ((1, 19), (90, 100), False), ((0, 100), (0, 100), False), ((100, 100), (100, 100), False)],
)  # fmt: skip
def test_drift_is_a_rise_beyond_chance(before: tuple[int, int], now: tuple[int, int], found: bool) -> None:
    assert negative_drift(*before, *now).found is found


def test_drift_cries_wolf_once_in_a_hundred_weeks() -> None:
    rng = np.random.default_rng(7)
    before, now = rng.binomial(400, 0.2, 4000), rng.binomial(100, 0.2, 4000)
    alarms = np.mean([negative_drift(int(b), 400, int(n), 100).found for b, n in zip(before, now, strict=True)])
    assert 0.004 < alarms < 0.018
    with pytest.raises(ValueError, match="successes"):
        negative_drift(2, 1, 0, 30)


def controls(rng: np.random.Generator, n: int, rate: float) -> tuple[list[ControlItem], list[ControlItem]]:
    """What is looked at: in the order of the draw a third, and beside it most of what is bad. And all of it."""
    draws, good = rng.random(n), rng.random(n) < rate
    seen = (draws < np.quantile(draws, 0.33)) | (~good & (rng.random(n) < 0.8))
    known = [ControlItem(float(d), bool(g)) for d, g in zip(draws, good, strict=True)]
    return [ControlItem(k.draw, k.approved if s else None) for k, s in zip(known, seen, strict=True)], known


def test_the_estimate_is_that_of_everything_although_the_bad_is_looked_at_first() -> None:
    rng = np.random.default_rng(11)
    found, naive, covered = [], [], 0
    for _ in range(300):
        items, everything = controls(rng, 400, 0.8)
        estimate = control_estimate(items)
        truth = sum(item.approved is True for item in everything) / 400
        assert estimate.rate.value is not None
        found.append(estimate.rate.value - truth)
        looked = [item.approved for item in items if item.approved is not None]
        naive.append(sum(looked) / len(looked) - truth)
        covered += estimate.rate.low <= 0.8 <= estimate.rate.high
        assert estimate.items >= 130
    assert np.mean(naive) < -0.15
    assert abs(np.mean(found)) < 0.012
    assert covered / 300 > 0.92


def test_no_control_no_estimate() -> None:
    empty = control_estimate([])
    assert (empty.rate.value, empty.rate.low, empty.rate.high, empty.items) == (None, 0.0, 1.0, 0)
    unseen = control_estimate([ControlItem(0.1, None), ControlItem(0.2, True)])
    assert (unseen.rate.n, unseen.waiting) == (0, 1)


RUN = ExecutionRow("1", "coder", "taxi", "6100")


def stances(*comparisons: ComparisonRow, annotations: tuple[AnnotationRow, ...] = ()) -> set[tuple[str, int, str]]:
    claims = claims_of((RUN,), (), annotations, (), comparisons=comparisons)
    return {(claim.target, claim.stance, claim.ref.kind) for claim in claims}


@pytest.mark.parametrize(
    ("preferred", "expected"),
    [
        ("first", {("6100", -1, "comparison"), ("6200", 1, "comparison")}),
        ("second", {("6100", 1, "comparison"), ("6200", -1, "comparison")}),
        ("neither", {("6100", -1, "comparison"), ("6200", -1, "comparison")}),
        ("tie", set()),
    ],
)
def test_a_comparison_claims_what_it_says(preferred: str, expected: set[tuple[str, int, str]]) -> None:
    row = ComparisonRow(5, "1", "coder", "eve", "6200", "6100", preferred)  # type: ignore[arg-type]
    assert stances(row) == expected


def test_an_adjudication_beats_reviews_and_comparisons_of_its_execution() -> None:
    said = (
        AnnotationRow(1, "1", "coder", "eve", "approve"),
        AnnotationRow(2, "1", "coder", "dan", "correct", "6300", role="adjudication"),
    )
    row = ComparisonRow(5, "1", "coder", "max", "6200", "6100", "first")
    assert stances(row, annotations=said) == {("6300", 1, "annotation"), ("6100", -1, "annotation")}
