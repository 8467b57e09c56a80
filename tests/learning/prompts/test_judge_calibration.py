"""Calibration: when a judge may decide, and that corrected levels cover the truth where raw ones do not."""

import math
import re
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm

from glow_pipelines.learning.intervals import Interval
from glow_pipelines.learning.prompts.judges.bias import length_bias, position_bias
from glow_pipelines.learning.prompts.judges.calibration import JudgeCalibration, Judged, arms_differ, calibrate
from glow_pipelines.learning.prompts.judges.correction import Share, corrected_difference, corrected_level
from glow_pipelines.learning.prompts.judges.pairwise import Shown


def judged(good_found: int, good_missed: int, bad_found: int, bad_missed: int, arm: str = "") -> list[Judged]:
    kinds = ((True, True, good_found), (True, False, good_missed), (False, False, bad_found), (False, True, bad_missed))
    return [Judged(expert, judge, arm) for expert, judge, n in kinds for _ in range(n)]


def calibrated(pairs: list[Judged]) -> JudgeCalibration:
    return calibrate("rubric_judge", 1, pairs, np.random.default_rng(7))


def test_a_good_judge_may_decide() -> None:
    found = calibrated(judged(65, 5, 45, 5))
    assert found.may_gate, found.why
    assert (found.n, found.good, found.good_found, found.bad, found.bad_found) == (120, 70, 65, 50, 45)
    assert found.sensitivity.estimate == pytest.approx(65 / 70)
    assert found.specificity.estimate == pytest.approx(0.9)
    assert found.base_rate.estimate == pytest.approx(70 / 120)
    assert found.kappa.low < found.kappa.estimate < found.kappa.high


@pytest.mark.parametrize(
    ("pairs", "why"),
    [
        ([], "0 answers judged by experts, 100 needed"),
        (judged(50, 2, 40, 2), "94 answers judged by experts, 100 needed"),
        (judged(60, 20, 40, 20), "kappa 0.42, 0.6 needed"),
        (judged(88, 4, 6, 2), "lower limit of kappa"),
        (judged(105, 5, 8, 8), r"sensitivity and specificity sum to 1\.\d\d, 1\.5 needed"),
        (judged(120, 0, 0, 0), "kappa nan"),  # everything good, everything called good: nothing is known
        (judged(90, 0, 30, 0, "a") + judged(15, 15, 30, 0, "b"), "errs differently between prompts"),
    ],
)
def test_why_a_judge_may_not_decide(pairs: list[Judged], why: str) -> None:
    found = calibrated(pairs)
    assert not found.may_gate
    assert re.search(why, found.why), found.why


def test_arms_are_compared_from_twenty_answers_on() -> None:
    assert arms_differ(judged(30, 2, 30, 2, "a")) is None
    assert arms_differ(judged(30, 2, 30, 2, "a") + judged(9, 9, 0, 0, "b")) is None
    same = arms_differ(judged(30, 2, 30, 2, "a") + judged(30, 2, 30, 2, "b"))
    other = arms_differ(judged(30, 0, 30, 2, "a") + judged(15, 15, 30, 2, "b"))
    assert same == 1.0
    assert other is not None
    assert other < 0.001
    found = calibrated(judged(90, 0, 30, 0, "a") + judged(15, 15, 30, 0, "b"))
    with pytest.raises(ValueError, match="errs differently between prompts"):
        found.corrected_difference(Interval(0.1, 0.0, 0.2, 0.95, "x"))


def test_the_point_estimate_is_rogan_and_gladens() -> None:
    found = corrected_level(Share(62, 100), Share(90, 100), Share(80, 100))
    assert found.estimate == pytest.approx((0.62 + 0.8 - 1) / 0.7)
    with pytest.raises(ValueError, match="knows nothing"):
        corrected_level(Share(62, 100), Share(50, 100), Share(50, 100))
    with pytest.raises(ValueError, match="a share of no answers"):
        corrected_level(Share(62, 100), Share(0, 0), Share(50, 100))


WORLDS = [(0.7, 0.9, 0.8), (0.5, 0.95, 0.9), (0.9, 0.85, 0.75), (0.3, 0.8, 0.8), (0.95, 0.97, 0.6)]


@pytest.mark.parametrize(("truth", "q1", "q0"), WORLDS)
def test_corrected_intervals_cover_the_truth_and_raw_ones_do_not(truth: float, q1: float, q0: float) -> None:
    rng = np.random.default_rng(20)
    runs, n, labelled = 2000, 400, 150
    covered = raw = 0
    for _ in range(runs):
        good = rng.binomial(labelled, 0.6)
        sensitivity, specificity = (
            Share(rng.binomial(good, q1), good),
            Share(rng.binomial(labelled - good, q0), labelled - good),
        )
        seen = rng.binomial(n, truth * q1 + (1 - truth) * (1 - q0))
        found = corrected_level(Share(seen, n), sensitivity, specificity)
        covered += found.low <= truth <= found.high
        half = 1.96 * math.sqrt(seen / n * (1 - seen / n) / n)
        raw += abs(seen / n - truth) <= half
    assert covered / runs >= 0.93, covered / runs
    if abs(truth * q1 + (1 - truth) * (1 - q0) - truth) > 0.04:
        assert raw / runs < 0.9


@pytest.mark.parametrize(
    ("before", "after", "q1", "q0"), [(0.7, 0.75, 0.9, 0.8), (0.6, 0.6, 0.9, 0.8), (0.5, 0.7, 0.95, 0.85)]
)
def test_corrected_differences_cover_the_true_one(before: float, after: float, q1: float, q0: float) -> None:
    rng = np.random.default_rng(21)
    runs, n, labelled = 2000, 500, 150
    z = norm.ppf(0.975)
    covered = 0
    estimates = []
    for _ in range(runs):
        sensitivity, specificity = Share(rng.binomial(90, q1), 90), Share(rng.binomial(labelled - 90, q0), 60)
        first, second = (rng.binomial(n, t * q1 + (1 - t) * (1 - q0)) / n for t in (after, before))
        half = z * math.sqrt(first * (1 - first) / n + second * (1 - second) / n)
        raw = Interval(first - second, first - second - half, first - second + half, 0.95, "wald")
        found = corrected_difference(raw, sensitivity, specificity)
        estimates.append(found.estimate)
        covered += found.low <= after - before <= found.high
    assert covered / runs >= 0.93, covered / runs
    assert np.mean(estimates) == pytest.approx(after - before, abs=0.01)


def test_position_bias_counts_what_goes_with_the_place() -> None:
    kinds: list[tuple[tuple[Shown, Shown], int]] = [
        (("1", "1"), 6),
        (("2", "2"), 2),
        (("1", "2"), 10),
        (("tie", "1"), 2),
    ]
    found = position_bias([orders for orders, n in kinds for _ in range(n)])
    assert found.n == 20
    assert found.swayed.estimate == pytest.approx(0.4)
    assert found.first.estimate == pytest.approx(0.75)


def test_levels_of_two_arms_are_corrected_by_their_own_errors() -> None:
    found = calibrated(judged(45, 5, 45, 5, "old") + judged(50, 0, 25, 25, "new") + judged(3, 0, 3, 0, "rare"))
    assert [each.arm for each in found.arms] == ["new", "old"]
    # Both prompts are right on 70 %: of 200, the judge calls 132 of the old good and 170 of the new.
    between = found.corrected_between(("new", 170, 200), ("old", 132, 200))
    assert between.estimate == pytest.approx(0.0, abs=1e-9)
    assert between.low < 0 < between.high
    with pytest.raises(KeyError):
        found.corrected_between(("rare", 10, 20), ("old", 132, 200))
    assert JudgeCalibration.from_json(found.to_json()) == found


def test_length_bias_is_what_experts_do_not_share() -> None:
    rng = np.random.default_rng(3)
    lengths = rng.lognormal(5, 1, 400)
    expert = (rng.random(400) < 0.6).astype(float)
    fair = np.where(rng.random(400) < 0.9, expert, 1 - expert)
    flattered = np.where(np.log(lengths) > 6, 1.0, fair)
    none = length_bias(fair.tolist(), expert.tolist(), lengths.tolist(), rng)
    some = length_bias(flattered.tolist(), expert.tolist(), lengths.tolist(), rng)
    assert none is not None
    assert none.slope.low < 0 < none.slope.high
    assert some is not None
    assert some.slope.low > 0.02
    assert length_bias([1.0] * 20, [1.0] * 20, [5.0] * 20, rng) is None


def test_a_calibration_is_plain_json_with_its_biases() -> None:
    pairs = [replace(each, length=float(10 + at), orders=("1", "2")) for at, each in enumerate(judged(60, 5, 50, 5))]
    found = calibrated(pairs).to_json()
    assert found["bias"]["position"]["n"] == 120
    assert found["bias"]["length"]["n"] == 120
    assert calibrated([]).to_json()["kappa"]["estimate"] is None
