"""Arize Phoenix exports.

Checked against phoenix 20.26.1 and its client 3.5.0: columns of `get_spans_dataframe` (`context.span_id`,
`attributes.*`), spans and annotations of `get_spans`/`get_span_annotations` and its dataframe (`result.score`), and the
JSONL and CSV downloads of datasets; OpenInference semantic conventions 0.1.42.

Belongs here: those shapes. Does not: what an annotation's value means (votes).
"""

import hashlib
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from glow_pipelines.importing import votes
from glow_pipelines.importing.messages import as_text
from glow_pipelines.importing.parsers.pieces import dig, make, metadata, objects, parsed, whole
from glow_pipelines.importing.records import Options, Passed, Record, Result, Unacceptable
from glow_pipelines.importing.values import instant, number

_CHANNEL = "phoenix"
_EXPERT = "phoenix-dataset"


class PhoenixRecords:
    """Parser: root spans become executions, retriever spans searches, human annotations feedback, dataset examples
    demonstrations."""

    def __init__(self, options: Options) -> None:
        self._options = options

    def __call__(self, record: Record) -> Iterable[Result]:
        if "annotator_kind" in record:
            return [self._annotation(record)]
        if dig(record, "context.span_id") and ("span_kind" in record or "start_time" in record):
            return [self._span(record)]
        if "node_id" in record or {"input", "output"} <= record.keys():
            return [self._example(record)]
        raise Unacceptable("record", ", ".join(record)[:80], "a span, span annotation or dataset example of Phoenix")

    def _span(self, span: Record) -> Result:
        span_id, parent = str(dig(span, "context.span_id")), span.get("parent_id")
        started = instant("start_time", span["start_time"]) if span.get("start_time") else None
        about = {
            "user_id": _attribute(span, "user.id"),
            "conversation_id": _attribute(span, "session.id"),
        }
        if str(span.get("span_kind")).upper() == "RETRIEVER":
            query = as_text(_attribute(span, "input.value"))
            hits = _hits(_attribute(span, "retrieval.documents"))
            if not query or not hits:
                return Passed("retriever span without query and documents")
            found = {"event_id": span_id, "query": query, "hits": hits, "execution_id": parent}
            return make("retrieval", self._options, _agent(span), occurred_at=started, **found, **about)
        if parent:
            return Passed("span within an execution")
        output = as_text(_attribute(span, "output.value"))
        if not output:
            return Passed("root span without an output")
        ended = instant("end_time", span["end_time"]) if span.get("end_time") else None
        row = make(
            "execution",
            self._options,
            _agent(span),
            execution_id=span_id,
            input=as_text(_attribute(span, "input.value")),
            output=output,
            channel=_CHANNEL,
            model=_attribute(span, "llm.model_name"),
            latency_ms=_between(started, ended),
            prompt_tokens=whole(_attribute(span, "llm.token_count.prompt")),
            completion_tokens=whole(_attribute(span, "llm.token_count.completion")),
            cost_usd=_attribute(span, "llm.cost.total"),
            started_at=started,
            metadata=metadata(
                trace_id=dig(span, "context.trace_id"), phoenix=_attribute(span, "metadata"), name=span.get("name")
            ),
            **about,
        )
        row.payload.setdefault("input", "")
        return row

    def _annotation(self, record: Record) -> Result:
        if record["annotator_kind"] != "HUMAN":
            return Passed(f"annotation by {record['annotator_kind']}, not by a person")
        execution_id = record.get("span_id")
        if not execution_id:
            raise Unacceptable("span_id", None, "the span; of a dataframe write reset_index() first, the index is lost")
        name = str(record.get("annotation_name") or record.get("name") or "")
        label, score = dig(record, "result.label"), dig(record, "result.score")
        explanation = dig(record, "result.explanation")
        vote = votes.said(name, label, explanation, self._options.scale) if label else {}
        if not vote.keys() - {"comment"} and score is not None:
            heard = "\n".join(filter(None, (label, explanation))) or None
            vote = votes.said(name, score, heard, self._options.scale)
        if not vote:
            return Passed("annotation without a value")
        person = record.get("user_id") or record.get("identifier")
        moment = record.get("updated_at") or record.get("created_at")
        return make(
            "feedback",
            self._options,
            execution_id=execution_id,
            user_id=votes.person(str(person), name) if person else f"{_CHANNEL}:{record.get('id')}",
            channel=_CHANNEL,
            occurred_at=instant("updated_at", moment) if moment else None,
            **vote,
        )

    def _example(self, record: Record) -> Result:
        asked = record["input"] if "input" in record else _under(record, "input.")
        right = record["output"] if "output" in record else _under(record, "output.")
        if not asked or not right:
            return Passed("dataset example without input and output")
        return make("demonstration", self._options, expert=_EXPERT, input=as_text(asked), output=as_text(right))


def _attribute(span: Record, name: str) -> Any:
    """An attribute of a dataframe's column, or of the `attributes` of a span, flat or nested."""
    found = span.get(f"attributes.{name}")
    return found if found is not None else dig(span.get("attributes"), name)


def _agent(span: Record) -> Any:
    return _attribute(span, "agent.name")


def _under(record: Record, prefix: str) -> Record:
    """The CSV of a dataset has a column for each key of input and output."""
    return {
        key.removeprefix(prefix): parsed(value)
        for key, value in record.items()
        if key.startswith(prefix) and value not in (None, "")
    }


def _hits(documents: Any) -> list[Record]:
    """Documents of a retriever span as hits; one without an id is known by its content."""
    hits: list[Record] = []
    for document in objects(documents):
        content = dig(document, "document.content")
        found = dig(document, "document.id") or (
            f"content:{hashlib.sha256(content.encode('utf-8', 'replace')).hexdigest()[:32]}" if content else None
        )
        if found is not None and str(found) not in {hit["chunk_id"] for hit in hits}:
            score = dig(document, "document.score")
            hits.append({"rank": len(hits) + 1, "chunk_id": str(found)})
            if score is not None:
                hits[-1]["score"] = number("hits.score", score)
    return hits


def _between(started: str | None, ended: str | None) -> int | None:
    if started is None or ended is None:
        return None
    return whole((datetime.fromisoformat(ended) - datetime.fromisoformat(started)).total_seconds() * 1000)
