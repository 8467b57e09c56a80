"""OpenTelemetry traces and logs as OTLP JSON, with GenAI semantic conventions.

Checked against: OTLP JSON (`resourceSpans`/`resourceLogs`, one object per line as the collector's file exporter writes
it), GenAI semantic conventions 1.36 (events `gen_ai.user.message`, `gen_ai.choice`) to 1.41 (`gen_ai.input.messages`,
`gen_ai.client.inference.operation.details`, `gen_ai.evaluation.result`, `gen_ai.retrieval.documents`) and the
attributes before them (`gen_ai.prompt.N.content`, `gen_ai.usage.prompt_tokens`) that OpenLLMetry wrote.

Belongs here: spans and log records as rows. Does not: OTLP's value types and the places of content (genai).
"""

from collections.abc import Iterable, Iterator
from typing import Any

from glow_pipelines.importing import votes
from glow_pipelines.importing.messages import dialogue
from glow_pipelines.importing.parsers import genai
from glow_pipelines.importing.parsers.genai import Span
from glow_pipelines.importing.parsers.pieces import make, metadata, objects, whole
from glow_pipelines.importing.records import Options, Passed, Record, Result, Unacceptable
from glow_pipelines.importing.values import instant, number

_CHANNEL = "otel"


class OTelRecords:
    """Parser: the outermost GenAI span with content becomes an execution, evaluation results feedback, retrieval spans
    searches. Spans of one line belong together; a trace split over lines may give an execution for each part."""

    def __init__(self, options: Options) -> None:
        self._options = options

    def __call__(self, record: Record) -> Iterable[Result]:
        spans = genai.read(record)
        if spans is None:
            raise Unacceptable("record", ", ".join(record)[:80], "OTLP JSON: resourceSpans or resourceLogs")
        executions = {key for key, span in spans.items() if _is_execution(span, spans)}
        for key, span in spans.items():
            try:
                yield from self._rows(span, key in executions, executions, spans)
            except Unacceptable as error:
                yield error.refusal(_shown(span))

    def _rows(
        self, span: Span, is_execution: bool, executions: set[tuple[str, str]], spans: dict[tuple[str, str], Span]
    ) -> Iterator[Result]:
        if is_execution:
            yield self._execution(span)
        elif span.attributes.get("gen_ai.retrieval.query.text"):
            yield self._retrieval(span, executions)
        elif not span.evaluations:
            yield Passed(_why_not(span))
        for evaluation in span.evaluations:
            about = next((each.key for each in _upwards(span, spans) if each.key in executions), span.key)
            yield self._evaluation(span, evaluation, about)

    def _execution(self, span: Span) -> Result:
        said = dialogue(span.inputs, answered=False)
        answers = [dialogue([each]).output or "" for each in span.outputs[:1]]
        attributes = span.attributes
        row = make(
            "execution",
            self._options,
            attributes.get("gen_ai.agent.name") or attributes.get("service.name"),
            execution_id=_id(span.key),
            input=said.input or said.system or "",
            output=answers[0],
            user_id=attributes.get("user.id") or attributes.get("enduser.id"),
            conversation_id=attributes.get("gen_ai.conversation.id") or attributes.get("session.id"),
            channel=_CHANNEL,
            model=attributes.get("gen_ai.response.model") or attributes.get("gen_ai.request.model"),
            latency_ms=whole((span.ended - span.started) / 1e6) if span.started and span.ended else None,
            prompt_tokens=_tokens(attributes, "input", "prompt"),
            completion_tokens=_tokens(attributes, "output", "completion"),
            started_at=instant("startTimeUnixNano", span.started) if span.started else None,
            metadata=metadata(system_prompt=said.system, operation=attributes.get("gen_ai.operation.name")),
        )
        row.payload.setdefault("input", "")
        row.payload.setdefault("output", "")
        return row

    def _retrieval(self, span: Span, executions: set[tuple[str, str]]) -> Result:
        hits: list[Record] = []
        for document in objects(span.attributes.get("gen_ai.retrieval.documents")):
            if document.get("id") is not None:
                hits.append({"rank": len(hits) + 1, "chunk_id": str(document["id"])})
                if document.get("score") is not None:
                    hits[-1]["score"] = number("hits.score", document["score"])
        if not hits:
            return Passed("retrieval span without documents")
        # Usually a sibling of the call that uses what it found: named when the trace has one execution only.
        same_trace = [key for key in executions if key[0] == span.key[0]]
        return make(
            "retrieval",
            self._options,
            span.attributes.get("gen_ai.agent.name") or span.attributes.get("service.name"),
            event_id=_id(span.key),
            query=span.attributes["gen_ai.retrieval.query.text"],
            hits=hits,
            execution_id=_id(same_trace[0]) if len(same_trace) == 1 else None,
            user_id=span.attributes.get("user.id") or span.attributes.get("enduser.id"),
            conversation_id=span.attributes.get("gen_ai.conversation.id") or span.attributes.get("session.id"),
            occurred_at=instant("startTimeUnixNano", span.started) if span.started else None,
        )

    def _evaluation(self, span: Span, evaluation: Record, about: tuple[str, str]) -> Result:
        name = str(evaluation.get("gen_ai.evaluation.name") or "evaluation")
        label, score = (evaluation.get(f"gen_ai.evaluation.score.{part}") for part in ("label", "value"))
        explanation = evaluation.get("gen_ai.evaluation.explanation")
        vote = votes.said(name, label, explanation, self._options.scale) if label else {}
        if not vote.keys() - {"comment"} and score is not None:
            vote = votes.said(name, score, explanation, self._options.scale)
        if not vote:
            return Passed("evaluation without label and score")
        person = evaluation.get("user.id") or evaluation.get("enduser.id")
        at = evaluation.get("at")
        return make(
            "feedback",
            self._options,
            span.attributes.get("gen_ai.agent.name") or span.attributes.get("service.name"),
            execution_id=_id(about),
            # The conventions name no author: what no person signed is told apart by user and channel.
            user_id=votes.person(str(person), name) if person else f"evaluation:{name}"[:200],
            channel=_CHANNEL if person else "otel-evaluation",
            occurred_at=instant("timeUnixNano", at) if at else None,
            **vote,
        )


def _id(key: tuple[str, str]) -> str:
    return ":".join(key)


def _is_execution(span: Span, spans: dict[tuple[str, str], Span]) -> bool:
    return span.has_content and not any(each.has_content for each in list(_upwards(span, spans))[1:])


def _upwards(span: Span, spans: dict[tuple[str, str], Span]) -> Iterator[Span]:
    """The span and its ancestors in the same line; a loop of parents, which nothing forbids, ends."""
    seen = set()
    found: Span | None = span
    while found is not None and found.key not in seen:
        seen.add(found.key)
        yield found
        found = spans.get((found.key[0], found.parent))


def _why_not(span: Span) -> str:
    if span.has_content:
        return "GenAI span within an execution"
    if any(name.startswith("gen_ai.") for name in span.attributes):
        return "GenAI span without captured content"
    return "span or log record that is no GenAI call"


def _tokens(attributes: Record, *names: str) -> int | None:
    return next((n for name in names if (n := whole(attributes.get(f"gen_ai.usage.{name}_tokens"))) is not None), None)


def _shown(span: Span) -> dict[str, Any]:
    return {"traceId": span.key[0], "spanId": span.key[1], "attributes": span.attributes, "events": span.evaluations}
