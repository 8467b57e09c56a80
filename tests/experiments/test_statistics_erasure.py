"""Who is erased is in no sum any more, and what others' sums held of this person is counted anew."""

from collections.abc import Iterator
from dataclasses import replace

import psycopg
import pytest

from glow_pipelines.store.store import Store
from tests.experiments.counting import AGENT, DAY, ID, START, committed, plan, world, write

AS_OF = START + 7 * DAY


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    store = Store(database_url)
    yield store
    store.close()


@pytest.mark.parametrize("unit", ["user", "session", "execution"])
def test_an_erased_person_is_in_no_sum(store: Store, connection: psycopg.Connection, unit: str) -> None:
    made = world(21, unit)
    # This person corrected others too: those corrections are deleted, and were counted.
    made.words = [replace(word, person="u-2") if word.kind == "correction" else word for word in made.words]
    frozen = plan(unit, cuped=("net_score",))
    write(connection, made, frozen)
    committed(connection)
    with store.transaction() as t:
        t.experiment_statistics.fold(ID, AS_OF)
        before = t.experiment_statistics.full(ID, AS_OF, frozen)
    connection.execute("set glow.tenant = '*'")
    (receipt,) = connection.execute("select glow_api.erase_subject('u-2', 'default')").fetchone() or ({},)
    (done,) = connection.execute(
        "select glow_api.erase_subject('u-2', 'default', dry_run => false, confirm => %s)", (receipt["confirm"],)
    ).fetchone() or ({},)
    committed(connection)
    assert done["tables"]["experiment_sums"] > 0
    left = connection.execute("select to_jsonb(s)::text from glow.experiment_sums s").fetchall()
    assert left
    names = {"u-2", *(run.session for run in made.runs if (run.user, run.tenant) == ("u-2", "default"))}
    names |= {run.name for run in made.runs if (run.user, run.tenant) == ("u-2", "default")}
    assert not [row for (row,) in left for name in names if f'"{name}"' in row]
    with store.transaction() as t:
        t.experiment_statistics.fold(ID, AS_OF)
        found, again = (
            t.experiment_statistics.statistics(ID, AS_OF, frozen),
            t.experiment_statistics.full(ID, AS_OF, frozen),
        )
    assert found.units == again.units
    assert found.metrics["correction_rate"] == again.metrics["correction_rate"]
    assert found.metrics["correction_rate"] != before.metrics["correction_rate"]


def test_sums_go_with_the_executions_of_an_ended_experiment(store: Store, connection: psycopg.Connection) -> None:
    write(connection, world(22), plan())
    committed(connection)
    with store.transaction() as t:
        t.experiment_statistics.fold(ID, AS_OF)
    connection.execute("select glow.expire(%s)", (AS_OF + 60 * DAY,))
    assert connection.execute("select count(*) > 0 from glow.experiment_sums").fetchone() == (True,)
    connection.execute("update glow.learning_experiments set state = 'stopped', stopped_at = %s", (AS_OF,))
    connection.execute("select glow.expire(%s)", (AS_OF + 60 * DAY,))
    assert connection.execute("select count(*) from glow.experiment_sums").fetchone() == (0,)
    assert connection.execute("select count(*) from glow.agents where agent = %s", (AGENT,)).fetchone() == (1,)
