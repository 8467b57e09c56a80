"""What the rows say: each one a claim that some output is, or is not, the right answer to some input.

Belongs here: rows → claims. Does not belong here: weighing them against each other (resolve).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from glow_pipelines.learning.annotations.rows import AnnotationRow, ComparisonRow
from glow_pipelines.learning.datasets.examples import DemonstrationRow, ExampleSource, SourceKind, SourceRef
from glow_pipelines.learning.datasets.text import text_key
from glow_pipelines.learning.feedback.rows import ExecutionRow, FeedbackRow, sentiment

ANONYMOUS = "\0anonymous"  # all anonymous users are one: nobody can agree with themselves by logging out


@dataclass(frozen=True, slots=True)
class Claim:
    """`person` holds (+1) or denies (-1) that `target` answers `input`. `replaces` is the output it was put in for.

    `order` sorts claims by their row within a source; `execution` is None for a demonstration. `weight` is what an
    expert's word counts; `decisive` is that of an adjudication, which beats other experts' about the same execution.
    """

    agent: str
    input: str
    target: str
    source: ExampleSource
    person: str
    stance: Literal[-1, 1]
    ref: SourceRef
    order: int
    execution: ExecutionRow | None = None
    replaces: str | None = None
    domain: str | None = None
    weight: float = 1.0
    decisive: bool = False

    @property
    def expert(self) -> bool:
        """Whether an expert speaks."""
        return self.source in ("annotation", "demonstration")


def claims_of(
    executions: Iterable[ExecutionRow],
    feedback: Iterable[FeedbackRow],
    annotations: Iterable[AnnotationRow],
    demonstrations: Iterable[DemonstrationRow],
    *,
    comparisons: Iterable[ComparisonRow] = (),
) -> Iterator[Claim]:
    """Every claim, in an order that does not depend on the order given. Rows of unknown executions wait: no claim.

    Where an execution was adjudicated, reviews and comparisons of it claim nothing.
    """
    known = {execution.id: execution for execution in executions}
    for demo in sorted(demonstrations, key=lambda row: row.id):
        ref = SourceRef("demonstration", str(demo.id), "supports")
        yield Claim(
            demo.agent, demo.input, demo.output, "demonstration", demo.expert, 1, ref, demo.id, domain=demo.domain
        )
    judgements = sorted(annotations, key=lambda row: row.id)
    decided = {row.execution_id for row in judgements if row.role == "adjudication"}
    for row in judgements:
        if row.execution_id in decided and row.role != "adjudication":
            continue
        if execution := known.get(row.execution_id):
            right = execution.output if row.verdict == "approve" else row.output if row.verdict == "correct" else None
            for claim in _judged(execution, "annotation", "annotation", row.reviewer, row.id, right):
                yield replace(claim, decisive=row.role == "adjudication")
    for choice in sorted(comparisons, key=lambda row: row.id):
        if choice.execution_id not in decided and (execution := known.get(choice.execution_id)):
            yield from _chosen(execution, choice)
    for vote in sorted(feedback, key=lambda row: row.id):
        if execution := known.get(vote.execution_id):
            person = vote.user_id if vote.user_id is not None else ANONYMOUS
            if vote.correction is not None:
                yield from _judged(execution, "correction", "feedback", person, vote.id, vote.correction)
            elif (liked := sentiment(vote)) in (1, -1):
                right = execution.output if liked == 1 else None
                yield from _judged(execution, "vote", "feedback", person, vote.id, right)


def _judged(
    execution: ExecutionRow, source: ExampleSource, kind: SourceKind, person: str, row: int, right: str | None
) -> Iterator[Claim]:
    """For `right`, and against the execution's output when that is another answer (or no right one is known)."""

    def claim(target: str, stance: Literal[-1, 1], replaces: str | None) -> Claim:
        ref = SourceRef(kind, str(row), "supports" if stance > 0 else "opposes")
        text, domain = execution.input, execution.domain
        return Claim(execution.agent, text, target, source, person, stance, ref, row, execution, replaces, domain)

    same = right is not None and text_key(right) == text_key(execution.output)
    if not same:
        yield claim(execution.output, -1, None)
    if right is not None:
        yield claim(right, 1, None if same else execution.output)


def _chosen(execution: ExecutionRow, row: ComparisonRow) -> Iterator[Claim]:
    """For the preferred answer and against the other; against both when neither is right; nothing of a tie."""
    if row.preferred == "tie":
        return
    for shown, text, other in (("first", row.first, row.second), ("second", row.second, row.first)):
        stance: Literal[-1, 1] = 1 if row.preferred == shown else -1
        ref = SourceRef("comparison", str(row.id), "supports" if stance > 0 else "opposes")
        replaces = other if stance > 0 and text_key(text) != text_key(execution.output) else None
        yield Claim(
            execution.agent,
            execution.input,
            text,
            "annotation",
            row.reviewer,
            stance,
            ref,
            row.id,
            execution,
            replaces,
            execution.domain,
        )
