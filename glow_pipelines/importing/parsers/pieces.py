"""What the parsers of other products share.

Belongs here: making a row of what is present, the agent, the metadata, looking into nested records. Does not: any
format.
"""

import json
from typing import Any

from glow_pipelines.importing.parsers.plain import completed
from glow_pipelines.importing.records import Kind, Options, Record, Row, Unacceptable

_LARGEST_METADATA = 100_000


def make(kind: Kind, options: Options, agent: Any = None, **fields: Any) -> Row:
    """A row of the fields that say something. The agent is the options', else the one the product names."""
    payload = {name: value for name, value in fields.items() if value is not None and value != "" and value != {}}
    if kind != "annotation":
        payload["agent"] = the_agent(options, agent)
    return Row(kind, completed(kind, payload, options))


def the_agent(options: Options, named: Any = None) -> str:
    """Raises Unacceptable when neither the command line nor the record names an agent."""
    found = options.agent or named
    if not isinstance(found, str) or not found:
        raise Unacceptable("agent", None, "--agent NAME: the record names none")
    return found


def metadata(**parts: Any) -> Record:
    """What has no field of its own; left out, and said so, when it is more than a row takes."""
    found = {name: value for name, value in parts.items() if value not in (None, "", {}, [])}
    size = len(json.dumps(found, default=str))
    return found if size <= _LARGEST_METADATA else {"left_out": f"metadata of {size} bytes"}


def objects(value: Any) -> list[Record]:
    """A list of objects, also as JSON text; of anything else nothing."""
    value = parsed(value)
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def parsed(value: Any) -> Any:
    """JSON text as what it says; anything else, and text that is no JSON, as it is."""
    if isinstance(value, str):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


def whole(value: Any) -> int | None:
    """A count as an integer, None when it is none: a wrong token count must not cost the execution."""
    try:
        found = float(value)
        return round(found) if 0 <= found < 2**31 else None
    except (TypeError, ValueError, OverflowError):
        return None


def dig(record: Any, path: str) -> Any:
    """What stands at a path: a key of that whole name first, then key by key, where list positions are numbers."""
    if isinstance(record, dict) and path in record:
        return record[path]
    first, _, rest = path.partition(".")
    if isinstance(record, list) and first.isdigit() and int(first) < len(record):
        return dig(record[int(first)], rest) if rest else record[int(first)]
    while isinstance(record, dict) and rest:
        if first in record:
            return dig(parsed(record[first]), rest)
        more, _, rest = rest.partition(".")
        first = f"{first}.{more}"
    return None
