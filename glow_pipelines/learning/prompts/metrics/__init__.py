"""Metrics: how an answer is scored against its target, 0..1.

Belongs here: the names of all metrics and making one from its settings. Changing what a metric returns bumps its
version, because stored scores name it. Does not belong here: statistics over scores.
"""

from collections.abc import Callable, Mapping
from typing import Any

from glow_pipelines.learning.prompts.judges.judge import Judge
from glow_pipelines.learning.prompts.metrics.contains import contains, regex
from glow_pipelines.learning.prompts.metrics.embedding import Embed, embedding
from glow_pipelines.learning.prompts.metrics.fields import json_fields
from glow_pipelines.learning.prompts.metrics.metric import Metric
from glow_pipelines.learning.prompts.metrics.numeric import numeric
from glow_pipelines.learning.prompts.metrics.text import exact, label, normalize

__all__ = ["METRICS", "Embed", "Judge", "Metric", "metric_named", "normalize"]

Factory = Callable[[Mapping[str, Any] | None], Metric | Judge]


def _rubric_judge(settings: Mapping[str, Any] | None) -> Judge:
    from glow_pipelines.learning.prompts.judges.rubric import rubric_judge  # which itself needs this package

    return rubric_judge(settings)


def _pairwise_judge(settings: Mapping[str, Any] | None) -> Judge:
    from glow_pipelines.learning.prompts.judges.pairwise import pairwise_judge

    return pairwise_judge(settings)


METRICS: Mapping[str, Factory] = {
    "exact": exact,
    "label": label,
    "numeric": numeric,
    "json_fields": json_fields,
    "contains": contains,
    "regex": regex,
    "embedding": embedding,
    "rubric_judge": _rubric_judge,
    "pairwise_judge": _pairwise_judge,
}
"""Id -> what makes the metric from its settings."""


def metric_named(name: str, settings: Mapping[str, Any] | None = None, embed: Embed | None = None) -> Metric | Judge:
    """The metric of this id with these settings (none: its defaults). `embed` makes vectors for `embedding`.

    Raises ValueError naming the accepted ids, or the wrong field of the settings with what it takes.
    """
    if name not in METRICS:
        raise ValueError(f"metric={name!r} is not known; use one of {sorted(METRICS)}")
    return embedding(settings, embed) if name == "embedding" else METRICS[name](settings)
