"""Langfuse exports.

Checked against: the field reference of the blob storage export (traces, enriched observations and scores, snake_case;
2026), the public API's Trace, TraceWithFullDetails, Observation and Score of its API definition (camelCase), and the
header of the scores table's export from the UI (id, traceId, ..., userId, traceTags).

Belongs here: those shapes. Does not: what a score's value means (votes).
"""

from collections.abc import Iterable
from typing import Any

from glow_pipelines.importing import votes
from glow_pipelines.importing.messages import as_text
from glow_pipelines.importing.parsers.pieces import make, metadata, objects, parsed, the_agent, whole
from glow_pipelines.importing.records import Options, Passed, Record, Result, Unacceptable
from glow_pipelines.importing.values import instant

_CHANNEL = "langfuse"
_EXPERT = "langfuse-dataset"


class LangfuseRecords:
    """Parser: traces become executions, scores by people feedback, dataset items demonstrations."""

    def __init__(self, options: Options) -> None:
        self._options = options

    def __call__(self, record: Record) -> Iterable[Result]:
        record = _snake(record)
        if isinstance(record.get("trace"), dict):  # a single trace as the UI downloads it
            parts = {name: record[name] for name in ("observations", "scores") if name in record}
            record = _snake(record["trace"]) | parts
        if "data_type" in record or ("trace_id" in record and "name" in record and "source" in record):
            return self._flat_score(record)
        if "expected_output" in record:
            return self._dataset_item(record)
        if "trace_id" in record and "type" in record:
            return self._observation(record)
        if "id" in record and ("input" in record or "output" in record):
            return self._trace(record)
        raise Unacceptable("record", ", ".join(record)[:80], "a trace, observation, score or dataset item of Langfuse")

    def _trace(self, trace: Record) -> Iterable[Result]:
        if trace.get("output") in (None, ""):
            return [Passed("trace without an output"), *self._scores(trace)]
        observations = [_snake(each) for each in objects(trace.get("observations"))]
        generations = [each for each in observations if each.get("type") == "GENERATION"]
        usage = [_usage(each) for each in generations]
        latency = trace.get("latency")
        execution = make(
            "execution",
            self._options,
            trace.get("name"),
            execution_id=trace["id"],
            input=as_text(trace.get("input")),
            output=as_text(trace["output"]),
            user_id=trace.get("user_id"),
            conversation_id=trace.get("session_id"),
            channel=_CHANNEL,
            model=_model(generations[-1]) if generations else None,
            latency_ms=whole(float(latency) * 1000) if isinstance(latency, int | float) else None,
            prompt_tokens=sum(asked for asked, _ in usage) or None,
            completion_tokens=sum(answered for _, answered in usage) or None,
            cost_usd=trace.get("total_cost") if isinstance(trace.get("total_cost"), int | float) else None,
            started_at=instant("timestamp", trace["timestamp"]) if trace.get("timestamp") else None,
            metadata=metadata(langfuse=parsed(trace.get("metadata")), tags=parsed(trace.get("tags"))),
        )
        # Without an input as text there may still be an answer worth keeping: an empty input is accepted.
        execution.payload.setdefault("input", "")
        return [execution, *self._scores(trace)]

    def _scores(self, trace: Record) -> Iterable[Result]:
        """The scores inside a trace, those of one person together: as votes each would replace the one before."""
        by_person: dict[str, list[Record]] = {}
        results: list[Result] = []
        for score in map(_snake, objects(trace.get("scores"))):
            try:
                if (reason := _not_by_people(score)) is not None:
                    results.append(Passed(reason))
                    continue
                person = _author(score) or trace.get("user_id") or f"{_CHANNEL}:{score.get('id')}"
                vote = votes.said(*_said(score), self._options.scale, score.get("data_type") == "BOOLEAN")
                by_person.setdefault(str(person), []).append(vote | {"at": score.get("timestamp")})
            except Unacceptable as error:
                results.append(error.refusal(score, "feedback"))
        for person, given in by_person.items():
            vote = votes.together(given)
            moment = vote.pop("at", None)
            results.append(
                self._feedback(trace["id"], person, vote, moment, trace.get("name"), trace.get("session_id"))
            )
        return results

    def _flat_score(self, score: Record) -> Iterable[Result]:
        if (reason := _not_by_people(score)) is not None:
            return [Passed(reason)]
        trace_id = score.get("trace_id")
        if not trace_id:
            return [Passed("score of a session or a dataset run, not of a trace")]
        name = str(score.get("name", ""))
        who = _author(score) or score.get("user_id")
        person = votes.person(str(who), name) if who else f"{_CHANNEL}:{score.get('id')}"
        vote = votes.said(*_said(score), self._options.scale, score.get("data_type") == "BOOLEAN")
        named = score.get("trace_name")
        return [self._feedback(trace_id, person, vote, score.get("timestamp"), named, score.get("session_id"))]

    def _feedback(self, trace_id: str, person: Any, vote: Record, moment: Any, agent: Any, session: Any) -> Result:
        if not vote:
            return Passed("score without a value")
        at = instant("timestamp", moment) if moment else None
        return make(
            "feedback",
            self._options,
            agent,
            execution_id=trace_id,
            user_id=str(person),
            channel=_CHANNEL,
            conversation_id=session,
            occurred_at=at,
            **vote,
        )

    def _observation(self, observation: Record) -> Iterable[Result]:
        enriched = "trace_name" in observation or "user_id" in observation
        if observation.get("parent_observation_id") or not enriched:
            return [Passed("observation within a trace")]
        cost = {"total_cost": observation.get("total_cost")}
        trace = observation | cost | {"id": observation["trace_id"], "timestamp": observation.get("start_time")}
        trace |= {"name": observation.get("trace_name"), "observations": [observation]}
        return self._trace(trace)

    def _dataset_item(self, item: Record) -> Iterable[Result]:
        if item["expected_output"] in (None, "") or item.get("input") in (None, ""):
            return [Passed("dataset item without input and expected output")]
        said = {"input": as_text(item["input"]), "output": as_text(item["expected_output"])}
        agent = the_agent(self._options, item.get("dataset_name"))
        return [make("demonstration", self._options, agent, expert=_EXPERT, **said)]


def _snake(record: Record) -> Record:
    """The API writes camelCase, the blob export snake_case: read both as the latter."""
    return {"".join(f"_{c.lower()}" if c.isupper() else c for c in key): value for key, value in record.items()}


def _not_by_people(score: Record) -> str | None:
    if score.get("source") == "EVAL":
        return "score by a model (source EVAL)"
    return "text without a score" if score.get("value") is None and not score.get("string_value") else None


def _author(score: Record) -> Any:
    return score.get("author_user_id") or score.get("author_user_name")


def _said(score: Record) -> tuple[str, Any, str | None]:
    """Name, value and comment; of categories and texts the string is the value."""
    kind, words = score.get("data_type"), score.get("string_value")
    value = words if words and kind in ("CATEGORICAL", "TEXT") else score.get("value")
    return str(score.get("name", "")), value, score.get("comment") or None


def _usage(observation: Record) -> tuple[int, int]:
    details = parsed(observation.get("usage_details")) or parsed(observation.get("usage")) or {}
    return (
        (whole(details.get("input")) or 0, whole(details.get("output")) or 0) if isinstance(details, dict) else (0, 0)
    )


def _model(observation: Record) -> Any:
    return observation.get("provided_model_name") or observation.get("model")
