"""The tally: what a gate has counted so far. Counting only; what the counts mean is the gate's business."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from glow_pipelines.learning.intervals import sign_midp
from glow_pipelines.learning.prompts.evaluate import Outcome
from glow_pipelines.learning.prompts.evidence import Example
from glow_pipelines.learning.prompts.results import Gate, Slice


@dataclass
class Tally:
    """Pairs by outcome, by target, and by format validity; `spent` in the order the items were used."""

    b: int = 0
    c: int = 0
    both_right: int = 0
    neither_right: int = 0
    format_gained: int = 0
    format_lost: int = 0
    slices: dict[str, Slice] = field(default_factory=dict)
    spent: list[str] = field(default_factory=list)

    @property
    def n(self) -> int:
        return self.b + self.c + self.both_right + self.neither_right

    @property
    def gain(self) -> float:
        """Observed difference of accuracies, finalist minus incumbent; 0 without pairs."""
        return (self.b - self.c) / self.n if self.n else 0.0

    def add(self, example: Example, finalist: Outcome, incumbent: Outcome) -> None:
        won, lost = finalist.right and not incumbent.right, incumbent.right and not finalist.right
        self.b += won
        self.c += lost
        self.both_right += finalist.right and incumbent.right
        self.neither_right += not finalist.right and not incumbent.right
        self.format_gained += finalist.valid and not incumbent.valid
        self.format_lost += incumbent.valid and not finalist.valid
        old = self.slices.get(example.target, Slice(example.target, 0, 0, 0))
        self.slices[example.target] = Slice(example.target, old.n + 1, old.b + won, old.c + lost)
        self.spent.append(example.id)

    def failed_guardrails(self, alpha: float, slice_min_pairs: int) -> tuple[str, ...]:
        """What got significantly worse: format validity, and targets with enough pairs (Holm 1979 over targets)."""
        failed = []
        if sign_midp(self.format_lost, self.format_gained) < alpha:
            failed.append(
                f"format: {self.format_lost} answers left the output contract, {self.format_gained} entered it"
            )
        tested = [each for each in self.slices.values() if each.n >= slice_min_pairs]
        worst = sorted((sign_midp(each.c, each.b), each.target, each) for each in tested)
        for rank, (p_value, _, each) in enumerate(worst):
            if p_value >= alpha / (len(worst) - rank):
                break
            failed.append(f"target {each.target!r}: {each.c} lost, {each.b} won of {each.n}")
        return tuple(failed)


def continued(earlier: Gate | None) -> Tally:
    """An empty tally, or one that goes on where an earlier gate of the same pair stopped."""
    if earlier is None:
        return Tally()
    counted: Iterable[str] = ("b", "c", "both_right", "neither_right", "format_gained", "format_lost")
    return Tally(
        **{name: getattr(earlier, name) for name in counted},
        slices={each.target: each for each in earlier.slices},
        spent=list(earlier.spent),
    )
