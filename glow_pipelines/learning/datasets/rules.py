"""Which approved examples make a dataset.

Belongs here: `DatasetRule`, reading one from JSON and writing it, its hash. Does not belong here: applying it
(admission).
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, get_args

from glow_pipelines.learning.datasets.examples import ExampleSource
from glow_pipelines.learning.datasets.splits import SALT, SHARES
from glow_pipelines.learning.datasets.text import content_hash, digest

Kind = Literal["sft", "preference", "evaluation", "retrieval"]
RULE_VERSION = "dataset-2"
_MOST = 100  # names in a list: more is not a rule but a table


class RuleProblem(ValueError):
    """A rule that cannot be read: the field, its value (cut) and what is accepted."""

    def __init__(self, field: str, value: object, accepted: str) -> None:
        shown = value if isinstance(value, str) else json.dumps(value, default=str)
        super().__init__(f"{field}: {shown[:80]!r} is not accepted; accepted: {accepted}")
        self.field, self.value, self.accepted = field, value, accepted


@dataclass(frozen=True, slots=True)
class DatasetRule:
    """Which examples make a dataset of `agent`, and of what kind.

    `sft`: question and answer. `preference`: only examples that replaced an output, with that output. `evaluation`:
    only what an expert approved. `retrieval`: only what an expert approved, as query and positive, with the replaced
    output as hard negative where there is one. `agents`: whose examples (none: the agent's own). `since` and `until`:
    when the example was first learned, from and before. None of `sources`, `languages`, `domain` is any. `least`: rows
    it must have. `shares` and `salt` place groups that were never placed; a group that has a split keeps it.
    """

    agent: str
    kind: Kind = "sft"
    minimum_quality: float = 0.0
    sources: tuple[str, ...] | None = None
    domain: str | None = None
    shares: tuple[float, float, float] = SHARES
    salt: str = SALT
    rule_version: str = RULE_VERSION
    agents: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    languages: tuple[str, ...] | None = None
    least: int = 0

    @property
    def everyone(self) -> tuple[str, ...]:
        """The agents whose examples it takes, sorted."""
        return tuple(sorted(set(self.agents))) or (self.agent,)

    @property
    def is_plain(self) -> bool:
        """Whether it takes all of the agent's own examples: such a version says what the agent's examples are."""
        narrowed = (self.domain, self.sources, self.languages, self.since, self.until)
        return self.everyone == (self.agent,) and not self.minimum_quality and narrowed == (None,) * len(narrowed)

    def to_json(self) -> dict[str, Any]:
        """Everything that decides which rows it admits, in a form that `read_rule` reads."""
        return {
            "agents": list(self.everyone),
            "kind": self.kind,
            "minimum_quality": self.minimum_quality,
            "sources": None if self.sources is None else sorted(set(self.sources)),
            "domain": self.domain,
            "languages": None if self.languages is None else sorted(set(self.languages)),
            "since": None if self.since is None else self.since.astimezone(UTC).isoformat(),
            "until": None if self.until is None else self.until.astimezone(UTC).isoformat(),
            "least": self.least,
            "shares": list(self.shares),
            "salt": self.salt,
            "rule_version": self.rule_version,
        }

    @property
    def hash(self) -> str:
        """sha256, in hex, of the rule and whose it is: versions under the same hash follow each other."""
        return content_hash({"agent": self.agent, **self.to_json()})

    def dataset_id(self, rows_hash: str, revoked: int = 0) -> str:
        """What the version with these rows under this rule is called: agent, kind and twelve digits; others where some
        with the same rows were revoked."""
        return f"{self.agent}-{self.kind}-{digest(self.hash, rows_hash, *('revoked',) * revoked)[:12]}"


def read_rule(agent: str, given: Mapping[str, Any], shares: tuple[float, float, float] = SHARES) -> DatasetRule:
    """The rule of an agent from JSON; `shares` where it says nothing of them.

    Raises RuleProblem naming field, value and accepted form.
    """
    for field in given.keys() - _READERS.keys() - {"agent"}:
        raise RuleProblem(field, given[field], f"one of the fields {', '.join(sorted(_READERS))}")
    if given.get("agent") not in (None, agent):
        raise RuleProblem("agent", given["agent"], f"{agent}, whose dataset it is; see agents")
    read = {
        field: _READERS[field](field, value)
        for field, value in given.items()
        if field in _READERS and value is not None
    }
    rule = DatasetRule(agent, **{"shares": shares, **read})
    if rule.since is not None and rule.until is not None and rule.since >= rule.until:
        raise RuleProblem("until", given["until"], f"an instant after since, {rule.since.isoformat()}")
    return rule


def _text(field: str, value: Any) -> str:
    # Neither a NUL nor half a character is a text to the database.
    if not isinstance(value, str) or not 0 < len(value) <= 200 or re.search("[\x00\ud800-\udfff]", value):
        raise RuleProblem(
            field, ascii(value)[1:-1] if isinstance(value, str) else value, "a text of 1 to 200 characters"
        )
    return value


def _one_of(*names: str) -> Callable[[str, Any], str]:
    def read(field: str, value: Any) -> str:
        if value not in names:
            raise RuleProblem(field, value, f"one of {', '.join(names)}")
        return str(value)

    return read


def _list_of(read: Callable[[str, Any], str]) -> Callable[[str, Any], tuple[str, ...]]:
    def read_all(field: str, value: Any) -> tuple[str, ...]:
        if not isinstance(value, list | tuple) or not 0 < len(value) <= _MOST:
            raise RuleProblem(field, value, f"a list of 1 to {_MOST} texts")
        return tuple(sorted({read(field, each) for each in value}))

    return read_all


def _number(field: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise RuleProblem(field, value, "a number from 0 to 1")
    return float(value)


def _count(field: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 2**31 - 1:
        raise RuleProblem(field, value, "a whole number from 0")
    return value


def _instant(field: str, value: Any) -> datetime:
    """Date or date and time; without a zone it is UTC."""
    try:
        instant = value if isinstance(value, datetime) else datetime.fromisoformat(value)
        instant = instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant
        instant.astimezone(UTC)  # the last hours of the calendar have none
    except (TypeError, ValueError, OverflowError):
        raise RuleProblem(field, value, "a date or an instant such as 2026-11-22T14:00:00Z") from None
    return instant


def _shares(field: str, value: Any) -> tuple[float, float, float]:
    accepted = "three shares from 0 that sum to 1, of train, val and test"
    if not isinstance(value, list | tuple) or len(value) != 3:
        raise RuleProblem(field, value, accepted)
    train, val, test = (_number(field, each) for each in value)
    if abs(train + val + test - 1) > 1e-9:
        raise RuleProblem(field, value, accepted)
    return train, val, test


_READERS: dict[str, Callable[[str, Any], Any]] = {
    "agents": _list_of(_text),
    "kind": _one_of(*get_args(Kind)),
    "minimum_quality": _number,
    "sources": _list_of(_one_of(*get_args(ExampleSource))),
    "domain": _text,
    "languages": _list_of(_text),
    "since": _instant,
    "until": _instant,
    "least": _count,
    "shares": _shares,
    "salt": _text,
    "rule_version": _text,
}
