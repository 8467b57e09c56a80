"""A training run from the dataset to the service: planned once, submitted once, never paid twice."""

import threading
from collections.abc import Iterator

import pytest

from glow_pipelines.client import GlowClient
from glow_pipelines.demo.company import CODER, cases
from glow_pipelines.services import Services
from glow_pipelines.settings import Settings
from glow_pipelines.steps.training import plan_run, submit_run
from tests.providers.test_tuning import Service
from tests.store.test_store import PROMPT, SHARES
from tests.waiting import until_readable


@pytest.fixture
def service() -> Iterator[Service]:
    service = Service()
    threading.Thread(target=service.serve_forever, daemon=True).start()
    yield service
    service.shutdown()
    service.server_close()


def services(database_url: str, **environment: str) -> Services:
    return Services(Settings.from_environment({"DATABASE_URL": database_url, **environment}))


def enabled(database_url: str, service: Service) -> Services:
    return services(
        database_url,
        OPENAI_BASE_URL=f"http://127.0.0.1:{service.server_port}/v1",
        OPENAI_API_KEY="key",
        OPENAI_FINE_TUNING_ENABLED="true",
        FINE_TUNING_MIN_EXAMPLES="20",
        GLOW_FINE_TUNING_BASE_MODEL="small",
    )


@pytest.fixture
def curated(database_url: str) -> str:
    """An agent with a dataset version of sixty approved examples."""
    import dagster as dg

    from glow_pipelines.defs.datasets import training_dataset
    from glow_pipelines.defs.examples import learning_examples

    with GlowClient(database_url) as client:
        evaluation = {"metric": "label", "choices": ["travel", "meals"]}
        client.register_agent("coder", "", evaluation, PROMPT.content(), SHARES)
        for case in cases(CODER)[:60]:
            client.log_execution(case.id, "coder", case.input, "meals")
            client.submit_annotation(case.id, "expert", "correct", output="travel")
    until_readable(database_url)
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("agent", ["coder"])
        resources = {"services": services(database_url)}
        dg.materialize([learning_examples], instance=instance, resources=resources)
        assert dg.materialize([training_dataset], instance=instance, resources=resources, partition_key="coder").success
    return database_url


def state_of(services: Services, run_key: str) -> str:
    with services.store.transaction() as t:
        run = t.models.run(run_key)
    assert run is not None
    return str(run["state"])


def test_without_a_service_the_run_is_disabled_and_says_why(curated: str) -> None:
    here = services(curated)
    plan = plan_run(here, "coder")
    assert plan is not None
    assert plan.state == state_of(here, plan.run_key) == "disabled"
    assert "OPENAI_FINE_TUNING_ENABLED" in plan.reason


def test_a_planned_run_becomes_one_paid_job(curated: str, service: Service) -> None:
    here = enabled(curated, service)
    plan = plan_run(here, "coder")
    assert plan is not None
    assert plan.state == "planned"
    assert submit_run(here, plan)[0] == "submitted"
    again = plan_run(here, "coder")
    assert again is not None
    submit_run(here, again)
    assert len(service.paid()) == 1
    assert service.paid()[0]["metadata"]["run_key"] == plan.run_key
    assert len(service.contents[0].splitlines()) == plan.train_count


@pytest.mark.parametrize("fault", ["created then 500", "created then dropped"])
def test_an_unknown_outcome_is_looked_for_before_it_is_paid_again(curated: str, service: Service, fault: str) -> None:
    here = enabled(curated, service)
    service.fault = fault
    plan = plan_run(here, "coder")
    assert plan is not None
    assert submit_run(here, plan)[0] == "submitting"
    assert submit_run(here, plan)[0] == "submitted"
    assert len(service.paid()) == 1


def test_a_closed_account_is_an_outcome_and_not_an_error(curated: str, service: Service) -> None:
    here = enabled(curated, service)
    service.fault = "403"
    plan = plan_run(here, "coder")
    assert plan is not None
    state, reason = submit_run(here, plan)
    assert state == state_of(here, plan.run_key) == "blocked"
    assert reason


def test_a_run_that_was_disabled_starts_when_it_is_allowed(curated: str, service: Service) -> None:
    first = plan_run(services(curated), "coder")
    here = enabled(curated, service)
    plan = plan_run(here, "coder")
    assert first is not None
    assert plan is not None
    assert submit_run(here, plan)[0] == "submitted"
