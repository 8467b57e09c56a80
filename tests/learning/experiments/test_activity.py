"""Lost executions: an alarm where the treatment has fewer per unit exposed, however often one looks, and no other."""

from dataclasses import replace

import numpy as np
import pytest

from glow_pipelines.learning.experiments import ArmMoments, CrossedMoments, Moments, Statistics, take_look
from glow_pipelines.learning.experiments.activity import LOST, activity
from glow_pipelines.learning.experiments.metrics import FEEDBACK_RATE
from glow_pipelines.learning.experiments.ramp import advance
from tests.learning.experiments.test_decisions import PLAN, statistics
from tests.learning.experiments.test_ramp import FRESH, RUNNING, seen

RNG = np.random.default_rng(4)


def counted(executions: np.ndarray) -> Moments:
    return Moments.of(("s", "n"), np.column_stack([executions / 2, executions]))


def arms(control: float, treatment: float, users: int = 1200) -> dict[str, ArmMoments]:
    return {FEEDBACK_RATE: ArmMoments(*(counted(RNG.poisson(each, users)) for each in (control, treatment)))}


def losing(data: Statistics) -> Statistics:
    return replace(data, metrics={**data.metrics, **arms(3.0, 2.3)})


def test_a_test_that_loses_executions_is_paused_and_says_so() -> None:
    look = take_look(PLAN, losing(statistics(3)), (), "guardrail")
    assert (look.action, look.row) == ("pause", 3)
    assert "executions for each unit exposed to the treatment against" in look.reason
    assert take_look(PLAN, losing(statistics(float(PLAN.maximum_days)))).action == "ask"
    assert type(look).from_json(look.to_json()) == look


def test_a_rollout_that_loses_executions_is_held_until_a_person_has_looked() -> None:
    data = losing(seen(1.0, FRESH.stages[0]))
    move = advance(FRESH, RUNNING, 1.0, data)
    assert (move.action, move.alarms) == ("hold", (LOST,))
    assert "the app loses answers" in move.reason
    assert advance(FRESH, replace(RUNNING, acknowledged=(LOST,)), 1.0, data).action == "advance"


def test_more_executions_few_units_or_equal_ones_raise_no_alarm() -> None:
    for metrics in (arms(2.3, 3.0), arms(3.0, 1.0, users=60), arms(3.0, 3.0)):
        data = statistics(3)
        found = activity(replace(data, metrics={**data.metrics, **metrics}))
        assert found is not None
        assert not found.lost
    assert activity(Statistics(3.0, (0, 0))) is None


def test_looks_as_often_as_one_likes_hardly_ever_cry_wolf() -> None:
    """200 looks while users arrive and act: at most 1 % and the error of 400 repetitions."""
    alarms = 0
    for _ in range(400):
        each = RNG.gamma(0.7, 3.0, (2, 2000)).astype(int)
        for users in range(100, 2001, 100):
            pair = ArmMoments(counted(each[0, :users]), counted(each[1, :users]))
            found = activity(Statistics(1.0, (users, users), metrics={FEEDBACK_RATE: pair}))
            if found is not None and found.lost:
                alarms += 1
                break
    assert alarms <= 9


@pytest.mark.parametrize(("kept", "lost"), [(1.0, False), (0.7, True)])
def test_units_within_users_are_compared_by_what_they_were_given(kept: float, lost: bool) -> None:
    given = RNG.poisson(4, (800, 2)) + 1
    done = given.copy()
    done[:, 1] = RNG.binomial(given[:, 1], kept)
    rows = np.column_stack([done[:, 0] / 2, done[:, 0], done[:, 1] / 2, done[:, 1]])
    moments = CrossedMoments(Moments.of(("sc", "nc", "st", "nt"), rows), 800, 800)
    units = (int(given[:, 0].sum()), int(given[:, 1].sum()))
    found = activity(Statistics(1.0, units, metrics={FEEDBACK_RATE: moments}))
    assert found is not None
    assert found.lost is lost
    assert found.treatment == pytest.approx(kept, abs=0.03)
