"""The tally: what a gate has counted so far. Counting only; what the counts mean is the gate's business."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from glow_pipelines.learning.prompts.evaluate import Outcome
from glow_pipelines.learning.prompts.evidence import Example
from glow_pipelines.learning.prompts.results import Gate, Slice


@dataclass
class Tally:
    """Pairs by outcome, by target and part of the traffic, and by format validity.

    `spent` is in the order the items were used.
    `scores` (kept when `graded`) and `seconds` (where both are known) are pairs (incumbent, finalist).
    """

    b: int = 0
    c: int = 0
    both_right: int = 0
    neither_right: int = 0
    format_gained: int = 0
    format_lost: int = 0
    slices: dict[str, Slice] = field(default_factory=dict)
    spent: list[str] = field(default_factory=list)
    graded: bool = False
    scores: list[tuple[float, float]] = field(default_factory=list)
    seconds: list[tuple[float, float]] = field(default_factory=list)

    @property
    def n(self) -> int:
        return self.b + self.c + self.both_right + self.neither_right

    @property
    def differences(self) -> list[float]:
        """Score differences of a graded metric, finalist minus incumbent."""
        return [finalist - incumbent for incumbent, finalist in self.scores]

    @property
    def gain(self) -> float:
        """Observed mean difference, finalist minus incumbent: of scores when graded, else of accuracies; 0 without
        pairs."""
        if not self.n:
            return 0.0
        return sum(self.differences) / self.n if self.graded else (self.b - self.c) / self.n

    def add(self, example: Example, finalist: Outcome, incumbent: Outcome) -> None:
        won, lost = finalist.right and not incumbent.right, incumbent.right and not finalist.right
        self.b += won
        self.c += lost
        self.both_right += finalist.right and incumbent.right
        self.neither_right += not finalist.right and not incumbent.right
        self.format_gained += finalist.valid and not incumbent.valid
        self.format_lost += incumbent.valid and not finalist.valid
        for name in (example.target, *(part(each) for each in sorted(set(example.slices)))):
            old = self.slices.get(name, Slice(name, 0, 0, 0))
            self.slices[name] = Slice(name, old.n + 1, old.b + won, old.c + lost)
        self.spent.append(example.id)
        if self.graded:
            self.scores.append((incumbent.score, finalist.score))
        before, after = incumbent.seconds, finalist.seconds  # 0 when nobody measured
        if before > 0 and after > 0:
            self.seconds.append((round(before, 4), round(after, 4)))


def part(name: str) -> str:
    """How a part of the traffic (a language, a domain) stands among the slices: not as a target of the same name."""
    return f"part {name}"


def continued(earlier: Gate | None, graded: bool = False) -> Tally:
    """An empty tally, or one that goes on where an earlier gate of the same pair stopped."""
    if earlier is None:
        return Tally(graded=graded)
    counted: Iterable[str] = ("b", "c", "both_right", "neither_right", "format_gained", "format_lost")
    return Tally(
        **{name: getattr(earlier, name) for name in counted},
        slices={each.target: each for each in earlier.slices},
        spent=list(earlier.spent),
        graded=graded,
        scores=list(earlier.scores),
        seconds=list(earlier.seconds),
    )
