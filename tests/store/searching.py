"""A log of searches as apps write it, and the same log in memory.

Belongs here: writing it by the functions of the API, and what the pure engine makes of what was written. Does not: what
is asserted.
"""

import random
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from glow_pipelines.learning.retrieval.signals import Said, signals_of
from glow_pipelines.learning.retrieval.types import Hit, RetrievalEvent, Signal
from glow_pipelines.store import Store
from tests.api.calling import AGENT, call

START = datetime(2026, 5, 30, 20, tzinfo=UTC)
CHUNKS = [f"c{n}" for n in range(6)]
QUERIES = ["how to book", "where to eat", "ümlaut\nand lines"]
ISSUES = ["wrong_source", "irrelevant", "tone", "format"]
BLAMES_SOURCES = frozenset(ISSUES[:2])
"""Issues that make a disliked answer evidence against what it cites, as sql/ has them."""


def qualified(tenant: str, id: str) -> str:
    return id if tenant == "default" else f"{tenant}\x1f{id}"


@dataclass
class Log:
    """Everything that was logged, and how to log more at random."""

    connection: psycopg.Connection
    dice: random.Random
    agent: str = AGENT
    events: dict[str, tuple[str | None, str | None, RetrievalEvent]] = field(default_factory=dict)
    """Event id → execution, user, and the search."""
    arguments: dict[str, dict[str, Any]] = field(default_factory=dict)
    votes: dict[tuple[str, str], tuple[int, frozenset[str]]] = field(default_factory=dict)
    verdicts: dict[tuple[str, str], str] = field(default_factory=dict)

    def begin(self) -> None:
        for n in range(6):
            call(
                self.connection,
                "log_execution",
                execution_id=f"x{n}",
                agent=self.agent,
                input="i",
                output="o",
                user_id="u0",
            )

    def step(self) -> None:
        self.dice.choices([self.search, self.act, self.vote, self.judge], [5, 5, 3, 1])[0]()

    def search(self) -> None:
        dice, number = self.dice, len(self.events)
        at = START + timedelta(hours=dice.randrange(60), microseconds=dice.randrange(10**9))
        tenant = dice.choice(["default", "default", "other"])
        user, talk = dice.choice([None, "u0", "u1"]), dice.choice([None, "t0", "t1"])
        execution = dice.choice([None, *(f"x{n}" for n in range(6))]) if tenant == "default" else None
        chunks = dice.sample(CHUNKS, dice.randrange(0, 5))
        hits = tuple(self.acted(Hit(c, r, 0.0, "both", dice.choice([0.01, 0.5, 1.0]))) for r, c in enumerate(chunks, 1))
        given = {
            "event_id": f"s{number}",
            "agent": self.agent,
            "query": dice.choice(QUERIES),
            "user_id": user,
            "conversation_id": talk,
            "execution_id": execution,
            "occurred_at": at,
            "tenant": tenant,
            "policy": dice.choice(["production", "interleave", "explore"]),
        }
        self.send(given, hits)
        person = qualified(tenant, user) if user else "\x1f" + qualified(tenant, talk) if talk else ""
        event = RetrievalEvent(
            qualified(tenant, f"s{number}"),
            given["query"],
            None,
            given["policy"],
            person,
            "",
            hits,
            at.timestamp() / 86400,
        )
        self.arguments[event.id] = given
        self.events[event.id] = execution, user, event

    def send(self, given: dict[str, Any], hits: tuple[Hit, ...]) -> None:
        told = ("rank", "chunk_id", "propensity", "shown", "cited", "clicked", "kept", "explicit", "expert")
        call(
            self.connection,
            "log_retrieval",
            **given,
            hits=Jsonb([{key: getattr(h, key) for key in told} for h in hits]),
        )

    def acted(self, hit: Hit) -> Hit:
        """What is done is never taken back; an expert's judgement only by an expert."""
        dice = self.dice
        rarely = [dice.random() < 0.25 for _ in range(5)]
        hit = replace(
            hit,
            cited=hit.cited or rarely[0],
            clicked=hit.clicked or rarely[1],
            kept=hit.kept or (rarely[2] and rarely[3]),
        )
        explicit, expert = dice.choice([-1, 1]), dice.random() < 0.3
        if rarely[4] and (expert or not hit.expert):
            hit = replace(hit, explicit=explicit, expert=hit.expert or expert)
        return hit if hit.rank > 1 or hit.explicit else replace(hit, shown=hit.shown and dice.random() < 0.9)

    def act(self) -> None:
        if not self.events:
            return
        id = self.dice.choice(sorted(self.events))
        execution, user, event = self.events[id]
        # What was shown stays as it was logged.
        hits = tuple(replace(self.acted(hit), shown=hit.shown) for hit in event.hits)
        self.send(self.arguments[id], hits)
        self.events[id] = execution, user, replace(event, hits=hits)

    def vote(self) -> None:
        execution, user = f"x{self.dice.randrange(6)}", self.dice.choice(["u0", "u1", "u2"])
        if (execution, user) in self.votes and self.dice.random() < 0.2:
            call(self.connection, "withdraw_feedback", agent=self.agent, execution_id=execution, user_id=user)
            del self.votes[execution, user]
            return
        thumbs, rating = self.dice.choice([(1, None), (-1, None), (None, 5), (None, 3), (None, 1), (None, None)])
        issues = self.dice.sample(ISSUES, self.dice.randrange(0 if thumbs or rating else 1, 3))
        given = {"thumbs": thumbs, "rating": rating, "issues": issues}
        call(self.connection, "submit_feedback", agent=self.agent, execution_id=execution, user_id=user, **given)
        blames = bool(BLAMES_SOURCES & set(issues))
        stars = 0 if rating is None else (rating >= 4) - (rating <= 2)
        said = thumbs or stars or (0 if rating is not None else -1 if blames else 0)
        self.votes[execution, user] = said, frozenset(issues)

    def judge(self) -> None:
        execution, reviewer = f"x{self.dice.randrange(6)}", self.dice.choice(["r0", "r1"])
        verdict = self.dice.choice(["approve", "approve", "reject", "correct"])
        output = {"output": "better"} if verdict == "correct" else {}
        call(self.connection, "submit_annotation", execution_id=execution, reviewer=reviewer, verdict=verdict, **output)
        self.verdicts[execution, reviewer] = verdict

    def said(self, execution: str | None, user: str | None) -> Said:
        if execution is None:
            return Said()
        voices = [v for (x, who), v in self.votes.items() if x == execution and user in (None, who)]
        total = sum(said for said, _ in voices)
        verdicts = [v for (x, _), v in self.verdicts.items() if x == execution]
        return Said(
            (total > 0) - (total < 0),
            any(said < 0 and BLAMES_SOURCES & issues for said, issues in voices),
            bool(verdicts) and all(v == "approve" for v in verdicts),
        )

    def signals(self) -> list[Signal]:
        """What the pure engine makes of it."""
        return signals_of(
            (event for _, _, event in self.events.values()),
            {id: self.said(execution, user) for id, (execution, user, _) in self.events.items()},
        )


def fold(store: Store, most: int = 1000, agent: str = AGENT) -> int:
    """All that is behind the horizon, and how many visits were made anew."""
    visits, done = 0, False
    while not done:
        with store.transaction() as t:
            folded = t.retrieval_signals.fold(agent, t.feedback.horizon(), most)
        visits, done = visits + folded.visits, folded.done
    return visits


def folded(store: Store, agent: str = AGENT) -> list[Signal]:
    """The signals in the database, in the order of `signals_of`."""
    with store.transaction() as t:
        table = t.retrieval_signals.table(agent)
    return sorted(table, key=lambda s: (s.query, s.user_id, s.day, s.chunk_id))
