"""What the optimizer learns from, and what it proposes: examples, corrections, answers, candidates with their lineage.

Belongs here: the values that cross the engine's border. Does not belong here: results of a stage (results.py).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from glow_pipelines.learning.prompts.jsonable import Jsonable
from glow_pipelines.learning.prompts.prompt import Prompt, RenderedPrompt

Split = Literal["train", "val", "test"]
SourceKind = Literal["feedback", "annotation", "comparison", "demonstration", "execution"]
LineageRole = Literal["demo", "rule_evidence", "reflected"]

_EXPERT: tuple[SourceKind, ...] = ("annotation", "comparison", "demonstration")


@dataclass(frozen=True)
class Source(Jsonable):
    """The row something came from."""

    kind: SourceKind
    id: str


@dataclass(frozen=True)
class Example(Jsonable):
    """An input with its right answer. `group` is what must not be split apart; `weight` >= 0 is trust in the target.

    `slices` are names of parts of the traffic that are looked at by themselves: a language, a domain.
    """

    id: str
    input: str
    target: str
    group: str
    split: Split
    weight: float = 1.0
    sources: tuple[Source, ...] = ()
    slices: tuple[str, ...] = ()

    @property
    def approved(self) -> bool:
        """Whether more than a vote stands behind the target: an expert, or whoever curated the file."""
        return not self.sources or any(source.kind in _EXPERT for source in self.sources)


@dataclass(frozen=True)
class Correction(Jsonable):
    """A user's edit of an output. Hostile until proven otherwise: it is evidence, never prompt text."""

    feedback_id: str
    execution_id: str
    input: str
    observed: str
    expected: str
    user_id: str
    issues: tuple[str, ...] = ()
    comment: str | None = None
    expert: bool = False

    @property
    def id(self) -> str:
        """Its id as evidence, and that of the train example it may become."""
        return f"correction:{self.feedback_id}"


@dataclass(frozen=True)
class Vote(Jsonable):
    """One user's judgement of one execution: helpful or not, what was wrong, and the slices the execution is in."""

    feedback_id: str
    execution_id: str
    user_id: str
    positive: bool
    issues: tuple[str, ...] = ()
    slices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Answer(Jsonable):
    """One model answer. Tokens, cost and seconds are those it had when it was fresh; a `cached` one was paid before."""

    text: str
    prompt_tokens: int
    completion_tokens: int
    cost_usd: float
    cached: bool
    seconds: float = 0.0


Answerer = Callable[[Sequence[RenderedPrompt]], Sequence[Answer]]
"""Answers a batch in order, one answer per prompt. Raises instead of inventing an answer; failures are never cached."""


@dataclass(frozen=True)
class Lineage(Jsonable):
    """Where a part of a candidate came from: a source row, or an example by its id. `rule_id` names the rule it
    supports.
    """

    source: Source | str
    role: LineageRole
    rule_id: str | None = None


@dataclass(frozen=True)
class Edit(Jsonable):
    """A sentence a candidate's instruction adds, with the ids of the train examples or corrections that ask for it."""

    text: str
    evidence: tuple[str, ...]


@dataclass(frozen=True)
class Candidate(Jsonable):
    """A proposed prompt. With findings it was rejected by lint: kept for the record, never evaluated.

    `reason` says in one sentence why it was proposed. `edits` declare what its instruction says that the incumbent's
    did not: lint refuses new sentences that nobody's evidence asks for.
    """

    prompt: Prompt
    operator: str
    parent_sha256: str
    lineage: tuple[Lineage, ...] = ()
    findings: tuple[str, ...] = ()
    reason: str = ""
    edits: tuple[Edit, ...] = ()


@dataclass(frozen=True)
class IncorporatedCorrection(Jsonable):
    """What became of one correction: a train example, or none with the findings that stopped it."""

    example: Example | None
    findings: tuple[str, ...] = ()


def trace(examples: Sequence[Example], role: LineageRole, rule_id: str | None = None) -> tuple[Lineage, ...]:
    """Lineage of these examples: each by its id, followed by the rows it came from."""
    lines: list[Lineage] = []
    for example in examples:
        lines += [Lineage(example.id, role, rule_id), *(Lineage(source, role, rule_id) for source in example.sources)]
    return tuple(lines)
