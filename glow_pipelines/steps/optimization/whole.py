"""An optimization from analysis to hand-over in one process, as `glow optimize` runs it.

Belongs here: the order of the stages and what came out. Does not: the stages (stages), printing (commands/optimize).
"""

from collections.abc import Callable
from dataclasses import dataclass

from glow_pipelines.learning.prompts.types import Gate, Race
from glow_pipelines.steps.hand_over import HandOver, hand_over
from glow_pipelines.steps.optimization import stages
from glow_pipelines.steps.optimization.work import Optimization
from glow_pipelines.store.noun import Row

Began = Callable[[str], object]
"""Told the name of each stage as it begins."""


@dataclass(frozen=True)
class Outcome:
    """The final state: finalist, no_improvement, carry_over or insufficient_data, with its reason and its account."""

    state: str
    reason: str
    race: Race
    gate: Gate | None
    handed: HandOver | None
    spent: Row


def optimize(work: Optimization, began: Began = lambda stage: None) -> Outcome:
    """All that is missing of it. Raises Paused when its time is over."""
    began("analysis")
    stages.analyze(work)
    began("candidates")
    stages.propose(work)
    began("race")
    race = stages.race(work)
    began("gate")
    gate = stages.gate(work)
    began("hand-over")
    with work.services.store.transaction() as t:
        handed = hand_over(t, work.services.settings, work.agent)
    row = work.now()
    return Outcome(row["state"], row["reason"], race, gate, handed, row["spent"])
