"""Looks: reference numbers, validity under daily peeking with clustered votes, and decisions with their reasons."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glow_pipelines.learning.experiments import ArmStatistics, Experiment, Look, Traffic
from glow_pipelines.learning.experiments.looks import (
    boundary,
    difference,
    effective_users,
    log_evidence,
    sample_ratio_p,
)

VECTORS = Path(__file__).parents[3].parent / "shared" / "specs" / "experiments_vectors.json"
EXPERIMENT = Experiment.planned("e", Traffic(100, 4, 0.6, 0.2), effect=0.05)
needs_vectors = pytest.mark.skipif(not VECTORS.exists(), reason="shared reference vectors are not beside this checkout")


def arm(rate: float, users: int = 1000, rated: int = 4, seed: int = 0) -> ArmStatistics:
    """Users with rates of their own around `rate` (correlation about .2), each with so many rated executions."""
    rng = np.random.default_rng(seed)
    own = rng.beta(4 * rate, 4 * (1 - rate), users)
    return ArmStatistics.from_users(rng.binomial(rated, own).tolist(), [rated] * users)


def decided(look: Look) -> tuple[str, str]:
    return look.decision, look.reason


@needs_vectors
def test_reference_vectors() -> None:
    known = json.loads(VECTORS.read_text())
    vectors: dict[str, Any] = {v["id"]: v for v in known["vectors"]}
    rows, people = known["data"]["clustered"]["executions"], known["data"]["clustered"]["users"]
    arms = {}
    for name in ("control", "treatment"):
        units = [p["unit"] for p in people if p["arm"] == name]
        mine = [[r["up"] for r in rows if r["unit"] == unit] for unit in units]
        arms[name] = ArmStatistics.from_users([sum(m) for m in mine], [len(m) for m in mine])
        expected = vectors["clustered.moments"]["expected"][name]
        assert arms[name].users == expected["n"]
        assert [arms[name].mean_s, arms[name].mean_n] == pytest.approx(expected["mean"][:2], abs=1e-8)
        (ss, sn, *_), (_, nn, *_) = expected["comoment"][:2]
        assert [arms[name].ss, arms[name].sn, arms[name].nn] == pytest.approx([ss, sn, nn], abs=1e-8)
        assert effective_users(arms[name]) == pytest.approx(vectors["clustered.n_eff"]["expected"][name], abs=1e-8)
    found = difference(arms["control"], arms["treatment"])
    assert found is not None
    ratio = vectors["clustered.ratio_delta"]["expected"]
    assert [found.estimate, found.standard_error] == pytest.approx([ratio["diff"], ratio["se"]], abs=1e-8)
    for case in vectors["clustered.always_valid_two_sided"]["expected"]:
        z, se = found.estimate / found.standard_error, found.standard_error
        assert log_evidence(z, se, case["tau"]) == pytest.approx(case["log_e"], abs=1e-8)
        assert boundary(se, case["tau"], case["alpha"]) * se == pytest.approx(case["halfwidth"], abs=1e-8)
    for vector in (v for name, v in vectors.items() if name.startswith("srm.")):
        given_ = vector["input"]
        assert sample_ratio_p(given_["observed"], given_["weights"]) == pytest.approx(vector["expected"]["p"], abs=1e-8)


def test_boundary_at_its_optimum_is_the_published_one() -> None:
    assert boundary(1.0, 8.2120**0.5, 0.05) == pytest.approx(3.035, abs=5e-4)


@given(st.floats(0.001, 10), st.floats(0.001, 10), st.sampled_from([0.01, 0.05, 0.1]))
def test_the_boundary_is_where_the_evidence_reaches_one_in_alpha(error: float, tau: float, alpha: float) -> None:
    assert log_evidence(boundary(error, tau, alpha), error, tau) == pytest.approx(-np.log(alpha), rel=1e-9)


USERS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=12)


@given(USERS, USERS, USERS)
def test_moments_merge_in_any_order_to_the_moments_of_all(a: Any, b: Any, c: Any) -> None:
    def of(users: Any) -> ArmStatistics:
        return ArmStatistics.from_users([min(s, n) for s, n in users], [n for _, n in users])

    whole = of(a + b + c)
    for merged in (of(a).merge(of(b)).merge(of(c)), of(c).merge(of(a).merge(of(b)))):
        assert np.allclose(list(vars(merged).values()), list(vars(whole).values()), atol=1e-9)


def test_moments_stay_exact_far_from_zero() -> None:
    far = ArmStatistics.from_users([1e9 + i for i in range(4)], [1] * 4)
    assert far.ss == pytest.approx(5.0, abs=1e-9)


def test_no_winner_in_an_a_a_test_looked_at_every_day() -> None:
    rng, wins, naive_wins, repetitions = np.random.default_rng(7), 0, 0, 400
    for _ in range(repetitions):
        pair = []
        for _arm in range(2):
            rated = rng.poisson(4, 1200)
            pair.append((rng.binomial(rated, rng.beta(2.4, 1.6, 1200)), rated))
        crossed = naive = False
        for users in range(100, 1201, 100):
            found = difference(*(ArmStatistics.from_users(s[:users], n[:users]) for s, n in pair))
            assert found is not None
            edge = boundary(found.standard_error, EXPERIMENT.plan.tau, 0.05)
            crossed |= abs(found.estimate) > edge * found.standard_error
            naive |= abs(found.estimate) > 1.96 * found.standard_error
        wins, naive_wins = wins + crossed, naive_wins + naive
    assert wins / repetitions <= 0.05
    assert naive_wins / repetitions >= 0.15  # the same looks with a fixed-sample bound: what the boundary is for


def test_a_real_difference_is_found_and_an_inverted_metric_reads_the_other_way() -> None:
    look = EXPERIMENT.look(10, arm(0.55), arm(0.70, seed=1))
    assert look.decision == "treatment_better"
    assert look.low is not None
    assert look.low > 0
    assert look.p_value is not None
    assert look.p_value < 0.05
    errors = Experiment(replace(EXPERIMENT.plan, higher_is_better=False))
    assert errors.look(10, arm(0.55), arm(0.70, seed=1)).decision == "control_better"
    assert EXPERIMENT.look(10, arm(0.70), arm(0.55, seed=1)).decision == "control_better"


def test_no_difference_keeps_running_and_the_last_day_says_so() -> None:
    running = EXPERIMENT.look(10, arm(0.6), arm(0.6, seed=1))
    assert running.decision == "running"
    assert not running.maximum_reached
    last = EXPERIMENT.look(EXPERIMENT.plan.maximum_days, arm(0.6), arm(0.6, seed=1))
    assert last.maximum_reached
    assert "keep control" in last.reason


@pytest.mark.parametrize(
    ("day", "control", "treatment", "said"),
    [
        (3, arm(0.2), arm(0.8), "day 3 of at least 7"),
        (10, arm(0.2, 200), arm(0.8, 200), "400 of at least 1,000 users"),
        (10, arm(0.2, 1000), arm(0.8, 1300), "not the planned split"),
        (10, arm(0.005), arm(0.8), "up and"),
        (10, arm(0.2, rated=0), arm(0.8), "worth 0 of at least 50"),
        (10, ArmStatistics.from_users([], []), arm(0.8), "control"),
    ],
)
def test_no_decision_before_the_data_can_carry_one(
    day: float, control: ArmStatistics, treatment: ArmStatistics, said: str
) -> None:
    decision, reason = decided(EXPERIMENT.look(day, control, treatment))
    assert decision == "insufficient_data"
    assert said in reason


def test_one_heavy_user_is_one_user() -> None:
    crowd = ArmStatistics.from_users([1] * 999 + [40_000], [1] * 999 + [40_000])
    assert effective_users(crowd) < 1.1


def test_equal_users_give_no_interval_and_no_crash() -> None:
    same = ArmStatistics.from_users([1, 1] * 500, [2, 2] * 500)
    look = EXPERIMENT.look(10, same, same)
    assert look.low is None
    assert look.decision == "insufficient_data"


def test_sample_ratio_corner_cases() -> None:
    assert sample_ratio_p((0, 0), (1, 1)) == 1.0
    assert sample_ratio_p((10, 1), (1, 0)) == 0.0
    assert sample_ratio_p((5000, 5000), (1, 1)) == 1.0


def test_looks_replay() -> None:
    assert EXPERIMENT.look(9, arm(0.6), arm(0.7)) == EXPERIMENT.look(9, arm(0.6), arm(0.7))


def test_experiment_assigns_by_its_plan() -> None:
    shares = [EXPERIMENT.assign(f"u{i}") for i in range(2000)]
    treated = sum(found.variant == "treatment" for found in shares if found)
    assert all(shares)
    assert 900 < treated < 1100
    assert EXPERIMENT.assign("u1") != Experiment.planned("e", Traffic(1, 1, 0.5, 0), phase=2).assign("u1")
