"""MLflow traces with their assessments.

Checked against what MLflow 3.17.2 writes: `Trace.to_json()` and `search_traces()` as JSON Lines (`to_json` of pandas),
each with feedback and expectations; and against the older `request_id`/`timestamp_ms` form of MLflow 2.

Belongs here: those shapes. Does not: what an assessment's value means (votes).
"""

from collections.abc import Iterable
from typing import Any

from glow_pipelines.importing import votes
from glow_pipelines.importing.messages import as_text
from glow_pipelines.importing.parsers.pieces import make, metadata, objects, parsed, whole
from glow_pipelines.importing.records import Options, Passed, Record, Result, Unacceptable
from glow_pipelines.importing.values import instant

_CHANNEL = "mlflow"
_EXPECTED = ("expected_response", "expected_output", "expected_answer", "ground_truth", "correction")


class MLflowRecords:
    """Parser: traces become executions, human feedback feedback, expected responses annotations."""

    def __init__(self, options: Options) -> None:
        self._options = options

    def __call__(self, record: Record) -> Iterable[Result]:
        trace = _flat(record)
        if not trace.get("trace_id"):
            raise Unacceptable("trace_id", None, "a trace of MLflow: trace.to_json() or a row of search_traces()")
        output = as_text(trace["response"])
        if not output:
            return [Passed("trace without a response"), *self._assessments(trace, None)]
        usage, cost = (
            parsed(trace["metadata"].get("mlflow.trace.tokenUsage")),
            trace["metadata"].get("mlflow.trace.cost"),
        )
        usage, cost = (usage if isinstance(usage, dict) else {}), parsed(cost)
        tags = {name: value for name, value in trace["tags"].items() if not name.startswith("mlflow.")}
        execution = make(
            "execution",
            self._options,
            trace["tags"].get("mlflow.traceName"),
            execution_id=trace["trace_id"],
            input=as_text(trace["request"]),
            output=output,
            user_id=trace["metadata"].get("mlflow.trace.user"),
            conversation_id=trace["metadata"].get("mlflow.trace.session"),
            channel=_CHANNEL,
            model=_model(trace["spans"]),
            latency_ms=whole(trace["duration"]),
            prompt_tokens=whole(usage.get("input_tokens")),
            completion_tokens=whole(usage.get("output_tokens")),
            cost_usd=cost.get("total_cost") if isinstance(cost, dict) else None,
            started_at=instant("request_time", trace["time"]) if trace["time"] is not None else None,
            metadata=metadata(tags=tags),
        )
        execution.payload.setdefault("input", "")
        return [execution, *self._assessments(trace, output)]

    def _assessments(self, trace: Record, output: str | None) -> Iterable[Result]:
        by_person: dict[str, list[Record]] = {}
        results: list[Result] = []
        for each in objects(trace["assessments"]):
            try:
                result = self._assessment(trace, output, each, by_person)
            except Unacceptable as error:
                result = error.refusal(each, "feedback")
            if result is not None:
                results.append(result)
        for person, given in by_person.items():
            vote = votes.together(given)
            at = vote.pop("at", None)
            results.append(
                make(
                    "feedback",
                    self._options,
                    trace["tags"].get("mlflow.traceName"),
                    execution_id=trace["trace_id"],
                    user_id=person,
                    channel=_CHANNEL,
                    conversation_id=trace["metadata"].get("mlflow.trace.session"),
                    occurred_at=instant("create_time", at) if at is not None else None,
                    **vote,
                )
            )
        return results

    def _assessment(
        self, trace: Record, output: str | None, each: Record, by_person: dict[str, list[Record]]
    ) -> Result | None:
        """An expectation as its row; feedback is gathered by person, because votes of one person replace each other."""
        source = each.get("source") or {}
        if source.get("source_type") not in ("HUMAN", None):
            return Passed(f"assessment by {source['source_type']}, not by a person")
        if each.get("valid") is False:
            return Passed("assessment that a later one overrides")
        name = str(each.get("assessment_name") or each.get("name") or "")
        if isinstance(each.get("expectation"), dict):
            return self._expectation(trace, output, name, each, source)
        value = (each.get("feedback") or {}).get("value")
        given = votes.said(name, value, each.get("rationale"), self._options.scale)
        if not given:
            return Passed("assessment without a value")
        person = source.get("source_id") or f"{_CHANNEL}:{each.get('assessment_id')}"
        at = each.get("last_update_time") or each.get("create_time") or each.get("create_time_ms")
        by_person.setdefault(str(person), []).append(given | ({"at": at} if at is not None else {}))
        return None

    def _expectation(self, trace: Record, output: str | None, name: str, each: Record, source: Record) -> Result:
        if name not in _EXPECTED or output is None:
            return Passed("expectation that is no expected response")
        right = as_text(each["expectation"].get("value"))
        verdict = {"verdict": "approve"} if right == output else {"verdict": "correct", "output": right}
        person = source.get("source_id") or "mlflow-expectation"
        notes = each.get("rationale")
        return make(
            "annotation", self._options, execution_id=trace["trace_id"], reviewer=person, notes=notes, **verdict
        )


def _flat(record: Record) -> Record:
    """A trace's parts by one name each: of the JSON of a trace, of MLflow 2 and 3, and of a row of search_traces."""
    info, data = record.get("info") or record, record.get("data") or {}
    gathered = info.get("trace_metadata") or info.get("request_metadata")
    spans = objects(data.get("spans") or record.get("spans"))
    root = next((each for each in spans if not (each.get("parent_span_id") or each.get("parent_id"))), {})
    attributes = root.get("attributes") or {}
    found = {
        "trace_id": info.get("trace_id") or info.get("request_id"),
        "time": _first(info, "request_time", "timestamp_ms"),
        "duration": _first(info, "execution_duration_ms", "execution_duration", "execution_time_ms"),
        "metadata": _named(gathered),
        "tags": _named(info.get("tags")),
        "assessments": info.get("assessments"),
        "spans": spans,
    }
    # The previews in `info` are cut; the root span has the whole.
    asked = (
        _first(data, "request"),
        record.get("request"),
        attributes.get("mlflow.spanInputs"),
        info.get("request_preview"),
    )
    told = _first(data, "response"), record.get("response"), attributes.get("mlflow.spanOutputs")
    found["request"] = next((parsed(each) for each in asked if each is not None), None)
    found["response"] = next((parsed(each) for each in (*told, info.get("response_preview")) if each is not None), None)
    return found


def _first(record: Record, *names: str) -> Any:
    return next((record[name] for name in names if record.get(name) is not None), None)


def _named(value: Any) -> Record:
    """Metadata and tags: an object, or in old exports a list of key and value."""
    value = parsed(value)
    if isinstance(value, list):
        return {str(each.get("key")): each.get("value") for each in objects(value)}
    return value if isinstance(value, dict) else {}


def _model(spans: list[Record]) -> Any:
    """The model of the last span that names one."""
    for span in reversed(spans):
        attributes = span.get("attributes") or {}
        model = parsed(attributes.get("mlflow.llm.model")) if isinstance(attributes, dict) else None
        if isinstance(model, str) and model:
            return model
    return None
