"""The calls of an agent's owners about its training data, each defined once for all clients.

Belongs here: how texts are screened, what people keep correcting, and what is answered to that. Does not: screening and
counting (the pipeline).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from glow_pipelines.client.call import Call, given, one, table


@dataclass(frozen=True, slots=True)
class CurationPolicy:
    """How an agent's texts are screened. `languages`: None for all; `set_by`: None while the defaults hold.

    Of `set_curation_policy` alone: `status` (accepted, unchanged), and `out_of_reach`, the examples that stay as they
    are because retention removed their executions.
    """

    agent: str
    pii: str
    secrets: str
    keep: list[str]
    shortest_input: int
    shortest_target: int
    languages: list[str] | None = None
    set_by: str | None = None
    recorded_at: datetime | None = None
    status: str | None = None
    out_of_reach: int | None = None


@dataclass(frozen=True, slots=True)
class CorrectionPattern:
    """What people keep changing in an agent's outputs. `standing`: total, named or emerging; `detail`: the words or the
    JSON path, None where only one or two people wrote it and the login is no engineer's.

    `share` of all corrections with 95 % limits; `lift`: how many times more frequent than in outputs that nobody
    corrected; `trend`: change of the share a week. `feedback` and `annotations`: ids of the newest.
    """

    standing: str
    kind: str
    about: str
    count: int
    experts: int
    people: int
    conversations: int
    share: float
    share_low: float
    share_high: float
    first_seen: datetime
    last_seen: datetime
    computed_at: datetime
    detail: str | None = None
    lift: float | None = None
    q: float | None = None
    trend: float | None = None
    trend_low: float | None = None
    trend_high: float | None = None
    feedback: list[int] = field(default_factory=list)
    annotations: list[int] = field(default_factory=list)


def set_curation_policy(
    agent: str,
    *,
    pii: str | None = None,
    secrets: str | None = None,
    keep: Sequence[str] | None = None,
    languages: Sequence[str] | None = None,
    shortest_input: int | None = None,
    shortest_target: int | None = None,
) -> Call[CurationPolicy]:
    """Say how an agent's texts are screened; what is left out is the default, not what it was."""
    return Call("set_curation_policy", given(locals()), one(CurationPolicy))


def curation_policy(agent: str) -> Call[CurationPolicy]:
    """How an agent's texts are screened now."""
    return Call("curation_policy", given(locals()), one(CurationPolicy))


def correction_patterns(
    agent: str, since: datetime | None = None, which: str | None = None, most: int | None = None
) -> Call[tuple[CorrectionPattern, ...]]:
    """What people keep changing in an agent's outputs, the named patterns first; `since`: seen since then."""
    return Call("correction_patterns", given(locals()), table(CorrectionPattern))
