"""Prompt learning: better prompts from feedback, and no promotion that is only noise.

Belongs here: the engine from evidence to a gated candidate. Does not belong here: storage, aliases, experiments,
providers. The values are in `types`; `PromptOptimizer` is the face.
"""

from glow_pipelines.learning.prompts.budget import Budget, BudgetExhaustedError, Reservation
from glow_pipelines.learning.prompts.optimizer import PromptOptimizer
from glow_pipelines.learning.prompts.settings import GateSettings, Guardrails, OptimizerSettings

__all__ = [
    "Budget",
    "BudgetExhaustedError",
    "GateSettings",
    "Guardrails",
    "OptimizerSettings",
    "PromptOptimizer",
    "Reservation",
]
