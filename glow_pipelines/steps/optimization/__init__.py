"""One prompt optimization between the store and the engine, from what it reads to the hand-over of what passed.

Belongs here: the order of reading, asking and writing. Does not: Dagster (defs/prompts), the stages' own reasoning
(learning/prompts).
"""

from glow_pipelines.steps.optimization.asking import Paused
from glow_pipelines.steps.optimization.limits import Limits
from glow_pipelines.steps.optimization.opening import NotOptimizable, open_optimization
from glow_pipelines.steps.optimization.work import Optimization

__all__ = ["Limits", "NotOptimizable", "Optimization", "Paused", "open_optimization"]
