"""What one optimization is about: read once when it is opened, fixed from then on.

Belongs here: finding or beginning it, its evidence, its engine. Does not: what its stages do (stages).
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any

from glow_pipelines.errors import Actionable
from glow_pipelines.learning.prompts import Budget, OptimizerSettings, PromptOptimizer
from glow_pipelines.learning.prompts.metrics import METRICS, Judge, Metric, metric_named
from glow_pipelines.learning.prompts.operators import reflect_gepa
from glow_pipelines.learning.prompts.splits import Splits
from glow_pipelines.learning.prompts.types import Candidate as PromptCandidate
from glow_pipelines.learning.prompts.types import Carried, Correction, Example, Gate, Plan, Prompt, Vote
from glow_pipelines.services import Services
from glow_pipelines.steps.optimization import evidence, spending
from glow_pipelines.steps.optimization.asking import Asking
from glow_pipelines.steps.optimization.limits import Limits
from glow_pipelines.store.feedback import Agent
from glow_pipelines.store.noun import Row
from glow_pipelines.store.store import Transaction

ENGINE = "prompts-2"


class NotOptimizable(Actionable):
    """There is nothing to optimize, and why."""


@dataclass
class Optimization:
    """An agent's newest dataset version against its prompt in force. `budget` is that of the stage under way."""

    services: Services
    agent: str
    id: str
    metric: Metric | Judge
    incumbent: Prompt
    examples: tuple[Example, ...]
    corrections: tuple[Correction, ...]
    votes: tuple[Vote, ...]
    row: Row
    limits: Limits
    goals: tuple[str, ...]
    asking: Asking
    run: str
    budget: Budget
    used_before: Row

    @classmethod
    def open(
        cls,
        services: Services,
        agent: str,
        goals: Sequence[str] = (),
        limits: Callable[[Limits], Limits] = lambda usual: usual,
        run: str = "",
        clock: Callable[[], float] = time.monotonic,
    ) -> "Optimization":
        """The optimization to do, to go on with, or to show again when it was done.

        It is known by what decides it: dataset, prompt in force, model, metric, goals, limits. `limits` changes the
        usual ones, `run` names the run whose seconds count. Raises NotOptimizable with the reason.
        """
        named = tuple(sorted(set(goals)))
        with services.store.transaction() as t:
            registered = _registered(t, agent)
            metric = _metric(registered)
            dataset, incumbent = t.datasets.in_force(agent), t.prompts.in_force(agent)
            if dataset is None or incumbent is None:
                raise NotOptimizable("no dataset version yet" if dataset is None else "no prompt in force")
            allowed = limits(Limits.of(services.settings, registered.max_calls))
            model = services.chat.name
            writer = reflect_gepa.NAME if reflect_gepa.installed() else "own loop"
            identity: tuple[str, ...] = (
                agent,
                dataset["dataset_id"],
                incumbent.prompt.sha256,
                model,
                f"{metric.id}-{metric.version}",
            )
            identity += (metric.settings_sha256, repr(named), repr(allowed.deciding()), ENGINE)
            identity += (writer if writes(services) else "",)
            optimization_id = sha256("\x1f".join(identity).encode()).hexdigest()[:32]
            known = t.optimizations.has(optimization_id)
            if not known and (running := t.experiments.running(agent)) is not None:
                raise NotOptimizable(f"waits for experiment {running['experiment_id']}: one candidate at a time")
            t.optimizations.start(
                optimization_id,
                agent,
                dataset["dataset_id"],
                incumbent.prompt.sha256,
                goals=named,
                limits=allowed.deciding(),
                model=model,
                metric=metric.id,
                metric_version=metric.version,
            )
            row = t.optimizations.get(optimization_id)
            examples = evidence.examples(t, dataset["dataset_id"])
            corrections, votes = evidence.feedback(t, agent, incumbent.prompt.sha256, row["feedback_until"])
        asking = Asking(services.answer, model, clock)
        if allowed.seconds is not None:
            asking.deadline = asking.begun + allowed.seconds - spending.seconds_of(row["spent"], run)
        work = cls(
            services, agent, optimization_id, metric, incumbent.prompt, examples, corrections, votes, row, allowed,
            named, asking, run, allowed.budget(), spending.NOTHING,
        )  # fmt: skip
        return work

    @cached_property
    def settings(self) -> OptimizerSettings:
        return OptimizerSettings()

    @cached_property
    def missing(self) -> tuple[str, ...]:
        """What is missing before anything may be tried."""
        return tuple(Splits.of(self.examples).missing(self.settings))

    @cached_property
    def engine(self) -> PromptOptimizer:
        """Remembers what it asked; the stages up to the race share it."""
        return PromptOptimizer(
            self.asking,
            self.metric,
            int(self.id[:8], 16),
            self.budget,
            self.settings,
            writer=self.asking if writes(self.services) else None,
        )

    def engine_for_gate(self) -> PromptOptimizer:
        """A fresh one with what the stages before left of every limit, as they recorded it."""
        with self.services.store.transaction() as t:
            self.used_before = spending.before(t.optimizations.get(self.id)["spent"])
        self.budget = self.limits.budget(self.used_before)
        self.asking.keys.clear()
        self.__dict__.pop("engine", None)
        return self.engine

    @cached_property
    def plan(self) -> Plan:
        """The most each stage may ask for, and what that may cost."""
        engine = PromptOptimizer(
            self.asking, self.metric, 0, self.limits.budget(), self.settings,
            writer=self.asking if writes(self.services) else None,
        )  # fmt: skip
        return engine.plan(self.incumbent, self.examples, self.carried is not None)

    @cached_property
    def carried(self) -> Carried | None:
        """The finalist of an earlier night whose gate was not decided; fixed when this optimization began."""
        if self.row["carried_gate"] is None:
            return None
        with self.services.store.transaction() as t:
            row = t.optimizations.gate(self.row["carried_gate"])
            if row is None:
                return None
            prompt = t.prompts.prompt(self.agent, row["finalist"])
        if prompt is None:
            return None
        return Carried(PromptCandidate(prompt, "carried", self.incumbent.sha256), Gate.from_json(row["evidence"]))

    def now(self) -> Row:
        """Its row as it stands."""
        with self.services.store.transaction() as t:
            return t.optimizations.get(self.id)


def writes(services: Services) -> bool:
    """Whether the chat model writes prompts: as the settings say, else where it is not the embedded one."""
    asked = services.settings.optimization_writing
    return not services.uses_local_models if asked is None else asked


def _registered(t: Transaction, agent: str) -> Agent:
    try:
        return t.feedback.agent(agent)
    except KeyError as unknown:
        raise NotOptimizable(str(unknown.args[0])) from None


def _metric(registered: Agent) -> Metric | Judge:
    if registered.metric is None:
        raise NotOptimizable(f"agent {registered.name} names no metric; accepted: {', '.join(sorted(METRICS))}")
    settings: dict[str, Any] = getattr(registered, "metric_settings", None) or {}
    try:
        return metric_named(registered.metric, settings)
    except ValueError as error:
        raise NotOptimizable(str(error)) from error
