"""OpenAITuning against a real HTTP server on loopback: whatever goes wrong, one run is one paid job."""

import json
import re
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from openai import OpenAI

from glow_pipelines.learning.models.capabilities import OPENAI
from glow_pipelines.providers.tuning import (
    DisabledTuning,
    OpenAITuning,
    OutcomeUnknownError,
    TrainingBlockedError,
    TrainingRejectedError,
    TuningBusyError,
    TuningRequest,
    TuningService,
    tuning_service,
)
from glow_pipelines.settings import Settings


class Service(ThreadingHTTPServer):
    """Files and fine-tuning jobs in memory. `fault` strikes the next POST of a job only."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: list[dict[str, Any]] = []
        self.jobs: list[dict[str, Any]] = []
        self.contents: list[bytes] = []
        self.posts = 0
        self.fault = ""
        self.filters = True
        self.page = 2

    def create(self, body: dict[str, Any]) -> dict[str, Any]:
        job = {
            "id": f"ftjob-{len(self.jobs)}", "object": "fine_tuning.job", "created_at": 1000 + len(self.jobs),
            "model": body["model"], "training_file": body["training_file"], "status": "queued", "seed": 0,
            "organization_id": "o", "result_files": [], "hyperparameters": {}, "metadata": body.get("metadata"),
            "validation_file": body.get("validation_file"), "method": body.get("method"), "fine_tuned_model": None,
            "trained_tokens": None, "error": None, "finished_at": None,
        }  # fmt: skip
        self.jobs.append(job)
        return job

    def paid(self) -> list[dict[str, Any]]:
        return [job for job in self.jobs if job["status"] != "cancelled"]


class Handler(BaseHTTPRequestHandler):
    server: Service

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""

    def answer(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        query = parse_qs(url.query)
        if url.path == "/v1/files":
            self.answer(200, {"object": "list", "data": self.server.files, "has_more": False})
        elif url.path == "/v1/fine_tuning/jobs":
            wanted = query.get("metadata[run_key]", [None])[0] if self.server.filters else None
            jobs = [j for j in self.server.jobs if wanted is None or (j["metadata"] or {}).get("run_key") == wanted]
            start = next((i + 1 for i, j in enumerate(jobs) if j["id"] == query.get("after", [""])[0]), 0)
            page = jobs[start : start + self.server.page]
            self.answer(200, {"object": "list", "data": page, "has_more": start + len(page) < len(jobs)})
        else:
            found = [job for job in self.server.jobs if job["id"] == url.path.rsplit("/", 1)[1]]
            self.answer(200, found[0]) if found else self.answer(404, {"error": {"message": "no such job"}})

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/v1/files":
            match = re.search(rb'filename="([^"]+)"\r\n.*?\r\n\r\n(.*?)\r\n--', raw, re.DOTALL)
            assert match
            self.server.contents.append(match[2])
            known = {"id": f"file-{len(self.server.files)}", "object": "file", "bytes": len(match[2]), "created_at": 1,
                     "filename": match[1].decode(), "purpose": "fine-tune", "status": "processed"}  # fmt: skip
            self.server.files.append(known)
            self.answer(200, known)
        elif self.path.endswith("/cancel"):
            job = next(job for job in self.server.jobs if job["id"] == self.path.split("/")[-2])
            job["status"] = "cancelled"
            self.answer(200, job)
        else:
            self.post_job(json.loads(raw))

    def post_job(self, body: dict[str, Any]) -> None:
        server = self.server
        server.posts += 1
        fault, server.fault = server.fault, ""
        if fault.startswith("created") or not fault:
            job = server.create(body)
        match fault:
            case "":
                self.answer(200, job)
            case "created then dropped" | "dropped":
                self.close_connection = True
            case "created then hangs":
                time.sleep(1.0)
                self.close_connection = True
            case "created then garbage":
                self.answer(200, b"<html>gateway")
            case "created then text":
                self.answer(200, b"fine", {"Content-Type": "text/plain"})
            case "created then no id":
                self.answer(200, {})
            case "created then 500" | "500":
                self.answer(500, {"error": {"message": "oops"}})
            case "429":
                self.answer(429, {"error": {"message": "slow down"}}, {"Retry-After": "7"})
            case "403":
                self.answer(403, {"error": {"message": "closed", "code": "training_not_available"}})
            case "400":
                self.answer(400, {"error": {"message": "bad suffix", "code": "invalid"}})


REQUEST = TuningRequest("key-1", "manifest-1", "gpt-4o-mini", "file-0", "file-1", "supervised", {"n_epochs": 3}, "glow")

AFTER_THE_JOB_EXISTS = ("500", "dropped", "hangs", "garbage", "text", "no id")
UNKNOWN_OUTCOMES = ("500", "dropped", *(f"created then {fault}" for fault in AFTER_THE_JOB_EXISTS))


@pytest.fixture
def service() -> Iterator[Service]:
    server = Service()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def tuning(service: Service) -> Iterator[OpenAITuning]:
    # Retries left as the client has them: switching them off is what is tested.
    with OpenAI(api_key="k", base_url=f"http://127.0.0.1:{service.server_port}/v1", timeout=0.4) as client:
        assert client.max_retries > 0
        yield OpenAITuning(lambda: client, OPENAI)


def test_submits_with_tag_files_and_method(service: Service, tuning: OpenAITuning) -> None:
    job_id = tuning.submit(REQUEST)
    (job,) = service.jobs
    assert job["id"] == job_id
    assert job["metadata"] == {"run_key": "key-1", "manifest": "manifest-1"}
    assert job["method"] == {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 3}}}
    assert (job["training_file"], job["validation_file"]) == ("file-0", "file-1")


@pytest.mark.parametrize("fault", UNKNOWN_OUTCOMES)
def test_an_unknown_outcome_never_becomes_a_second_paid_job(service: Service, tuning: OpenAITuning, fault: str) -> None:
    service.fault = fault
    with pytest.raises(OutcomeUnknownError):
        tuning.submit(REQUEST)
    assert service.posts == 1  # the client did not try again by itself
    job_id = tuning.submit(REQUEST)
    assert [job["id"] for job in service.paid()] == [job_id]
    assert service.posts == (1 if fault.startswith("created") else 2)


def test_submitting_again_finds_the_job(service: Service, tuning: OpenAITuning) -> None:
    assert tuning.submit(REQUEST) == tuning.submit(REQUEST)
    assert service.posts == 1


def test_a_job_is_found_behind_pages_of_others_even_without_a_filter(service: Service, tuning: OpenAITuning) -> None:
    for i in range(5):
        service.create({"model": "m", "training_file": "f", "metadata": {"run_key": f"other-{i}"} if i else None})
    mine = tuning.submit(REQUEST)
    service.filters = False
    assert tuning.submit(REQUEST) == mine
    assert [found.job_id for found in tuning.find_by_run_key("key-1")] == [mine]
    assert tuning.find_by_run_key("key-2") == ()


def test_of_several_jobs_the_oldest_stays_and_the_rest_are_cancelled(service: Service, tuning: OpenAITuning) -> None:
    for _ in range(3):
        service.create({"model": "m", "training_file": "f", "metadata": {"run_key": "key-1"}})
    assert tuning.submit(REQUEST) == "ftjob-0"
    assert [job["id"] for job in service.paid()] == ["ftjob-0"]
    assert service.posts == 0


def test_a_closed_service_blocks(service: Service, tuning: OpenAITuning) -> None:
    service.fault = "403"
    with pytest.raises(TrainingBlockedError, match="closed"):
        tuning.submit(REQUEST)
    assert (service.posts, service.jobs) == (1, [])


def test_a_busy_service_says_when(service: Service, tuning: OpenAITuning) -> None:
    service.fault = "429"
    with pytest.raises(TuningBusyError) as caught:
        tuning.submit(REQUEST)
    assert caught.value.retry_after_seconds == 7
    assert service.posts == 1


def test_a_wrong_request_is_rejected(service: Service, tuning: OpenAITuning) -> None:
    service.fault = "400"
    with pytest.raises(TrainingRejectedError, match="bad suffix"):
        tuning.submit(REQUEST)
    with pytest.raises(TrainingRejectedError, match="no such job"):
        tuning.status("ftjob-99")


def test_a_file_is_uploaded_once(service: Service, tuning: OpenAITuning) -> None:
    data = '{"messages": "Zoë"}\n'.encode()
    first = tuning.upload(data, "manifest-train.jsonl")
    assert tuning.upload(data, "manifest-train.jsonl") == first
    assert service.contents == [data]
    assert tuning.upload(data, "manifest-validation.jsonl") != first


def test_status_passes_unknown_words_and_errors_through(service: Service, tuning: OpenAITuning) -> None:
    job_id = tuning.submit(REQUEST)
    service.jobs[0].update(status="pausing", error={"code": "x", "message": "file is empty", "param": None})
    found = tuning.status(job_id)
    assert (found.status, found.error, found.model_id) == ("pausing", "file is empty", None)
    assert tuning.cancel(job_id).status == "cancelled"
    assert tuning.find_by_run_key("key-1") == ()


def test_an_absent_service_is_an_unknown_outcome() -> None:
    with (
        OpenAI(api_key="k", base_url="http://127.0.0.1:9/v1", timeout=0.4) as client,
        pytest.raises(OutcomeUnknownError),
    ):
        OpenAITuning(lambda: client, OPENAI).find_by_run_key("key-1")


def test_without_a_service_tuning_is_disabled_with_the_remedy() -> None:
    service: TuningService = tuning_service(Settings.from_environment({"GLOW_TUNING_PROVIDER": "openai"}))
    assert isinstance(service, DisabledTuning)
    assert not service.capabilities.enabled
    assert "OPENAI_API_KEY" in service.capabilities.reason
    assert service.find_by_run_key("key-1") == ()
    for call in (lambda: service.submit(REQUEST), lambda: service.upload(b"", "n"), lambda: service.status("j")):
        with pytest.raises(TrainingBlockedError, match="OPENAI_API_KEY"):
            call()


def test_with_a_key_the_wire_is_used_and_the_provider_named() -> None:
    real = tuning_service(Settings.from_environment({"OPENAI_API_KEY": "k"}))
    assert real.capabilities.provider == "openai"
    other = tuning_service(Settings.from_environment({"OPENAI_BASE_URL": "https://tune.example/openai/v1"}))
    assert other.capabilities.provider == "tune.example"
    assert other.capabilities.enabled
