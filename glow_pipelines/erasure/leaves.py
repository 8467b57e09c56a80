"""Texts inside JSON.

Belongs here: emptying the texts of a JSON value and no other part of it. Does not: what is looked for (traces).
"""

import json
from typing import Any

from glow_pipelines.erasure.traces import ERASED, Traces

STRUCTURE = frozenset({"__class__", "__enum__", "event_type_value", "dagster_event_type", "__mapping_items__"})
"""Keys whose texts say what a value is: without them Dagster cannot read its own rows."""


def without_traces(value: Any, traces: Traces) -> Any:
    """The same value with quoting texts emptied, also in keys, and in JSON that is kept as a text."""
    match value:
        case str():
            return text_without_traces(value, traces)
        case list():
            return [without_traces(each, traces) for each in value]
        case dict():
            # Fields of Dagster's own rows: a person may be called "metadata".
            field = "__class__" in value
            return {key if field else _key(key, traces): _under(key, each, traces) for key, each in value.items()}
    return value


def text_without_traces(text: str, traces: Traces) -> str:
    """A text, or the JSON object or array that it holds, with what quotes emptied."""
    if text[:1] in ("{", "["):
        try:
            held = json.loads(text)
        except ValueError:
            return traces.without(text)
        if isinstance(held, dict | list):
            kept = without_traces(held, traces)
            return text if kept == held else json.dumps(kept)
    return traces.without(text)


def _under(key: str, value: Any, traces: Traces) -> Any:
    return value if key in STRUCTURE and isinstance(value, str) else without_traces(value, traces)


def _key(key: str, traces: Traces) -> str:
    return key if key in STRUCTURE or not traces.quoted_by(key) else ERASED
