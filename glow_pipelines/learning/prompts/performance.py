"""What the analysis found: how the incumbent does on train examples, and what users said of it.

Belongs here: the values. Does not belong here: computing them (analysis, votes), other stages' results (results).
Inputs, answers and issues are user text: escape them before showing.
"""

from dataclasses import dataclass

from glow_pipelines.learning.intervals import Interval
from glow_pipelines.learning.prompts.jsonable import Jsonable


@dataclass(frozen=True)
class TargetResult(Jsonable):
    """How the incumbent does on examples with one right answer."""

    target: str
    n: int
    right: int
    accuracy: Interval


@dataclass(frozen=True)
class SliceResult(Jsonable):
    """How the incumbent does on the examples of one slice."""

    slice: str
    n: int
    right: int
    accuracy: Interval


@dataclass(frozen=True)
class FailureCluster(Jsonable):
    """Failures of one sort. Closed answers: `target` was right, `answered` was given, `share` is of the examples with
    this target. Free text: answers with the same fault (`kind`) to like inputs, `target` and `answered` are those of
    the most central one, `share` is of all examples.

    `example_inputs` are the three most central, `passing_inputs` two like them that are answered right.
    """

    target: str
    answered: str
    count: int
    share: Interval
    example_ids: tuple[str, ...]
    example_inputs: tuple[str, ...]
    passing_inputs: tuple[str, ...]
    kind: str = ""


@dataclass(frozen=True)
class FaultCount(Jsonable):
    """How many free-text answers have one fault (faults.Fault); an answer may have several."""

    kind: str
    count: int
    share: Interval
    example_ids: tuple[str, ...]


@dataclass(frozen=True)
class CorrectionPattern(Jsonable):
    """How often users changed `observed` into `expected`, and how many users did."""

    observed: str
    expected: str
    count: int
    users: int = 0


@dataclass(frozen=True)
class CorrectionKind(Jsonable):
    """How many corrections make one kind of change, by how many users; `share` caps what each user weighs."""

    kind: str
    count: int
    users: int
    share: Interval


@dataclass(frozen=True)
class VoteResult(Jsonable):
    """Votes that name `issue` (None: whatever they name) in `slice` (None: all). Rates cap what each user weighs.

    `positive` is the rate of positive ones among these votes, `share` their part of all votes of the slice.
    """

    issue: str | None
    slice: str | None
    votes: int
    users: int
    positive: Interval
    share: Interval


@dataclass(frozen=True)
class Analysis(Jsonable):
    """The incumbent on train examples, and what users said of it."""

    prompt_sha256: str
    metric: str
    metric_version: int
    n: int
    right: int
    accuracy: Interval
    targets: tuple[TargetResult, ...]
    clusters: tuple[FailureCluster, ...]
    issues: tuple[tuple[str, int], ...]
    patterns: tuple[CorrectionPattern, ...]
    corrections: int
    slices: tuple[SliceResult, ...] = ()
    faults: tuple[FaultCount, ...] = ()
    kinds: tuple[CorrectionKind, ...] = ()
    votes: tuple[VoteResult, ...] = ()
