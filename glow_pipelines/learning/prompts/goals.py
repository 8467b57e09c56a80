"""Goals: what a request wants of a better prompt, as operators, guardrails and tie breaks.

Belongs here: the names a request may give and what each means. Does not belong here: checking guardrails (gate),
reading requests (steps). The face that takes requests names the same goals.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Self

from glow_pipelines.learning.prompts.jsonable import Jsonable
from glow_pipelines.learning.prompts.settings import Guardrails

_ALL = ("clarify", "few_shot", "restructure", "clarify_written", "restructure_written", "reflect", "combine")
_SAYING = ("clarify", "restructure", "clarify_written", "restructure_written", "reflect")


@dataclass(frozen=True)
class _Goal:
    """What one goal asks for. `operators` None: it does not care which."""

    max_token_ratio: float | None = None
    max_latency_ratio: float | None = None
    alpha: float | None = None
    operators: tuple[str, ...] | None = None


# Always, what counts is that the answers get better: no goal lets a prompt pass that is not. A level of a guardrail is
# raised to make it stricter: it then fires on weaker evidence of harm.
_GOALS = {
    "accuracy": _Goal(operators=_ALL),
    "clarity": _Goal(operators=_SAYING),
    "brevity": _Goal(max_token_ratio=1.0, operators=_SAYING),
    "cost": _Goal(max_token_ratio=1.1),
    "latency": _Goal(max_token_ratio=1.5, max_latency_ratio=1.05),
    "format": _Goal(alpha=0.05),
}
NAMES = tuple(_GOALS)


@dataclass(frozen=True)
class Goals(Jsonable):
    """The goals of a request. `operators` are those whose proposals are wanted."""

    names: tuple[str, ...]
    guardrails: Guardrails
    operators: tuple[str, ...]

    @classmethod
    def of(cls, names: Iterable[str] | None, base: Guardrails | None = None) -> Self:
        """Goals by name, each once; none at all means accuracy. Of two limits the tighter holds, of operators all that
        any goal wants: whoever asks for accuracy and clarity gets demonstrations too.

        `base` are the guardrails without goals. Raises ValueError for an unknown name, naming the accepted ones.
        """
        given = tuple(dict.fromkeys(names or ())) or ("accuracy",)
        unknown = [name for name in given if name not in _GOALS]
        if unknown:
            raise ValueError(f"goals={unknown!r} are not known; use some of {', '.join(NAMES)}")
        asked = [_GOALS[name] for name in given]
        rails = base or Guardrails()
        for goal in asked:
            rails = _tighter(rails, goal)
        wanted = {name for goal in asked for name in goal.operators or ()} or set(_ALL)
        return cls(
            names=given,
            guardrails=rails,
            operators=tuple(name for name in _ALL if name in wanted),
        )


def _tighter(rails: Guardrails, goal: _Goal) -> Guardrails:
    if goal.max_token_ratio is not None:
        ratio = min(rails.max_token_ratio, goal.max_token_ratio)
        rails = replace(rails, max_token_ratio=ratio, tokens_decide=True)
    if goal.max_latency_ratio is not None:
        ratio = min(rails.max_latency_ratio, goal.max_latency_ratio)
        rails = replace(rails, max_latency_ratio=ratio, latency_decides=True)
    return rails if goal.alpha is None else replace(rails, alpha=max(rails.alpha, goal.alpha))
