"""What one optimization may use.

Belongs here: the limits, from the settings, the agent and whoever asks. Does not: counting (learning/prompts/budget).
"""

from dataclasses import dataclass, replace

from glow_pipelines.learning.prompts import Budget
from glow_pipelines.settings import Settings
from glow_pipelines.store.noun import Row


@dataclass(frozen=True)
class Limits:
    """Calls, tokens and dollars over all attempts; seconds of one run, after which it pauses. None: no limit."""

    calls: int
    tokens: int | None = None
    usd: float | None = None
    seconds: float | None = None
    prices: tuple[float, float] = (0.0, 0.0)

    @classmethod
    def of(cls, settings: Settings, agents_calls: int | None = None) -> "Limits":
        """Those of the settings; an agent's own number of calls wins."""
        return cls(
            agents_calls or settings.optimization_max_calls,
            settings.optimization_max_tokens,
            settings.optimization_max_usd,
            settings.optimization_seconds,
            settings.chat_prices,
        )

    def but(
        self,
        calls: int | None = None,
        tokens: int | None = None,
        usd: float | None = None,
        seconds: float | None = None,
    ) -> "Limits":
        """These limits with what somebody asks for instead."""
        asked = {"calls": calls, "tokens": tokens, "usd": usd, "seconds": seconds}
        return replace(self, **{name: value for name, value in asked.items() if value is not None})  # type: ignore[arg-type]

    def deciding(self) -> dict[str, object]:
        """Those that decide what comes out. Seconds do not: a run that paused goes on."""
        return {"calls": self.calls, "tokens": self.tokens, "usd": self.usd, "prices": list(self.prices)}

    def budget(self, used: Row | None = None) -> Budget:
        """A budget of all of it, or of what stages that are over did not use (calls, tokens, usd: see spending)."""
        gone = used or {"calls": 0, "tokens": 0, "usd": 0.0}
        return Budget(
            max(0, self.calls - gone["calls"]),
            None if self.tokens is None else max(0, self.tokens - gone["tokens"]),
            None if self.usd is None else max(0.0, self.usd - gone["usd"]),
            self.prices,
        )
