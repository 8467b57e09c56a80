"""The decision table: ten rows read from the top, the first that holds decides, and says why in words.

Belongs here: rows, their order, their sentences. Does not: the numbers they compare (observations.py, looks.py,
gates.py), doing what they say (steps/), the ramp after a ship (ramp.py).

Errors: a false ship in at most α/2 of experiments, a false stop or pause for harm in 5 %, a false hold in .1 %.
Guardrail α is not divided over guardrails, because a ship needs all of them.
"""

from collections.abc import Callable
from dataclasses import dataclass

from glow_pipelines.learning.experiments.group_sequential import widened
from glow_pipelines.learning.experiments.metrics import MetricPlan
from glow_pipelines.learning.experiments.observations import Arrival
from glow_pipelines.learning.experiments.plan import ExperimentPlan
from glow_pipelines.learning.experiments.sentences import (
    amounts,
    arrivals,
    both,
    harmed,
    interval,
    names,
    worth_a_retest,
)
from glow_pipelines.learning.experiments.types import Action, Activity, Kind, MetricLook


@dataclass(frozen=True)
class Facts:
    """All the table reads. `boundary` is None where no planned look was taken (no gate, no new information)."""

    plan: ExperimentPlan
    kind: Kind
    day: float
    units: tuple[int, int]
    multiple: int
    arrival: Arrival
    metrics: tuple[MetricLook, ...]
    harm_threshold: float
    missing: tuple[str, ...]
    boundary: float | None
    t: float | None
    final: bool
    extension_due: bool
    activity: Activity | None = None

    @property
    def primary(self) -> MetricLook:
        """The metric the experiment is about."""
        return self.metrics[0]

    def harmed(self, *roles: str) -> list[tuple[MetricPlan, MetricLook]]:
        """Watched metrics in one of the roles whose harm is shown."""
        pairs = zip(self.plan.metrics, self.metrics, strict=True)
        return [
            (plan, look)
            for plan, look in pairs
            if plan.role in roles and look.harm_log_e is not None and look.harm_log_e >= self.harm_threshold
        ]

    @property
    def unproven(self) -> list[MetricPlan]:
        """Guardrails not yet shown to be non-inferior."""
        pairs = zip(self.plan.metrics, self.metrics, strict=True)
        return [plan for plan, look in pairs if plan.guardrail and not look.non_inferior]

    @property
    def wins(self) -> bool:
        """Whether the objective is reached: the primary better, or not worse with the cost better."""
        if self.boundary is None or self.primary.z is None:
            return False
        if self.plan.objective == "superiority":
            return self.primary.z >= asked(self.primary, self.boundary)
        cost = next(look for look in self.metrics if self.plan.cost and look.metric == self.plan.cost.metric)
        return bool(self.primary.non_inferior) and cost.z is not None and cost.z >= asked(cost, self.boundary)

    @property
    def hopeless(self) -> str | None:
        """What the planned look rules out, where that leaves nothing to ship for; non-binding, so it costs no α."""
        if self.boundary is None:
            return None
        if self.plan.objective == "superiority":
            best = best_gain(self.plan.primary, self.primary, self.boundary)
            return "gain" if best is not None and best < self.plan.smallest_worthwhile else None
        pairs = zip(self.plan.metrics, self.metrics, strict=True)
        cost = next((best_gain(p, m, self.boundary) for p, m in pairs if p is self.plan.cost), None)
        return "saving" if cost is not None and cost < 0 else None


@dataclass(frozen=True)
class Verdict:
    """The row that held (0 for none), what to do, and the sentence."""

    row: int
    action: Action
    reason: str


def best_gain(plan: MetricPlan, look: MetricLook, boundary: float) -> float | None:
    """The upper end of the repeated confidence interval, counted so that better is positive."""
    if look.difference is None or look.standard_error is None:
        return None
    return plan.sign * look.difference + asked(look, boundary) * look.standard_error


def asked(look: MetricLook, boundary: float) -> float:
    """How many standard errors a normal boundary is for this metric: by Student's t, its clusters being so many."""
    return boundary if look.planned_df is None else float(widened(boundary, look.planned_df))


def decide(facts: Facts) -> Verdict:
    """The first row that holds. Guardrail looks read only rows 1–3: nothing else may be decided every hour."""
    rows = TABLE if facts.kind == "decision" else TABLE[:3]
    for row, read in rows:
        if (found := read(facts)) is not None:
            return Verdict(row, *found)
    if facts.kind != "decision":
        return Verdict(0, "continue", "No alarm: nothing is shown to be worse, users arrive as planned.")
    skipped = "" if facts.boundary is not None else " No new information since the last look, so nothing was asked."
    return Verdict(
        0,
        "continue",
        f"Undecided on day {facts.day:.3g}: {interval(facts)}. It goes on until day {facts.plan.maximum_days} "
        f"at the latest.{skipped}",
    )


def harmed_while_held(facts: Facts) -> Verdict | None:
    """Row 2 where the numbers are not valid: nothing is won with them, but who is in still sees the treatment."""
    if (found := _harm(facts)) is None:
        return None
    return Verdict(2, found[0], f"{found[1]} Its numbers were not valid; back is the safe way to be wrong.")


def alarmed(facts: Facts) -> bool:
    """Whether one of the rows 1–3 holds."""
    return any(read(facts) is not None for _, read in TABLE[:3])


Found = tuple[Action, str] | None


def _invalid(facts: Facts) -> Found:
    if not facts.arrival.invalid:
        return None
    return "hold", (
        f"Invalid: {arrivals(facts)}. No number of this experiment can be trusted, so nothing ships. Find what "
        f"moves or loses users, then restart it as a new phase."
    )


def _harm(facts: Facts) -> Found:
    if not (hurt := facts.harmed("primary", "critical")):
        return None
    return "stop_harm", f"Stopped for harm: {harmed(hurt)}, {both(facts.units)}. Everybody goes back to control."


def _signal(facts: Facts) -> Found:
    hurt, lost = facts.harmed("signal"), facts.activity is not None and facts.activity.lost
    if not hurt and not lost:
        return None
    words = "; ".join(([harmed(hurt)] if hurt else []) + ([facts.activity.words] if lost and facts.activity else []))
    if facts.final and facts.kind == "decision":
        return "ask", (
            f"Keep control and ask a person: {words}, {both(facts.units)}, and day {facts.plan.maximum_days}, "
            f"the last, has come."
        )
    return "pause", (
        f"Paused: {words}, {both(facts.units)}. Nobody new enters; a person resumes or abandons the experiment."
    )


def _gates(facts: Facts) -> Found:
    if not facts.missing or facts.final:
        return None
    return "continue", f"Too early to decide: {'; '.join(facts.missing)}. It goes on."


def _ship(facts: Facts) -> Found:
    if not facts.wins or facts.unproven:
        return None
    held = f" No guardrail got worse than its margin ({names(facts.plan.guardrails)})." if facts.plan.guardrails else ""
    return "ship", f"Ship: {amounts(facts)}.{held} The gradual rollout starts; confirm the gain on its hold-back."


def _pending(facts: Facts) -> Found:
    if not facts.wins:
        return None
    open_ = f"{names(facts.unproven)} not yet shown to stay within margin"
    if facts.final:
        return "ask", (
            f"Keep control and ask a person: {amounts(facts)}, but {open_} on the last planned look. Whether the gain "
            f"is worth that risk is not for a test to say."
        )
    return (
        "continue",
        f"A win is pending: {amounts(facts)}, but {open_}. It goes on until day {facts.plan.maximum_days}.",
    )


def _worse(facts: Facts) -> Found:
    if facts.boundary is None or facts.primary.z is None or facts.primary.z > -asked(facts.primary, facts.boundary):
        return None
    return "keep", f"Keep control: {amounts(facts)}. The treatment is worse."


def _futile(facts: Facts) -> Found:
    if facts.hopeless is None:
        return None
    wanted = (
        "so no gain worth having is left"
        if facts.hopeless == "gain"
        else "and its cost does not fall, so nothing is won"
    )
    return "keep", f"Keep control: {interval(facts)}, {wanted}."


def _extend(facts: Facts) -> Found:
    if not facts.extension_due or facts.final:
        return None
    return "extend", (
        f"Extended: the planned {facts.plan.planned_days} days are over and {interval(facts)}. More time was paid for "
        f"in the plan, so waiting costs no certainty; the last day is {facts.plan.maximum_days}."
    )


def _inconclusive(facts: Facts) -> Found:
    if not facts.final:
        return None
    lacks = f" Lacking: {'; '.join(facts.missing)}." if facts.missing else ""
    return "keep", (
        f"Keep control, inconclusive: {interval(facts)} after {both(facts.units)}.{lacks} {worth_a_retest(facts)} "
        f"New data means a new experiment."
    )


TABLE: tuple[tuple[int, Callable[[Facts], Found]], ...] = (
    (1, _invalid),
    (2, _harm),
    (3, _signal),
    (4, _gates),
    (5, _ship),
    (6, _pending),
    (7, _worse),
    (8, _futile),
    (9, _extend),
    (10, _inconclusive),
)
