"""What each stage found: race, gate, and the whole optimization. Values only; the stages compute them.

The analysis has its own module: performance.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

from glow_pipelines.learning.intervals import Interval
from glow_pipelines.learning.prompts.evidence import Candidate
from glow_pipelines.learning.prompts.jsonable import Jsonable
from glow_pipelines.learning.prompts.performance import Analysis as Analysis
from glow_pipelines.learning.prompts.prompt import Prompt

Verdict = Literal["promote", "drop", "carry_over"]
State = Literal["finalist", "no_improvement", "carry_over", "insufficient_data"]


@dataclass(frozen=True)
class Arm(Jsonable):
    """One prompt in the race. `left_at`: the number of items after which it was asked no further, None: to the end."""

    prompt_sha256: str
    operator: str
    prompt_tokens: int
    n: int
    right: int
    accuracy: Interval
    left_at: int | None = None
    reason: str | None = None


@dataclass(frozen=True)
class Round(Jsonable):
    """Standing at the end of one round, best first; scores are cumulative over the first `items` items."""

    number: int
    items: int
    prompts: tuple[str, ...]
    scores: tuple[float, ...]


@dataclass(frozen=True)
class Race(Jsonable):
    """`survivors` are prompt addresses, best first, the incumbent always among them. Scores rank; they are not gains.

    `evaluations` counts (prompt, item) pairs asked for, `calls` those of them that were paid.
    """

    arms: tuple[Arm, ...]
    rounds: tuple[Round, ...]
    survivors: tuple[str, ...]
    evaluations: int
    calls: int
    grown: tuple[Candidate, ...] = ()  # combined candidates, born after the first round; also those lint rejected


@dataclass(frozen=True)
class Slice(Jsonable):
    """Pairs of one target, or of one part of the traffic ("part …"): `b` the finalist alone right, `c` the other."""

    target: str
    n: int
    b: int
    c: int


@dataclass(frozen=True)
class Gate(Jsonable):
    """The test on unseen items: what was counted, what it means, what follows. Proportions and gains in 0..1.

    `alpha` is the level over all gates, `level` what this one may spend of it: it passes when E >= 1 / level. `b` and
    `c` count items that the finalist or the incumbent alone got right. For graded metrics `scores` are the (incumbent,
    finalist) pairs in order, and E, difference and gain come from them. `seconds` are such pairs of answer times, where
    they are known. `spent` are the test items used up for this finalist; a later gate continues from here with fresh
    ones only. `ranks_only`: the metric may compare but not promote.
    """

    incumbent_sha256: str
    finalist_sha256: str
    verdict: Verdict
    reason: str
    n: int
    b: int
    c: int
    both_right: int
    neither_right: int
    log_e: float
    alpha: float
    incumbent_accuracy: Interval
    finalist_accuracy: Interval
    difference: Interval
    p_value: float
    shrunken_gain: float
    format_gained: int
    format_lost: int
    slices: tuple[Slice, ...]
    failed_guardrails: tuple[str, ...]
    notes: tuple[str, ...]
    spent: tuple[str, ...]
    level: float = 0.05
    graded: bool = False
    scores: tuple[tuple[float, float], ...] = ()
    seconds: tuple[tuple[float, float], ...] = ()
    incumbent_tokens: int = 0
    finalist_tokens: int = 0
    power: tuple["PowerRow", ...] = ()
    ranks_only: bool = False

    @property
    def e_value(self) -> float:
        return math.exp(min(self.log_e, 700.0))

    @property
    def claimed_gain(self) -> float:
        """The gain that may be told: shrunken, because what passes is partly lucky."""
        return self.shrunken_gain

    @property
    def discordance(self) -> float:
        """The share of items on which exactly one was right; NaN without items."""
        return (self.b + self.c) / self.n if self.n else math.nan

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The inverse of `to_json`, for a gate that is continued on another night."""
        given = dict(data)
        for name in ("incumbent_accuracy", "finalist_accuracy", "difference"):
            given[name] = Interval(**{**data[name], "estimate": _nan(data[name]["estimate"])})
        given["slices"] = tuple(Slice(**each) for each in data["slices"])
        given["power"] = tuple(PowerRow(**each) for each in data.get("power", ()))
        for name in ("scores", "seconds"):
            given[name] = tuple((first, second) for first, second in data.get(name, ()))
        for name in ("failed_guardrails", "notes", "spent"):
            given[name] = tuple(data[name])
        return cls(**given)


@dataclass(frozen=True)
class Carried:
    """A finalist whose gate was not decided, to be continued on fresh test items."""

    finalist: Candidate
    gate: Gate


@dataclass(frozen=True)
class PowerRow(Jsonable):
    """Paired test items that see this true gain four times in five: `pairs` in a fixed one-sided test, `sequential` in
    a gate that is looked at every night (about; None where it was not asked)."""

    gain: float
    pairs: int
    sequential: int | None = None


@dataclass(frozen=True)
class Plan(Jsonable):
    """The most calls each stage may ask for, which together never exceed `calls`, the calls the limits allow for.

    `tokens` and `cost_usd` are about what it uses; `most_tokens` and `most_usd` it cannot exceed. `missing` says why
    nothing will be tried, `power` how many items which gain needs.
    """

    analysis: int
    reflect: int
    race: int
    gate: int
    calls: int
    tokens: int = 0
    cost_usd: float = 0.0
    most_tokens: int = 0
    most_usd: float = 0.0
    missing: tuple[str, ...] = ()
    power: tuple[PowerRow, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def stages(self) -> tuple[tuple[str, int], ...]:
        """Stages in their order with the calls of each."""
        return (("analysis", self.analysis), ("reflect", self.reflect), ("race", self.race), ("gate", self.gate))


@dataclass(frozen=True)
class Optimization(Jsonable):
    """One optimization from end to end. `finalist` is set when something beat the incumbent in the race, `state` says
    whether it passed the gate. `missing` and `power` explain `insufficient_data`. Calls, tokens and money are those of
    the answers when they were fresh; `paid_calls` is what this process paid."""

    state: State
    reason: str
    incumbent: Prompt
    finalist: Candidate | None
    analysis: Analysis | None
    candidates: tuple[Candidate, ...]
    race: Race | None
    gate: Gate | None
    metric: str
    metric_version: int
    seed: int
    evaluations: int
    calls: int
    cached: int
    paid_calls: int
    prompt_tokens: int
    completion_tokens: int
    cost_usd: float
    missing: tuple[str, ...] = ()
    power: tuple[PowerRow, ...] = ()
    notes: tuple[str, ...] = ()


def _nan(value: float | None) -> float:
    return math.nan if value is None else value
