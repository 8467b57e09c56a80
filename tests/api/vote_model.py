"""The vote machine as a plain sequential program: what the database must agree with, row by row.

Belongs here: the rules and nothing but the rules. Does not: SQL, concurrency, how calls are made.
"""

from dataclasses import dataclass, field
from typing import Any

Place = tuple[str, str, str, str]  # tenant, execution, user, kind
Spot = tuple[str, str, str, str, str]  # a place, and the agent
NOW = 10**6  # instants are counted from here when nobody says when


@dataclass(frozen=True)
class Word:
    """One call: who says what of what, when (`at`: None for now), under which idempotency key."""

    tenant: str
    execution: str
    user: str
    said: tuple[tuple[str, Any], ...]
    withdrawn: bool = False
    kind: str = "vote"
    at: int | None = None
    key: str | None = None

    @property
    def place(self) -> Place:
        spoken = dict(self.said)
        lone = "correction" in spoken and not {"thumbs", "rating"} & spoken.keys()
        kind = self.kind if self.withdrawn else "correction" if lone else "vote"
        return (self.tenant, self.execution, self.user, kind)

    @property
    def contents(self) -> tuple[Any, ...]:
        return (*self.place[1:], self.withdrawn, self.said)


@dataclass
class Current:
    row: int
    contents: tuple[Any, ...]
    at: int
    withdrawn: bool


@dataclass
class Model:
    """`rows`: feedback_id -> (place, word, superseded_by); `keys`: (tenant, agent, key) -> (contents, feedback_id)."""

    rows: dict[int, tuple[Place, Word, int | None]] = field(default_factory=dict)
    current: dict[Spot, Current] = field(default_factory=dict)
    keys: dict[tuple[str, str, str], tuple[tuple[Any, ...], int]] = field(default_factory=dict)
    owners: dict[tuple[str, str], str] = field(default_factory=dict)
    clock: int = NOW

    def expect(self, word: Word, agent: str, new_id: int) -> dict[str, Any]:
        """What a call must answer, given the id the database would give a new row; changes the model accordingly."""
        self.clock += 1
        owner = self.owners.get((word.tenant, word.execution))
        if owner not in (None, agent):
            return {"status": "refused", "code": "PT409"}
        known = owner is not None
        if word.key is not None:
            if (used := self.keys.get((word.tenant, agent, word.key))) is not None:
                if used[0] != word.contents:
                    return {"status": "refused", "code": "PT409"}
                return {"status": "replayed", "feedback_id": used[1], "execution_known": known}
            self.keys[word.tenant, agent, word.key] = (word.contents, new_id)
        at = self.clock if word.at is None else word.at
        spot = (*word.place, agent)
        before = self.current.get(spot)
        if before is not None and at >= before.at and before.contents == word.contents:
            before.at = at
            if word.key is not None:
                self.keys[word.tenant, agent, word.key] = (word.contents, before.row)
            return {"status": "unchanged", "feedback_id": before.row, "execution_known": known}
        answer = {
            "status": "withdrawn" if word.withdrawn else "accepted",
            "feedback_id": new_id,
            "execution_known": known,
        }
        overruled_by = None
        if before is not None and at < before.at:
            overruled_by = before.row
            answer |= {"status": "late", "superseded_by": before.row}
        else:
            if before is not None and not before.withdrawn:
                place, said, _ = self.rows[before.row]
                self.rows[before.row] = (place, said, new_id)
                answer["supersedes"] = before.row
            self.current[spot] = Current(new_id, word.contents, at, word.withdrawn)
        self.rows[new_id] = (word.place, word, new_id if word.withdrawn else overruled_by)
        return answer

    def waiting(self, tenant: str, execution: str, agent: str) -> int:
        """Feedback that is current on an execution of an agent."""
        return sum((*s[:2], s[4]) == (tenant, execution, agent) and not c.withdrawn for s, c in self.current.items())
