"""How experiments look in the UI: sentences for people, tables, plots, and the statement that audits them.

Belongs here: metadata and checks of what was seen. Does not: the assets. No text of users comes here; hypotheses and
reasons of engineers do, made harmless.
"""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import dagster as dg

from glow_pipelines.defs.experiments.drawing import interval_plot
from glow_pipelines.defs.metadata import bullets, counts, line, sql, table

if TYPE_CHECKING:
    from glow_pipelines.learning.experiments import ExperimentPlan, Look, MetricLook
    from glow_pipelines.steps.experiments import Seen

AUDIT = "select * from glow_api.experiment_looks(experiment_id => '{}');"
CHECKS = ("sample_ratio", "exposure_mismatch", "feedback_rate")
MOST_MULTIPLE = 0.01


def in_full(seen: "Seen", looks: "Sequence[Look]", plan: "ExperimentPlan") -> dict[str, Any]:
    """One experiment, for who wants to understand it."""
    experiment, look = seen.experiment, seen.look
    control, treatment = look.units if look is not None else (0, 0)
    first = look.primary if look is not None else None
    return {
        "experiment": experiment["experiment_id"],
        "state": experiment["state"],
        "decision": _decision(seen),
        "reason": line(_reason(seen), 600),
        "hypothesis": line(experiment["hypothesis"]),
        "arms": counts({name: experiment[name] for name in ("kind", "control", "treatment")}),
        "plan": line(plan.summary, 600),
        "warnings": bullets(plan.warnings),
        "days": f"{look.day if look is not None else 0:g} of {plan.planned_days}, at most {plan.maximum_days}",
        "users": counts(
            {"control": control, "treatment": treatment, "saw both, left out": f"{_multiple(look):.2%}"}
            if look is not None
            else {"exposed yet": 0}
        ),
        plan.primary.about.words: f"{_value(first, 'control')} control, {_value(first, 'treatment')} treatment",
        "interval over looks": interval_plot(looks, plan),
        "metrics": _metrics(look, plan),
        "not yet": bullets(look.missing if look is not None else ()),
        "alarms": bullets(look.alarms if look is not None else ()),
        "audit": sql(AUDIT.format(experiment["experiment_id"])),
    }


def overview(all_seen: "Sequence[Seen]") -> dg.MarkdownMetadataValue:
    """Every experiment of an agent in a line."""
    return table(
        ("experiment", "varies", "state", "day", "users", "decision", "why", "moved now"),
        (
            (
                seen.experiment["experiment_id"],
                seen.experiment["kind"],
                seen.experiment["state"],
                f"{seen.look.day:g}" if seen.look is not None else "–",
                sum(seen.look.units) if seen.look is not None else 0,
                _decision(seen),
                line(_reason(seen), 120),
                seen.moved or "–",
            )
            for seen in all_seen
        ),
        empty="none is on users",
    )


def checks(all_seen: "Sequence[Seen]", asset: str) -> list[dg.AssetCheckResult]:
    """What would make any of the experiments worthless, of all experiments together; each failure names its own."""
    from glow_pipelines.learning.experiments.metrics import FEEDBACK_RATE

    seen = [(each.experiment["experiment_id"], each.look) for each in all_seen if each.look is not None]
    split = {name: look for name, look in seen if _off(look)}
    mixed = {name: look for name, look in seen if _multiple(look) > MOST_MULTIPLE}
    rates = [(name, metric) for name, look in seen for metric in look.metrics if metric.metric == FEEDBACK_RATE]
    moved = {name: metric for name, metric in rates if _harmed(metric)}
    return [
        _check(
            asset,
            "sample_ratio",
            "units fall on the arms as planned",
            {
                name: f"{look.units[0]:,} and {look.units[1]:,} units do not fit the planned shares "
                f"(e-value {_power_of_ten(look.sample_ratio_log_e)})"
                for name, look in split.items()
            },
            {name: look.sample_ratio_log_e or 0.0 for name, look in seen},
        ),
        _check(
            asset,
            "exposure_mismatch",
            f"at most {MOST_MULTIPLE:.0%} of units saw both arms",
            {name: f"{_multiple(look):.1%} of units saw both arms" for name, look in mixed.items()},
            {name: _multiple(look) for name, look in seen},
        ),
        _check(
            asset,
            "feedback_rate",
            "the treatment does not change who gives feedback",
            {
                name: f"{_value(metric, 'treatment')} give feedback with the treatment, {_value(metric, 'control')} "
                "without: votes of the two arms may come from different people"
                for name, metric in moved.items()
            },
            {name: metric.harm_log_e or 0.0 for name, metric in rates},
        ),
    ]


def nothing(state: str, asset: str) -> dg.MaterializeResult:
    """No experiment is there to look at, and why."""
    return dg.MaterializeResult(metadata={"state": state}, check_results=checks((), asset))


def _check(
    asset: str, name: str, good: str, problems: dict[str, str], numbers: dict[str, float]
) -> dg.AssetCheckResult:
    told = "; ".join(f"{each}: {problem}" for each, problem in sorted(problems.items()))
    return dg.AssetCheckResult(
        asset_key=asset,
        check_name=name,
        passed=not problems,
        severity=dg.AssetCheckSeverity.WARN,
        description=line(told, 600) if problems else good,
        metadata={each: float(number) for each, number in numbers.items()},
    )


def _decision(seen: "Seen") -> str:
    decided: str | None = seen.experiment["decision"]
    return decided or (seen.look.action if seen.look is not None else "none yet")


def _reason(seen: "Seen") -> str:
    """The sentence of the look; of what a person did since, theirs."""
    over = not seen.experiment["active"] and not seen.moved
    return (seen.experiment["reason"] if over or seen.look is None else seen.look.reason) or "no look yet"


def _metrics(look: "Look | None", plan: "ExperimentPlan") -> dg.MarkdownMetadataValue:
    return table(
        ("metric", "role", "control", "treatment", "difference", "always-valid interval", "harm: e-value", "says"),
        (
            (
                metric.metric,
                metric.role,
                _value(metric, "control"),
                _value(metric, "treatment"),
                _signed(metric, metric.difference),
                "–" if metric.low is None else f"{_signed(metric, metric.low)} to {_signed(metric, metric.high)}",
                "–" if metric.harm_log_e is None else _power_of_ten(metric.harm_log_e),
                _says(metric),
            )
            for metric in (look.metrics if look is not None else ())
        ),
        empty=f"no look yet; planned: {', '.join(each.metric for each in plan.metrics)}",
    )


def _says(metric: "MetricLook") -> str:
    if metric.low is not None and metric.high is not None and metric.low > metric.high:
        return "has drifted: no value fits all looks"
    if metric.role == "secondary":
        return "differs" if metric.found else "–"
    return {True: "not worse than its margin", False: "may be worse than its margin", None: "–"}[metric.non_inferior]


def _value(metric: "MetricLook | None", arm: str) -> str:
    from glow_pipelines.learning.experiments.metrics import METRICS, written_level

    value = None if metric is None else getattr(metric, arm)
    return "–" if metric is None or value is None else written_level(METRICS[metric.metric], value)


def _signed(metric: "MetricLook", difference: float | None) -> str:
    from glow_pipelines.learning.experiments.metrics import METRICS, written_difference

    return "–" if difference is None else written_difference(METRICS[metric.metric], difference)


def _multiple(look: "Look | None") -> float:
    return 0.0 if look is None else look.multiple_share


def _off(look: "Look") -> bool:
    from glow_pipelines.learning.experiments.sample_ratio import WARN

    return look.sample_ratio_log_e is None or look.sample_ratio_log_e >= math.log(WARN)


def _harmed(metric: "MetricLook") -> bool:
    """Either way: who gives more feedback than before is another public too."""
    return metric.low is not None and metric.high is not None and not metric.low <= 0 <= metric.high


def _power_of_ten(log_e: float | None) -> str:
    return "beyond doubt" if log_e is None else f"10^{log_e / math.log(10):.1f}"
