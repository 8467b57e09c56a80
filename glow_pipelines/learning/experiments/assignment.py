"""Who sees which variant: a pure function of experiments, units and what the units were given before.

The same as glow_api.resolve_prompt, answer for answer. Every question (held out? in this layer's slots? enrolled? which
variant?) has its own draw, so raising traffic moves nobody between variants. Writing the exposure belongs to the
database, the hashes to hashing.py, starting experiments to the store.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from glow_pipelines.learning.experiments.hashing import MILLION, SEPARATOR, exp_bucket, fnv32a, unchecked_bucket

__all__ = [
    "MILLION",
    "Arm",
    "Assignment",
    "Holdout",
    "Trial",
    "Units",
    "Variant",
    "assign",
    "assigned",
    "enrolled",
    "exp_bucket",
    "held_out",
    "resolve",
    "variant",
]
Variant = Literal["control", "treatment"]
UnitKind = Literal["user", "org", "session", "execution"]
State = Literal["running", "paused", "held", "ramping", "completed", "rolled_back", "stopped"]
ACTIVE: frozenset[State] = frozenset({"running", "paused", "held", "ramping"})
ENTERED: frozenset[State] = frozenset({"running", "ramping"})


@dataclass(frozen=True)
class Assignment:
    """What one unit gets. `propensity` is the probability this variant had, kept for estimators that re-weight."""

    unit: str
    variant: Variant
    bucket: int
    propensity: float


@dataclass(frozen=True)
class Trial:
    """An experiment as assignment sees it: the columns of glow.learning_experiments of the same names.

    `slots`: from (inclusive) and to (exclusive) of the layer's draw. `control_ppm` None: what treatment leaves.
    """

    experiment_id: str
    agent: str
    salt: str
    kind: str = "prompt"
    layer: str = "prompt"
    slots: tuple[int, int] = (0, MILLION)
    unit: UnitKind = "user"
    hash: Literal["pg1", "gb2"] = "pg1"
    phase: int = 1
    treatment_ppm: int = 500_000
    control_ppm: int | None = None
    enroll_ppm: int = MILLION
    state: State = "running"

    @property
    def control_share(self) -> int:
        """Parts per million of the variant's draw that are control."""
        return MILLION - self.treatment_ppm if self.control_ppm is None else self.control_ppm


@dataclass(frozen=True)
class Holdout:
    """A share (parts per million) of clusters that take part in nothing; of one agent, or of all where None."""

    holdout: str
    holdout_ppm: int
    agent: str | None = None


@dataclass(frozen=True)
class Units:
    """Who is asked for: ids as the app knows them, of one tenant. Raises ValueError for U+001F or NUL in one."""

    user: str | None = None
    session: str | None = None
    org: str | None = None
    execution: str | None = None
    tenant: str = "default"

    def __post_init__(self) -> None:
        for name in ("user", "session", "org", "execution", "tenant"):
            value = getattr(self, name)
            if value is not None and (not value or SEPARATOR in value or "\0" in value):
                raise ValueError(f"{name}: {value!r:.80} is not accepted: a text without U+001F and NUL, not empty")

    def of(self, kind: UnitKind) -> str | None:
        """The unit of a kind, told apart from those of other tenants (glow.qualified); None where it is not named."""
        return self._qualified(getattr(self, kind))

    def cluster(self, kind: UnitKind) -> str | None:
        """Whose answers go together: the org of an org's people, else the user where one is named, else the unit."""
        own = self.org if kind == "org" else self.user or getattr(self, kind)
        return self._qualified(own)

    def _qualified(self, name: str | None) -> str | None:
        return name if name is None or self.tenant == "default" else self.tenant + SEPARATOR + name


@dataclass(frozen=True)
class Arm:
    """What one experiment gives a unit. `assignment` is None where it was given before: its exposure is written."""

    trial: Trial
    variant: Variant
    unit: str
    cluster: str
    assignment: Assignment | None


def resolve(
    trials: Iterable[Trial],
    units: Units,
    holdouts: Sequence[Holdout] = (),
    exposed: Mapping[tuple[str, int, str], Variant] | None = None,
) -> tuple[Arm, ...]:
    """The arms of the units in the experiments of one agent, in the order of `trials`.

    `exposed`: (experiment, phase, unit) → the variant that was given first, which holds for the phase whatever the
    hash, a holdout or a share says later. `holdouts` are those in force now.
    """
    arms = []
    for trial in trials:
        unit, cluster = units.of(trial.unit), units.cluster(trial.unit)
        if unit is None or cluster is None or trial.state not in ACTIVE:
            continue
        if given := (exposed or {}).get((trial.experiment_id, trial.phase, unit)):
            arms.append(Arm(trial, given, unit, cluster, None))
        elif (
            trial.state in ENTERED
            and not held_out(holdouts, trial.agent, cluster)
            and (found := assigned(trial, unit)) is not None
        ):
            arms.append(Arm(trial, found.variant, unit, cluster, found))
    return tuple(arms)


def held_out(holdouts: Iterable[Holdout], agent: str, cluster: str) -> bool:
    """Whether a holdout keeps a cluster out of all experiments."""
    return any(
        unchecked_bucket(f"holdout:{each.holdout}", "holdout", cluster) < each.holdout_ppm
        for each in holdouts
        if each.agent in (None, agent)
    )


def assigned(trial: Trial, unit: str) -> Assignment | None:
    """What the hash alone gives a (qualified) unit, or None where it takes no part (it then sees what is in force).

    `gb2` has one draw of 10 000 values for enrolment and variant: the first enrolled share of each arm's range takes
    part. In whole numbers; GrowthBook's SDKs add floats, which differ at an edge of a range.
    """
    low, high = trial.slots
    if (low, high) != (0, MILLION) and not low <= _slot(trial, unit) < high:
        return None
    top, chosen = MILLION - trial.treatment_ppm, None
    if trial.hash == "gb2":
        bucket = fnv32a(str(fnv32a(trial.salt + unit))) % 10_000 * 100
        if bucket * MILLION < trial.control_share * trial.enroll_ppm:
            chosen = "control"
        elif bucket >= top and (bucket - top) * MILLION < trial.treatment_ppm * trial.enroll_ppm:
            chosen = "treatment"
    elif unchecked_bucket(trial.salt, "enroll", unit) < trial.enroll_ppm:
        bucket = unchecked_bucket(trial.salt, "variant", unit)
        chosen = "treatment" if bucket >= top else "control" if bucket < trial.control_share else None
    if chosen == "treatment":
        return Assignment(unit, "treatment", bucket, trial.treatment_ppm / MILLION)
    return Assignment(unit, "control", bucket, trial.control_share / MILLION) if chosen else None


def _slot(trial: Trial, unit: str) -> int:
    if trial.hash == "gb2":  # GrowthBook's namespace, of 1000 values
        return fnv32a(f"{unit}__{trial.layer}") % 1000 * 1000
    return unchecked_bucket(f"layer:{trial.agent}:{trial.layer}", "layer", unit)


def enrolled(salt: str, unit: str, enrolled_ppm: int) -> bool:
    """Whether the unit takes part. Raising `enrolled_ppm` (parts per million) only adds units."""
    return exp_bucket(salt, "enroll", unit) < enrolled_ppm


def variant(salt: str, unit: str, treatment_ppm: int) -> Variant:
    """The unit's variant. Treatment owns the top of the range: growing it only moves units from control to it."""
    return "treatment" if exp_bucket(salt, "variant", unit) >= MILLION - treatment_ppm else "control"


def assign(salt: str, unit: str, *, enrolled_ppm: int, treatment_ppm: int) -> Assignment | None:
    """The unit's assignment under both draws, or None where it is not enrolled (it then sees what everybody sees)."""
    if not enrolled(salt, unit, enrolled_ppm):
        return None
    chosen = variant(salt, unit, treatment_ppm)
    share = treatment_ppm if chosen == "treatment" else MILLION - treatment_ppm
    return Assignment(unit, chosen, exp_bucket(salt, "variant", unit), share / MILLION)
