"""The rollout as a state machine on a real database against a model in a few lines: any moves, in any order.

Belongs here: what is legal and what each move leaves. Does not: who sees which arm (test_rollouts).
"""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from glow_pipelines.client import GlowClient
from glow_pipelines.learning.prompts.types import Candidate
from glow_pipelines.store import Store
from glow_pipelines.store.prompts import MoveRefused
from tests.experiments.rollouts.moving import NEW, OLD, PLAN, stages

REFUSED = None
# What an experiment may be while its rollout is that.
TOGETHER = {
    None: {"running", "paused", "held", "stopped"},
    "pending": {"paused"},
    "running": {"ramping"},
    "paused": {"paused", "held"},
    "rolled_back": {"rolled_back", "completed"},
    "completed": {"completed"},
}
_numbers = itertools.count()


@dataclass(frozen=True)
class Model:
    """What the database should say."""

    state: str = "running"
    rollout: str | None = None
    stage: int = 0
    revision: int = 0
    approved: int = -1
    awaiting: int | None = None
    decision: str | None = None
    in_force: str = "old"
    moves: int = 0

    def moved(self, revised: bool = True, **changes: Any) -> "Model":
        return replace(self, revision=self.revision + revised, moves=self.moves + 1, **changes)


class Rollout(RuleBasedStateMachine):
    """Every rule predicts the status of its move, or that it is refused."""

    store: Store
    client: GlowClient

    @initialize(asking=st.sets(st.integers(0, 3)), design=st.sampled_from(["ab", "ramp"]))
    def begin(self, asking: set[int], design: Any) -> None:
        self.agent, self.experiment = (f"{name}-{next(_numbers)}" for name in ("agent", "x"))
        self.client.register_agent(self.agent, prompt=OLD.content())
        shares = [(250_000, 250_000, 0), (500_000, 500_000, 0), (750_000, 250_000, 1), (1_000_000, 0, 2)]
        self.plan, self.asking, self.design, self.model = stages(*asking, shares=shares), asking, design, Model()
        with self.store.transaction() as t:
            t.prompts.add(self.agent, Candidate(NEW, "clarify", OLD.sha256))
            t.experiments.create(
                self.experiment, self.agent, "", OLD.sha256, NEW.sha256, PLAN, None, 1, design=self.design
            )

    def try_it(self, move: Callable[[Any], Any], expected: str | None, after: Model | None = None) -> None:
        said = f"{self.experiment} accepted: "
        try:
            with self.store.transaction() as t:
                status = move(t.rollouts)["status"]
        except MoveRefused as refused:
            status = REFUSED
            said = str(refused)
        assert status == expected
        assert self.experiment in said or said.startswith("stage: ")
        assert "accepted: " in said
        if after is not None:
            self.model = after

    @rule()
    def open(self) -> None:
        m = self.model
        expected, after = REFUSED, None
        if m.rollout is not None:
            expected = "unchanged"
        elif m.state in ("running", "paused"):
            asks, decision = 0 in self.asking, "ship" if self.design == "ab" else None
            expected = "rollout_awaits_approval" if asks else "rollout_started"
            after = m.moved(
                state="paused" if asks else "ramping", rollout="pending" if asks else "running",
                awaiting=0 if asks else None, decision=decision,
            )  # fmt: skip
        self.try_it(lambda r: r.open(self.experiment, self.plan, "me", "won"), expected, after)

    @rule(seen=st.sampled_from([0, 0, 0, 1]))
    def advance(self, seen: int) -> None:
        m = self.model
        expected, after = REFUSED, None
        if m.rollout is not None and seen:
            expected = "moved_before"
        elif m.rollout == "running" and m.stage < 3:
            if m.stage + 1 in self.asking and m.approved <= m.stage:
                expected = "rollout_awaits_approval"
                after = None if m.awaiting is not None else m.moved(awaiting=m.stage + 1)
            else:
                expected, after = "rollout_advanced", m.moved(stage=m.stage + 1)
        self.try_it(lambda r: r.advance(self.experiment, m.revision - seen, "me", "well"), expected, after)

    @rule(seen=st.sampled_from([0, 0, 1]))
    def complete(self, seen: int) -> None:
        m = self.model
        expected, after = REFUSED, None
        if m.rollout == "completed":
            expected = "unchanged"
        elif m.rollout is not None and seen:
            expected = "moved_before"
        elif m.rollout == "running" and m.stage == 3:
            expected = "rollout_completed"
            after = m.moved(state="completed", rollout="completed", decision="ship", in_force="new")
        self.try_it(lambda r: r.complete(self.experiment, m.revision - seen, "me", "well"), expected, after)

    @rule()
    def pause(self) -> None:
        m = self.model
        expected = {"paused": "unchanged", "running": "rollout_paused"}.get(m.rollout or "", REFUSED)
        after = m.moved(state="paused", rollout="paused") if m.rollout == "running" else None
        self.try_it(lambda r: r.pause(self.experiment, "me", "a look"), expected, after)

    @rule()
    def restart(self) -> None:
        m = self.model
        expected, after = REFUSED, None
        if self.design == "ab" and m.rollout is None and m.state in ("running", "paused", "held"):
            expected, after = "experiment_restarted", m.moved(revised=False, state="running")
        self.try_it(lambda r: r.restart_experiment(self.experiment, "me", "mended"), expected, after)

    @rule()
    def resume(self) -> None:
        m = self.model
        expected, after = REFUSED, None
        if m.rollout == "running":
            expected = "unchanged"
        elif m.rollout == "paused" and m.state == "paused":
            expected, after = "rollout_resumed", m.moved(state="ramping", rollout="running")
        self.try_it(lambda r: r.resume(self.experiment, "me", "well"), expected, after)

    @rule(ahead=st.sampled_from([None, None, 1, 2, 3]))
    def approve(self, ahead: int | None) -> None:
        m = self.model
        expected, after = REFUSED, None
        wanted = m.awaiting
        if wanted is None:
            wanted = min((n for n in self.asking if n > max(m.stage, m.approved)), default=None)
        if m.rollout in ("pending", "running", "paused"):
            if ahead is not None and ahead <= m.approved:
                expected = "unchanged"
            elif ahead is None and m.awaiting is None:
                expected = "unchanged" if m.approved >= m.stage else REFUSED
            elif ahead is None or (ahead in (wanted, m.stage + 1) and not (m.rollout == "pending" and ahead)):
                expected, after = (
                    "rollout_approved",
                    m.moved(approved=wanted if ahead is None else ahead, awaiting=None),
                )
                if m.rollout == "pending":
                    after = replace(after, state="ramping", rollout="running")
        self.try_it(lambda r: r.approve(self.experiment, "me", "go", ahead), expected, after)

    @rule()
    def go_on(self) -> None:
        """Far enough that endings are reached often."""
        for _ in range(2):
            self.approve(None)
            self.advance(0)

    @rule()
    def roll_back(self) -> None:
        m = self.model
        expected, after = REFUSED, None
        if m.rollout == "rolled_back":
            expected = "unchanged"
        elif m.rollout is not None:
            ended = m.state if m.state == "completed" else "rolled_back"
            expected = "rolled_back"
            after = m.moved(
                state=ended, rollout="rolled_back", decision=m.decision or "harm", in_force="old", awaiting=m.awaiting
            )
        self.try_it(lambda r: r.roll_back(self.experiment, "me", "harm"), expected, after)

    @rule()
    def hold(self) -> None:
        m = self.model
        expected, after = REFUSED, None
        if m.state == "held":
            expected = "unchanged"
        elif m.rollout in (None, "running", "paused") and m.state in ("running", "paused", "ramping"):
            expected = "experiment_held"
            after = m.moved(m.rollout == "running", state="held", rollout=m.rollout and "paused")
        self.try_it(lambda r: r.hold_experiment(self.experiment, "me", "skewed"), expected, after)

    @rule()
    def pause_the_test(self) -> None:
        m = self.model
        expected = {"running": "experiment_paused", "paused": "unchanged", "held": "unchanged"}.get(m.state, REFUSED)
        after = m.moved(False, state="paused") if m.state == "running" else None
        self.try_it(lambda r: r.pause_experiment(self.experiment, "me", "a look"), expected, after)

    @rule()
    def resume_the_test(self) -> None:
        m = self.model
        expected, after = REFUSED, None
        if m.state == "running":
            expected = "unchanged"
        elif m.state == "paused" and m.rollout is None:
            expected, after = "experiment_resumed", m.moved(False, state="running")
        self.try_it(lambda r: r.resume_experiment(self.experiment, "me", "well"), expected, after)

    @rule(decision=st.sampled_from(["keep", "harm", "abandoned"]))
    def stop_the_test(self, decision: Any) -> None:
        m = self.model
        expected, after = REFUSED, None
        if m.state == "stopped" and m.decision == decision:
            expected = "unchanged"
        elif m.state in ("running", "paused", "held") and m.rollout is None:
            expected = "experiment_abandoned" if decision == "abandoned" else "experiment_stopped"
            after = m.moved(False, state="stopped", decision=decision)
        self.try_it(lambda r: r.stop_experiment(self.experiment, decision, "me", "enough"), expected, after)

    @invariant()
    def is_as_the_model_says_and_legal(self) -> None:
        with self.store.transaction() as t:
            experiment, rollout = t.experiments.find(self.experiment), t.rollouts.current(self.experiment)
            history, in_force = t.rollouts.history(self.experiment), t.prompts.in_force(self.agent)
        assert experiment is not None
        assert in_force is not None
        seen = Model(
            state=experiment["state"],
            rollout=rollout["state"] if rollout else None,
            stage=rollout["stage"] if rollout else 0,
            revision=rollout["revision"] if rollout else 0,
            approved=rollout["approved_stage"] if rollout else -1,
            awaiting=rollout["awaiting_stage"] if rollout else None,
            decision=experiment["decision"],
            in_force="new" if in_force.prompt.sha256 == NEW.sha256 else "old",
            moves=len(history),
        )
        assert seen == self.model
        assert experiment["state"] in TOGETHER[seen.rollout]
        assert experiment["active"] == (experiment["stopped_at"] is None)
        if history:
            assert (history[-1]["state"], history[-1]["rollout"]) == (experiment["state"], seen.rollout)
        if seen.rollout == "running":
            stage = self.plan["stages"][seen.stage]
            assert (experiment["treatment_ppm"], experiment["control_ppm"]) == (
                stage["treatment_ppm"],
                stage["control_ppm"],
            )


@pytest.fixture
def machine(database_url: str) -> Iterator[type[Rollout]]:
    store = Store(database_url)
    with GlowClient(database_url) as client:
        yield type("RolloutHere", (Rollout,), {"store": store, "client": client})
    store.close()


def test_any_moves_in_any_order_leave_a_legal_state(machine: type[Rollout]) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=40,
            stateful_step_count=25,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_the_model_would_see_a_difference(machine: type[Rollout]) -> None:
    run = machine()
    run.begin({0}, "ab")
    run.open()
    with run.store.transaction() as t:
        t.connection.execute(b"update glow.rollouts set approved_stage = 2, revision = revision + 1, state = 'running'")
        with pytest.raises(psycopg.Error):
            t.connection.execute(b"set constraints all immediate")
    run.is_as_the_model_says_and_legal()
    run.model = replace(run.model, stage=1)
    with pytest.raises(AssertionError):
        run.is_as_the_model_says_and_legal()
