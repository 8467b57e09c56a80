"""Looks over time: what is spent stays spent, decisions stay made, every recorded look replays bit for bit."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glow_pipelines.learning.experiments import (
    ArmMoments,
    CrossedMoments,
    Experiment,
    Judged,
    Look,
    Moments,
    Statistics,
    Traffic,
    plan_experiment,
    replay,
    take_look,
)
from glow_pipelines.learning.experiments.group_sequential import boundaries, spent
from glow_pipelines.learning.experiments.metrics import FEEDBACK_RATE

PLAN = plan_experiment("e#1", Traffic(130, 1, 0.6, 0.0, executions_per_user=2), minimum_users=200)


def share(users: int, rate: float) -> Moments:
    """Users of whom each was asked once."""
    spread = users * rate * (1 - rate)
    return Moments(users, ("s", "n"), (rate, 1.0), ((spread, 0.0), (0.0, 0.0)))


def at(day: float, users: int, lift: float = 0.02) -> Statistics:
    metrics = {
        "thumbs_up_rate": ArmMoments(share(users, 0.6), share(users, 0.6 + lift)),
        FEEDBACK_RATE: ArmMoments(share(users, 0.5), share(users, 0.5)),
    }
    return Statistics(day, (users, users), metrics=metrics)


def looked(*given: Statistics, **options: Any) -> list[Look]:
    history: list[Look] = []
    for each in given:
        history.append(take_look(PLAN, each, history, **options))
    return history


def test_boundaries_are_those_of_the_looks_really_taken() -> None:
    looks = looked(*(at(day, 65 * day) for day in range(7, 20)))
    fractions, edges = [look.t for look in looks], [look.boundary for look in looks]
    assert edges == pytest.approx(boundaries(np.array(fractions), 0.05).tolist(), abs=1e-9)
    assert [look.guardrail_boundary for look in looks] == pytest.approx(
        boundaries(np.array(fractions), 0.10).tolist(), abs=1e-9
    )
    assert looks[0].t == pytest.approx(looks[0].information / PLAN.information_max)


def test_looks_before_the_gates_spend_nothing() -> None:
    early = looked(*(at(day, 65 * day) for day in range(1, 8)))
    assert [look.boundary for look in early[:-1]] == [None] * 6
    assert early[-1].boundary == take_look(PLAN, at(7, 65 * 7)).boundary


def test_a_look_without_new_information_is_skipped() -> None:
    looks = looked(at(8, 520), at(9, 520), at(10, 500), at(11, 715))
    assert [look.boundary is None for look in looks] == [False, True, True, False]
    assert "nothing was asked" in looks[1].reason
    assert looks[3].boundary == pytest.approx(boundaries(np.array([looks[0].t, looks[3].t]), 0.05)[1], abs=1e-9)


def test_the_calendar_maximum_spends_the_rest() -> None:
    looks = looked(at(8, 300), at(PLAN.maximum_days, 300))
    assert (looks[1].t, looks[1].row) == (1.0, 10)
    assert looks[1].boundary == pytest.approx(boundaries(np.array([looks[0].t, 1.0]), 0.05)[1], abs=1e-9)
    assert spent(1.0) == pytest.approx(0.05)


def test_more_information_than_planned_ends_it() -> None:
    look = take_look(PLAN, at(12, 4000, lift=0.03))
    assert (look.t, look.row) == (1.0, 5)
    inconclusive = take_look(replace(PLAN, smallest_worthwhile=0.0), at(12, 4000, lift=0.01))
    assert (inconclusive.t, inconclusive.row) == (1.0, 10)


def test_the_last_day_a_hair_after_the_planned_information() -> None:
    (look,) = looked(at(8, 300))
    almost = replace(look, t=0.9999999916823623)
    assert take_look(PLAN, at(PLAN.maximum_days, 300), [almost]).row == 10


def test_few_heavy_users_have_to_show_more_than_a_normal_value_would() -> None:
    def heavy(rate: float) -> Moments:  # 300 users worth 60, their variance worth 12
        spread = 300 * 4 * 0.24
        return Moments(300, ("s", "n"), (rate, 1.0), ((spread + 1200 * rate**2, 1200 * rate), (1200 * rate, 1200.0)))

    def look(lift: float) -> Look:
        arms = {"thumbs_up_rate": ArmMoments(heavy(0.6), heavy(0.6 + lift))}
        given_ = at(PLAN.maximum_days, 300)
        return take_look(PLAN, replace(given_, metrics={**given_.metrics, **arms}))

    none = look(0.0)
    assert (none.row, none.boundary) == (10, pytest.approx(1.96, abs=1e-3))
    error, edge = none.primary.standard_error or 0.0, none.primary.edge or 0.0
    assert none.primary.planned_df == pytest.approx(22, abs=0.1)
    assert edge == pytest.approx(2.074, abs=1e-3)
    assert none.primary.repeated_high == pytest.approx(edge * error)
    between, beyond = look(2.02 * error), look(2.3 * error)
    assert (between.primary.z or 0.0) > (between.boundary or 9.0)
    assert between.row == 10
    assert beyond.row in (5, 6)
    assert look(-2.02 * error).row == 8
    assert look(-2.3 * error).row == 7


def test_a_look_taken_again_keeps_its_boundary() -> None:
    looks = looked(at(8, 520), at(9, 585), at(10, 650))
    again = take_look(PLAN, at(9, 585), looks)
    assert again == looks[1]
    recounted = take_look(PLAN, at(9, 590), looks)
    assert (recounted.t, recounted.boundary) == (looks[1].t, looks[1].boundary)


def test_extensions_are_told_once_a_period() -> None:
    plan = replace(PLAN, planned_days=10, maximum_days=30)
    history: list[Look] = []
    for day in range(7, 31):
        history.append(take_look(plan, at(day, 300 + 6 * day, lift=0.01), history))
    assert [look.day for look in history if look.action == "extend"] == [10, 20]
    assert history[-1].row == 10


def test_a_decision_stays_made() -> None:
    looks = looked(at(12, 1200, lift=0.08), at(13, 1300, lift=-0.2), at(14, 1400), at(15, 1500))
    assert [(look.row, look.action) for look in looks] == [(5, "ship")] * 4
    assert looks[1].reason == f"Decided on day 12. {looks[0].reason}"
    assert looks[3].reason == looks[1].reason
    assert looks[3].boundary is None
    assert take_look(PLAN, at(13, 1300), looks[:1], kind="guardrail").action == "ship"


def test_harm_is_seen_while_a_shipped_change_waits() -> None:
    looks = looked(at(12, 1200, lift=0.08))
    assert take_look(PLAN, at(13, 1300, lift=-0.2), looks, kind="guardrail").action == "stop_harm"
    assert take_look(PLAN, at(13, 1300, lift=-0.2), looks).action == "ship"


def test_a_pause_does_not_end_it_and_costs_nothing() -> None:
    hurt = at(8, 520)
    hurt = replace(hurt, metrics={**hurt.metrics, FEEDBACK_RATE: ArmMoments(share(520, 0.5), share(520, 0.3))})
    looks = looked(hurt, at(9, 1500, lift=0.09))
    assert [(look.row, look.boundary is None) for look in looks] == [(3, True), (5, False)]


def test_the_confidence_sequence_only_narrows_and_drift_empties_it() -> None:
    looks = looked(at(1, 400, 0.1), at(2, 800, 0.02), at(3, 6000, -0.02), kind="guardrail")
    lows, highs = ([getattr(look.primary, side) for look in looks] for side in ("low", "high"))
    assert lows == sorted(lows)
    assert highs == sorted(highs, reverse=True)
    later = take_look(PLAN, at(4, 20_000, 0.30), looks, kind="guardrail")
    assert later.primary.low is not None
    assert later.primary.low > (later.primary.high or 0)
    assert "has drifted" in later.alarms[0]
    assert [look.primary.p_value for look in looks] == sorted((look.primary.p_value for look in looks), reverse=True)


def test_session_units_are_judged_by_their_users() -> None:
    rng, users = np.random.default_rng(5), 700
    own = rng.beta(2.4, 1.6, users)
    n = rng.binomial(6, 0.5, users)
    rows = np.column_stack([rng.binomial(n, own), n, rng.binomial(6 - n, np.minimum(1, own + 0.1)), 6 - n])
    crossed = CrossedMoments(Moments.of(("sc", "nc", "st", "nt"), rows), users, users)
    rates = CrossedMoments(Moments.of(("sc", "nc", "st", "nt"), rows * [0, 1, 0, 1] + [1, 1, 1, 1]), users, users)
    plan = plan_experiment("e#1", Traffic(130, 6, 0.6, 0.3, sessions_per_user=6), unit="session")
    given_ = Statistics(8, (2100, 2100), metrics={"thumbs_up_rate": crossed, FEEDBACK_RATE: rates})
    look = take_look(plan, given_)
    assert "700 of at least 1,000 users" in look.reason
    assert take_look(replace(plan, minimum_users=600), given_).boundary is not None


DAYS = st.lists(
    st.tuples(
        st.sampled_from(["decision", "guardrail"]),
        st.integers(1, 30),
        st.integers(50, 900),
        st.floats(-0.12, 0.12),
        st.integers(0, 12),
    ),
    min_size=1,
    max_size=9,
    unique_by=lambda each: each[:2],
)


@given(DAYS)
@settings(deadline=None, max_examples=40)
def test_every_look_replays_bit_for_bit(days: list[tuple[Any, int, int, float, int]]) -> None:
    """Whatever is seen in whatever order: what a look read and said, through JSON, gives the same look again."""
    plan, history, recorded = replace(PLAN, maximum_days=28, planned_days=9), [], []
    for kind, day, users, lift, multiple in sorted(days, key=lambda each: each[1]):
        seen = replace(at(day, users, lift), multiple=multiple)
        look = take_look(plan, seen, history, kind)
        history.append(look)
        pair = json.loads(json.dumps([seen.to_json(), look.to_json()]))
        recorded.append((Statistics.from_json(pair[0]), Look.from_json(pair[1])))
        assert look == recorded[-1][1]
    assert replay(type(plan).from_json(json.loads(json.dumps(plan.to_json()))), recorded) == []
    ended = [look for look in history if look.terminal]
    said = list(dict.fromkeys((look.row, look.action) for look in ended))
    assert said in ([], said[:1], [(1, "hold"), (2, "stop_harm")]), (
        "a held test is still watched for harm, and ends with it"
    )
    assert not ended or history[history.index(ended[0]) :] == ended


def test_replay_tells_what_differs() -> None:
    seen = at(9, 600)
    look = take_look(PLAN, seen)
    forged = replace(look, action="ship", row=5)
    assert replay(PLAN, [(seen, look)]) == []
    assert [each.partition(" was ")[0] for each in replay(PLAN, [(seen, forged)])] == [
        "decision look of day 9: row",
        "decision look of day 9: action",
    ]
    assert replay(PLAN, [(at(9, 601), look)])


@pytest.mark.parametrize(("lift", "bar"), [(0.0, 0.05), (0.08, 0.75)])
def test_few_false_ships_and_many_true_ones_under_daily_looks(lift: float, bar: float) -> None:
    """Users with votes of their own, looked at daily: at most α/2 ship without a difference, most do with one."""
    rng, ships, repetitions = np.random.default_rng(11), 0, 60
    experiment = Experiment.planned(
        "e", Traffic(300, 3, 0.6, 0.25, executions_per_user=6), effect=0.08, judged=[Judged(FEEDBACK_RATE, margin=0.1)]
    )
    for _ in range(repetitions):
        arms = []
        for extra in (0.0, lift):
            rated = rng.binomial(6, 0.5, 4200)
            own = np.clip(rng.beta(1.8, 1.2, 4200) + extra, 0, 1)
            arms.append((rng.binomial(rated, own), rated))
        history: list[Look] = []
        for day in range(1, 29):
            cut = [(s[: 150 * day], n[: 150 * day]) for s, n in arms]
            rates = [(n, np.full(len(n), 6)) for _, n in cut]
            seen = experiment.statistics(day, thumbs_up_rate=(cut[0], cut[1]), feedback_rate=(rates[0], rates[1]))
            history.append(experiment.look(seen, history))
            if history[-1].terminal:
                break
        assert history[-1].terminal
        ships += history[-1].action == "ship"
    assert ships / repetitions <= bar if lift == 0 else ships / repetitions >= bar


def test_experiment_assigns_by_its_plan() -> None:
    experiment = Experiment(PLAN)
    shares = [experiment.assign(f"u{i}") for i in range(2000)]
    assert all(shares)
    assert 900 < sum(found.variant == "treatment" for found in shares if found) < 1100
    other = Experiment(replace(PLAN, salt="e#2"))
    assert [experiment.assign(f"u{i}") for i in range(20)] != [other.assign(f"u{i}") for i in range(20)]


def test_harm_is_seen_also_while_the_numbers_are_not_valid() -> None:
    lost = replace(at(3, 1200, lift=0.0), units=(1200, 1600))
    held = take_look(PLAN, lost, (), "guardrail")
    assert held.action == "hold"
    assert take_look(PLAN, replace(lost, day=3.1), [held], "guardrail").action == "hold"
    worse = replace(at(4, 1200, lift=-0.3), units=(1200, 1600))
    harm = take_look(PLAN, worse, [held], "guardrail")
    assert (harm.action, harm.row) == ("stop_harm", 2)
    assert harm.reason.endswith("Its numbers were not valid; back is the safe way to be wrong.")
    assert take_look(PLAN, worse, [held]).action == "hold"  # the daily look decides nothing any more
