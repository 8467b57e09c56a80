"""A version is for ever what it was: built anew it is the same, and what differs is told row by row."""

import threading
import time
from dataclasses import replace

import psycopg
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from glow_pipelines.learning.datasets import DatasetRule
from glow_pipelines.steps.datasets import Built, build_dataset, verify_dataset
from glow_pipelines.store import Store
from tests.datasets.seeding import AGENT, Seed, learn, seeds

RULE = DatasetRule(AGENT)


def test_an_uncommitted_example_is_not_in_a_past_that_is_frozen_already(
    store: Store, connection: psycopg.Connection, database_url: str
) -> None:
    """Curation under way: the build waits for it, so that as_of never precedes what commits later."""
    learn(connection, seeds(5))
    built: list[Built] = []
    with psycopg.connect(database_url) as late:
        late.execute("select pg_advisory_xact_lock(hashtextextended('glow.curation', 0))")
        with late.transaction():
            learn(late, [Seed("learned while somebody builds")])
        build = threading.Thread(target=lambda: built.append(build_dataset(store, RULE)))
        build.start()
        time.sleep(0.3)
        assert build.is_alive()
        late.commit()
    build.join(20)
    assert built[0].rows == 6
    assert verify_dataset(store, str(built[0].dataset_id)).holds


CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["approved", "approved", "pending", "rejected", "quarantined"]),
        st.integers(0, 24),
        st.sampled_from([0.3, 0.9]),
        st.sampled_from(["a", "b"]),
        st.booleans(),
    ),
    min_size=1,
    max_size=12,
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(CHANGES, min_size=2, max_size=4), st.sampled_from(["sft", "evaluation"]), st.sampled_from([0.0, 0.5]))
def test_a_version_is_rebuilt_hash_by_hash_whatever_came_later(
    store: Store, connection: psycopg.Connection, nights: list[list[tuple]], kind: str, quality: float
) -> None:
    """And no rule admits a row that was rejected or erased, and nothing ever moves between splits."""
    connection.execute("truncate glow.dataset_examples, glow.datasets_in_force, glow.training_datasets cascade")
    connection.execute("truncate glow.learning_examples, glow.learning_inputs, glow.split_assignments cascade")
    connection.commit()
    base = seeds(25)
    rule = DatasetRule(AGENT, kind, quality)  # type: ignore[arg-type]
    versions: list[Built] = []
    where: dict[str, str] = {}
    for night in nights:
        changed = {
            replace(base[n], status=status, quality=worth, target=target, expert=expert).id: replace(
                base[n], status=status, quality=worth, target=target, expert=expert
            )
            for status, n, worth, target, expert in night
        }
        learn(connection, changed.values())
        built = build_dataset(store, rule)
        assert built.refused == ()
        if built.dataset_id is not None:
            versions.append(built)
            with store.transaction() as t:
                for row in t.datasets.rows(built.dataset_id):
                    assert (row.example.status, row.example.quality >= quality) == ("approved", True)
                    assert where.setdefault(row.example.group, row.split) == row.split
    for built in versions:
        found = verify_dataset(store, str(built.dataset_id))
        assert (found.holds, found.rebuilt) == (True, built.content_hash), found.differences


def test_what_does_not_hold_is_told_row_by_row(store: Store, connection: psycopg.Connection) -> None:
    given = seeds(12)
    versions = learn(connection, given)
    built = build_dataset(store, RULE)
    with connection.transaction():  # no way of ours changes a row; somebody with the owner's rights might
        connection.execute(
            "update glow.learning_examples set status = 'rejected' where example_version = %s", (versions[3],)
        )
    found = verify_dataset(store, str(built.dataset_id))
    assert not found.holds
    assert [(row["example_id"], row["rebuilt"], row["erased"]) for row in found.differences] == [
        (given[3].id, None, False)
    ]
    assert not found.differs_by_erasure
    with connection.transaction():
        connection.execute(
            "update glow.learning_examples set status = 'approved', input = null, target = null, erased_at = now()"
            " where example_version = %s",
            (versions[3],),
        )
    assert verify_dataset(store, str(built.dataset_id)).differs_by_erasure
    assert build_dataset(store, RULE).statistics["drops"] == {"erased": 1}


def test_what_changed_between_versions(store: Store, connection: psycopg.Connection) -> None:
    given = seeds(10)
    learn(connection, given)
    first = build_dataset(store, RULE)
    reworded = replace(given[2], input=given[2].input.upper())
    assert reworded.id == given[2].id
    learn(connection, [replace(given[0], status="rejected"), reworded, Seed("a new question about ferries")])
    second = build_dataset(store, RULE)
    with store.transaction() as t:
        rows = t.datasets.difference(str(first.dataset_id), str(second.dataset_id))
    assert {(row["change"], row["example_id"], row["of"]) for row in rows} == {
        ("removed", given[0].id, 1),
        ("changed", given[2].id, 1),
        ("added", Seed("a new question about ferries").id, 1),
    }
    assert {row["status"] for row in rows if row["change"] == "removed"} == {"rejected"}
