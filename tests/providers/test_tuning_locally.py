"""The port against our own server: the same adapter that speaks to OpenAI sees a real job through to its model."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from openai import OpenAI

from glow_pipelines.learning.models.capabilities import PROVIDERS, hyperparameter_problems
from glow_pipelines.learning.models.formats import file_problems
from glow_pipelines.learning.models.states import phase_of_status
from glow_pipelines.providers.local.tuning.asked import read_request
from glow_pipelines.providers.tuning import NotFoundError, OpenAITuning, TrainingRejectedError, TuningRequest
from tests.providers.tuning_server import BASE, LINES, as_file, tuning_server, until

DATA = as_file(LINES)[1]


@pytest.fixture
def tuning(tmp_path: Path) -> Iterator[OpenAITuning]:
    with tuning_server(tmp_path) as (_, url), OpenAI(api_key="k", base_url=url, timeout=5) as client:
        yield OpenAITuning(lambda: client, PROVIDERS["local"])


def wanted(tuning: OpenAITuning, run_key: str = "a" * 64, epochs: int = 3) -> TuningRequest:
    file = tuning.upload(DATA, "m-train.jsonl")
    return TuningRequest(run_key, "m", BASE, file, None, "supervised", {"n_epochs": epochs}, "triage", seed=1)


def test_a_job_from_its_file_to_its_model(tuning: OpenAITuning) -> None:
    assert file_problems(DATA.decode().splitlines(), "supervised", tuning.capabilities) == []
    job_id = tuning.submit(wanted(tuning))
    assert tuning.submit(wanted(tuning)) == job_id
    assert len(tuning.files()) == 1
    done = until(lambda: (found := tuning.status(job_id)).model_id and found)
    assert phase_of_status(done.status) == "succeeded"
    assert done.trained_tokens
    assert done.belongs_to("a" * 64)
    assert [each.job_id for each in tuning.statuses(datetime(2020, 1, 1, tzinfo=UTC))] == [job_id]
    assert [each.step for each in tuning.points(job_id)] == [1, 2, 3]
    assert {each.step for each in tuning.checkpoints(job_id)} <= {1, 2, 3}
    events = tuning.events(job_id)
    assert [each.metrics.step for each in events if each.metrics] == [1, 2, 3]
    last = events[-1]
    assert last.id not in {each.id for each in tuning.events(job_id, last.id)}
    model = tuning.model(done.model_id)
    assert model is not None
    assert model.shutdown_at is None


def test_pause_resume_and_cancel(tuning: OpenAITuning, monkeypatch: pytest.MonkeyPatch) -> None:
    job_id = tuning.submit(wanted(tuning, epochs=50))
    until(lambda: any(each.metrics for each in tuning.events(job_id)))
    assert phase_of_status(tuning.pause(job_id).status) in ("pausing", "paused")
    until(lambda: phase_of_status(tuning.status(job_id).status) == "paused")
    assert phase_of_status(tuning.resume(job_id).status) in ("waiting", "running")
    tuning.cancel(job_id)
    until(lambda: phase_of_status(tuning.status(job_id).status) == "cancelled")
    assert tuning.find_by_run_key("a" * 64) == ()


def test_what_it_refuses_is_told_as_what_it_is(tuning: OpenAITuning) -> None:
    with pytest.raises(TrainingRejectedError, match="cannot be trained here"):
        tuning.submit(TuningRequest("b" * 64, "m", "other", "file-x", None, "supervised", {}, "s"))
    with pytest.raises(NotFoundError):
        tuning.status("ftjob-none")
    assert tuning.model("ft:none") is None


@pytest.mark.parametrize("method", ["supervised", "dpo"])
def test_the_table_says_of_hyperparameters_what_the_server_takes(method: str) -> None:
    limits = PROVIDERS["local"].hyperparameters[method]
    for name, limit in limits.items():
        values = [limit.high, 1 if limit.whole else max(limit.low, 1e-6)]
        for value in [*values, *(["auto"] if limit.auto else [])]:
            given = {name: int(value) if limit.whole and not isinstance(value, str) else value}
            assert hyperparameter_problems(PROVIDERS["local"], method, given) == []
            body = {"model": BASE, "training_file": "f", "method": {"type": method, method: {"hyperparameters": given}}}
            assert read_request(body, BASE).hyperparameters == given
