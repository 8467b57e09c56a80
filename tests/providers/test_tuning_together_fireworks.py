"""Together and Fireworks over real HTTP: whatever goes wrong, one run is one paid job, and it is found again."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from glow_pipelines.providers.tuning import (
    FireworksTuning,
    NotFoundError,
    OutcomeUnknownError,
    TogetherTuning,
    TrainingBlockedError,
    TrainingRejectedError,
    TuningBusyError,
    TuningRequest,
    TuningService,
    tuning_service,
)
from glow_pipelines.providers.tuning.rest import Rest
from glow_pipelines.settings import Settings
from tests.providers.hosted_tuning import KEY, UNKNOWN_OUTCOMES, Fireworks, Together, TuningServer, running

RUN_KEY = "0123456789abcdef" * 4
DATA = '{"messages": "Zoë"}\n'.encode()
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture(params=[Together, Fireworks])
def server(request: pytest.FixtureRequest) -> Iterator[TuningServer]:
    with running(request.param()) as started:
        yield started


@pytest.fixture
def tuning(server: TuningServer) -> TuningService:
    rest = Rest(server.url, KEY, timeout=0.6)
    return TogetherTuning(rest) if isinstance(server, Together) else FireworksTuning(rest, "acme")


def wanted(tuning: TuningService, run_key: str = RUN_KEY) -> TuningRequest:
    file, model = tuning.upload(DATA, "m-train.jsonl"), "meta-llama/Meta-Llama-3.1-8B"
    return TuningRequest(run_key, "m", model, file, None, "supervised", {"n_epochs": 3}, "Support triage")


def test_a_run_is_submitted_once_with_its_key(server: TuningServer, tuning: TuningService) -> None:
    job_id = tuning.submit(wanted(tuning))
    assert tuning.submit(wanted(tuning)) == job_id
    assert server.posts == 1
    (found,) = tuning.find_by_run_key(RUN_KEY)
    assert found.job_id == job_id
    assert found.belongs_to(RUN_KEY)
    assert not found.belongs_to("f" * 64)
    assert (found.model_id, found.error, found.base_model) == (None, None, "meta-llama/Meta-Llama-3.1-8B")
    assert tuning.find_by_run_key("f" * 64) == ()
    assert tuning.status(job_id) == found


@pytest.mark.parametrize("fault", UNKNOWN_OUTCOMES)
def test_an_unknown_outcome_is_one_paid_job(server: TuningServer, tuning: TuningService, fault: str) -> None:
    request = wanted(tuning)
    server.fault = fault
    try:
        first = tuning.submit(request)
    except OutcomeUnknownError:
        first = ""
    # With ids of our own choice a lost answer is known at once: the job is there, or it is not.
    assert bool(first) == (isinstance(server, Fireworks) and fault.startswith("created"))
    assert server.posts == 1  # nothing was repeated by itself
    job_id = tuning.submit(request)
    assert first in ("", job_id)
    assert len(server.paid()) == 1
    assert server.posts == (1 if fault.startswith("created") else 2)


def test_a_lagging_list_does_not_double_a_job_with_an_id_of_ours() -> None:
    with running(Fireworks()) as server:
        tuning = FireworksTuning(Rest(server.url, KEY, timeout=0.6), "acme")
        request = wanted(tuning)
        server.lag = 10
        assert tuning.submit(request) == tuning.submit(request)
        assert len(server.paid()) == 1


@pytest.mark.parametrize(
    ("fault", "error", "said"),
    [
        ("429", TuningBusyError, "slow down"),
        ("403", TrainingBlockedError, "closed to you"),
        ("400", TrainingRejectedError, "bad suffix"),
        ("redirect", OutcomeUnknownError, "redirect"),
    ],
)
def test_a_refusal_creates_nothing(
    server: TuningServer, tuning: TuningService, fault: str, error: type[Exception], said: str
) -> None:
    request = wanted(tuning)
    server.fault = fault
    with pytest.raises(error, match=said) as caught:
        tuning.submit(request)
    assert (server.posts, server.jobs) == (1, {})
    if isinstance(caught.value, TuningBusyError):
        assert caught.value.retry_after_seconds == 1.5
    assert KEY not in str(caught.value)


def test_a_file_is_uploaded_once_and_deleted_once(server: TuningServer, tuning: TuningService) -> None:
    first = tuning.upload(DATA, "m-train.jsonl")
    assert tuning.upload(DATA, "m-train.jsonl") == first
    assert tuning.upload(DATA, "m-validation.jsonl") != first
    assert list(server.contents.values()) == [DATA, DATA]
    assert {each.name for each in tuning.files()} == {"m-train.jsonl", "m-validation.jsonl"}
    tuning.delete_file(first)
    tuning.delete_file(first)
    assert [each.name for each in tuning.files()] == ["m-validation.jsonl"]


def test_one_list_holds_all_jobs_since_a_moment(server: TuningServer, tuning: TuningService) -> None:
    keys = [str(number) * 64 for number in range(1, 6)]
    jobs = [tuning.submit(wanted(tuning, key)) for key in keys]
    found = tuning.statuses(LONG_AGO)
    assert [each.job_id for each in found] == jobs[::-1]
    young = tuning.statuses(datetime(2026, 11, 23, tzinfo=UTC))
    assert [each.job_id for each in young] == [jobs[4], jobs[3]]
    assert all(job.belongs_to(key) for job, key in zip(found, keys[::-1], strict=True))


def test_unknown_words_pass_through_and_failures_say_why(server: TuningServer, tuning: TuningService) -> None:
    job_id = tuning.submit(wanted(tuning))
    (job,) = server.jobs.values()
    word = "status" if isinstance(server, Together) else "state"
    job[word] = "JUGGLING"
    assert tuning.status(job_id).status == "JUGGLING"
    assert tuning.status(job_id).model_id is None
    job.update({word: "error", "events": [{"type": "JOB_ERROR", "message": "out of memory"}]})
    if isinstance(server, Fireworks):
        job.update(state="JOB_STATE_FAILED", status={"code": "INTERNAL", "message": "out of memory"})
    assert tuning.status(job_id).error == "out of memory"


def test_a_finished_job_names_its_model(server: TuningServer, tuning: TuningService) -> None:
    job_id = tuning.submit(wanted(tuning))
    (job,) = server.jobs.values()
    job.update(status="completed", state="JOB_STATE_COMPLETED")
    if isinstance(server, Fireworks):
        job.update(status={"code": "OK"}, jobProgress={"percent": 100, "inputTokens": 850})
    found = tuning.status(job_id)
    assert found.model_id
    assert RUN_KEY[:20] in found.model_id
    assert found.trained_tokens == 850


def test_a_cancelled_job_is_found_no_more(server: TuningServer, tuning: TuningService) -> None:
    job_id = tuning.submit(wanted(tuning))
    assert tuning.cancel(job_id).status in ("cancel_requested", "JOB_STATE_CANCELLED")
    if isinstance(server, Together):
        server.jobs[job_id]["status"] = "cancelled"
    assert tuning.find_by_run_key(RUN_KEY) == ()
    assert server.paid() == []


def test_what_is_not_there_is_said(tuning: TuningService) -> None:
    with pytest.raises(NotFoundError):
        tuning.status("supervisedFineTuningJobs/none" if isinstance(tuning, FireworksTuning) else "ft-none")
    assert tuning.model("nobody") is None
    with pytest.raises(TrainingRejectedError, match="cannot pause"):
        tuning.pause("ft-0")


def test_a_wrong_key_is_a_refusal(server: TuningServer) -> None:
    with pytest.raises(TrainingRejectedError, match="no such key"):
        TogetherTuning(Rest(server.url, "wrong", 1)).files()


def test_an_absent_service_is_an_unknown_outcome() -> None:
    with pytest.raises(OutcomeUnknownError):
        TogetherTuning(Rest("http://127.0.0.1:9/v1", KEY, 0.5)).find_by_run_key(RUN_KEY)


@pytest.fixture
def together() -> Iterator[tuple[Together, TogetherTuning]]:
    with running(Together()) as server:
        yield server, TogetherTuning(Rest(server.url, KEY, timeout=0.6))


def test_together_is_sent_its_own_words(together: tuple[Together, TogetherTuning]) -> None:
    server, tuning = together
    request = wanted(tuning)
    held = tuning.upload(b"{}\n", "m-validation.jsonl")
    hyperparameters: dict[str, int | float | str] = {"n_epochs": 2, "lora_rank": 8, "beta": 0.2, "learning_rate": 1e-5}
    hyperparameters["batch_size"] = "auto"
    tuning.submit(replace(request, validation_file=held, method="dpo", hyperparameters=hyperparameters, seed=7))
    (job,) = server.jobs.values()
    assert job["sent"] == {
        "model": request.base_model, "training_file": request.training_file, "validation_file": held, "n_epochs": 2,
        "n_evals": 2, "batch_size": "max", "learning_rate": 1e-5, "random_seed": 7,
        "training_method": {"method": "dpo", "dpo_beta": 0.2}, "training_type": {"type": "Lora", "lora_r": 8},
        "suffix": f"support-triage-glow{RUN_KEY[:20]}",
    }  # fmt: skip


def test_together_of_several_jobs_the_oldest_stays(together: tuple[Together, TogetherTuning]) -> None:
    server, tuning = together
    request = wanted(tuning)
    first = tuning.submit(request)
    server.lag = 1  # the list does not show the first job yet: asked again too soon, a second one is paid for
    assert tuning.submit(request) != first
    assert len(server.paid()) == 2
    assert tuning.submit(request) == first
    assert [job["id"] for job in server.paid()] == [first]


def test_together_events_come_in_order_once_and_by_cursor(together: tuple[Together, TogetherTuning]) -> None:
    server, tuning = together
    job_id = tuning.submit(wanted(tuning))
    step = {"type": "METRICS", "created_at": "2026-11-20T10:02:00Z", "message": "step", "step": 2, "train_loss": 0.5}
    start = {"type": "JOB_START", "created_at": "2026-11-20T10:01:00Z", "message": "started", "level": "Info"}
    end = {"type": "JOB_COMPLETE", "created_at": "2026-11-20T10:03:00Z", "message": "done", "level": None, "hash": "h"}
    server.jobs[job_id]["events"] = [end, start, step, start]
    events = tuning.events(job_id)
    assert [each.message for each in events] == ["started", "step", "done"]
    assert [each.level for each in events] == ["info", "info", "info"]
    assert [each.message for each in tuning.events(job_id, events[1].id)] == ["done"]
    assert [(each.step, each.train_loss) for each in tuning.points(job_id)] == [(2, 0.5)]


def test_together_checkpoints_and_models(together: tuple[Together, TogetherTuning]) -> None:
    server, tuning = together
    job_id = tuning.submit(wanted(tuning))
    server.jobs[job_id]["checkpoints"] = [{"step": 20, "path": "m:20"}, {"step": 10, "path": "m:10"}, {"step": None}]
    assert [(each.step, each.model_id) for each in tuning.checkpoints(job_id)] == [(10, "m:10"), (20, "m:20")]
    server.models["m"] = {"id": "acme/m", "object": "model"}
    found = tuning.model("acme/m")
    assert found is not None
    assert found.shutdown_at is None


def test_together_a_file_that_is_still_read_in_is_waited_for(together: tuple[Together, TogetherTuning]) -> None:
    server, tuning = together
    identity = tuning.upload(DATA, "m.jsonl")
    server.files[identity]["Processed"] = False
    with pytest.raises(TuningBusyError, match="still being read"):
        tuning.upload(DATA, "m.jsonl")


@pytest.fixture
def fireworks() -> Iterator[tuple[Fireworks, FireworksTuning]]:
    with running(Fireworks()) as server:
        yield server, FireworksTuning(Rest(server.url, KEY, timeout=0.6), "acme")


def test_fireworks_is_sent_its_own_words(fireworks: tuple[Fireworks, FireworksTuning]) -> None:
    server, tuning = fireworks
    request = wanted(tuning)
    held = tuning.upload(b"{}\n", "m-validation.jsonl")
    hyperparameters = {"n_epochs": 2, "lora_rank": 8, "learning_rate": 1e-5}
    tuning.submit(replace(request, validation_file=held, hyperparameters=hyperparameters))
    identity = f"glow-{RUN_KEY[:40]}"
    job = server.jobs[f"supervisedFineTuningJobs/{identity}"]
    assert job["dataset"] == f"accounts/acme/datasets/{request.training_file}"
    assert job["evaluationDataset"] == f"accounts/acme/datasets/{held}"
    assert (job["epochs"], job["loraRank"], job["learningRate"]) == (2, 8, 1e-5)
    assert (job["baseModel"], job["outputModel"]) == (request.base_model, identity)
    other = replace(request, run_key="e" * 64, method="dpo")
    assert tuning.submit(other).startswith("dpoJobs/glow-eeee")
    assert server.jobs[f"dpoJobs/glow-{'e' * 40}"]["trainingConfig"]["epochs"] == 3


def test_fireworks_an_upload_cut_off_is_done_again(fireworks: tuple[Fireworks, FireworksTuning]) -> None:
    server, tuning = fireworks
    identity = tuning.upload(DATA, "m.jsonl")
    server.files[f"datasets/{identity}"]["state"] = "UPLOADING"
    server.contents.clear()
    assert tuning.upload(DATA, "m.jsonl") == identity
    assert list(server.contents.values()) == [DATA]
    assert server.files[f"datasets/{identity}"]["exampleCount"] == "1"


def test_fireworks_progress_models_and_resume(fireworks: tuple[Fireworks, FireworksTuning]) -> None:
    server, tuning = fireworks
    job_id = tuning.submit(wanted(tuning))
    server.jobs[job_id].update(state="JOB_STATE_PAUSED", jobProgress={"percent": 40})
    assert tuning.status(job_id).progress == 0.4
    assert tuning.resume(job_id).status == "JOB_STATE_RUNNING"
    server.models["models/m"] = {
        "name": "accounts/acme/models/m",
        "deprecationDate": {"year": 2027, "month": 1, "day": 14},
    }
    found = tuning.model("m")
    assert found is not None
    assert found.shutdown_at == datetime(2027, 1, 14, tzinfo=UTC)


def test_settings_open_each_service_and_name_what_is_missing() -> None:
    with running(Together()) as server:
        settings = {"GLOW_TUNING_PROVIDER": "together", "GLOW_TUNING_BASE_URL": server.url}
        opened = tuning_service(Settings.from_environment({**settings, "TOGETHER_API_KEY": KEY}))
        assert opened.capabilities.provider == "together"
        assert opened.files() == ()
        missing = tuning_service(Settings.from_environment(settings))
        assert not missing.capabilities.enabled
        assert "TOGETHER_API_KEY" in missing.capabilities.reason
    settings = {"GLOW_TUNING_PROVIDER": "fireworks", "FIREWORKS_API_KEY": KEY}
    assert "FIREWORKS_ACCOUNT_ID" in tuning_service(Settings.from_environment(settings)).capabilities.reason
    named = tuning_service(Settings.from_environment({**settings, "FIREWORKS_ACCOUNT_ID": "acme"}))
    assert named.capabilities.client_job_id
