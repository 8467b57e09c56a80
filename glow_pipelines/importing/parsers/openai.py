"""OpenAI's JSONL files.

Checked against: chat and preference files of the fine-tuning guide and the types of openai-python 3.54 (evals JSONL
source `{"item", "sample"}`, `eval.run.output_item`), samples of the openai/evals registry (`{"input", "ideal"}`), and
the two OpenAI downloads of Phoenix 20.26 (`openai_ft`, `openai_evals`: `{"messages", "ideal"}`).

Belongs here: those shapes. Does not: what messages look like as text (messages).
"""

from collections.abc import Iterable
from typing import Any

from glow_pipelines.importing.messages import are_messages, as_text, dialogue
from glow_pipelines.importing.parsers.plain import completed
from glow_pipelines.importing.records import Options, Passed, Record, Result, Row, Unacceptable
from glow_pipelines.importing.values import instant

_EXPERT = "openai-file"
_ASKED = ("input", "question", "prompt", "query")
_RIGHT = (
    "ideal",
    "ground_truth",
    "expected_output",
    "expected",
    "reference_answer",
    "answer",
    "correct_label",
    "target",
)
_ACCEPTED = "a line with messages, input and ideal, item, or input and preferred_output"


class OpenAIRecords:
    """Parser: examples become demonstrations, outputs of a model executions; with `--kind execution` all do."""

    def __init__(self, options: Options) -> None:
        self._options = options

    def __call__(self, record: Record) -> Iterable[Result]:
        if record.get("object") == "eval.run.output_item":
            return [self._output_item(record)]
        if "preferred_output" in record:
            messages = [*(record.get("input") or {}).get("messages", ()), *record["preferred_output"]]
            return [self._chat(messages)]
        if isinstance(record.get("item"), dict):
            return [self._evaluated(record["item"], record.get("sample"))]
        if are_messages(record.get("messages")) and not record.get("ideal"):
            return [self._chat(record["messages"])]
        if "ideal" in record and (asked := record.get("input", record.get("messages"))):
            return [self._example(asked, record["ideal"])]
        raise Unacceptable("line", ", ".join(record), _ACCEPTED)

    def _chat(self, messages: Any) -> Result:
        if not are_messages(messages):
            raise Unacceptable("messages", None, "a list of objects with role and content")
        if messages[-1].get("weight") == 0:
            return Passed("chat whose last answer has weight 0")
        said = dialogue(messages)
        if said.output is None:
            raise Unacceptable("messages", messages[-1]["role"], "a last message by the assistant")
        if self._options.kind == "execution":
            metadata = {"metadata": {"system_prompt": said.system}} if said.system else {}
            return self._row("execution", {"input": said.input, "output": said.output} | metadata)
        return self._example(said.input, said.output)

    def _example(self, asked: Any, right: Any) -> Result:
        several = right if isinstance(right, list) else [right]
        if not several or several[0] in ("", None):
            return Passed("example without a right answer")
        others = [as_text(each) for each in several[1:]]
        notes = {"notes": "also right: " + " | ".join(others)} if others else {}
        answered = {"input": as_text(asked), "output": as_text(several[0])}
        if self._options.kind == "execution":
            return self._row("execution", answered)
        return self._row("demonstration", answered | {"expert": _EXPERT} | notes)

    def _evaluated(self, item: Record, sample: Any) -> Result:
        asked = next((item[name] for name in _ASKED if item.get(name)), None)
        if asked is None:
            raise Unacceptable("item", ", ".join(item), f"one of {', '.join(_ASKED)}")
        if isinstance(sample, dict) and isinstance(sample.get("output_text"), str):
            model = {"model": sample["model"]} if sample.get("model") else {}
            return self._row("execution", {"input": as_text(asked), "output": sample["output_text"]} | model)
        return self._example(asked, next((item[name] for name in _RIGHT if item.get(name) is not None), None))

    def _output_item(self, record: Record) -> Result:
        sample = record.get("sample") or {}
        if not are_messages(sample.get("input")) or not sample.get("output"):
            return Passed("evaluation item without input and output")
        usage = sample.get("usage") or {}
        payload = {
            "execution_id": record.get("id"),
            "input": as_text(sample["input"]),
            "output": "\n".join(as_text(each.get("content")) for each in sample["output"]),
            "model": sample.get("model"),
            "prompt_tokens": usage.get("prompt_tokens"),
            "completion_tokens": usage.get("completion_tokens"),
            "started_at": instant("created_at", record["created_at"]) if record.get("created_at") else None,
        }
        return self._row("execution", {name: value for name, value in payload.items() if value is not None})

    def _row(self, kind: Any, payload: Record) -> Row:
        return Row(kind, completed(kind, payload, self._options))
