"""What the moments of one moment say, metric by metric: estimate, always-valid interval and evidence, sample ratio.

Belongs here: everything that holds however often one looks, for looks at experiments and the monitor of a ramp alike.
Does not: planned looks and their boundaries (looks.py), what follows (decisions.py, ramp.py).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from glow_pipelines.learning.experiments import always_valid, sample_ratio
from glow_pipelines.learning.experiments.caution import caution
from glow_pipelines.learning.experiments.estimates import ArmMoments, CrossedMoments, estimate
from glow_pipelines.learning.experiments.metrics import MetricPlan
from glow_pipelines.learning.experiments.multiplicity import e_bh
from glow_pipelines.learning.experiments.types import Look, MetricLook, Statistics

UNITS_PER_ARM = 100
EFFECTIVE = 30
"""Fewer effective clusters per arm and the normal limit all of this rests on is not there yet (a t of 30 degrees of
freedom is beyond 3.5 three times as often as a normal value)."""
MULTIPLE_SHARE = 0.01
MULTIPLE_UNITS = 3
"""One unit of sixty that saw both variants is no sign; three above the share are."""


@dataclass(frozen=True)
class Arrival:
    """Who arrived where. `log_e` and `p` speak of the planned split, `leak` of units where there should be none."""

    log_e: float | None
    p: float
    leak: bool
    multiple_share: float
    too_many_multiple: bool

    @property
    def suspicious(self) -> bool:
        """Evidence enough to look into, not yet to stop."""
        return self.log_e is not None and self.log_e >= math.log(sample_ratio.WARN)

    @property
    def invalid(self) -> bool:
        """Nothing measured can be trusted."""
        return (
            self.leak
            or self.too_many_multiple
            or (self.log_e is not None and self.log_e >= math.log(sample_ratio.HOLD))
        )


def arrived(statistics: Statistics, weights: tuple[float, float]) -> Arrival:
    """Whether units fall on the arms as `weights` (control, treatment) say; evidence of earlier phases is added."""
    units, total = statistics.units, sum(statistics.units) + statistics.multiple
    leak = any(n > 0 and w <= 0 for n, w in zip(units, weights, strict=True))
    log_e = None if leak else float(sample_ratio.log_e(units, weights)) + statistics.earlier_log_e
    share = statistics.multiple / total if total else 0.0
    too_many = statistics.multiple >= MULTIPLE_UNITS and share > MULTIPLE_SHARE
    return Arrival(log_e, sample_ratio.chi_square(units, weights)[1], leak, share, too_many)


def observe(
    plans: Sequence[MetricPlan], statistics: Statistics, earlier: Sequence[Look], alpha: float
) -> tuple[MetricLook, ...]:
    """Every metric as it stands. Intervals are intersected with those of `earlier` looks of the same phase."""
    seen = [_observe(plan, statistics, earlier, alpha) for plan in plans]
    secondary = [i for i, look in enumerate(seen) if look.role == "secondary" and look.log_e is not None]
    for i, found in zip(secondary, e_bh([seen[i].log_e or 0.0 for i in secondary], alpha), strict=True):
        seen[i] = replace(seen[i], found=found)
    return tuple(seen)


def harm_threshold(watched: int, alpha: float) -> float:
    """ln e at which harm is shown: m/α over m metrics watched for it (Bonferroni; α over all looks together)."""
    return math.log(watched / alpha)


def _observe(plan: MetricPlan, statistics: Statistics, earlier: Sequence[Look], alpha: float) -> MetricLook:
    blank = MetricLook(plan.metric, plan.role)
    moments = statistics.metrics.get(plan.metric)
    found = None if moments is None else estimate(moments, scale=plan.scale, cuped=plan.cuped)
    if moments is None or found is None:
        return blank
    look = replace(blank, control=found.control, treatment=found.treatment, effective=found.effective_clusters)
    look = replace(look, difference=found.difference)
    se = found.standard_error
    if not se > 0:  # nobody differs from another: a difference is known, how far it may be off is not
        return look
    gain = plan.sign * found.difference
    df = found.planned_df if math.isfinite(found.planned_df) else None
    look = replace(look, standard_error=se, z=gain / se, planned_df=df)
    if min(statistics.units) < UNITS_PER_ARM or min(found.effective_clusters) < EFFECTIVE or _few(moments):
        return look
    before = [each for past in earlier for each in past.metrics if each.metric == plan.metric]
    width = float(always_valid.half_width(se, plan.tau, alpha))
    log_e = float(always_valid.log_e(gain / se, (plan.tau / se) ** 2))
    cautious = se * caution(moments, plan.scale)
    harm = float(always_valid.log_e((-gain - plan.tolerance) / cautious, (plan.tau_harm / cautious) ** 2, sides=1))
    return replace(
        look,
        low=max([found.difference - width, *(each.low for each in before if each.low is not None)]),
        high=min([found.difference + width, *(each.high for each in before if each.high is not None)]),
        log_e=log_e,
        p_value=min([math.exp(-max(0.0, log_e)), *(each.p_value for each in before if each.p_value is not None)]),
        harm_log_e=harm,
    )


def _few(moments: ArmMoments | CrossedMoments) -> bool:
    """Whether fewer clusters than units are there: sessions of few users are few users."""
    if isinstance(moments, CrossedMoments):
        return min(moments.control_clusters, moments.treatment_clusters) < UNITS_PER_ARM
    return min(moments.control.n, moments.treatment.n) < UNITS_PER_ARM


def blind(plans: Sequence[MetricPlan], statistics: Statistics | None, seen: Sequence[MetricLook]) -> str | None:
    """What keeps everybody from seeing harm, in words; None where harm to a metric that rolls back would show."""
    if statistics is None:
        return "nobody was measured"
    if min(statistics.units) < UNITS_PER_ARM:
        return f"{min(statistics.units):,} of {UNITS_PER_ARM} units in the smaller arm"
    lacks = []
    for plan, look in zip(plans, seen, strict=True):
        moments = statistics.metrics.get(plan.metric)
        if plan.role == "signal" or moments is None:
            continue
        if _few(moments):
            lacks.append(f"fewer than {UNITS_PER_ARM} of them measured")
        elif look.effective is None or min(look.effective) < EFFECTIVE:
            worth = 0.0 if look.effective is None else min(look.effective)
            lacks.append(f"their {plan.about.words} worth {worth:.0f} of {EFFECTIVE} users")
        else:
            return None
    return "; ".join(dict.fromkeys(lacks)) or "nothing that rolls back is measured"


def drifted(look: MetricLook) -> bool:
    """Whether the confidence sequence is empty: what is measured now contradicts what was measured before."""
    return look.low is not None and look.high is not None and look.low > look.high
