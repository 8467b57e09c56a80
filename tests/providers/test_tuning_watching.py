"""OpenAI's wire after the submission: lists, events, checkpoints, curves, pauses, shutdowns, files.

The faults are those of a service on a bad day: late, shuffled and doubled events, files gone, cursors ignored.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from openai import OpenAI

from glow_pipelines.learning.models.capabilities import OPENAI, PROVIDERS
from glow_pipelines.learning.models.metrics import TrainingPoint
from glow_pipelines.providers.tuning import (
    OpenAITuning,
    TrainingRejectedError,
    TuningBusyError,
    tuning_service,
)
from glow_pipelines.providers.tuning.service import provider_of_url
from glow_pipelines.settings import Settings
from tests.providers.hosted_tuning import Handler, running

CSV = b"step,train_loss,train_accuracy,valid_loss,valid_mean_token_accuracy\n2,0.5,0.9,,\n1,1.5,0.7,1.6,0.6\n"


class Watched(ThreadingHTTPServer):
    """Jobs, their events and files as lists in memory, in pages of two, newest first."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), WatchedHandler)
        self.jobs = [job(number) for number in range(5, 0, -1)]
        self.events: list[dict[str, Any]] = []
        self.checkpoints: list[dict[str, Any]] = []
        self.contents: dict[str, bytes] = {}
        self.files: list[dict[str, Any]] = []
        self.upload_status = "processed"
        self.models: dict[str, dict[str, Any]] = {}
        self.asked: list[str] = []
        self.ignores_cursor = False


class WatchedHandler(Handler):
    server: Watched  # type: ignore[assignment]

    def page(self, rows: list[dict[str, Any]]) -> None:
        query = parse_qs(urlsplit(self.path).query)
        after = "" if self.server.ignores_cursor else query.get("after", [""])[0]
        start = next((i + 1 for i, row in enumerate(rows) if row["id"] == after), 0)
        more = start + 2 < len(rows) or self.server.ignores_cursor
        self.answer(200, {"object": "list", "data": rows[start : start + 2], "has_more": more})

    def handle_any(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        server, path = self.server, urlsplit(self.path).path
        server.asked.append(path)
        match path.removeprefix("/v1/").split("/"):
            case ["fine_tuning", "jobs"]:
                self.page(server.jobs)
            case ["fine_tuning", "jobs", _, "events"]:
                self.page(server.events)
            case ["fine_tuning", "jobs", _, "checkpoints"]:
                self.page(server.checkpoints)
            case ["fine_tuning", "jobs", identity, ("pause" | "resume") as verb]:
                found = next(each for each in server.jobs if each["id"] == identity)
                if verb == "pause" and found["status"] != "running":
                    self.answer(400, {"error": {"message": "only a running job can be paused", "code": "x"}})
                    return
                found["status"] = "pausing" if verb == "pause" else "queued"
                self.answer(200, found)
            case ["fine_tuning", "jobs", identity]:
                self.answer(200, next(each for each in server.jobs if each["id"] == identity))
            case ["files", identity, "content"] if identity in server.contents:
                self.answer(200, server.contents[identity], {"Content-Type": "text/csv"})
            case ["files", identity] if self.command == "DELETE" and any(f["id"] == identity for f in server.files):
                server.files = [each for each in server.files if each["id"] != identity]
                self.answer(200, {"id": identity, "object": "file", "deleted": True})
            case ["files"] if self.command == "POST":
                server.files.append(file(len(server.files), raw, server.upload_status))
                self.answer(200, server.files[-1])
            case ["files"]:
                self.answer(200, {"object": "list", "data": server.files, "has_more": False})
            case ["models", identity] if identity in server.models:
                self.answer(200, server.models[identity])
            case _:
                self.answer(404, {"error": {"message": f"no such thing: {path}"}})

    do_GET = do_POST = do_DELETE = handle_any  # noqa: N815 -- names of the standard library


def job(number: int) -> dict[str, Any]:
    return {
        "id": f"ftjob-{number}", "object": "fine_tuning.job", "created_at": 1000 * number, "model": "m", "seed": 0,
        "training_file": "f", "validation_file": None, "status": "running", "organization_id": "o", "error": None,
        "result_files": [], "hyperparameters": {}, "metadata": {"run_key": f"key-{number}"} if number % 2 else None,
        "fine_tuned_model": None, "trained_tokens": None, "finished_at": None,
    }  # fmt: skip


def file(number: int, raw: bytes, status: str) -> dict[str, Any]:
    content = raw.split(b"\r\n\r\n")[-1].rpartition(b"\r\n--")[0]
    sizes = [
        len(part.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n")) for part in raw.split(b"--") if b"filename=" in part
    ]
    return {
        "id": f"file-{number}", "object": "file", "bytes": max([len(content), *sizes]), "created_at": 1,
        "filename": "m.jsonl", "purpose": "fine-tune", "status": status,
    }  # fmt: skip


def event(number: int, at: int, **more: Any) -> dict[str, Any]:
    about = {"level": "info", "message": f"event {number}", "object": "fine_tuning.job.event", **more}
    return {"id": f"ftevent-{number}", "created_at": at, **about}


@pytest.fixture
def server() -> Iterator[Watched]:
    with running(Watched()) as started:
        yield started


@pytest.fixture
def tuning(server: Watched) -> Iterator[OpenAITuning]:
    url = f"http://127.0.0.1:{server.server_port}/v1"
    with OpenAI(api_key="k", base_url=url, timeout=2) as client:
        yield OpenAITuning(lambda: client, OPENAI)


def test_one_list_gives_all_jobs_and_ends_at_the_first_page_too_old(server: Watched, tuning: OpenAITuning) -> None:
    found = tuning.statuses(datetime.fromtimestamp(3500, UTC))
    assert [(each.job_id, each.run_key) for each in found] == [("ftjob-5", "key-5"), ("ftjob-4", None)]
    assert server.asked == ["/v1/fine_tuning/jobs"] * 2
    assert len(tuning.statuses(datetime.fromtimestamp(0, UTC))) == 5


def test_a_service_that_ignores_the_cursor_is_not_asked_for_ever(server: Watched, tuning: OpenAITuning) -> None:
    server.ignores_cursor = True
    server.events = [event(number, number) for number in (3, 2, 1)]
    assert len(tuning.statuses(datetime.fromtimestamp(0, UTC))) == 2
    assert len(tuning.events("ftjob-1")) == 2
    assert len(server.asked) == 4


def test_events_come_oldest_first_each_once(server: Watched, tuning: OpenAITuning) -> None:
    metrics = {"step": 7, "train_loss": 0.25, "valid_loss": None}
    server.events = [event(3, 30, type="metrics", data=metrics), event(2, 20), event(2, 20), event(1, 10)]
    found = tuning.events("ftjob-1")
    assert [each.id for each in found] == ["ftevent-1", "ftevent-2", "ftevent-3"]
    assert [each.metrics for each in found] == [None, None, TrainingPoint(7, train_loss=0.25)]


def test_events_of_one_second_keep_the_services_order(server: Watched, tuning: OpenAITuning) -> None:
    server.events = [event(number, 10) for number in (4, 3, 2, 1)]
    assert [each.message for each in tuning.events("ftjob-1")] == [f"event {number}" for number in (1, 2, 3, 4)]


def test_no_event_is_lost_to_the_cursor_though_they_come_late_and_shuffled(
    server: Watched, tuning: OpenAITuning
) -> None:
    server.events = [event(number, number) for number in (6, 4, 3, 2, 1)]
    seen = {each.id for each in tuning.events("ftjob-1")}
    # 5 happened before the cursor's event and arrives after it was read; 7 is listed behind it.
    server.events = [event(number, number) for number in (6, 7, 5, 4, 3, 2, 1)]
    again = tuning.events("ftjob-1", "ftevent-6")
    assert seen | {each.id for each in again} == {f"ftevent-{number}" for number in range(1, 8)}
    assert "ftevent-6" not in {each.id for each in again}
    assert len(again) < 6  # and the rest of the log is not read again


def test_checkpoints_by_step_with_their_metrics(server: Watched, tuning: OpenAITuning) -> None:
    for number in (2, 1):
        server.checkpoints.append({
            "id": f"ftckpt-{number}", "created_at": number, "fine_tuned_model_checkpoint": f"ft:m:{number}",
            "fine_tuning_job_id": "ftjob-1", "object": "fine_tuning.job.checkpoint", "step_number": number * 10,
            "metrics": {"step": number * 10, "full_valid_loss": 0.5},
        })  # fmt: skip
    found = tuning.checkpoints("ftjob-1")
    assert [(each.step, each.model_id) for each in found] == [(10, "ft:m:1"), (20, "ft:m:2")]
    assert found[0].metrics == TrainingPoint(10, valid_loss=0.5)


def test_the_curve_is_read_from_the_result_files_that_are_there(server: Watched, tuning: OpenAITuning) -> None:
    server.jobs[0].update(result_files=["gone", "file-r"])
    server.contents["file-r"] = CSV
    points = tuning.points("ftjob-5")
    assert [each.step for each in points] == [1, 2]
    assert points[0] == TrainingPoint(1, 1.5, 1.6, 0.7, 0.6)
    assert points[1] == TrainingPoint(2, 0.5, None, 0.9, None)


def test_pause_and_resume_and_what_cannot_be_paused(server: Watched, tuning: OpenAITuning) -> None:
    assert tuning.pause("ftjob-5").status == "pausing"
    assert tuning.resume("ftjob-5").status == "queued"
    with pytest.raises(TrainingRejectedError, match="only a running job"):
        tuning.pause("ftjob-5")


def test_a_model_tells_its_end_and_may_lag_behind(server: Watched, tuning: OpenAITuning) -> None:
    assert tuning.model("ft:m:acme") is None
    about = {"id": "m", "object": "model", "created": 1, "owned_by": "o"}
    server.models = {"m": about, "old": {**about, "shutdown_date": "2027-01-14"}}
    lasting, old = tuning.model("m"), tuning.model("old")
    assert lasting is not None
    assert lasting.shutdown_at is None
    assert old is not None
    assert old.shutdown_at == datetime(2027, 1, 14, tzinfo=UTC)


def test_a_file_with_errors_is_refused_and_one_being_read_in_waited_for(server: Watched) -> None:
    with OpenAI(api_key="k", base_url=f"http://127.0.0.1:{server.server_port}/v1", timeout=2) as client:
        azure = OpenAITuning(lambda: client, PROVIDERS["azure"])
        server.upload_status = "error"
        with pytest.raises(TrainingRejectedError, match=r"m\.jsonl"):
            azure.upload(b"{}\n", "m.jsonl")
        server.upload_status = "pending"
        with pytest.raises(TuningBusyError):  # the file of before had errors: it is no file to train on
            azure.upload(b"{}\n", "m.jsonl")
        server.files[-1]["status"] = "processed"
        assert azure.upload(b"{}\n", "m.jsonl") == "file-1"
        assert [each.id for each in azure.files()] == ["file-0", "file-1"]
        azure.delete_file("file-0")
        azure.delete_file("file-0")
        assert [each.id for each in azure.files()] == ["file-1"]


@pytest.mark.parametrize(
    ("url", "provider"),
    [
        (None, "openai"),
        ("https://api.openai.com/v1", "openai"),
        ("https://acme.openai.azure.com/openai/v1", "azure"),
        ("https://acme.services.ai.azure.com/openai/v1", "azure"),
        ("https://openai.azure.com.evil.example/v1", "openai.azure.com.evil.example"),
        ("http://localhost:8080/v1", "localhost"),
    ],
)
def test_the_provider_is_known_by_its_url(url: str | None, provider: str) -> None:
    assert provider_of_url(url) == provider


def test_nothing_is_opened_to_name_a_service() -> None:
    settings = Settings.from_environment({"GLOW_HOME": "/nonexistent/glow"})
    local = tuning_service(settings).capabilities
    assert (local.provider, local.enabled) == ("local", True)
    assert local.default_base_model
    azure = {"GLOW_TUNING_BASE_URL": "https://acme.openai.azure.com/openai/v1", "GLOW_TUNING_API_KEY": "k"}
    assert tuning_service(Settings.from_environment(azure)).capabilities.byte_order_mark
    both = {**azure, "OPENAI_API_KEY": "k", "GLOW_TUNING_PROVIDER": "local"}
    assert tuning_service(Settings.from_environment(both)).capabilities.provider == "local"
