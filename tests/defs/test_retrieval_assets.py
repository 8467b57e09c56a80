"""The assets of retrieval: what they show, what their checks say, and that a run made twice changes nothing.

Belongs here: the assets over a small helpdesk. Does not: the steps (tests/steps), triggers (test_triggers).
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, cast

import dagster as dg
import pytest

from glow_pipelines.defs.retrieval.analytics import retrieval_analytics
from glow_pipelines.defs.retrieval.cuts import chunking_proposals
from glow_pipelines.defs.retrieval.index import retrieval_index
from glow_pipelines.defs.retrieval.learned import retrieval_learning
from glow_pipelines.learning.retrieval import RetrievalIndex
from glow_pipelines.settings import Settings
from glow_pipelines.store.retrieval_index import RetrievalIndexes
from tests.steps.indexing_world import AGENT
from tests.steps.retrieval_world import Desk

ASSETS = [retrieval_index, retrieval_learning, chunking_proposals, retrieval_analytics]
CHECKS = {
    "citations_fit_chunks",
    "words_are_shared",
    "index_complete",
    "pairs_from_train_only",
    "configuration_has_gate",
    "no_leak_of_test_queries",
    "popularity_not_collapsed",
    "retrieval_drift",
}


@pytest.fixture
def desk(database_url: str) -> Iterator[Desk]:
    desk = Desk(database_url)
    desk.write()
    yield desk
    desk.close()


def materialize(desk: Desk, *assets: dg.AssetsDefinition) -> dg.ExecuteInProcessResult:
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("agent", [AGENT])
        return dg.materialize(
            list(assets or ASSETS),
            instance=instance,
            resources={"services": desk.services},
            partition_key=AGENT,
            raise_on_error=False,
        )


def shown(result: dg.ExecuteInProcessResult, asset: str) -> dict[str, Any]:
    (event,) = [
        each.step_materialization_data.materialization
        for each in result.all_events
        if each.is_step_materialization and each.step_materialization_data.materialization.label == asset
    ]
    return {name: value.value for name, value in event.metadata.items()}


def checked(result: dg.ExecuteInProcessResult) -> dict[str, tuple[bool, str]]:
    return {each.check_name: (each.passed, str(each.description)) for each in result.get_asset_check_evaluations()}


def test_the_group_learns_tries_and_tells(desk: Desk) -> None:
    first = materialize(desk)
    assert first.success
    assert shown(first, "retrieval_index")["documents cut"] == 40
    assert "no search" in shown(first, "retrieval_configuration")["state"]
    assert set(checked(first)) == CHECKS
    desk.search("first")
    result = materialize(desk)
    assert result.success
    found = checked(result)
    assert all(passed for passed, _ in found.values()), found
    assert all(said for _, said in found.values())
    assert shown(result, "retrieval_index")["texts embedded"] == 0
    pairs = shown(result, "embedding_training_pairs")
    assert pairs["dagster/partition_row_count"] > 0
    assert pairs["searches with news"] == 240
    told = shown(result, "retrieval_configuration")
    assert (told["state"], told["experiment"] != "none") == ("passed", True)
    assert told["nDCG@10 after"] > told["nDCG@10 before"]
    assert "repeated" in told["queries"]
    assert "memory" in told["components"]
    assert told["wins"].count("\n") == 1 + 5
    assert "question" in told["wins"]
    assert "Gini" in told["popularity"]
    assert "sessions and corrections" in shown(result, "query_expansions")
    assert shown(result, "chunking_proposals")["verdict"] == "keep"
    assert shown(result, "retrieval_analytics")["searches"] == 240

    again = materialize(desk)
    assert again.success
    waiting = shown(again, "retrieval_configuration")
    assert (waiting["state"], waiting["configuration in force"]) == ("waiting", told["configuration in force"])
    assert told["experiment"] in waiting["reason"]
    assert (
        shown(again, "embedding_training_pairs")["dagster/partition_row_count"] == pairs["dagster/partition_row_count"]
    )


def test_checks_say_what_is_wrong(desk: Desk) -> None:
    materialize(desk, retrieval_index)
    with desk.store.transaction() as t:
        current = t.retrieval.in_force(AGENT)
        assert current is not None
        index = t.retrieval_configurations.read(current.configuration)
        assert index is not None
        other = replace(index, parameters=replace(index.parameters, lexical_weight=3.0))
        t.retrieval_configurations.write(AGENT, RetrievalIndex([], other), current.configuration)
        t.retrieval.move_alias(AGENT, other.sha256, "somebody", "by hand")
    result = materialize(desk, retrieval_learning)
    passed, said = checked(result)["configuration_has_gate"]
    assert not passed
    assert other.sha256 in said


def test_documents_are_indexed_where_nothing_is_learned(desk: Desk) -> None:
    desk.settings = Settings.from_environment({"RAG_LEARNING_ENABLED": "false"})
    result = materialize(desk)
    assert result.success
    assert shown(result, "retrieval_index")["chunks added"] == 40
    for asset in ("embedding_training_pairs", "query_expansions", "retrieval_configuration", "chunking_proposals"):
        assert shown(result, asset)["state"] == "RAG_LEARNING_ENABLED is false"
    assert cast(str, checked(result)["no_leak_of_test_queries"][1])


def test_an_index_that_is_not_what_is_live_stops_the_run(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    gap = {"index_number": 3, "missing": 2, "stray": 0, "unembedded": 1}
    monkeypatch.setattr(RetrievalIndexes, "incomplete", lambda *a: [gap])
    result = materialize(desk)
    assert not result.success
    assert checked(result)["index_complete"] == (
        False,
        "index 3 lacks 2 chunks, has 0 that are not live, 1 without a vector",
    )
    assert "retrieval_configuration" not in [each.asset_key and each.asset_key.path[-1] for each in result.all_events]
