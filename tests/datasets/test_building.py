"""A version is what its rule admits at an instant, for ever, and nothing a check refuses."""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from glow_pipelines.exporting.run import ExportRequest, export_dataset
from glow_pipelines.learning.datasets import DatasetRule, Kind, build_version
from glow_pipelines.steps.datasets import CannotBuild, agent_rule, build_dataset, verify_dataset
from glow_pipelines.store import Store
from tests.datasets.built import ids_of
from tests.datasets.seeding import AGENT, Seed, in_force, learn, register, seeds

RULE = DatasetRule(AGENT)
KINDS: list[Kind] = ["sft", "evaluation"]


def in_memory(connection: psycopg.Connection, rule: DatasetRule) -> str:
    """The content hash of what the face for notebooks makes of the same rows."""
    examples, splits = in_force(connection)
    return build_version(rule, examples, splits, datetime.now(UTC)).content_hash


def test_rows_come_in_the_order_of_their_ids_with_their_splits(store: Store, connection: psycopg.Connection) -> None:
    given = seeds(60)
    learn(connection, given)
    built = build_dataset(store, RULE)
    assert ids_of(store, built) == sorted(each.id for each in given)
    assert (built.rows, built.new, built.refused) == (60, True, ())
    assert sum(built.statistics["splits"].values()) == 60
    assert built.content_hash == in_memory(connection, RULE)
    again = build_dataset(store, RULE)
    assert (again.dataset_id, again.new) == (built.dataset_id, False)
    assert str(built.dataset_id).startswith("coder-sft-")


def test_every_row_left_out_has_a_reason(store: Store, connection: psycopg.Connection) -> None:
    given = seeds(40)
    odd = [
        replace(given[0], status="pending"),
        replace(given[1], status="rejected"),
        replace(given[2], status="quarantined"),
        replace(given[3], quality=0.2),
        replace(given[4], source="vote", expert=False, split="train", group="t"),
        replace(given[5], source="vote", expert=False, split="test", group="u"),
        replace(given[6], domain="else"),
    ]
    learn(connection, [*odd, *(replace(each, domain="tax") for each in given[7:])])
    rule = DatasetRule(AGENT, minimum_quality=0.5, domain="tax")
    built = build_dataset(store, rule)
    assert built.statistics["drops"] == {
        "other domain": 4,
        "pending": 1,
        "quarantined": 1,
        "rejected": 1,
    }
    assert built.statistics["dropped"]["pending"] == [odd[0].id]
    assert built.content_hash == in_memory(connection, rule)
    plain = build_dataset(store, RULE)
    assert plain.statistics["drops"]["no expert approval outside train"] == 1
    assert plain.rows == 40 - 4


def test_drops_are_counted_beyond_what_is_shown(store: Store, connection: psycopg.Connection) -> None:
    learn(
        connection, [*seeds(3), *(replace(each, status="pending", input=f"{each.input} more") for each in seeds(130))]
    )
    built = build_dataset(store, RULE)
    assert built.statistics["drops"] == {"pending": 130}
    assert len(built.statistics["dropped"]["pending"]) == 100


def test_of_two_answers_the_stronger_stays_or_none(store: Store, connection: psycopg.Connection) -> None:
    question = "which account for a taxi"
    pair = [Seed(question, "travel"), Seed(question.upper() + "?", "meals", source="correction", expert=False)]
    learn(connection, [*seeds(5), *pair])
    built = build_dataset(store, RULE)
    assert built.statistics["drops"] == {"conflict": 1}
    assert pair[0].id in ids_of(store, built)
    learn(connection, [replace(pair[1], expert=True)])
    assert build_dataset(store, RULE).statistics["drops"] == {"conflict": 2}


@pytest.mark.parametrize(
    ("rule", "wanted"),
    [
        (DatasetRule(AGENT, "preference"), {1, 3}),
        (DatasetRule(AGENT, "evaluation"), {0, 1, 4}),
        (DatasetRule(AGENT, "retrieval"), {0, 1, 4}),
        (DatasetRule(AGENT, sources=("correction",)), {2, 3}),
        (DatasetRule(AGENT, languages=("de", "fr")), {4}),
    ],
)
def test_kinds_and_filters(store: Store, connection: psycopg.Connection, rule: DatasetRule, wanted: set[int]) -> None:
    given = seeds(5, split="train")
    given[1] = replace(given[1], rejected="wrong")
    given[2] = replace(given[2], source="correction", expert=False)
    given[3] = replace(given[3], source="correction", expert=False, rejected="wrong")
    given[4] = replace(given[4], language="de")
    learn(connection, given)
    assert set(ids_of(store, build_dataset(store, rule))) == {given[n].id for n in wanted}


def test_dates_are_of_when_an_example_was_first_learned(store: Store, connection: psycopg.Connection) -> None:
    first, second = seeds(2)
    learn(connection, [first])
    between = datetime.now(UTC)
    time.sleep(0.01)
    learn(connection, [second, replace(first, quality=0.95)])  # learned anew, which moves no date
    assert ids_of(store, build_dataset(store, DatasetRule(AGENT, since=between))) == [second.id]
    built = build_dataset(store, DatasetRule(AGENT, until=between))
    assert ids_of(store, built) == [first.id]
    assert built.statistics["drops"] == {"learned after the rule's dates": 1}


def test_a_rule_without_rows_freezes_nothing_and_takes_the_version_out_of_force(
    store: Store, connection: psycopg.Connection
) -> None:
    given = seeds(4)
    learn(connection, given)
    build_dataset(store, RULE)
    learn(connection, [replace(each, status="rejected") for each in given])
    built = build_dataset(store, RULE)
    assert (built.dataset_id, built.rows, built.refused) == (None, 0, ())
    with store.transaction() as t:
        assert t.datasets.in_force(AGENT) is None


def test_only_all_of_the_agents_own_examples_of_now_are_in_force(store: Store, connection: psycopg.Connection) -> None:
    learn(connection, seeds(10))
    first = build_dataset(store, RULE)
    learn(connection, [Seed("quite another question about parking", domain="cars")])
    build_dataset(store, DatasetRule(AGENT, domain="cars"))
    build_dataset(store, RULE, as_of=first.as_of)
    with store.transaction() as t:
        found = t.datasets.in_force(AGENT)
    assert found is not None
    assert found["dataset_id"] == first.dataset_id
    latest = build_dataset(store, RULE)
    with store.transaction() as t:
        version = t.datasets.version(str(latest.dataset_id))
    assert (version.in_force, version.parent) == (True, first.dataset_id)


def test_versions_follow_each_other_under_one_rule(store: Store, connection: psycopg.Connection) -> None:
    learn(connection, seeds(6))
    plain = build_dataset(store, RULE)
    good = build_dataset(store, DatasetRule(AGENT, minimum_quality=0.5))
    assert plain.content_hash == good.content_hash
    assert plain.dataset_id != good.dataset_id  # the same rows under another rule are another version
    learn(connection, [Seed("a question nobody asked before")])
    with store.transaction() as t:
        parents = [
            t.datasets.version(str(build_dataset(store, rule).dataset_id)).parent
            for rule in (RULE, DatasetRule(AGENT, minimum_quality=0.5))
        ]
    assert parents == [plain.dataset_id, good.dataset_id]


def test_an_instant_to_come_and_unknown_agents_are_refused(store: Store) -> None:
    with pytest.raises(CannotBuild, match="that is to come"):
        build_dataset(store, RULE, as_of=datetime.now(UTC) + timedelta(hours=1))
    with store.transaction() as t:
        with pytest.raises(CannotBuild, match="'nobody' is not registered; known: coder"):
            agent_rule(t, AGENT, {"agents": ["nobody"]})
        with pytest.raises(CannotBuild, match="fixed for ever"):
            agent_rule(t, AGENT, {"shares": [0.5, 0.2, 0.3]})


def test_a_build_leaves_no_draft_behind(store: Store, connection: psycopg.Connection) -> None:
    learn(connection, [*seeds(10), Seed("write to ann.smith@example.com", group="p", split="train")])
    build_dataset(store, RULE)
    assert connection.execute("select count(*) from glow.draft_rows").fetchone() == (0,)


def test_what_is_said_of_gold_is_no_approval(store: Store, connection: psycopg.Connection) -> None:
    learn(connection, seeds(5))
    for number, gold in enumerate((True, True, False)):
        connection.execute(
            "insert into glow.execution_keys (tenant, execution_id, agent, payload_hash, recorded_at)"
            " values ('default', %s, %s, '', now())",
            (f"e{number}", AGENT),
        )
        connection.execute(
            "insert into glow.expert_annotations (tenant, execution_id, agent, reviewer, gold, verdict, payload_hash)"
            " values ('default', %s, %s, 'eve', %s, %s, '')",
            (f"e{number}", AGENT, gold, "reject" if gold else "approve"),
        )
    connection.commit()
    (verdict,) = [each for each in build_dataset(store, RULE).verdicts if each.name == "approval_rate"]
    assert (verdict.passed, verdict.numbers) == (True, {"approved": 1, "judged": 1})


def test_builds_at_once_make_one_version(store: Store, connection: psycopg.Connection) -> None:
    learn(connection, seeds(30))
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda kind: build_dataset(store, DatasetRule(AGENT, kind)), KINDS * 2))
    assert len({built.dataset_id for built in found}) == 2
    assert sum(built.new for built in found) == 2


def test_the_pipelines_role_is_enough(connection: psycopg.Connection, database_url: str, tmp_path: Path) -> None:
    register(connection)
    learn(connection, seeds(12))
    store = Store(f"{database_url}?options=-crole%3Dglow_pipeline")
    with store.transaction() as t:
        row = t.connection.execute("select current_user as name").fetchone()
    assert row == {"name": "glow_pipeline"}
    built = build_dataset(store, RULE)
    assert verify_dataset(store, str(built.dataset_id)).holds
    assert export_dataset(store, tmp_path, ExportRequest(str(built.dataset_id)))
    with store.transaction() as t:
        assert t.datasets.why(str(built.dataset_id), seeds(1)[0].id)
        assert t.connection.execute("select * from glow_api.dataset_lineage").fetchall()
    store.close()


@pytest.mark.parametrize("field", ["salt", "rule_version"])
def test_a_rule_names_no_other_salt_or_version_than_is_applied(store: Store, field: str) -> None:
    """Both stood in the version as given, and neither was what had been done."""
    with store.transaction() as t:
        ours = RULE.to_json()[field]
        assert agent_rule(t, AGENT, {field: ours}) == RULE
        with pytest.raises(CannotBuild, match=f"{field}: 'mine' is not what this code applies"):
            agent_rule(t, AGENT, {field: "mine"})
