"""Experiments on users: start, look, decide, roll out.

Belongs here: what reads the store, asks the engine and makes the move it answers, each in one transaction that leaves a
legal state wherever it dies. Does not: the engine (learning/experiments), Dagster (defs/experiments), the clock (passed
in).
"""

from glow_pipelines.steps.experiments.changes import CannotStart, Change
from glow_pipelines.steps.experiments.freezing import PLANNED_EFFECT
from glow_pipelines.steps.experiments.look import Seen, due, look_at
from glow_pipelines.steps.experiments.rollout import Ticked, tick
from glow_pipelines.steps.experiments.start import Started, start, start_asked

__all__ = [
    "PLANNED_EFFECT",
    "CannotStart",
    "Change",
    "Seen",
    "Started",
    "Ticked",
    "due",
    "look_at",
    "start",
    "start_asked",
    "tick",
]
