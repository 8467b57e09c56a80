"""Every number the optimizer decides by, with its default. Nothing here is read from the environment."""

from dataclasses import dataclass, field, fields


@dataclass(frozen=True)
class Guardrails:
    """What must not get worse while the score gets better. The goals of a request make them stricter.

    `alpha` is the level of each test. Ratios are finalist to incumbent. A finalist over `max_token_ratio` is noted, and
    refused when `tokens_decide`; one over `max_latency_ratio` is refused when `latency_decides` and the test says so,
    else noted. Raises ValueError naming the field that does not fit.
    """

    alpha: float = 0.01
    slice_min_pairs: int = 30
    max_token_ratio: float = 1.5
    tokens_decide: bool = False
    max_latency_ratio: float = 1.2
    latency_min_pairs: int = 60
    latency_decides: bool = False

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            if not isinstance(value, bool) and value <= 0:
                raise ValueError(f"{each.name}={value} must be > 0")
        if self.alpha >= 1:
            raise ValueError(f"alpha={self.alpha} must lie strictly between 0 and 1")


@dataclass(frozen=True)
class GateSettings:
    """When a finalist passes. Proportions and gains in 0..1.

    `alpha` is the level over all gates there ever are; what one gate may spend of it is said by levels.py. Alone, a
    gate spends all of it. `prior_sd` shrinks the reported gain: 3.5 points is how much most proposals differ.
    """

    alpha: float = 0.05
    min_pairs: int = 60
    min_gain: float = 0.01
    drop_below: float = 0.15
    max_discordant: int = 120
    prior_sd: float = 0.035
    look: int = 20
    guardrails: Guardrails = field(default_factory=Guardrails)


@dataclass(frozen=True)
class OptimizerSettings:
    """Minimums below which nothing is tried, shares of the budget, and the rules of the race.

    Raises ValueError naming the field that does not fit.
    """

    min_train: int = 30
    min_val: int = 40
    min_test: int = 60
    analysis_share: float = 0.10
    reflect_share: float = 0.30
    race_share: float = 0.30
    max_arms: int = 15
    race_look: int = 10
    race_drop_z: float = -2.2
    max_prompt_tokens: int = 1200
    correction_weight: float = 0.5
    batch_size: int = 32
    gate: GateSettings = field(default_factory=GateSettings)

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            if each.name == "reflect_share" and value < 0:
                raise ValueError(f"reflect_share={value} must be >= 0; 0 lets no model write")
            if each.name not in ("race_drop_z", "gate", "reflect_share") and value <= 0:
                raise ValueError(f"{each.name}={value} must be > 0")
        shares = self.analysis_share + self.reflect_share + self.race_share
        if shares >= 1:
            raise ValueError(f"analysis_share + reflect_share + race_share = {shares} leaves no gate")
        if not 0 < self.gate.alpha < 1:
            raise ValueError(f"gate.alpha={self.gate.alpha} must lie strictly between 0 and 1")
