"""A process that dies between any two steps of a ship, a stage, a rollback: what is there is legal, and the next tick
goes on as if nothing had been."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from glow_pipelines.settings import Settings
from glow_pipelines.steps.experiments import look_at, start_asked, tick
from tests.steps.dying import Died, dying
from tests.steps.experimenting import AGENT, BEGAN, OTHER, World
from tests.steps.experimenting import make_world as make_world
from tests.steps.experimenting import settings as settings
from tests.steps.experimenting import world as world

DAY = timedelta(days=1)
Step = Callable[[], object]


def shipping(world: World, settings: Settings) -> tuple[str, Step]:
    """A test one look before its ship."""
    world.before(users=100, per_user=2)
    request = world.client.create_experiment(AGENT, OTHER.sha256, effect=0.1)
    with world.store.transaction() as t:
        named = start_asked(t, settings, AGENT, request.request_id, t.requests.parameters(request.request_id))
    world.begin(named)
    world.during(named, users=700, per_user=2, days=8, up=(0.4, 0.8))
    return named, lambda: look_at(world.store, named, "decision", BEGAN + 10 * DAY)


def harming(world: World, settings: Settings) -> tuple[str, Step]:
    """A test one hour before it is stopped for harm."""
    named, _ = shipping(world, settings)
    world.admin.execute("update glow.agent_feedback set thumbs = -thumbs")
    return named, lambda: look_at(world.store, named, "guardrail", BEGAN + 10 * DAY)


def staged(world: World, settings: Settings, up: tuple[float, float], stage: int = 0) -> tuple[str, Step]:
    world.before(users=100, per_user=2)
    request = world.client.start_rollout(AGENT, "prompt", OTHER.sha256, "a change of wording")
    with world.store.transaction() as t:
        named = start_asked(t, settings, AGENT, request.request_id, t.requests.parameters(request.request_id))
        for _ in range(stage):
            rollout = t.rollouts.current(named)
            assert rollout is not None
            t.rollouts.advance(named, rollout["revision"], "pipeline", "on")
    world.begin(named)
    world.admin.execute(
        "update glow.rollouts set stage_started_at = %s, revision = revision + 1 where experiment_id = %s",
        (BEGAN, named),
    )
    world.during(named, users=2600, per_user=2, up=up, days=3, entering=1)
    return named, lambda: tick(world.store, named, BEGAN + 5 * DAY)


def advancing(world: World, settings: Settings) -> tuple[str, Step]:
    """A rollout whose first stage is over."""
    return staged(world, settings, (0.6, 0.6))


def rolling_back(world: World, settings: Settings) -> tuple[str, Step]:
    """A rollout that does harm."""
    return staged(world, settings, (0.8, 0.3))


def completing(world: World, settings: Settings) -> tuple[str, Step]:
    """A rollout whose last stage is over."""
    return staged(world, settings, (0.6, 0.6), stage=6)


def picture(world: World, experiment_id: str) -> dict[str, Any]:
    """All that a move changes, without the times."""
    with world.store.transaction() as t:
        experiment, rollout = t.experiments.find(experiment_id), t.rollouts.current(experiment_id)
        moves = t.rollouts.history(experiment_id)
        looks = t.connection.execute("select kind, phase, as_of, decision from glow.experiment_looks").fetchall()
        aliases = t.connection.execute(
            "select alias, prompt_version, revision from glow.prompt_aliases order by alias"
        ).fetchall()
        told = [each["kind"] for each in t.notifications.since(AGENT)]
    assert experiment is not None
    return {
        "experiment": {
            k: experiment[k] for k in ("state", "decision", "phase", "treatment_ppm", "control_ppm", "salt")
        },
        "rollout": rollout and {k: rollout[k] for k in ("state", "stage", "revision")},
        "moves": [move["move"] for move in moves],
        "looks": looks,
        "aliases": aliases,
        "told": told,
    }


@pytest.mark.parametrize(
    ("scene", "move"),
    [
        (shipping, "rollout_started"),
        (harming, "experiment_stopped"),
        (advancing, "rollout_advanced"),
        (rolling_back, "rolled_back"),
        (completing, "rollout_completed"),
    ],
)
def test_dead_between_any_two_steps_the_next_tick_goes_on(
    scene: Callable[[World, Settings], tuple[str, Step]],
    move: str,
    world: World,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    named, step = scene(world, settings)
    before = picture(world, named)
    deaths = 0
    while True:
        with dying(monkeypatch, deaths) as made:
            try:
                step()
                break
            except Died:
                deaths += 1
        assert picture(world, named) == before, made  # all or nothing, and what is there was there
    assert deaths > 10
    after = picture(world, named)
    assert after["moves"] == [*before["moves"], move]
    assert len(after["looks"]) == len(before["looks"]) + 1
    assert len(after["told"]) == len(before["told"]) + 1
    step()  # and once more, for one who does not know that it was done
    assert picture(world, named) == after


CHILD = """
import os, signal, sys
from datetime import datetime
import pytest
from glow_pipelines.steps.experiments import tick
from glow_pipelines.store import Store
from tests.steps.dying import dying
url, named, now, at = sys.argv[1:]
with pytest.MonkeyPatch.context() as patch, dying(patch, int(at), lambda: os.kill(os.getpid(), signal.SIGKILL)):
    tick(Store(url), named, datetime.fromisoformat(now))
"""


def test_killed_for_real_in_a_rollback_the_next_process_rolls_back(world: World, settings: Settings) -> None:
    named, _ = rolling_back(world, settings)
    before = picture(world, named)
    now = (BEGAN + 5 * DAY).isoformat()
    last = 0
    for at in (3, 8, 10_000):
        answer = subprocess.run(
            [sys.executable, "-c", CHILD, world.url, named, now, str(at)],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=False,
        )
        last = answer.returncode
        if at < 10_000:
            assert last == -signal.SIGKILL, answer.stderr
            assert picture(world, named) == before
    assert last == 0
    after = picture(world, named)
    assert after["moves"] == [*before["moves"], "rolled_back"]
    assert after["experiment"]["state"] == "rolled_back"
