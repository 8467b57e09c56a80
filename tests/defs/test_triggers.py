"""Schedule and sensors: whom they ask for, and that they ask once."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest

from glow_pipelines.client import GlowClient
from glow_pipelines.defs.schedules import nightly, retrieving
from glow_pipelines.defs.sensors import feedback_arrivals, feedback_threshold, retrieval_threshold
from glow_pipelines.services import Services
from glow_pipelines.settings import Settings
from glow_pipelines.steps.retrieval.indexing import index_agent
from tests.steps.indexing_world import AGENT as LIBRARY
from tests.steps.indexing_world import Library
from tests.waiting import until_readable


@pytest.fixture
def services(database_url: str) -> Iterator[Services]:
    services = Services(Settings.from_environment({"DATABASE_URL": database_url}))
    with GlowClient(database_url) as client:
        for agent, rows in (("busy", 12), ("quiet", 3)):
            client.register_agent(agent)
            for number in range(rows):
                client.log_execution(f"{agent}-{number}", agent, "in", "out")
                client.submit_feedback(agent, f"{agent}-{number}", "u", thumbs=1)
    until_readable(database_url)
    yield services
    services.store.close()


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        yield instance


def test_the_threshold_asks_for_busy_agents_and_only_once(services: Services, instance: dg.DagsterInstance) -> None:
    context = dg.build_sensor_context(instance=instance)
    result = feedback_threshold(context, services=services)
    assert isinstance(result, dg.SensorResult)
    assert [request.partition_key for request in result.run_requests or []] == ["busy"]
    assert [request.run_key for request in result.run_requests or []] == [
        f"busy@{json.loads(result.cursor or '')['busy']}"
    ]
    assert [list(request.partition_keys) for request in result.dynamic_partitions_requests or []] == [["busy"]]
    again = feedback_threshold(dg.build_sensor_context(instance=instance, cursor=result.cursor), services=services)
    assert isinstance(again, dg.SkipReason)


def test_many_searches_ask_for_training_once(
    services: Services, instance: dg.DagsterInstance, database_url: str
) -> None:
    with GlowClient(database_url) as client:
        for number in range(3):
            client.log_retrieval(f"r{number}", "quiet", "q", [{"chunk_id": "a", "rank": 1}])
    until_readable(database_url)
    for threshold, asked in (("4", []), ("3", ["quiet"])):
        environment = {"DATABASE_URL": database_url, "RAG_EMBEDDING_UPDATE_THRESHOLD": threshold}
        here = Services(Settings.from_environment(environment))
        result = retrieval_threshold(dg.build_sensor_context(instance=instance), services=here)
        requests = (result.run_requests or []) if isinstance(result, dg.SensorResult) else []
        assert [request.partition_key for request in requests] == asked
        here.store.close()
    assert isinstance(result, dg.SensorResult)
    again = dg.build_sensor_context(instance=instance, cursor=result.cursor)
    environment["RAG_LEARNING_ENABLED"] = "false"
    off = Services(Settings.from_environment(environment))
    for each in (services, off):
        assert isinstance(retrieval_threshold(again, services=each), dg.SkipReason)
    assert isinstance(retrieval_threshold(dg.build_sensor_context(instance=instance), services=off), dg.SkipReason)
    off.store.close()
    with services.store.transaction() as t:
        t.operations.set_watermark("retrieval_training", t.feedback.horizon(), "quiet")
    assert isinstance(retrieval_threshold(dg.build_sensor_context(instance=instance), services=services), dg.SkipReason)


def test_changed_documents_ask_for_the_index_alone_whatever_is_switched_off(
    instance: dg.DagsterInstance, database_url: str
) -> None:
    here = Services(Settings.from_environment({"DATABASE_URL": database_url, "RAG_LEARNING_ENABLED": "false"}))
    library = Library(database_url)
    for change, documents in (("tea", 1), ("coffee", 1), ("tea", 1)):
        library.put(**{change: f"All about {change}, {len(library.model.asked)}."})
        result = retrieval_threshold(dg.build_sensor_context(instance=instance), services=here)
        assert isinstance(result, dg.SensorResult)
        (request,) = result.run_requests or []
        assert request.partition_key == LIBRARY
        assert request.asset_selection == [dg.AssetKey("retrieval_index")]
        same = retrieval_threshold(dg.build_sensor_context(instance=instance), services=here)
        assert isinstance(same, dg.SensorResult)
        assert [each.run_key for each in same.run_requests or []] == [request.run_key]
        assert str(request.run_key).endswith(f"/{documents}")
        at = datetime(2026, 11, 22, 6, tzinfo=UTC)
        context = dg.build_schedule_context(instance=instance, scheduled_execution_time=at)
        (by_clock,) = retrieving(context, services=here)  # type: ignore[misc]
        assert by_clock.run_key == f"retrieval-{LIBRARY}@2026-11-22T06"
        index_agent(library.services, LIBRARY)
        assert isinstance(retrieval_threshold(dg.build_sensor_context(instance=instance), services=here), dg.SkipReason)
    library.client.retire_document(LIBRARY, "tea")
    assert isinstance(retrieval_threshold(dg.build_sensor_context(instance=instance), services=here), dg.SensorResult)
    index_agent(library.services, LIBRARY)
    assert isinstance(retrieval_threshold(dg.build_sensor_context(instance=instance), services=here), dg.SkipReason)
    library.close()
    here.store.close()


def test_every_six_hours_agents_with_new_searches_are_trained(
    services: Services, instance: dg.DagsterInstance, database_url: str
) -> None:
    with GlowClient(database_url) as client:
        client.log_retrieval("r", "quiet", "q", [{"chunk_id": "a", "rank": 1}])
    until_readable(database_url)
    at = datetime(2026, 11, 22, 6, tzinfo=UTC)
    context = dg.build_schedule_context(instance=instance, scheduled_execution_time=at)
    (request,) = retrieving(context, services=services)  # type: ignore[misc]
    assert (request.partition_key, request.run_key) == ("quiet", "retrieval-quiet@2026-11-22T06")
    assert instance.get_dynamic_partitions("agent") == ["quiet"]
    with services.store.transaction() as t:
        t.retrieval_signals.fold("quiet", t.feedback.horizon())
    assert isinstance(retrieving(context, services=services), dg.SkipReason)


def test_what_a_turn_has_learned_is_not_asked_for(services: Services, instance: dg.DagsterInstance) -> None:
    with services.store.transaction() as t:
        t.operations.set_watermark("turn", t.feedback.horizon(), "busy")
    result = feedback_threshold(dg.build_sensor_context(instance=instance), services=services)
    assert isinstance(result, dg.SkipReason)


def test_arrivals_are_told_per_agent_and_once(services: Services, instance: dg.DagsterInstance) -> None:
    result = feedback_arrivals(dg.build_sensor_context(instance=instance), services=services)
    assert isinstance(result, dg.SensorResult)
    told = {event.partition: event.metadata["new rows"].value for event in result.asset_events}
    assert told == {"busy": 12, "quiet": 3}
    again = feedback_arrivals(dg.build_sensor_context(instance=instance, cursor=result.cursor), services=services)
    assert isinstance(again, dg.SkipReason)


def test_the_night_asks_for_known_agents_with_news(services: Services, instance: dg.DagsterInstance) -> None:
    instance.add_dynamic_partitions("agent", ["busy", "quiet"])
    at = datetime(2026, 11, 22, 2, tzinfo=UTC)
    context = dg.build_schedule_context(instance=instance, scheduled_execution_time=at)
    requests = nightly(context, services=services)
    assert isinstance(requests, list)
    assert [(request.partition_key, request.run_key) for request in requests] == [("busy", "busy@2026-11-22")]


def test_switched_off_nothing_runs(database_url: str, instance: dg.DagsterInstance) -> None:
    environment = {"DATABASE_URL": database_url, "LEARNING_AUTO_OPTIMIZE": "false"}
    services = Services(Settings.from_environment(environment))
    context = dg.build_schedule_context(instance=instance, scheduled_execution_time=datetime.now(UTC))
    assert isinstance(nightly(context, services=services), dg.SkipReason)
    assert isinstance(feedback_threshold(dg.build_sensor_context(instance=instance), services=services), dg.SkipReason)
