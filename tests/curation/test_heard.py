"""What was heard of a question is kept, and goes where the rows go that it was made of."""

from typing import Any

import psycopg
import pytest

from glow_pipelines.services import Services
from glow_pipelines.steps.curation import curate
from glow_pipelines.store import heard
from tests.curation.arrivals import AGENT, Judged, Run, Vote, arrive, examples
from tests.curation.test_curating import night

RUNS = [Run(f"e{n}", "taxi", "x", None, n) for n in range(6)]
VOTES = [Vote(n + 1, run.id, f"user-{n}", 1) for n, run in enumerate(RUNS)]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Rows that the queries answered."""
    found: dict[str, int] = {}
    rows = heard.Heard._rows

    def counting(self: heard.Heard, name: str, **given: object) -> list[dict[str, Any]]:
        answered = rows(self, name, **given)
        found[name] = found.get(name, 0) + len(answered)
        return answered

    monkeypatch.setattr(heard.Heard, "_rows", counting)
    return found


def kept(admin: psycopg.Connection) -> int:
    return admin.execute("select count(*) from glow.heard_inputs").fetchall()[0][0]  # type: ignore[no-any-return]


def test_only_news_is_read(services: Services, admin: psycopg.Connection, asked: dict[str, int]) -> None:
    arrive(admin, [*RUNS, *VOTES])
    night(services)
    assert (kept(admin), asked["heard_executions"], asked["feedback_of_executions"]) == (1, 6, 6)
    asked.clear()
    arrive(admin, [Run("late", "Taxi!", "y", None, 9), Vote(7, "late", "zoe", 1), Judged(1, "e2", "eve", "reject")])
    night(services)
    assert (asked["executions_with_news"], asked["heard_executions"], asked["feedback_of_executions"]) == (2, 0, 2)
    before = examples(admin)
    admin.execute("delete from glow.heard_inputs")
    admin.execute("insert into glow.stale_inputs select input_id, 'a test' from glow.learning_inputs")
    (again,) = curate(services)
    assert (again.inputs, again.written, again.unchanged) == (1, 0, len(before))
    assert (examples(admin), kept(admin)) == (before, 1)


def test_few_and_very_long_ones_are_not_kept(
    services: Services, admin: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrive(admin, [*RUNS[:3], *VOTES[:3]])
    night(services)
    assert kept(admin) == 0
    arrive(admin, [*RUNS[3:], *VOTES[3:]])
    night(services)
    assert kept(admin) == 1
    monkeypatch.setattr(heard, "LARGEST", 100)
    arrive(admin, [Vote(7, "e0", "zoe", 1)])
    night(services)
    assert kept(admin) == 0


def test_an_execution_that_went_since_its_news_is_heard_no_more(
    services: Services, admin: psycopg.Connection, asked: dict[str, int]
) -> None:
    arrive(admin, [*RUNS, *VOTES])
    night(services)
    admin.execute("delete from glow.executions where execution_id = 'e0'")
    asked.clear()
    with services.store.transaction() as t:
        (id,) = (row["input_id"] for row in t.connection.execute("select input_id from glow.heard_inputs"))
        said = t.heard.said_of(AGENT, [id], {id: [("default", "e0")]})
    assert [each.id for each in said.executions] == [f"e{n}" for n in range(1, 6)]
    assert asked["heard_executions"] == 5


@pytest.mark.parametrize("by", ["vote", "execution"])
def test_erasure_leaves_nothing_of_the_person(services: Services, admin: psycopg.Connection, by: str) -> None:
    arrive(admin, [*RUNS, *VOTES, Vote(7, "e5", "ann-zqx", 1)])
    if by == "execution":
        admin.execute("update glow.executions set user_id = 'ann-zqx' where execution_id = 'e5'")
    night(services)
    found = "select count(*) from glow.heard_inputs where said::text like '%ann-zqx%'"
    assert admin.execute(found).fetchone() == (1,)
    dry: Any = admin.execute("select glow_api.erase_subject('ann-zqx', 'default')").fetchall()[0][0]
    assert (dry["tables"]["heard_inputs"], kept(admin)) == (1, 1)
    admin.execute("select glow_api.erase_subject('ann-zqx', 'default', false, 'asked to', %s)", (dry["confirm"],))
    assert kept(admin) == 0
    night(services)
    assert admin.execute(found).fetchone() == (0,)


def test_retention_takes_it_with_the_oldest_of_its_rows(services: Services, admin: psycopg.Connection) -> None:
    arrive(admin, [*RUNS, *VOTES])
    night(services)
    admin.execute("select glow.expire('2026-03-01T00:00:00Z')").fetchall()
    assert kept(admin) == 1
    admin.execute("select glow.expire('2026-04-01T00:00:00Z')").fetchall()
    assert kept(admin) == 0
