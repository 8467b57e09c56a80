"""The simulators of benchmarks/prompting, small and seeded: same truth, same engine, fewer runs.

What they claim at full size stands in docs/gate.md; here each must run, agree with itself, and not be far off.
"""

import json
import math

import numpy as np
import pytest

from benchmarks.prompting import allocation, drift, gates, nearest, nights, null, rule_world, rules
from benchmarks.prompting.arms import INCUMBENT, Answering, arm, correlation, items, outcomes
from glow_pipelines.learning.prompts import Budget, GateSettings
from glow_pipelines.learning.prompts.eprocess import log_e_value
from glow_pipelines.learning.prompts.evaluate import Evaluator
from glow_pipelines.learning.prompts.gate import gate
from glow_pipelines.learning.prompts.metrics import metric_named


def test_the_null_is_not_promoted() -> None:
    found = null.simulate(full=False)
    json.dumps(found)
    for name in null.SETTINGS:
        assert found[name]["promoted"] <= 0.10
        assert found[name]["an ungated optimizer would promote"] >= 0.5
    assert found["30 nights, one agent"]["ever promoted"] == 0


def test_the_race_beats_equal_shares() -> None:
    found = allocation.simulate(full=False)
    one = found[f"discordance {allocation.DISCORDANCE}, one +6, 800"]
    assert one["race"] < one["uniform"]
    assert one["race"] <= 0.85 + 2 * one["standard error"]
    assert one["evaluations used"] <= 800


def test_the_item_model_differs_as_it_says() -> None:
    drawn = outcomes([0.7, 0.7], 40_000, correlation(), np.random.default_rng(0))
    assert drawn.mean(axis=1) == pytest.approx([0.7, 0.7], abs=0.01)
    assert (drawn[0] != drawn[1]).mean() == pytest.approx(0.18, abs=0.01)


def test_many_gates_at_once_are_the_gate_of_the_engine() -> None:
    """Same counts, same verdict: what the benchmark counts by thousands is what the engine does."""
    for seed in range(30):
        rng = np.random.default_rng(seed)
        table = outcomes([0.7, 0.7 + rng.uniform(-0.1, 0.2)], gates.NIGHT, correlation(), rng)
        evaluator = Evaluator(Answering(table), metric_named("label"), Budget(1000))
        found = gate(INCUMBENT, arm(1).prompt, items(gates.NIGHT, "test"), evaluator, GateSettings(), 1000)
        b, c = np.array([found.b]), np.array([found.c])
        assert gates.log_e(b, c)[0] == pytest.approx(log_e_value(found.b, found.c)) == pytest.approx(found.log_e)
        clear = found.log_e >= math.log(20) and found.n >= 60 and found.b - found.c >= 0.01 * found.n
        assert (found.verdict == "promote") == (clear and not found.failed_guardrails)


def test_gates_in_bulk_hold_the_error_and_claim_little_too_much() -> None:
    settings = GateSettings()
    rng = np.random.default_rng(1)
    passed, _, _, _ = gates.run(np.zeros(4000), settings.alpha, 12, rng, settings, 0.18)
    assert passed.mean() <= settings.alpha
    assert gates.error(400, 30)["with levels"] <= 0.05
    claimed = gates.claims(3000)
    assert 0.85 <= claimed["one +6 among seven; gate number 5, 12 nights"]["claimed over true"] <= 1.15
    assert 0.85 <= claimed["N(0, 3); gate number 5, 12 nights"]["claimed over true"] <= 1.15


def test_the_gated_loop_does_no_harm_where_the_ungated_one_does() -> None:
    weak = {name: nights._measure(name, -0.04, 0.02, 1, 20) for name in ("glow .05", "argmax, fresh 100")}
    assert weak["glow .05"]["harmful"] == 0
    assert weak["argmax, fresh 100"]["harmful"] >= 3
    assert weak["glow .05"]["final accuracy"] >= 69 > weak["argmax, fresh 100"]["final accuracy"]


def test_drift_misleads_nobody() -> None:
    found = drift.simulate(full=False)
    assert found["null, drift"]["glow .05"]["promotions"] == 0
    assert drift.turned(2000)["4 nights before"] <= 0.05


def test_the_world_of_rules_is_as_published() -> None:
    world = rule_world.rule_world(0)
    assert world.accuracy(()) == pytest.approx(0.52, abs=0.02)
    assert 0.75 <= world.oracle() <= 0.86
    assert world.accuracy(("harm-00",)) < world.accuracy(()) < world.accuracy(("rule-05",))
    assert world.right((), "val item 3") == rule_world.rule_world(0).right((), "val item 3")
    assert rule_world.said_in("Answer.\n- rule-03\n- harm-01.\n- rule-xx, other") == ("harm-01", "rule-03")


def test_our_engine_with_gepa_spends_no_more_than_it_may() -> None:
    pytest.importorskip("gepa")
    world = rule_world.rule_world(1)
    for seed in range(2):
        run = rules.ours(world, 300, seed, 0.35, unite=True)
        assert run.calls <= 300
        assert run == rules.ours(world, 300, seed, 0.35, unite=True)
        assert run.claimed is None or run.deployed == run.finalist


def test_nearest_demonstrations_are_better_chosen_than_drawn() -> None:
    found = nearest.simulate(full=False)
    if "skipped" in found:
        pytest.skip(found["skipped"])
    sixteen = found["16 demonstrations"]
    assert sixteen["facility location"] > sixteen["random"]
