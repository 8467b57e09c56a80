"""What experiments count: sums per cluster that grow with what is new, of the phase that runs and of those that ended.

Belongs here: folding executions into partial sums, the statistics a look reads. Does not: what is measured before an
experiment (experiment_traffic.py), how rows become moments (experiment_moments.py), what follows from them
(learning/experiments).
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Protocol

from glow_pipelines.learning.experiments import sample_ratio
from glow_pipelines.learning.experiments.estimates import ArmMoments, CrossedMoments
from glow_pipelines.learning.experiments.metrics import MetricPlan
from glow_pipelines.learning.experiments.plan import ExperimentPlan
from glow_pipelines.learning.experiments.types import Statistics
from glow_pipelines.store.experiment_moments import (
    arm_moments,
    crossed_moments,
    cuped_moments,
)
from glow_pipelines.store.experiment_traffic import CAPS
from glow_pipelines.store.noun import Noun, Row, json

BEFORE_DAYS = 28
"""How long before an experiment's start CUPED looks back."""
_CROSSED = ("session", "execution")


class Counted(Protocol):
    """What a plan says of counting: that of an experiment, or of a gradual rollout."""

    @property
    def metrics(self) -> tuple[MetricPlan, ...]: ...
    @property
    def maturation_hours(self) -> int: ...


class ExperimentStatistics(Noun):
    """Partial sums and what looks read of them."""

    queries = "experiment_statistics"

    def fold(
        self, experiment_id: str, until: datetime, plan: Counted | None = None, strata: Sequence[int] = ()
    ) -> datetime:
        """Add to the sums of the running phase what matured by `until`; returns until when executions are counted.

        To those of `strata`, phases that ended, what matured of them since.

        Reads what was recorded since the last fold, and everything where something came late, was erased or is counted
        by other caps. Sums and watermark are one transaction; two folds come one after the other. Never goes back.
        Raises KeyError for an unknown experiment.
        """
        self._row("plan_memory")
        experiment = self._experiment(experiment_id)
        plan = plan or ExperimentPlan.from_json(experiment["plan"])
        for phase in strata:
            ended = experiment | {"phase": phase}
            self._fold(ended, plan, self._until(ended, until, plan))
        return self._fold(experiment, plan, until)[1]

    def statistics(self, experiment_id: str, as_of: datetime, plan: Counted, strata: Sequence[int] = ()) -> Statistics:
        """What a look at `as_of` reads: from the sums where a fold has come exactly that far, else counted anew.

        With the `strata` of a rollout that ended before: each with what happened before the next one exposed anybody.
        """
        experiment = self._experiment(experiment_id)
        now = self._read(experiment, as_of, plan)
        ended = [experiment | {"phase": phase} for phase in strata]
        return replace(now, strata=tuple(self._read(each, self._until(each, as_of, plan), plan) for each in ended))

    def _read(self, experiment: Row, as_of: datetime, plan: Counted) -> Statistics:
        row = self._row("counted_until", experiment_id=experiment["experiment_id"], phase=experiment["phase"])
        folded = row is not None and (row["counted_until"], row["settings"]) == (
            as_of - _maturation(plan),
            _settings(experiment, plan),
        )
        if row is None or not folded:
            return self._full(experiment, as_of, plan)
        return self._statistics(experiment, row["fold_id"], as_of, plan)

    def _until(self, experiment: Row, as_of: datetime, plan: Counted) -> datetime:
        """When the last of a phase that ended has matured, or `as_of` before: the next one has its units by then."""
        row = self._row("next_exposure", experiment_id=experiment["experiment_id"], phase=experiment["phase"])
        began = row["first_at"] if row else None
        return as_of if began is None else min(as_of, began + _maturation(plan))

    def full(self, experiment_id: str, as_of: datetime, plan: Counted) -> Statistics:
        """The same from all rows that are there, whatever was folded before; leaves nothing behind."""
        return self._full(self._experiment(experiment_id), as_of, plan)

    def _full(self, experiment: Row, as_of: datetime, plan: Counted) -> Statistics:
        self._row("plan_memory")
        # In sums of their own, which are taken back: those of the phase stay as they are.
        with self._connection.transaction(force_rollback=True):
            fold_id, _ = self._fold(experiment, plan, as_of, scratch=True)
            return self._statistics(experiment, fold_id, as_of, plan)

    def _experiment(self, experiment_id: str) -> Row:
        row = self._row("counted_experiment", experiment_id=experiment_id)
        if row is None:
            raise KeyError(f"experiment_id: there is no experiment {experiment_id!r}")
        return row

    def _fold(self, experiment: Row, plan: Counted, until: datetime, *, scratch: bool = False) -> tuple[int, datetime]:
        named = {"experiment_id": experiment["experiment_id"], "phase": experiment["phase"]}
        place = named | {"phase": -experiment["phase"]} if scratch else named
        self._run("open_fold", **place)
        fold = self._row("fold", **place)
        assert fold is not None
        maturation, settings = _maturation(plan), _settings(experiment, plan)
        cutoff = until - maturation
        since: datetime | None = fold["counted_until"]
        horizon = self._horizon()
        if since is not None and self._is_stale(experiment, fold, settings, maturation, horizon):
            cutoff, since = max(since, cutoff), None
        if since is not None and cutoff <= since:
            return fold["fold_id"], since
        what = {name: experiment[name] for name in ("agent", "unit", "kind", "control", "treatment")} | named
        what |= {name: settings[name] for name in _NAMES}
        what |= {"fold_id": fold["fold_id"], "maturation": maturation, "horizon": horizon, "until": cutoff}
        if since is None:
            self._run("clear_sums", fold_id=fold["fold_id"])
            if settings["before"]:
                started = experiment["started_at"]
                self._run("add_before", **what | {"since": started - timedelta(days=BEFORE_DAYS), "until": started})
            first = self._first_exposure(named) or experiment["begun_at"]
            self._run("count_all", **what, since=first, seen=cutoff + maturation)
        else:
            self._run("add_clusters", **what, since=since)
            self._run("add_executions", **what, since=since, seen=cutoff + maturation)
        units = self._row("exposures_until", **named, until=cutoff)
        assert units is not None
        self._run(
            "close_fold",
            fold_id=fold["fold_id"],
            counted_until=cutoff,
            horizon=horizon,
            settings=json(settings),
            units=units["units"],
        )
        return fold["fold_id"], cutoff

    def _is_stale(self, experiment: Row, fold: Row, settings: Row, maturation: timedelta, horizon: str) -> bool:
        if fold["settings"] != settings:
            return True
        named = {"experiment_id": experiment["experiment_id"], "phase": experiment["phase"]}
        units = self._row("exposures_until", **named, until=fold["counted_until"])
        if units is None or units["units"] != fold["units"]:
            return True
        late = self._row(
            "came_late",
            agent=experiment["agent"],
            since_xid=fold["horizon"],
            horizon=horizon,
            counted_until=fold["counted_until"],
            maturation=maturation,
        )
        return late is None or bool(late["late"])

    def _horizon(self) -> str:
        row = self._row("horizon")
        assert row is not None
        return str(row["horizon"])

    def _first_exposure(self, named: Row) -> datetime | None:
        row = self._row("first_exposure", **named)
        return row["first_at"] if row else None

    def _statistics(self, experiment: Row, fold_id: int, as_of: datetime, plan: Counted) -> Statistics:
        phases = self._rows("units", experiment_id=experiment["experiment_id"], phase=experiment["phase"], as_of=as_of)
        now = next((row for row in phases if row["phase"] == experiment["phase"]), {"control": 0, "treatment": 0})
        multiple = self._row("multiple", fold_id=fold_id)
        assert multiple is not None
        return Statistics(
            day=(as_of - experiment["begun_at"]) / timedelta(days=1),
            units=(now["control"] - multiple["control"], now["treatment"] - multiple["treatment"]),
            multiple=multiple["control"] + multiple["treatment"],
            earlier_log_e=sum(_log_e(row) for row in phases if row["phase"] < experiment["phase"]),
            metrics=self._moments(experiment["unit"], fold_id, plan.metrics),
        )

    def _moments(
        self, unit: str, fold_id: int, metrics: Sequence[MetricPlan]
    ) -> dict[str, ArmMoments | CrossedMoments]:
        if unit in _CROSSED:
            rows = self._rows(
                "crossed_moments",
                fold_id=fold_id,
                metrics=[metric.metric for metric in metrics],
                baselines=json({metric.metric: metric.baseline for metric in metrics}),
            )
            found = {row["metric"]: row for row in rows}
            return {metric.metric: crossed_moments(found.get(metric.metric), metric.cuped) for metric in metrics}
        arms = {row["side"]: row for row in self._rows("arm_moments", fold_id=fold_id)}
        cuped = [metric.metric for metric in metrics if metric.cuped]
        rows = self._rows("cuped_moments", fold_id=fold_id, metrics=cuped) if cuped else []
        before = {(row["metric"], row["side"]): row for row in rows}
        result: dict[str, ArmMoments | CrossedMoments] = {}
        for each in metrics:
            name = each.metric
            pair = [
                cuped_moments(before.get((name, side))) if each.cuped else arm_moments(arms.get(side), name)
                for side in ("control", "treatment")
            ]
            result[name] = ArmMoments(*pair)
        return result


_NAMES = ("latency_cap", "slow_above", "cost_cap", "score_key", "score_cap")


def _maturation(plan: Counted) -> timedelta:
    return timedelta(hours=plan.maturation_hours)


def _settings(experiment: Row, plan: Counted) -> Row:
    """What sums depend on beside the rows: other settings mean other sums."""
    by_name = {metric.metric: metric for metric in plan.metrics}
    caps = {setting: by_name[name].cap if name in by_name else None for name, setting in CAPS.items()}
    return {
        **caps,
        "slow_above": by_name["latency_slo"].threshold if "latency_slo" in by_name else None,
        "score_key": by_name["score"].key if "score" in by_name else None,
        "before": any(metric.cuped for metric in plan.metrics),
        "maturation_hours": plan.maturation_hours,
        "unit": experiment["unit"],
    }


def _log_e(row: Row) -> float:
    """Evidence of an earlier phase on its sample ratio; an arm that nobody is in says nothing of its weight."""
    if not row["control"] or not row["treatment"]:
        return 0.0
    return float(sample_ratio.log_e((row["control"], row["treatment"]), (row["control_share"], row["treatment_share"])))
