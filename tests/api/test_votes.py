"""The vote machine against its sequential model: step by step, whatever hypothesis thinks of.

Belongs here: answers, history and invariants of one session. Does not: many at once and kills (`test_storm`).
"""
# ruff: noqa: E501, S608 -- SQL is read best unbroken, and the names in it are ours

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from psycopg.types.json import Jsonb

from glow_pipelines.database import connect
from tests.api.calling import AGENT, Refused, attempt, call, register
from tests.api.vote_model import Model, Word

OTHER = "other"
TENANTS = ("default", "acme")
START = datetime(2026, 3, 1, tzinfo=UTC)
# Each of these selects what must not be.
# Of current votes, and of those that are current no longer.
USED_KEYS = """(
  select tenant, agent, idempotency_key, feedback_id, recorded_at from glow.feedback_keys union all
  select tenant, agent, idempotency_key, feedback_id, recorded_at from glow.current_feedback where idempotency_key is not null)"""

BROKEN = {
    "a person has two current words": """
        select tenant, execution_id, user_id, kind, agent from glow.agent_feedback where superseded_by is null
         group by 1, 2, 3, 4, 5 having count(*) > 1""",
    "a current word is not the one that current_feedback names": """
        select f.feedback_id from glow.agent_feedback f left join glow.current_feedback c
            on (c.tenant, c.execution_id, c.user_id, c.kind, c.agent, c.feedback_id)
             = (f.tenant, f.execution_id, f.user_id, f.kind, f.agent, f.feedback_id)
         where f.superseded_by is null and c.feedback_id is null""",
    "current_feedback names a row that is not there, or not current": """
        select c.feedback_id from glow.current_feedback c left join glow.agent_feedback f
            on f.feedback_id = c.feedback_id and f.recorded_at = c.recorded_at and f.tenant = c.tenant
           and f.execution_id = c.execution_id and f.user_id = c.user_id and f.kind = c.kind and f.agent = c.agent
         where f.feedback_id is null or f.withdrawn <> c.withdrawn
            or f.superseded_by is distinct from case when c.withdrawn then c.feedback_id end""",
    "a row is superseded by a row of somebody else, or of nobody": """
        select f.feedback_id from glow.agent_feedback f left join glow.agent_feedback s on s.feedback_id = f.superseded_by
         where f.superseded_by is not null and (s.feedback_id is null
            or (s.tenant, s.execution_id, s.user_id, s.kind, s.agent)
            <> (f.tenant, f.execution_id, f.user_id, f.kind, f.agent))""",
    "a chain does not end at what is current or withdrawn": """
        with recursive chain(start, id, steps) as (
          select feedback_id, superseded_by, 1 from glow.agent_feedback where superseded_by <> feedback_id
          union all
          select c.start, f.superseded_by, c.steps + 1 from chain c join glow.agent_feedback f on f.feedback_id = c.id
           where f.superseded_by <> f.feedback_id and c.steps < 1000)
        select start from chain group by start having max(steps) >= 1000""",
    "an idempotency key names no row": """
        select k.idempotency_key from used_keys k left join glow.agent_feedback f
            on f.feedback_id = k.feedback_id and f.tenant = k.tenant and f.agent = k.agent
         where f.feedback_id is null""",
    "a row has a key that is not on record": """
        select f.feedback_id from glow.agent_feedback f left join used_keys k
            on (k.tenant, k.agent, k.idempotency_key) = (f.tenant, f.agent, f.idempotency_key)
         where f.idempotency_key is not null and k.feedback_id is distinct from f.feedback_id""",
    "a withdrawal is current": "select feedback_id from glow.agent_feedback where withdrawn and superseded_by is null",
}


def assert_sound(connection: psycopg.Connection) -> None:
    for what, query in BROKEN.items():
        found = connection.execute(query.replace("used_keys", USED_KEYS).encode()).fetchall()
        assert not found, f"{what}: {found[:5]}"


@pytest.fixture(scope="module")
def session(shared_url: str) -> Iterator[psycopg.Connection]:
    with connect(shared_url, autocommit=True) as connection:
        register(connection, OTHER)
        yield connection


opinions = st.builds(
    lambda **said: tuple((name, value) for name, value in sorted(said.items()) if value is not None),
    thumbs=st.sampled_from([None, 1, -1]),
    rating=st.sampled_from([None, None, 2, 5]),
    comment=st.sampled_from([None, None, "why"]),
    correction=st.sampled_from([None, "so"]),
).filter(bool)
words = st.builds(
    Word,
    tenant=st.sampled_from(TENANTS),
    execution=st.sampled_from(["e1", "e2"]),
    user=st.sampled_from(["u1", "u2"]),
    said=opinions,
    at=st.one_of(st.none(), st.integers(0, 12)),
    key=st.sampled_from([None, None, "k1", "k2", "k3", "k4"]),
)
withdrawals = st.builds(
    Word,
    tenant=st.sampled_from(TENANTS),
    execution=st.sampled_from(["e1", "e2"]),
    user=st.sampled_from(["u1", "u2"]),
    said=st.just(()),
    withdrawn=st.just(True),
    kind=st.sampled_from(["vote", "correction"]),
    at=st.one_of(st.none(), st.integers(0, 12)),
    key=st.sampled_from([None, None, "k1", "w1"]),
)
# How far the sender's clock is off, in hours; None: it does not say.
skews = st.sampled_from([None, None, 0, -30, 5, 9000])


class Votes(RuleBasedStateMachine):
    connection: psycopg.Connection
    runs = count()

    def __init__(self) -> None:
        super().__init__()
        self.model = Model()
        self.prefix = f"run{next(self.runs)}-"
        self.last: Word | None = None

    def arguments(self, word: Word, skew: int | None) -> dict[str, Any]:
        """The word as a call. A sender whose clock is off is off in both of its readings."""
        given: dict[str, Any] = dict(word.said)
        given |= {
            "agent": AGENT,
            "execution_id": self.prefix + word.execution,
            "user_id": word.user,
            "tenant": word.tenant,
        }
        if word.withdrawn:
            given["kind"] = word.kind
        if word.key is not None:
            given["idempotency_key"] = self.prefix + word.key
        off = timedelta(hours=skew or 0)
        if word.at is not None:
            given["occurred_at"] = (START + timedelta(hours=word.at) + off).isoformat()
        if skew is not None:
            given["sent_at"] = (datetime.now(UTC) + off).isoformat()
        return given

    def check(self, word: Word, answer: Any) -> None:
        """The answer against the model's, which takes the id of a new row from the answer."""
        seen: dict[str, Any] = (
            {"status": "refused", "code": answer.code} if isinstance(answer, Refused) else dict(answer)
        )
        new_id = seen.get("feedback_id", -1) if seen["status"] in ("accepted", "late", "withdrawn") else -1
        expected = self.model.expect(word, AGENT, new_id)
        if seen["status"] == "refused":
            seen = {"status": "refused", "code": seen["code"]}
        assert seen == expected, f"{word}"
        self.last = word

    @rule(word=words, skew=skews)
    def submit(self, word: Word, skew: int | None) -> None:
        self.check(word, attempt(self.connection, "submit_feedback", **self.arguments(word, skew)))

    @rule(word=withdrawals, skew=skews)
    def withdraw(self, word: Word, skew: int | None) -> None:
        self.check(word, attempt(self.connection, "withdraw_feedback", **self.arguments(word, skew)))

    @rule(skew=skews)
    def retry(self, skew: int | None) -> None:
        if self.last is not None:
            function = "withdraw_feedback" if self.last.withdrawn else "submit_feedback"
            self.check(self.last, attempt(self.connection, function, **self.arguments(self.last, skew)))

    @rule(given=st.lists(st.tuples(st.one_of(words, withdrawals), skews), min_size=1, max_size=6), twice=st.booleans())
    def submit_batch(self, given: list[tuple[Word, int | None]], twice: bool) -> None:
        for _ in range(1 + twice):
            rows = [
                self.arguments(word, skew) | ({"withdrawn": True} if word.withdrawn else {}) for word, skew in given
            ]
            answers = call(self.connection, "submit_feedback_batch", rows=Jsonb(rows))
            assert len(answers) == len(rows)
            for (word, _), answer in zip(given, answers, strict=True):
                self.check(word, answer)

    @rule(
        tenant=st.sampled_from(TENANTS),
        execution=st.sampled_from(["e1", "e2"]),
        batched=st.booleans(),
        agent=st.sampled_from([AGENT, AGENT, AGENT, OTHER]),
    )
    def log(self, tenant: str, execution: str, agent: str, batched: bool) -> None:
        """The execution comes: before its feedback, after it, a second time, or for another agent."""
        given = {
            "execution_id": self.prefix + execution,
            "agent": agent,
            "input": "in",
            "output": "out",
            "tenant": tenant,
        }
        if batched:
            (answer,) = call(self.connection, "log_execution_batch", rows=Jsonb([given]))
        else:
            answer = attempt(self.connection, "log_execution", **given)
        owner = self.model.owners.setdefault((tenant, execution), agent)
        status = answer["status"] if isinstance(answer, dict) else answer.code
        if owner != agent:
            assert status in ("PT409", "refused")
        elif status == "accepted":
            assert answer["feedback_waiting"] == self.model.waiting(tenant, execution, agent)
        else:
            assert status == "replayed"

    @invariant()
    def the_database_holds_what_the_model_holds(self) -> None:
        mine = f"{self.prefix}%"
        rows = self.connection.execute(
            "select feedback_id, tenant, execution_id, user_id, kind, withdrawn, thumbs, rating, comment, correction, superseded_by"
            "  from glow.agent_feedback where execution_id like %s",
            (mine,),
        ).fetchall()
        expected = {
            (
                row,
                place[0],
                self.prefix + place[1],
                *place[2:],
                word.withdrawn,
                *(dict(word.said).get(name) for name in ("thumbs", "rating", "comment", "correction")),
                superseded_by,
            )
            for row, (place, word, superseded_by) in self.model.rows.items()
        }
        assert set(rows) == expected
        assert len(rows) == len(expected)
        current = self.connection.execute(
            "select tenant, execution_id, user_id, kind, feedback_id, withdrawn from glow.current_feedback where execution_id like %s",
            (mine,),
        ).fetchall()
        assert set(current) == {
            (place[0], self.prefix + place[1], *place[2:4], c.row, c.withdrawn)
            for place, c in self.model.current.items()
        }
        keys = self.connection.execute(
            f"select tenant, idempotency_key, feedback_id from {USED_KEYS} k where idempotency_key like %s".encode(),
            (mine,),
        ).fetchall()
        assert set(keys) == {(tenant, self.prefix + key, row) for (tenant, _, key), (_, row) in self.model.keys.items()}

    def teardown(self) -> None:
        assert_sound(self.connection)


def test_the_vote_machine_does_what_its_model_does(session: psycopg.Connection) -> None:
    Votes.connection = session
    run_state_machine_as_test(
        Votes,
        settings=settings(
            max_examples=60,
            stateful_step_count=30,
            deadline=None,
            phases=(Phase.generate, Phase.shrink),  # to explain takes minutes
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_broken_states_are_seen(session: psycopg.Connection) -> None:
    """The invariants themselves: each is broken once by hand."""
    said = {"agent": AGENT, "execution_id": "seen", "user_id": "u"}
    first = call(session, "submit_feedback", **said, thumbs=1, idempotency_key="seen-1")["feedback_id"]
    call(session, "submit_feedback", **said, thumbs=-1, idempotency_key="seen-2")
    assert_sound(session)
    for damage in (
        f"update glow.agent_feedback set superseded_by = null where feedback_id = {first}",
        f"update glow.agent_feedback set superseded_by = 0 where feedback_id = {first}",
        f"delete from glow.agent_feedback where feedback_id = {first}",
        "delete from glow.current_feedback where execution_id = 'seen'",
        "update glow.current_feedback set withdrawn = true where execution_id = 'seen'",
        "update glow.feedback_keys set feedback_id = 0 where idempotency_key = 'seen-1'",
        "update glow.current_feedback set idempotency_key = 'nobody' where idempotency_key = 'seen-2'",
        "delete from glow.feedback_keys where idempotency_key = 'seen-1'",
    ):
        with session.transaction(force_rollback=True):
            session.execute(damage.encode())
            with pytest.raises(AssertionError):
                assert_sound(session)
