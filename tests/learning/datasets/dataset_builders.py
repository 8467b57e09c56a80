"""Rows and examples for these tests, with every field that a test does not care about filled in."""

from datetime import UTC, datetime

from glow_pipelines.learning.annotations import AnnotationRow
from glow_pipelines.learning.datasets import LearningExample, SourceRef, example_hash, example_id
from glow_pipelines.learning.feedback import ExecutionRow, FeedbackRow

AT = datetime(2026, 3, 1, tzinfo=UTC)


def run(
    id: str, input: str = "taxi to the airport", output: str = "6100", conversation: str | None = None
) -> ExecutionRow:
    return ExecutionRow(id, "coder", input, output, "u", conversation)


def vote(
    id: int, execution: str, user: str | None, thumbs: int | None = None, correction: str | None = None
) -> FeedbackRow:
    return FeedbackRow(id, "coder", execution, user, "vote", thumbs, None, (), None, correction, None, AT)


def judge(id: int, execution: str, reviewer: str, verdict: str, output: str | None = None) -> AnnotationRow:
    return AnnotationRow(id, execution, "coder", reviewer, verdict, output)


def example(input: str = "taxi", target: str = "6100", **more: object) -> LearningExample:
    id = example_id("coder", input, target)
    rejected = more.get("rejected_target")
    fields: dict[str, object] = {
        "id": id,
        "agent": "coder",
        "source": "annotation",
        "status": "approved",
        "quality": 0.9,
        "group": f"g-{id}",
        "expert_approved": True,
        "content_hash": example_hash(input, target, rejected),
        "sources": (SourceRef("annotation", "1", "supports"),),
        "rule_version": "behavior-1",
        "reason": "",
    }
    return LearningExample(input=input, target=target, **(fields | more))
