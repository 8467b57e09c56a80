"""From a row of a dataset to what people said, and back; and who may look."""

import psycopg
import pytest

from glow_pipelines.client import GlowClient, GlowError
from glow_pipelines.learning.datasets import DatasetRule
from glow_pipelines.steps.datasets import build_dataset
from glow_pipelines.store import Store
from tests.datasets.seeding import AGENT, Seed, learn, seeds


@pytest.fixture
def traced(store: Store, connection: psycopg.Connection, database_url: str) -> tuple[str, str, int, str]:
    """A dataset, an example in it that rests on a vote, that vote, and a prompt that demonstrates it."""
    with GlowClient(database_url) as client:
        client.log_execution("run-1", AGENT, "taxi to the airport", "meals")
        vote = client.submit_feedback(AGENT, "run-1", "ann", correction="travel", comment="a ride")
    seed = Seed("taxi to the airport", "travel", split="train", group="t")
    (version,) = learn(connection, [seed])
    learn(connection, seeds(9))
    connection.execute(
        "insert into glow.source_spans (first_version, since, kind, source_id, role) values"
        " (%(v)s, %(v)s, 'execution', 'run-1', 'input'), (%(v)s, %(v)s, 'feedback', %(f)s, 'supports')",
        {"v": version, "f": str(vote.feedback_id)},
    )
    connection.execute(
        "insert into glow.prompt_versions (agent, prompt_version, prompt, operator)"
        " select %s, encode(sha256(convert_to(p::text, 'UTF8')), 'hex'), p, 'few_shot'"
        " from (select '{}'::jsonb as p) x",
        (AGENT,),
    )
    row = connection.execute(
        "insert into glow.prompt_lineage (agent, prompt_version, kind, source_id, role, example_version)"
        " select agent, prompt_version, 'example', %s, 'demo', %s from glow.prompt_versions returning prompt_version",
        (seed.id, version),
    ).fetchone()
    connection.commit()
    dataset = build_dataset(store, DatasetRule(AGENT)).dataset_id
    assert row is not None
    assert dataset is not None
    return dataset, seed.id, vote.feedback_id, row[0]


def test_why_and_effect_of_meet(traced: tuple[str, str, int, str], database_url: str) -> None:
    dataset, example, vote, prompt = traced
    with GlowClient(database_url) as client:
        why = {reason.kind: reason for reason in client.why(dataset, example)}
        assert why.keys() == {"execution", "feedback", "annotation"}
        assert why["feedback"].said is not None
        assert why["feedback"].said["correction"] == "travel"
        assert why["execution"].said is not None
        assert why["execution"].said["input"] == "taxi to the airport"
        assert {(effect.effect, effect.id) for effect in client.effect_of(vote)} == {
            ("learning example", example),
            ("dataset", dataset),
            ("prompt", prompt),
        }
        with pytest.raises(GlowError, match="example"):
            client.why(dataset, "no such example")
        (listed,) = client.datasets(AGENT)
    assert (listed.agents, listed.rows, listed.parent, listed.revoked_at) == ([AGENT], 10, None, None)


def test_the_views_say_the_same_for_all_rows(traced: tuple[str, str, int, str], connection: psycopg.Connection) -> None:
    dataset, example, vote, prompt = traced
    rows = connection.execute(
        "select position, example_id, kind, source_id, split from glow_api.dataset_lineage where dataset_id = %s"
        " order by position, kind",
        (dataset,),
    ).fetchall()
    assert {row[0] for row in rows} == set(range(1, 11))
    assert {row[2] for row in rows if row[1] == example} == {"annotation", "execution", "feedback"}
    found = connection.execute(
        "select example_id, dataset_id, prompt_version, prompt_role from glow_api.feedback_lineage"
        " where feedback_id = %s",
        (str(vote),),
    ).fetchall()
    assert found == [(example, dataset, prompt, "demo")]


def test_asking_for_one_dataset_reads_one_dataset(
    traced: tuple[str, str, int, str], connection: psycopg.Connection
) -> None:
    connection.execute("set enable_seqscan = off")
    plan = "\n".join(
        row[0]
        for row in connection.execute(
            "explain select * from glow_api.dataset_lineage where dataset_id = %s", (traced[0],)
        ).fetchall()
    )
    assert "Index Cond: (dataset_id" in plan
