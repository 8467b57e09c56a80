"""The queue against its sequential model: step by step, whatever hypothesis thinks of.

Belongs here: answers, states and invariants of one session. Does not: many at once and kills (`test_review_storm`).
"""
# ruff: noqa: E501 -- SQL is read best unbroken, and the names in it are ours

from collections import Counter
from collections.abc import Iterator
from itertools import count
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from glow_pipelines.database import connect
from tests.api.calling import Refused, attempt, call, register
from tests.reviews.queue_model import FREE, NEVER, NOW, Model, Said

PEOPLE = ("ann", "bob", "cyd", "dan", "eve")
NUMBERS = (0, 1, 2, 3)
people, numbers = st.sampled_from(PEOPLE), st.sampled_from(NUMBERS)
words = st.sampled_from(
    [
        Said("approve"),
        Said("approve"),
        Said("reject"),
        Said("correct", "so"),
        Said("correct", "So."),
        Said("correct", "no"),
    ]
)


def judged(word: Said) -> dict[str, Any]:
    return {"verdict": word.verdict} | ({} if word.output is None else {"output": word.output})


@pytest.fixture(scope="module")
def session(shared_url: str) -> Iterator[psycopg.Connection]:
    with connect(shared_url, autocommit=True) as connection:
        yield connection


class Queue(RuleBasedStateMachine):
    """Each run has an agent of its own, with items 0 to 3 that do not exist until they are asked for."""

    connection: psycopg.Connection
    runs = count()

    def __init__(self) -> None:
        super().__init__()
        self.agent = f"queue-{next(self.runs)}"
        self.ids: dict[int, int] = {}
        self.past = count(1)

    @initialize(reviews=st.integers(1, 3), more=st.integers(0, 2), asked=st.permutations(NUMBERS[:3]))
    def begin(self, reviews: int, more: int, asked: list[int]) -> None:
        register(self.connection, self.agent)
        call(self.connection, "set_review_policy", agent=self.agent, reviews=reviews, most_reviews=reviews + more)
        self.model = Model(reviews, reviews + more)
        for number in NUMBERS:
            call(
                self.connection,
                "log_execution",
                execution_id=self.name(number),
                agent=self.agent,
                input=f"in {number}",
                output="out",
            )
        for number in asked:
            self.request(number, None)

    def name(self, number: int) -> str:
        return f"{self.agent}-{number}"

    def item(self, number: int) -> int:
        return self.ids.get(number, 2**40)

    def ask(self, function: str, **arguments: Any) -> Any:
        answer = attempt(self.connection, function, **arguments)
        return answer.code if isinstance(answer, Refused) else answer

    def status(self, function: str, **arguments: Any) -> str:
        answer = self.ask(function, **arguments)
        return answer if isinstance(answer, str) else str(answer["status"])

    @rule(number=numbers, reviews=st.sampled_from([None, None, None, 2, 4]))
    def request(self, number: int, reviews: int | None) -> None:
        answer = self.ask("request_review", execution_id=self.name(number), reviews=reviews)
        self.ids[number] = answer.pop("item_id")
        assert answer == self.model.request(number, reviews)

    @rule(number=numbers, priority=st.sampled_from([0.25, 0.5, 1.0]))
    def reprioritise(self, number: int, priority: float) -> None:
        if number in self.ids:
            self.connection.execute(
                "update glow.review_items set priority = %s where item_id = %s", (priority, self.ids[number])
            )
            self.model.items[number].priority = priority

    @rule(reviewer=people, n=st.integers(1, 3))
    def claim(self, reviewer: str, n: int) -> None:
        expected = self.model.claim(reviewer, n, NOW + 1)
        rows = self.connection.execute(
            "select item_id, execution_id, output from glow_api.claim_annotation(jsonb_build_object('agent', %s::text), %s, '1 hour', %s)",
            (self.agent, n, reviewer),
        ).fetchall()
        assert {row[0] for row in rows} == {self.ids[number] for number in expected}
        assert {row[1] for row in rows} == {self.name(number) for number in expected}
        assert all(row[2] == "out" for row in rows)

    @rule(reviewer=people, number=numbers)
    def expire(self, reviewer: str, number: int) -> None:
        """Time passes for one lease; the earlier it ran out, the sooner it is taken."""
        item = self.model.items.get(number)
        slot = item.of(reviewer) if item else None
        if slot is not None and slot.said is None and slot.until not in (FREE, NEVER):
            slot.until = float(next(self.past))
            self.connection.execute(
                "update glow.review_slots set lease_until = '2020-01-01'::timestamptz + make_interval(secs => %s) where item_id = %s and reviewer = %s",
                (slot.until, self.ids[number], reviewer),
            )

    @rule(
        reviewer=people,
        number=numbers,
        word=words,
        key=st.sampled_from([None, None, "k1", "k2", "k3"]),
        claimed=st.booleans(),
    )
    def submit(self, reviewer: str, number: int, word: Said, key: str | None, claimed: bool) -> None:
        given: dict[str, Any] = {"execution_id": self.name(number), "reviewer": reviewer, **judged(word)}
        if key is not None:
            given["idempotency_key"] = key
        if claimed:
            given["item_id"] = self.item(number)
        assert self.status("submit_annotation", **given) == self.model.submit(reviewer, number, word, key, claimed)

    def held(self) -> list[tuple[str, int]]:
        """Who has a slot that is not filled, and of which item."""
        return [
            (slot.reviewer, number)
            for number, item in self.model.items.items()
            for slot in item.slots
            if slot.reviewer is not None and slot.said is None
        ]

    @precondition(lambda self: self.held())
    @rule(data=st.data(), word=words)
    def submit_what_is_held(self, data: st.DataObject, word: Said) -> None:
        self.submit(*data.draw(st.sampled_from(self.held())), word, None, True)

    @precondition(lambda self: self.held())
    @rule(data=st.data(), other=people)
    def lose_what_is_held(self, data: st.DataObject, other: str) -> None:
        """The lease runs out, and somebody asks for work."""
        self.expire(*data.draw(st.sampled_from(self.held())))
        self.claim(other, 3)

    @precondition(lambda self: any(item.state == "adjudicate" for item in self.model.items.values()))
    @rule(data=st.data(), person=people, word=words)
    def decide(self, data: st.DataObject, person: str, word: Said) -> None:
        open_ones = [number for number, item in self.model.items.items() if item.state == "adjudicate"]
        self.adjudicate(person, data.draw(st.sampled_from(open_ones)), word)

    @rule(reviewer=people, number=numbers, how=st.sampled_from(["skip", "decline", "release"]))
    def give_back(self, reviewer: str, number: int, how: str) -> None:
        event = {"skip": "skipped", "decline": "declined", "release": "released"}[how]
        answer = self.status(how, item_id=self.item(number), reviewer=reviewer)
        assert answer == self.model.give_back(reviewer, number, event)

    @rule(reviewer=people, number=numbers)
    def extend(self, reviewer: str, number: int) -> None:
        answer = self.status("extend_lease", item_id=self.item(number), lease="1 hour", reviewer=reviewer)
        assert answer == self.model.extend(reviewer, number, NOW + 1)

    @rule(person=people, number=numbers, word=words)
    def adjudicate(self, person: str, number: int, word: Said) -> None:
        answer = self.status("adjudicate", item_id=self.item(number), reviewer=person, **judged(word))
        assert answer == self.model.adjudicate(person, number, word)

    @invariant()
    def the_database_holds_what_the_model_holds(self) -> None:
        if not self.ids:
            return
        numbers = {item: number for number, item in self.ids.items()}
        rows = self.connection.execute(
            "select item_id, state, outcome, reviews, most_reviews from glow.review_items where agent = %s",
            (self.agent,),
        ).fetchall()
        assert {(numbers[row[0]], *row[1:]) for row in rows} == {
            (n, i.state, i.outcome, len(i.slots), i.most) for n, i in self.model.items.items()
        }
        slots = self.connection.execute(
            "select s.item_id, s.reviewer, s.filled_at is not null, s.filled_at is null and s.lease_until <= now(), a.verdict, a.output,"
            "       a.reviewer, a.execution_id"
            "  from glow.review_slots s join glow.review_items i using (item_id) left join glow.expert_annotations a using (annotation_id)"
            " where i.agent = %s",
            (self.agent,),
        ).fetchall()
        assert Counter((numbers[row[0]], *row[1:6]) for row in slots) == Counter(
            (n, s.reviewer, s.said is not None, s.is_free, s.said and s.said.verdict, s.said and s.said.output)
            for n, i in self.model.items.items()
            for s in i.slots
        )
        assert all(row[1] == row[6] and row[7] == self.name(numbers[row[0]]) for row in slots if row[2])
        events = self.connection.execute(
            "select event, item_id, reviewer, count(*) from glow.review_events where agent = %s group by 1, 2, 3",
            (self.agent,),
        ).fetchall()
        assert {(e, numbers[i], r): n for e, i, r, n in events} == dict(self.model.events)

    @invariant()
    def the_queue_tells_each_what_they_could_have(self) -> None:
        if not self.ids:
            return
        for reviewer in PEOPLE[:1]:
            told = call(self.connection, "annotation_queue", filters={"agent": self.agent}, reviewer=reviewer)
            held = {
                n
                for n, i in self.model.items.items()
                if (s := i.of(reviewer)) and s.said is None and NOW < s.until < NEVER
            }
            assert {row["item_id"] for row in told["held"]} == {self.ids[n] for n in held}


def test_the_queue_does_what_its_model_does(session: psycopg.Connection) -> None:
    Queue.connection = session
    run_state_machine_as_test(
        Queue,
        settings=settings(
            max_examples=120,
            stateful_step_count=40,
            deadline=None,
            phases=(Phase.generate, Phase.shrink),
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    states = session.execute("select state, count(*) from glow.review_items group by 1").fetchall()
    assert {state for state, _ in states} >= {"open", "closed"}  # or it has seen nothing
    events = dict(session.execute("select event, count(*) from glow.review_events group by 1").fetchall())
    assert min(events.get(often, 0) for often in ("claimed", "submitted", "skipped", "declined", "expired")) > 5, events
