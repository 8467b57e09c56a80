"""Fields of a service's answer, read with suspicion: what is missing or of another kind becomes None.

Shared by the wires. What a field means belongs to them.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from glow_pipelines.providers.tuning.errors import OutcomeUnknownError


def text(answer: Mapping[str, Any], *names: str) -> str | None:
    """The first of the names that holds text which is not blank."""
    return next((found for name in names if isinstance(found := answer.get(name), str) and found.strip()), None)


def required(answer: Mapping[str, Any], name: str) -> str:
    """The text under the name. Raises OutcomeUnknownError: a success without it is an answer nobody can use."""
    if (found := text(answer, name)) is None:
        raise OutcomeUnknownError(f"the answer holds no {name}: {str(dict(answer))[:200]}")
    return found


def whole(answer: Mapping[str, Any], name: str) -> int | None:
    """The whole number under the name; 64-bit numbers come as text from some services."""
    found = answer.get(name)
    try:
        return None if isinstance(found, bool) or found is None else int(found)
    except (TypeError, ValueError, OverflowError):
        return None


def items(answer: Mapping[str, Any], *names: str) -> list[dict[str, Any]]:
    """The objects of the first of the names that holds a list."""
    found: list[Any] = next((answer[name] for name in names if isinstance(answer.get(name), list)), [])
    return [each for each in found if isinstance(each, dict)]


def moment(value: object) -> datetime | None:
    """A moment from Unix seconds, an ISO date or moment, or {year, month, day}; in UTC where no zone is said."""
    try:
        if isinstance(value, Mapping):
            return datetime(int(value["year"]), int(value["month"]), int(value["day"]), tzinfo=UTC)
        if isinstance(value, str):
            found = datetime.fromisoformat(value)
            return found if found.tzinfo else found.replace(tzinfo=UTC)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value, UTC)
    except (ValueError, TypeError, LookupError, OverflowError, OSError):
        pass
    return None
