"""What the documents of experiments quote: the engine's sentences, its numbers, the measured ones.

Belongs here: quotes. Does not: links, commands and SQL (test_docs).
"""

import json
import re
from pathlib import Path

import pytest

from glow_pipelines.learning.experiments import (
    ExperimentPlan,
    Statistics,
    Traffic,
    default_stages,
    plan_experiment,
    take_look,
)
from glow_pipelines.learning.experiments.metrics import METRICS, written_difference
from tests.learning.experiments.test_decisions import LAST, PLAN, statistics

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks/results/experiments.json"
SMALL = Traffic(
    users_per_day=600 / 28, rated_per_user=6, baseline_rate=0.6, intra_user_correlation=0.3, population=600,
    executions_per_user=12, sessions_per_user=4, pre_post_correlation=0.6,
)  # fmt: skip
EXAMPLES = {
    0: statistics(9, users=700, lift=0.02),
    1: statistics(10, treated=1500),
    2: statistics(2, users=400, lift=-0.2),
    3: statistics(2, users=400, corrections=0.2),
    4: statistics(3),
    5: statistics(12, lift=0.08),
    6: statistics(12, lift=0.08, corrections=0.03),
    7: statistics(12, lift=-0.055),
    8: statistics(12, lift=-0.03),
    9: statistics(PLAN.planned_days, users=800, lift=0.02),
    10: statistics(LAST, users=700, lift=0.02),
}


def document(name: str) -> str:
    return (ROOT / "docs" / f"{name}.md").read_text("utf-8")


def quotes(text: str) -> list[str]:
    """Block quotes, each as one line."""
    found = re.findall(r"(?:^> .*\n)+", text, re.MULTILINE)
    return [" ".join(each.replace("> ", "").split()) for each in found]


def rows(text: str, head: str) -> list[list[str]]:
    """The cells of the table that begins so."""
    lines = text[text.index(head) :].split("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


@pytest.mark.parametrize(("row", "given"), EXAMPLES.items())
def test_every_row_of_the_decision_table_is_quoted_word_for_word(row: int, given: Statistics) -> None:
    look = take_look(PLAN, given)
    assert look.row == row
    assert look.reason in quotes(document("reading_decisions"))


def test_nothing_else_is_quoted_and_the_plan_is_the_one_told() -> None:
    text = document("reading_decisions")
    assert len(quotes(text)) == len(EXAMPLES)
    assert f"planned for {PLAN.planned_days} days and at most {PLAN.maximum_days}" in " ".join(text.split())
    assert [int(row[0]) for row in rows(text, "| row |")] == list(range(1, 11))


def test_the_table_of_metrics_is_that_of_the_registry() -> None:
    def said(metric: str, harm: float) -> str:
        return written_difference(METRICS[metric], harm).lstrip("+") if harm else "none"

    registry = [
        [
            f"`{each.name}`",
            each.numerator,
            each.denominator,
            "higher" if each.higher_is_better else "lower",
            said(each.name, each.tolerance),
            said(each.name, each.margin),
        ]
        for each in METRICS.values()
    ]
    assert rows(document("experiments"), "| metric |") == registry


@pytest.mark.parametrize(("after_test", "row"), [(True, "after a test"), (False, "without one")])
def test_the_stages_are_the_usual_ones(after_test: bool, row: str) -> None:
    shares = " → ".join(f"{stage.treatment_ppm // 10_000} %" for stage in default_stages(after_test))
    assert f"| {row} | {shares} |" in document("experiments")


def test_the_numbers_of_small_traffic_are_those_of_a_plan() -> None:
    def plan(effect: float) -> ExperimentPlan:
        return plan_experiment("e#1", SMALL, effect=effect)

    text = document("small_traffic")
    told = {row[0]: int(re.match(r"[\d,]+", row[1])[0].replace(",", "")) for row in rows(text, "| wanted |")}  # type: ignore[index]
    needed = {f"{100 * effect:g} points": plan(effect) for effect in (0.1, 0.05, 0.02)}
    assert told == {name: int(re.search(r"needs ([\d,]+)", each.summary)[1].replace(",", "")) for name, each in needed.items()}  # type: ignore[index] # fmt: skip  # noqa: E501
    plain = " ".join(text.split())
    shown = {option.name: f"{100 * (option.detectable or 0):.1f}" for option in plan(0.05).options}
    assert f"it finds {100 * (plan(0.05).detectable or 0):.1f} points at best" in plain
    assert f"sessions find {shown['session units']} points and single answers {shown['execution units']}" in plain
    assert f"with a correlation of 0.6, {shown['cuped']} points" in plain
    assert f"{plan(0.05).design_effect:.1f} of them are worth one" in plain


@pytest.mark.skipif(not RESULTS.exists(), reason="the results of the benchmark are not in this checkout")
def test_the_measured_numbers_are_those_of_the_benchmark() -> None:
    """Within the chance of 1,000 repetitions: a run of 10,000 does not ask for another text unless it says another
    thing."""
    found = json.loads(RESULTS.read_text("utf-8"))["simulations"]["V6"]["figures"]
    names = (
        "the charter's rule, literally",
        "z over executions, day 7 alone",
        "z over users at the four looks",
        "ours, planned looks over users",
    )
    table = rows(document("why_not_the_z_test"), "| answers per user")
    assert len(table) == 6
    for per_day, icc, *told in table:
        world = found[f"{per_day} executions a day, ICC {icc}, staggered, heavy users"]
        measured = [100 * world[name]["share"] for name in names]
        assert [float(each.removesuffix(" %")) for each in told] == pytest.approx(measured, abs=4)
