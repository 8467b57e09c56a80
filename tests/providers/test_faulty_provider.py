"""Every scripted fault, at the socket, through the real openai client: what it sees, and what there is after."""

import csv
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import openai
import pytest
from click.testing import CliRunner

from glow_pipelines.commands.devtools import devtools
from glow_pipelines.providers.faults.catalog import FAULTS, BadScript, Script, read_fault
from glow_pipelines.providers.faults.proxy import FaultyProvider
from glow_pipelines.providers.faults.rewriting import NEW_STATUS
from tests.providers.tuning_server import LINES, as_file, strict, tuning_server, until
from tests.providers.tuning_server import create as create_with_file


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The base URL of a real service; jobs of all tests end up in it."""
    with tuning_server(tmp_path_factory.mktemp("tuning")) as (_, url):
        yield url


@contextmanager
def behind(service: str, *faults: str, timeout: float = 5) -> Iterator[tuple[openai.OpenAI, openai.OpenAI]]:
    """A client of the faulty service, without retries, and one of the service itself."""
    with (
        FaultyProvider(service, Script([read_fault(fault) for fault in faults])) as proxy,
        openai.OpenAI(api_key="k", base_url=proxy.url, max_retries=0, timeout=timeout) as faulty,
        strict(service) as direct,
    ):
        yield faulty, direct


def create(client: openai.OpenAI, **metadata: str) -> Any:
    return create_with_file(client, steps=2, metadata=metadata)


def tagged(client: openai.OpenAI, tag: str) -> list[str]:
    return [job.id for job in client.fine_tuning.jobs.list(metadata={"tag": tag})]


@pytest.mark.parametrize(
    ("fault", "error", "status", "made"),
    [
        ("429", openai.RateLimitError, 429, 0),
        ("500", openai.InternalServerError, 500, 0),
        ("403", openai.PermissionDeniedError, 403, 0),
        ("garbage", json.JSONDecodeError, None, 0),
        ("drop", openai.APIConnectionError, None, 0),
        ("created-then-500", openai.InternalServerError, 500, 1),
        ("created-then-drop", openai.APIConnectionError, None, 1),
        ("created-then-hang", openai.APITimeoutError, None, 1),
        ("created-then-garbage", json.JSONDecodeError, None, 1),
    ],
)
def test_a_create_that_goes_wrong(
    service: str, fault: str, error: type[Exception], status: int | None, made: int
) -> None:
    with behind(service, fault, timeout=1 if fault.endswith("hang") else 5) as (faulty, direct):
        with pytest.raises(error) as caught:
            create(faulty, tag=fault)
        assert type(caught.value) is error
        assert getattr(caught.value, "status_code", None) == status
        assert len(tagged(direct, fault)) == made
        if fault == "429":
            assert caught.value.response.headers["retry-after-ms"] == "500"  # type: ignore[attr-defined]
        if fault == "403":
            assert caught.value.code == "training_not_available"  # type: ignore[attr-defined]
        job = create(faulty, tag=fault)  # it strikes once
        assert len(tagged(faulty, fault)) == made + 1
        assert faulty.fine_tuning.jobs.retrieve(job.id).id == job.id


def test_the_client_as_it_is_delivered_pays_three_times(service: str) -> None:
    with behind(service, "created-then-500*3") as (faulty, direct), pytest.raises(openai.InternalServerError):
        create(faulty.with_options(max_retries=2), tag="default")
    with strict(service) as direct:
        assert len(tagged(direct, "default")) == 3


def test_slow(service: str) -> None:
    with behind(service, "slow=0.5") as (faulty, _):
        began = time.monotonic()
        assert create(faulty).id
        assert time.monotonic() - began >= 0.5


def test_duplicate_job(service: str) -> None:
    with behind(service, "duplicate-job") as (faulty, direct):
        job = create(faulty, tag="twice")
        assert tagged(direct, "twice")[0] == job.id
        assert len(tagged(direct, "twice")) == 2


def test_list_lag(service: str) -> None:
    with behind(service, "list-lag=1", "created-then-drop") as (faulty, direct):
        with pytest.raises(openai.APIConnectionError):
            create(faulty, tag="lag")
        assert tagged(faulty, "lag") == []
        (made,) = tagged(direct, "lag")
        assert until(lambda: tagged(faulty, "lag")) == [made]


def finished(client: openai.OpenAI, **metadata: str) -> Any:
    id = create(client, **metadata).id
    return until(lambda: job if (job := client.fine_tuning.jobs.retrieve(id)).finished_at else None)


def test_unknown_status_and_a_failed_job(service: str) -> None:
    with behind(service, "unknown-status*2", "job-failed@list") as (faulty, direct):
        job = finished(direct, tag="odd")
        assert faulty.fine_tuning.jobs.retrieve(job.id).status == NEW_STATUS
        assert [each.status for each in faulty.fine_tuning.jobs.list(metadata={"tag": "odd"})] == [NEW_STATUS]
        (failed,) = faulty.fine_tuning.jobs.list(metadata={"tag": "odd"}).data
        assert (failed.status, failed.error.code, failed.fine_tuned_model) == ("failed", "exceeded_quota", None)
        assert faulty.fine_tuning.jobs.retrieve(job.id) == job


def test_file_error(service: str) -> None:
    with behind(service, "file-error*2") as (faulty, _):
        file = faulty.files.create(file=as_file(LINES), purpose="fine-tune")
        assert (file.status, file.status_details) == ("error", "the file could not be read")
        assert faulty.files.retrieve(file.id).status == "error"
        assert faulty.files.retrieve(file.id).status == "processed"


def test_events_disordered_and_doubled(service: str) -> None:
    with behind(service, "events-disordered", "events-doubled") as (faulty, direct):
        job = finished(direct)
        until(lambda: "successfully" in direct.fine_tuning.jobs.list_events(job.id, limit=1).data[0].message)
        right = [event.id for event in direct.fine_tuning.jobs.list_events(job.id)]
        disordered, doubled = ([e.id for e in faulty.fine_tuning.jobs.list_events(job.id).data] for _ in range(2))
        assert disordered != right
        assert sorted(disordered) == sorted(right)
        assert doubled == [id for id in right for _ in range(2)]


def test_result_file_with_missing_columns(service: str) -> None:
    with behind(service, "result-columns") as (faulty, direct):
        (file,) = finished(direct).result_files
        odd, right = (
            next(csv.reader(client.files.content(file).read().decode().splitlines())) for client in (faulty, faulty)
        )
        assert odd == ["step", "train_loss", "valid_accuracy"]
        assert {"train_accuracy", "valid_loss"} <= set(right)


def test_a_model_that_is_not_there_yet_and_one_that_goes(service: str) -> None:
    with behind(service, "model-404", "shutdown-soon") as (faulty, direct):
        name = finished(direct).fine_tuned_model
        with pytest.raises(openai.NotFoundError) as caught:
            faulty.models.retrieve(name)
        assert caught.value.code == "model_not_found"
        told = faulty.models.retrieve(name).shutdown_date
        assert told is not None
        assert (date.fromisoformat(told) - datetime.now(UTC).date()).days in (29, 30)
        assert faulty.models.retrieve(name).shutdown_date is None


def test_a_whole_job_passes_through_unchanged(service: str) -> None:
    with (
        FaultyProvider(service, Script([])) as proxy,
        strict(proxy.url) as through,
        strict(service) as direct,
    ):
        job = finished(through, tag="through")
        assert job == direct.fine_tuning.jobs.retrieve(job.id)
        assert {(p.fault, p.status) for p in proxy.passed} == {(None, 200)}
        with pytest.raises(openai.NotFoundError):
            through.files.retrieve("file-none")


def test_a_service_that_is_not_there_is_a_lost_connection() -> None:
    with behind("http://127.0.0.1:9/v1") as (faulty, _), pytest.raises(openai.APIConnectionError):
        faulty.models.list()


def test_every_fault_is_tested_here() -> None:
    tested = Path(__file__).read_text(encoding="utf-8")
    assert [name for name in FAULTS if f'"{name}' not in tested] == []


@pytest.mark.parametrize("text", ["", "teapot", "429*0", "500@nowhere", "slow=1.2.3", "429 *2"])
def test_a_fault_that_is_none(text: str) -> None:
    with pytest.raises(BadScript, match=r"write NAME|no such requests|seconds|at least once"):
        read_fault(text)


def test_scripts_run_in_order() -> None:
    script = Script([read_fault(text) for text in ("429*2", "500@list", "drop", "403*always@any")])
    asked = [("POST", "/v1/fine_tuning/jobs")] * 4 + [("GET", "/openai/v1/fine_tuning/jobs"), ("GET", "/v1/x")] * 2
    struck = [fault.name for each in asked if (fault := script.take(*each))]
    assert struck == ["429", "429", "drop", "403", "500", "403", "403", "403"]


@pytest.mark.parametrize(
    ("arguments", "message"), [(["--fault", "teapot"], "NAME"), (["--upstream", "ftp://x"], "base URL")]
)
def test_the_command_says_what_is_wrong(arguments: list[str], message: str) -> None:
    result = CliRunner().invoke(devtools, ["faulty-provider", "--upstream", "http://127.0.0.1:9/v1", *arguments])
    assert result.exit_code == 2
    assert message in result.output
