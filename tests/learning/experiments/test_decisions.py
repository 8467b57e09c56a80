"""The decision table: every row is reached from data, the first that holds wins, and its sentence says what matters."""

from dataclasses import replace
from typing import Any

import pytest

from glow_pipelines.learning.experiments import (
    ArmMoments,
    ExperimentPlan,
    Judged,
    Look,
    Moments,
    Statistics,
    Traffic,
    plan_experiment,
    take_look,
)
from glow_pipelines.learning.experiments.decisions import TABLE
from glow_pipelines.learning.experiments.metrics import COST, FEEDBACK_RATE

TRAFFIC = Traffic(130, 1, 0.6, 0.0, executions_per_user=2)
JUDGED = [Judged(FEEDBACK_RATE, role="critical", margin=0.06), Judged("correction_rate", margin=0.06)]
PLAN = plan_experiment("e#1", TRAFFIC, judged=JUDGED)
LAST = float(PLAN.maximum_days)


def share(users: int, rate: float) -> Moments:
    """Users of whom each was asked once: a share with the error of independent answers."""
    spread = users * rate * (1 - rate)
    return Moments(users, ("s", "n"), (rate, 1.0), ((spread, 0.0), (0.0, 0.0)))


def amount(users: int, mean: float) -> Moments:
    """Users of whom each costs about `mean`, give or take half of it."""
    return Moments(users, ("s", "n"), (mean, 1.0), ((users * mean**2 / 4, 0.0), (0.0, 0.0)))


def statistics(
    day: float,
    users: int = 1200,
    lift: float = 0.0,
    feedback: float = 0.0,
    corrections: float = 0.0,
    treated: int | None = None,
    **more: Any,
) -> Statistics:
    """Both arms with 60 % thumbs up, half giving feedback, a fifth corrected; the rest is what treatment changes."""
    t = users if treated is None else treated
    metrics = {
        "thumbs_up_rate": ArmMoments(share(users, 0.6), share(t, 0.6 + lift)),
        FEEDBACK_RATE: ArmMoments(share(users, 0.5), share(t, 0.5 + feedback)),
        "correction_rate": ArmMoments(share(users, 0.2), share(t, 0.2 + corrections)),
    }
    return Statistics(day, (users, t), **({"metrics": metrics} | more))


ROWS: list[tuple[int, str, Statistics, str]] = [
    (1, "hold", statistics(10, treated=1500), "1,200 exposed in control, 1,500 in treatment where 50 : 50 was planned"),
    (1, "hold", statistics(10, multiple=60), "60 units saw both variants (2.4 %"),
    (
        2,
        "stop_harm",
        statistics(2, users=400, lift=-0.2),
        "thumbs up 40.0 % with the treatment against 60.0 % in control",
    ),
    (2, "stop_harm", statistics(2, users=400, feedback=-0.2), "feedback given 30.0 % with the treatment"),
    (3, "pause", statistics(2, users=400, corrections=0.2), "corrections 40.0 % with the treatment against 20.0 %"),
    (4, "continue", statistics(3), "day 3 of at least 7"),
    (4, "continue", statistics(10, users=400, lift=0.1), "800 of at least 1,000 users"),
    (5, "ship", statistics(12, lift=0.08), "thumbs up 68.0 % with the treatment against 60.0 % in control"),
    (6, "continue", statistics(12, lift=0.08, corrections=0.03), "corrections not yet shown to stay within margin"),
    (6, "ask", statistics(LAST, lift=0.08, corrections=0.045), "ask a person"),
    (7, "keep", statistics(12, lift=-0.055), "The treatment is worse"),
    (8, "keep", statistics(12, lift=-0.03), "no gain worth having is left"),
    (9, "extend", statistics(PLAN.planned_days, users=800, lift=0.02), "the last day is"),
    (10, "keep", statistics(LAST, users=700, lift=0.02), "inconclusive: treatment minus control is between"),
    (10, "keep", statistics(LAST, users=300, lift=0.02), "Lacking: 600 of at least 1,000 users"),
    (0, "continue", statistics(9, users=700, lift=0.02), "Undecided on day 9"),
]


@pytest.mark.parametrize(("row", "action", "given", "said"), ROWS)
def test_every_row_is_reached(row: int, action: str, given: Statistics, said: str) -> None:
    look = take_look(PLAN, given)
    assert (look.row, look.action) == (row, action), look.reason
    assert said in look.reason
    assert Look.from_json(look.to_json()) == look


def test_what_never_happens_in_either_arm_is_shown_not_to_happen_more_often() -> None:
    won = statistics(12, lift=0.08)
    nobody = {**won.metrics, "correction_rate": ArmMoments(share(1200, 0.0), share(1200, 0.0))}
    look = take_look(PLAN, replace(won, metrics=nobody))
    assert (look.row, look.action) == (5, "ship"), look.reason
    # 70 users without a correction may still have 4 % of them.
    margin = replace(PLAN, metrics=tuple(replace(each, margin=0.03) for each in PLAN.metrics))
    few = {**won.metrics, "correction_rate": ArmMoments(share(70, 0.0), share(70, 0.0))}
    assert take_look(margin, replace(won, metrics=few)).row == 6


def test_what_never_varies_is_shown_not_to_rise() -> None:
    won = statistics(12, lift=0.08)
    same = Moments(1200, ("s", "n"), (0.001, 1.0), ((0.0, 0.0), (0.0, 0.0)))
    dearer = replace(same, mean=(0.002, 1.0))
    priced = plan_experiment("e#1", TRAFFIC, judged=[*JUDGED, Judged(COST, replace(TRAFFIC, deviation=0.5))])
    for treated, row in ((same, 5), (dearer, 6)):
        metrics = {**won.metrics, COST: ArmMoments(same, treated)}
        assert take_look(priced, replace(won, metrics=metrics)).row == row


def test_the_table_has_ten_rows_and_all_are_tested() -> None:
    assert [row for row, _ in TABLE] == list(range(1, 11))
    assert {row for row, *_ in ROWS} == set(range(11))


@pytest.mark.parametrize(
    ("row", "given"),
    [
        (1, statistics(LAST, treated=1500, lift=-0.2, corrections=0.2)),  # broken arrival outranks harm
        (2, statistics(2, users=400, lift=-0.2, corrections=0.2)),  # harm outranks a signal and too few days
        (3, statistics(12, lift=0.08, corrections=0.2)),  # a signal outranks a win
        (4, statistics(3, lift=0.08)),  # gates outrank a win
        (5, statistics(PLAN.planned_days, lift=0.08)),  # a win outranks the extension
        (6, statistics(PLAN.planned_days, lift=0.08, corrections=0.03)),
        (7, statistics(LAST, users=3000, lift=-0.035)),  # worse outranks futile, and both the last day
    ],
)
def test_the_first_row_that_holds_decides(row: int, given: Statistics) -> None:
    assert take_look(PLAN, given).row == row


@pytest.mark.parametrize("given", [given for row, _, given, _ in ROWS if row > 3])
def test_guardrail_looks_only_watch(given: Statistics) -> None:
    look = take_look(PLAN, given, kind="guardrail")
    assert (look.row, look.action, look.boundary) == (0, "continue", None)


@pytest.mark.parametrize("given", [given for row, _, given, _ in ROWS if 0 < row <= 3])
def test_guardrail_looks_stop_what_must_stop(given: Statistics) -> None:
    assert take_look(PLAN, given, kind="guardrail").row == take_look(PLAN, given).row


def test_a_signal_that_still_sounds_on_the_last_day_asks_a_person() -> None:
    look = take_look(PLAN, statistics(LAST, lift=0.08, corrections=0.2))
    assert (look.row, look.action) == (3, "ask")


def test_harm_within_the_tolerance_is_none() -> None:
    given = statistics(2, users=600, corrections=0.2)
    assert take_look(PLAN, given).action == "pause"
    allowed = replace(PLAN, metrics=(*PLAN.metrics[:2], replace(PLAN.metrics[2], tolerance=0.15)))
    assert take_look(allowed, given).action == "continue"


def test_no_harm_before_a_hundred_units_of_each_arm() -> None:
    assert take_look(PLAN, statistics(2, users=99, lift=-0.5)).row == 4
    assert take_look(PLAN, statistics(2, users=100, lift=-0.5)).row == 2


def test_an_arm_without_weight_may_have_nobody() -> None:
    look = take_look(replace(PLAN, treatment_ppm=1_000_000), statistics(2, users=3, treated=1500))
    assert (look.row, look.sample_ratio_log_e) == (1, None)
    assert "should have nobody" in look.reason


def test_a_few_units_with_both_variants_are_no_alarm() -> None:
    assert take_look(PLAN, statistics(3, users=60, multiple=2)).row == 4
    assert take_look(PLAN, statistics(3, users=60, multiple=3)).row == 1


def test_evidence_of_earlier_phases_is_added() -> None:
    assert take_look(PLAN, statistics(3, treated=1290)).row == 4
    look = take_look(PLAN, statistics(3, treated=1290, earlier_log_e=6.5))
    assert look.row == 1


def test_suspicion_is_an_alarm_and_no_decision() -> None:
    look = take_look(PLAN, statistics(3, earlier_log_e=6.0))
    assert look.row == 4
    assert "do not quite arrive as planned" in look.alarms[0]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"thumbs_up_rate": ArmMoments(share(1200, 0.01), share(1200, 0.6))}, "12 and 1188 of the two answers"),
        ({"thumbs_up_rate": ArmMoments(share(1200, 1.0), share(1200, 1.0))}, "no user differs"),
        ({"thumbs_up_rate": ArmMoments(Moments.none(("s", "n")), share(1200, 0.6))}, "no thumbs up measured"),
        ({}, "no thumbs up measured in both arms"),
    ],
)
def test_no_decision_before_the_data_can_carry_one(given: dict[str, Any], said: str) -> None:
    look = take_look(PLAN, statistics(12, metrics=given))
    assert (look.row, look.action) == (4, "continue")
    assert said in look.reason


def test_one_heavy_user_is_one_user() -> None:
    heavy = Moments.of(("s", "n"), [(1.0, 1.0)] * 300 + [(0.0, 1.0)] * 299 + [(20_000.0, 40_000.0)])
    look = take_look(PLAN, statistics(12, metrics={"thumbs_up_rate": ArmMoments(heavy, heavy)}))
    assert "is worth 1 of at least 50" in look.reason


def non_inferiority() -> ExperimentPlan:
    return plan_experiment(
        "e#1",
        TRAFFIC,
        judged=[Judged(COST, Traffic(130, 2, 0.02, 0.0, deviation=0.01))],
        objective="non_inferiority",
        effect=0.05,
    )


@pytest.mark.parametrize(
    ("row", "action", "lift", "cost"),
    [
        (5, "ship", 0.0, 0.016),  # as good, a fifth cheaper
        (5, "ship", 0.0, 0.012),
        (8, "keep", 0.0, 0.022),  # as good, but not cheaper
        (7, "keep", -0.058, 0.016),  # cheaper, but worse
        (0, "continue", -0.02, 0.016),  # cheaper, not yet shown to be as good
    ],
)
def test_a_cheaper_model_ships_when_it_is_not_worse(row: int, action: str, lift: float, cost: float) -> None:
    given = statistics(12, lift=lift)
    metrics = {**given.metrics, COST: ArmMoments(amount(1200, 0.02), amount(1200, cost))}
    look = take_look(non_inferiority(), replace(given, metrics=metrics))
    assert (look.row, look.action) == (row, action), look.reason


def test_secondary_metrics_are_found_but_decide_nothing() -> None:
    plan = plan_experiment("e#1", TRAFFIC, judged=[*JUDGED, Judged("low_rating_rate", role="secondary")])
    metrics = {
        **statistics(9, users=700, lift=0.02).metrics,
        "low_rating_rate": ArmMoments(share(700, 0.2), share(700, 0.4)),
    }
    look = take_look(plan, statistics(9, users=700, metrics=metrics))
    assert look.row == 0
    assert look.metric("low_rating_rate").found
    assert look.metric("low_rating_rate").non_inferior is None
    assert not look.primary.found
