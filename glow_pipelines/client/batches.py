"""Many rows in one call: which functions have a batch form, and how its answers are read.

Belongs here: rows as mappings whose keys are the argument names of the single form. Does not: collecting rows
(`writer`), checking them: a refused row is an answer, not an error, and never stops the others.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from glow_pipelines.client.call import Call, Rows
from glow_pipelines.client.errors import Incompatible
from glow_pipelines.client.results import (
    AnnotationReceipt,
    DemonstrationReceipt,
    ExecutionReceipt,
    FeedbackReceipt,
    Refusal,
    RetrievalReceipt,
    read,
)
from glow_pipelines.client.wire import plain

_T = TypeVar("_T")
Row = Mapping[str, Any]

# In the order in which a writer sends them: an annotation of an execution not yet logged would be refused.
RECEIPTS: Mapping[str, type[Any]] = {
    "log_execution": ExecutionReceipt,
    "log_retrieval": RetrievalReceipt,
    "submit_feedback": FeedbackReceipt,
    "submit_annotation": AnnotationReceipt,
    "submit_demonstration": DemonstrationReceipt,
}
KEYED = frozenset({"submit_feedback", "submit_annotation", "submit_demonstration"})
INSTANTS: Mapping[str, str] = {
    "log_execution": "started_at",
    "log_retrieval": "occurred_at",
    "submit_feedback": "occurred_at",
}


def row_of(call: Call[Any]) -> tuple[str, dict[str, object]]:
    """The function whose batch form takes this call, and its row there."""
    if call.function == "withdraw_feedback":
        return "submit_feedback", {**call.arguments, "withdrawn": True}
    return call.function, dict(call.arguments)


def batch(function: str, rows: Sequence[Row]) -> Call[tuple[Any, ...]]:
    """The batch form of a function. Answers one receipt or Refusal for each row, in order."""
    sent = [{name: plain(value) for name, value in row.items() if value is not None} for row in rows]
    return Call(f"{function}_batch", {"rows": sent}, reads_each(RECEIPTS[function], sent), keyed=function in KEYED)


def log_execution_batch(rows: Sequence[Row]) -> Call[tuple[ExecutionReceipt | Refusal, ...]]:
    """Record many executions in one transaction."""
    return batch("log_execution", rows)


def submit_feedback_batch(rows: Sequence[Row]) -> Call[tuple[FeedbackReceipt | Refusal, ...]]:
    """Record much feedback in one transaction; a row with "withdrawn": True takes back."""
    return batch("submit_feedback", rows)


def log_retrieval_batch(rows: Sequence[Row]) -> Call[tuple[RetrievalReceipt | Refusal, ...]]:
    """Record many searches in one transaction."""
    return batch("log_retrieval", rows)


def submit_annotation_batch(rows: Sequence[Row]) -> Call[tuple[AnnotationReceipt | Refusal, ...]]:
    """Record many judgements in one transaction."""
    return batch("submit_annotation", rows)


def submit_demonstration_batch(rows: Sequence[Row]) -> Call[tuple[DemonstrationReceipt | Refusal, ...]]:
    """Record many examples in one transaction."""
    return batch("submit_demonstration", rows)


def reads_each(kind: type[_T], sent: Sequence[Row]) -> Callable[[str, Rows], tuple[_T | Refusal, ...]]:
    """Reads an answer of one receipt or refusal for each row that was sent."""

    def reads(function: str, rows: Rows) -> tuple[_T | Refusal, ...]:
        answers = rows[0][function]
        if len(answers) != len(sent):
            raise Incompatible(f"{function} answered {len(answers)} results for {len(sent)} rows")
        return tuple(_answer(kind, function, *pair) for pair in zip(answers, sent, strict=True))

    return reads


def _answer(kind: type[_T], function: str, answer: Row, row: Row) -> _T | Refusal:
    if answer["status"] == "refused":
        return read(Refusal, {**answer, "function": function.removesuffix("_batch"), "row": row})
    return read(kind, answer)
