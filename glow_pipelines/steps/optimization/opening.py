"""Finding an optimization, or beginning one.

Belongs here: what makes two optimizations the same, why there may be nothing to optimize. Does not: what it is (work),
what it does (stages).
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256

from glow_pipelines.errors import Actionable
from glow_pipelines.learning.prompts.goals import Goals
from glow_pipelines.learning.prompts.metrics import METRICS, Judge, Metric, metric_named
from glow_pipelines.learning.prompts.operators import reflect_gepa
from glow_pipelines.learning.prompts.types import Prompt
from glow_pipelines.services import Services
from glow_pipelines.steps.optimization import evidence, spending
from glow_pipelines.steps.optimization.asking import Asking
from glow_pipelines.steps.optimization.limits import Limits
from glow_pipelines.steps.optimization.work import Optimization, writes
from glow_pipelines.store.feedback import Agent
from glow_pipelines.store.store import Transaction

ENGINE = "prompts-2"
"""Raise it when the same evidence would lead to other decisions."""


class NotOptimizable(Actionable):
    """There is nothing to optimize, and why."""


def open_optimization(
    services: Services,
    agent: str,
    goals: Sequence[str] = (),
    limits: Callable[[Limits], Limits] = lambda usual: usual,
    run: str = "",
    clock: Callable[[], float] = time.monotonic,
    begin: bool = True,
) -> Optimization:
    """The optimization to do, to go on with, or to show again when it was done.

    It is known by what decides it: dataset, prompt in force, models, metric, goals, limits. `limits` changes the usual
    ones, `run` names the run whose seconds count; without `begin` nothing is written. Raises NotOptimizable with the
    reason.
    """
    wanted = _goals(goals)
    model = services.chat.name
    with services.store.transaction() as t:
        registered = _registered(t, agent)
        metric = _metric(services, registered)
        dataset, incumbent = t.datasets.in_force(agent), t.prompts.in_force(agent)
        if dataset is None or incumbent is None:
            raise NotOptimizable("no dataset version yet" if dataset is None else "no prompt in force")
        usual = Limits.of(services.settings, registered.max_calls)
        allowed = limits(usual)
        optimization_id = _identity(
            agent,
            dataset["dataset_id"],
            incumbent.prompt.sha256,
            model,
            f"{metric.id}-{metric.version}",
            metric.settings_sha256,
            repr(wanted.names),
            repr(allowed.deciding()),
            services.embeddings.name,
            _writer(services),
            ENGINE,
        )
        known = t.optimizations.has(optimization_id)
        if not known and (running := t.experiments.running(agent)) is not None:
            told = f"experiment {running['experiment_id']}, which is {running['state']}"
            raise NotOptimizable(f"waits for {told}: one candidate at a time")
        t.optimizations.start(
            optimization_id,
            agent,
            dataset["dataset_id"],
            incumbent.prompt.sha256,
            goals=wanted.names,
            limits=allowed.deciding(),
            model=model,
            metric=metric.id,
            metric_version=metric.version,
            metric_settings=metric.settings_sha256,
        )
        row = t.optimizations.get(optimization_id)
        prompt = _counted(incumbent.prompt, t.optimizations.rule_counts_before(agent, optimization_id))
        examples = evidence.examples(t, dataset["dataset_id"])
        spent = t.optimizations.spent_before(optimization_id)
        corrections, votes = evidence.feedback(t, agent, incumbent.prompt.sha256, row["feedback_until"])
        if not begin:
            t.connection.rollback()
    asking = Asking(services.answer, model, clock)
    if allowed.seconds is not None:
        asking.deadline = asking.begun + allowed.seconds - spending.seconds_of(row["spent"], run)
    return Optimization(
        services=services,
        agent=agent,
        id=optimization_id,
        metric=metric,
        incumbent=prompt,
        examples=examples,
        spent=spent,
        corrections=corrections,
        votes=votes,
        row=row,
        usual=usual,
        limits=allowed,
        goals=wanted,
        asking=asking,
        run=run,
        budget=allowed.budget(),
        used_before=spending.NOTHING,
    )


def _identity(*parts: str) -> str:
    return sha256("\x1f".join(parts).encode()).hexdigest()[:32]


def _writer(services: Services) -> str:
    """What proposes where models write: another engine proposes other candidates."""
    if not writes(services):
        return ""
    return reflect_gepa.NAME if reflect_gepa.installed() else "built-in loop"


def _registered(t: Transaction, agent: str) -> Agent:
    try:
        return t.feedback.agent(agent)
    except KeyError as unknown:
        raise NotOptimizable(str(unknown.args[0])) from None


def _metric(services: Services, registered: Agent) -> Metric | Judge:
    if registered.metric is None:
        raise NotOptimizable(f"agent {registered.name} names no metric; accepted: {', '.join(sorted(METRICS))}")
    try:
        # Asked for when the first texts are compared: no other metric needs the embedding model.
        return metric_named(
            registered.metric, registered.metric_settings, lambda texts: services.embeddings.embed(texts)
        )
    except ValueError as error:
        raise NotOptimizable(str(error)) from error


def _goals(names: Sequence[str]) -> Goals:
    try:
        return Goals.of(sorted(set(names)))
    except ValueError as error:
        raise NotOptimizable(str(error)) from error


def _counted(prompt: Prompt, counts: Mapping[tuple[str, str], tuple[int, int]]) -> Prompt:
    """The prompt with its rules' counters as they were when the optimization began."""
    none = (0, 0)
    told = [(rule, counts.get((rule.id, rule.text), none)) for rule in prompt.rules]
    return replace(prompt, rules=tuple(replace(rule, helpful=count[0], harmful=count[1]) for rule, count in told))
