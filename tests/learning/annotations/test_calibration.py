"""What a reviewer is worth, by hand-worked numbers and by planted ones."""

import math
from datetime import timedelta

import numpy as np
import pytest
from scipy.stats import beta, hypergeom

from glow_pipelines.learning.annotations import (
    AggregatorChoice,
    Calibration,
    DawidSkene,
    Judgement,
    Label,
    calibrate,
    choose_aggregator,
    reviewer_weights,
    warnings_of,
)
from glow_pipelines.learning.feedback.rates import rate_of
from tests.learning.annotations.judging import BEGAN, judgement, planted


def of(found: tuple[Calibration, ...], reviewer: str) -> Calibration:
    return next(each for each in found if each.reviewer == reviewer)


def test_bias_is_the_difference_to_the_others() -> None:
    scores = {"i": {"x": 5.0, "y": 3.0, "z": 1.0}, "j": {"x": 4.0, "y": 4.0}, "alone": {"x": 1.0}}
    rows = [
        judgement(item, reviewer, "a" if score > 3 else "r", dimensions={"clarity": score})
        for item, given in scores.items()
        for reviewer, score in given.items()
    ]
    found = of(calibrate(rows, {}), "x")
    shown = {bias.measure: bias for bias in found.biases}
    assert shown["dimension clarity"].difference.estimate == pytest.approx((3.0 + 0.0) / 2)
    assert shown["dimension clarity"].items == 2
    assert shown["approval"].difference.estimate == pytest.approx((1.0 + 0.0) / 2)
    # Two differences 3 and 0: standard error 1.5, Student's t of one degree of freedom 12.706.
    assert shown["dimension clarity"].difference.high == pytest.approx(1.5 + 12.706 * 1.5, abs=0.01)
    alone = of(calibrate([*rows, judgement("k", "v", dimensions={"clarity": 2.0})], {}), "v")
    assert alone.biases == ()


def test_use_of_the_scale_is_entropy() -> None:
    rows = [judgement(f"i{n}", "even", "ar"[n % 2]) for n in range(8)]
    rows += [judgement(f"i{n}", "same", "a") for n in range(8)]
    rows += [judgement(f"i{n}", "other", "a" if n else "r") for n in range(4)]
    found = calibrate(rows, {})
    quarter = -(0.25 * math.log2(0.25) + 0.75 * math.log2(0.75))
    assert [use.entropy for each in found for use in each.scale_use] == pytest.approx([1.0, quarter, 0.0])
    assert [use.typical for each in found for use in each.scale_use] == pytest.approx([quarter] * 3)


def test_accuracy_on_gold_has_the_prior() -> None:
    rows = [judgement(f"i{n}", "x", "a" if n < 17 else "r") for n in range(20)]
    gold = of(calibrate(rows, {f"i{n}": "approve" for n in range(20)}), "x").gold
    assert gold is not None
    assert (gold.right, gold.items) == (17, 20)
    assert gold.accuracy.estimate == pytest.approx(21 / 25)
    assert (gold.accuracy.low, gold.accuracy.high) == pytest.approx(tuple(beta.ppf([0.025, 0.975], 21, 4)))
    assert gold.bound == pytest.approx(beta.ppf(0.05, 21, 4))
    assert of(calibrate(rows, {"elsewhere": "approve"}), "x").gold is None


def test_drift_is_fishers_test_of_before_and_since() -> None:
    rows = [judgement(f"i{n}", "x", "a" if n < 18 or n == 25 else "r", hours=24 * n) for n in range(30)]
    gold = {f"i{n}": "approve" for n in range(30)}
    drift = of(calibrate(rows, gold, recent_since=BEGAN + timedelta(days=20)), "x").drift
    assert drift is not None
    assert (drift.earlier.successes, drift.earlier.n) == (18, 20)
    assert (drift.recent.successes, drift.recent.n) == (1, 10)
    # All tables with these margins that are no likelier than this one.
    chances = hypergeom(30, 19, 20).pmf(np.arange(9, 20))
    seen = hypergeom(30, 19, 20).pmf(18)
    assert drift.p == pytest.approx(chances[chances <= seen * (1 + 1e-9)].sum())
    assert of(calibrate(rows, gold), "x").drift is None
    assert of(calibrate(rows, gold, recent_since=BEGAN + timedelta(days=99)), "x").drift is None


def test_repeats_are_the_same_content_in_another_item() -> None:
    said = [("a", "q1", "a"), ("b", "q1", "a"), ("c", "q1", "r"), ("d", "q2", "a"), ("e", None, "a"), ("f", None, "r")]
    rows = [judgement(item, "x", verdict, hours=n, content=text) for n, (item, text, verdict) in enumerate(said)]
    rows.append(judgement("d", "y", "r", content="q2"))
    found = calibrate(list(reversed(rows)), {})
    repeats = of(found, "x").repeats
    assert repeats is not None
    assert (repeats.successes, repeats.n) == (1, 2)
    assert of(found, "y").repeats is None


def test_throughput_counts_days_with_work() -> None:
    rows = [judgement(f"i{n}", "x", hours=24 * (n // 4)) for n in range(12)]
    found = of(calibrate(rows, {}, seconds={"x": [10.0, 30.0, 20.0]}), "x").throughput
    assert (found.judgements, found.days, found.per_day, found.median_seconds) == (12, 3, 4.0, 20.0)
    late = of(calibrate(rows, {}, recent_since=BEGAN + timedelta(days=2)), "x").throughput
    assert (late.judgements, late.days, late.median_seconds) == (4, 1, None)
    never = of(calibrate(rows, {}, recent_since=BEGAN + timedelta(days=9)), "x").throughput
    assert never.per_day is None


def test_whom_to_warn_about() -> None:
    gold = {f"i{n}": "approve" if n % 2 else "reject" for n in range(40)}
    rows: list[Judgement] = []
    for n in range(40):
        right = "a" if n % 2 else "r"
        wrong = "r" if n % 2 else "a"
        rows.append(judgement(f"i{n}", "good", right, hours=n))
        rows.append(judgement(f"i{n}", "stamp", "a", hours=n))
        rows.append(judgement(f"i{n}", "drifting", right if n < 25 else wrong, hours=n))
        rows.append(judgement(f"i{n}", "wavering", right, hours=n, content=f"q{n % 20}"))
        rows.append(judgement(f"j{n}", "wavering", "a" if n < 15 else "r", hours=99 + n, content=f"q{n % 20}"))
    rows += [judgement(f"i{n}", "new", "a", hours=n) for n in range(15)]
    found = warnings_of(calibrate(rows, gold, recent_since=BEGAN + timedelta(hours=25)))
    assert {(each.reviewer, each.kind) for each in found} == {
        ("stamp", "accuracy"),
        ("stamp", "approval"),
        ("drifting", "accuracy"),
        ("drifting", "drift"),
        ("wavering", "repeats"),
    }
    assert any("surely below 80%" in each.detail for each in found if each.reviewer == "stamp")
    assert warnings_of(()) == ()


def test_nobody_without_error_is_warned_about() -> None:
    rows = [judgement(f"i{n}", "x", "ar"[n % 2]) for n in range(20)]
    assert warnings_of(calibrate(rows, {f"i{n}": ["approve", "reject"][n % 2] for n in range(20)})) == ()


def test_majority_weighs_all_alike() -> None:
    labels, _ = planted([0.9, 0.6], 40, seed=2)
    assert reviewer_weights(labels, choose_aggregator(labels, {})) == {"p0": 1.0, "p1": 1.0}


def test_dawid_skene_weighs_by_reliability_relative_to_the_median() -> None:
    labels, truth = planted([0.97, 0.8, 0.8, 0.45, 0.45], 600, seed=3)
    labels += [Label(f"alone{n}", "p3", "x") for n in range(500)]  # right by definition: must not count
    chosen = choose_aggregator(labels, dict(list(truth.items())[:300]))
    assert chosen.name == "dawid_skene"
    weights = reviewer_weights(labels, chosen)
    right = {name: sum(x.value == truth.get(x.item) for x in labels if x.annotator == name) for name in weights}
    odds = {name: math.log(2 * (right[name] + 4) / (600 - right[name] + 1)) for name in weights}
    middle = sorted(odds.values())[2]
    assert weights == pytest.approx({name: value / middle for name, value in odds.items()}, abs=0.15)
    assert sorted(weights.values())[2] == 1.0
    assert weights["p3"] < 0.5


def model(right: dict[str, int], of: int) -> AggregatorChoice:
    """A choice whose estimate says of how many of their labels each is right, two classes."""
    posterior = {f"{name}{n}": (1.0, 0.0) if n < yes else (0.0, 1.0) for name, yes in right.items() for n in range(of)}
    estimate = DawidSkene({}, posterior, ("x", "y"), {}, 1)
    return AggregatorChoice("dawid_skene", "", {}, rate_of(0, 0), None, 9.0, estimate)


@pytest.mark.parametrize(
    ("right", "expected"),
    [
        (
            {"a": 100, "b": 80, "c": 60},
            {"a": math.log(104) / math.log(4), "b": 1.0, "c": math.log(64 / 41) / math.log(4)},
        ),
        ({"a": 100, "b": 80, "c": 0}, {"a": math.log(104) / math.log(4), "b": 1.0, "c": 0.25}),
        ({"a": 100, "b": 55, "c": 52}, {"a": 4.0, "b": 1.0, "c": math.log(56 / 49) / math.log(59 / 46)}),
        ({"a": 90, "b": 40, "c": 30}, {"a": 1.0, "b": 0.25, "c": 0.25}),  # the median guesses
        ({"a": 10, "b": 40, "c": 30}, {"a": 1.0, "b": 1.0, "c": 1.0}),  # all do
    ],
)
def test_weights_by_hand(right: dict[str, int], expected: dict[str, float]) -> None:
    """Each has a twin, so that everything is judged twice and the median is the middle one's."""
    labels = [Label(f"{name}{n}", name + twin, "x") for name in right for n in range(100) for twin in ("", "'")]
    found = reviewer_weights(labels, model(right, 100))
    assert found == pytest.approx(
        {name + twin: weight for name, weight in expected.items() for twin in ("", "'")}, abs=0.005
    )
