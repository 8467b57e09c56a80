"""How an agent's people use it before an experiment: what a plan is made from and what it freezes.

Belongs here: baselines, caps, thresholds, traffic. Does not: planning (learning/experiments/planning), counting an
experiment that runs (experiment_statistics.py).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from glow_pipelines.learning.experiments.metrics import METRICS
from glow_pipelines.learning.experiments.types import Traffic
from glow_pipelines.store.experiment_moments import intra_class_correlation
from glow_pipelines.store.noun import Noun

CAPS = {"latency_mean": "latency_cap", "cost_mean": "cost_cap", "score": "score_cap"}
"""Metrics that are capped, and what the queries call their cap."""


@dataclass(frozen=True)
class Frozen:
    """One metric before an experiment: its value, the cap for what is averaged, the threshold of an SLO in ms."""

    baseline: float | None
    cap: float | None = None
    threshold: float | None = None


class ExperimentTraffic(Noun):
    queries = "experiment_traffic"

    def freeze(
        self, agent: str, metrics: Mapping[str, str | None] | Sequence[str], since: datetime, until: datetime,
        *, unit: str = "user", maturation_hours: int = 24,
    ) -> dict[str, Frozen]:  # fmt: skip
        """Baselines, caps and thresholds of some metrics from the time between; `metrics` names the key of a score.

        Caps are the 99.9th percentile of single executions, the threshold of latency_slo the 95th. Baselines are of
        capped values, None where nobody gave any.
        """
        keys = dict(metrics) if isinstance(metrics, Mapping) else dict.fromkeys(metrics)
        maturation = timedelta(hours=maturation_hours)
        span = {"agent": agent, "since": since, "until": until - maturation, "score_key": keys.get("score")}
        self._row("plan_memory")
        caps = self._row("caps", **span)
        assert caps is not None
        values = self._row(
            "baselines",
            **span,
            unit=unit,
            maturation=maturation,
            seen=until,
            latency_cap=caps["latency_mean"],
            slow_above=caps["latency_slo"],
            cost_cap=caps["cost_mean"],
            score_cap=caps["score"],
        )
        assert values is not None
        return {
            name: Frozen(
                values[name],
                cap=caps[name] if name in CAPS else None,
                threshold=caps[name] if name == "latency_slo" else None,
            )
            for name in keys
        }

    def traffic(
        self, agent: str, metric: str, unit: str, days: int, now: datetime, *, frozen: Frozen | None = None,
        key: str | None = None,
    ) -> Traffic | None:  # fmt: skip
        """How an agent's people use it and how a metric varies over the last `days`; None where nobody came."""
        since = now - timedelta(days=days)
        self._row("plan_memory")
        row = self._row(
            "traffic",
            agent=agent,
            metric=metric,
            unit=unit,
            since=since,
            until=now,
            middle=now - timedelta(days=days) / 2,
            slow_above=frozen.threshold if frozen else None,
            cap=frozen.cap if frozen else None,
            score_key=key,
        )
        assert row is not None
        if not row["people"]:
            return None
        values = row["values"]
        spread = ((row["between_people"] or 0.0) + (row["within_people"] or 0.0)) / (values - 1) if values > 1 else None
        return Traffic(
            users_per_day=row["people"] / days,
            rated_per_user=row["rated_per_user"],
            baseline_rate=row["ratio"] or 0.0,
            intra_user_correlation=intra_class_correlation(row),
            rated_per_user_cv=row["rated_deviation"] / row["rated_per_user"] if row["rated_per_user"] else 0.0,
            population=row["people"],
            deviation=None if METRICS[metric].share or spread is None else max(0.0, spread) ** 0.5,
            executions_per_user=row["executions_per_user"],
            sessions_per_user=row["sessions_per_user"],
            pre_post_correlation=row["pre_post_correlation"],
        )
