"""Files, jobs and models of the embedded server's fine-tuning, through the real openai client, strictly validated."""

import csv
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import openai
import pytest

from glow_pipelines.providers.local.tuning import lease
from glow_pipelines.providers.local.tuning.jobs import Jobs
from glow_pipelines.providers.local.tuning.runner import MOST_IDLE
from glow_pipelines.providers.local.tuning.service import LocalTuning
from glow_pipelines.providers.local.tuning.trainer import Trainer
from tests.providers.tuning_server import BASE, LINES, TINY, as_file, create, strict, tuning_server, until


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[LocalTuning, openai.OpenAI]]:
    with tuning_server(tmp_path) as (tuning, url), strict(url) as client:
        yield tuning, client


Served = tuple[LocalTuning, openai.OpenAI]


def ended(client: openai.OpenAI, id: str) -> Any:
    return until(lambda: job if (job := client.fine_tuning.jobs.retrieve(id)).finished_at else None)


def test_a_job_from_its_file_to_its_model(served: Served) -> None:
    tuning, client = served
    job = create(client, steps=3, metadata={"run_key": "r1"}, validation_file=None)
    assert (job.status, job.model, job.metadata, job.seed) == ("validating_files", BASE, {"run_key": "r1"}, 1)
    done = ended(client, job.id)
    assert (done.status, done.error) == ("succeeded", None)
    assert done.fine_tuned_model == f"ft:{BASE}:triage:{job.id}"
    assert done.trained_tokens == 7 * len(LINES) * 3
    (results,) = done.result_files
    rows = list(csv.DictReader(client.files.content(results).read().decode().splitlines()))
    assert [row["step"] for row in rows] == ["1", "2", "3"]
    losses = [float(row["train_loss"]) for row in rows]
    assert all(later < earlier for earlier, later in pairwise(losses))
    assert client.files.retrieve(results).purpose == "fine-tune-results"

    model = client.models.retrieve(done.fine_tuned_model)
    assert (model.id, model.shutdown_date) == (done.fine_tuned_model, None)
    assert [each.id for each in client.models.list()] == [BASE, model.id]
    checkpoints = client.fine_tuning.jobs.checkpoints.list(job.id).data
    assert [each.step_number for each in checkpoints] == [3, 2, 1]
    assert checkpoints[0].metrics.train_loss == losses[2]
    name = checkpoints[1].fine_tuned_model_checkpoint
    assert client.models.retrieve(name).id == name == f"{model.id}:ckpt-step-2"
    # What people wrote is in the uploaded file only, which the caller can delete.
    assert not (tuning.jobs.folder(tuning.jobs.get(job.id)) / "train.jsonl").exists()


def test_events_come_newest_first_by_cursor_and_each_once(served: Served) -> None:
    _, client = served
    job = create(client, steps=5)
    ended(client, job.id)
    until(lambda: "successfully" in client.fine_tuning.jobs.list_events(job.id, limit=1).data[0].message)
    all_ = list(client.fine_tuning.jobs.list_events(job.id, limit=2))
    assert len({event.id for event in all_}) == len(all_)
    assert [event.data["step"] for event in all_ if event.type == "metrics"] == [5, 4, 3, 2, 1]
    messages = [event.message for event in all_ if event.type == "message"]
    assert messages[0] == "The job has successfully completed"
    assert messages[-1] == f"Created fine-tuning job: {job.id}"
    assert len(messages) == 6
    with pytest.raises(openai.BadRequestError, match="after"):
        client.fine_tuning.jobs.list_events(job.id, after="ftevent-other")


def test_jobs_are_found_by_metadata_over_pages(served: Served) -> None:
    _, client = served
    tags: list[dict[str, str] | None] = [{"run_key": "a"}, {"run_key": "b", "x": "["}, None, {"run_key": "a", "x": ""}]
    ids = [create(client, steps=1, metadata=tag).id for tag in tags]

    def found(**query: Any) -> list[str]:
        return [job.id for job in client.fine_tuning.jobs.list(**query)]

    until(lambda: all(job.finished_at for job in client.fine_tuning.jobs.list()))
    assert found() == found(limit=1) == ids[::-1]
    assert found(metadata={"run_key": "a"}) == found(metadata={"run_key": "a"}, limit=1) == [ids[3], ids[0]]
    assert found(metadata={"run_key": "b", "x": "["}) == [ids[1]]
    assert found(metadata={"x": ""}) == [ids[3]]
    assert found(metadata={"run_key": "c"}) == []
    assert found(extra_query={"metadata": "null"}) == [ids[2]]
    one = client.fine_tuning.jobs.list(limit=1)
    assert (len(one.data), one.has_more) == (1, True)


def test_one_job_at_a_time_in_the_order_they_came(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TINY_SECONDS", "0.1")
    with tuning_server(tmp_path) as (tuning, url), strict(url) as client:
        ids = [create(client, steps=3).id for _ in range(3)]
        seen = set()
        while (states := tuple(job.status for job in client.fine_tuning.jobs.list()))[0] != "succeeded":
            seen.add(states[::-1])
        assert all(states.count("running") <= 1 for states in seen)
        assert ("running", "queued", "queued") in seen
        at = [[event["at"] for event in tuning.jobs.events(tuning.jobs.get(id))] for id in ids]  # type: ignore[arg-type]
        assert at[0][-1] <= at[1][3] <= at[1][-1] <= at[2][3]  # the fourth event: started


def test_files(served: Served) -> None:
    _, client = served
    # Everything a parser of forms could stumble over, the boundary's beginning included.
    hard = b'\r\n--\r\n\r\n--boundary--\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n\x00\xff\r\n'
    names = ("plain.jsonl", "zoë – \"quoted\" \\ ;name='x'.jsonl")
    first, second = (client.files.create(file=(name, hard), purpose="fine-tune") for name in names)
    assert client.files.content(first.id).read() == client.files.content(second.id).read() == hard
    assert (first.filename, first.bytes, first.status) == ("plain.jsonl", len(hard), "processed")
    assert [file.id for file in client.files.list(purpose="fine-tune")] == [second.id, first.id]
    assert [file.id for file in client.files.list(purpose="fine-tune", limit=1)] == [second.id, first.id]
    assert [file.id for file in client.files.list(order="asc")] == [first.id, second.id]
    assert client.files.list(purpose="batch").data == []
    assert client.files.delete(first.id).deleted
    for gone in (first.id, "../../models.key", "file-x"):
        with pytest.raises(openai.NotFoundError):
            client.files.retrieve(gone)
    with pytest.raises(openai.BadRequestError, match="purpose"):
        client.files.create(file=("a", b"x"), purpose="batch")
    with pytest.raises(openai.APIStatusError) as caught:
        client.files.create(file=("big", bytes((64 << 20) + 1)), purpose="fine-tune")
    assert caught.value.status_code == 413


@pytest.mark.parametrize(
    ("changed", "parameter"),
    [
        ({"model": "gpt-4o"}, "model"),
        ({"training_file": "file-none"}, "training_file"),
        ({"validation_file": "file-none"}, "validation_file"),
        ({"suffix": ""}, "suffix"),
        ({"suffix": "s" * 65}, "suffix"),
        ({"seed": -1}, "seed"),
        ({"metadata": {"k" * 65: "v"}}, "metadata"),
        ({"metadata": {str(n): "v" for n in range(17)}}, "metadata"),
        ({"method": {"type": "reinforcement"}}, "method.type"),
        ({"method": {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 0}}}}, "n_epochs"),
        ({"method": {"type": "supervised", "supervised": {"hyperparameters": {"beta": 1}}}}, "beta"),
        ({"integrations": [{"type": "wandb", "wandb": {"project": "p"}}]}, "integrations"),
    ],
)
def test_a_wrong_request_makes_no_job(served: Served, changed: dict[str, Any], parameter: str) -> None:
    tuning, client = served
    with pytest.raises(openai.BadRequestError) as caught:
        create(client, **changed)
    assert parameter in str(caught.value.param)
    assert client.fine_tuning.jobs.list().data == []
    assert list(tuning.jobs._folder.iterdir()) == []


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (LINES[:9], "9 examples"),
        ([*LINES, {"messages": []}], "line 13"),
        ([*LINES, {"messages": [{"role": "user", "content": "?"}]}], "assistant"),
        ([{"messages": [{"role": "robot", "content": "?"}]}, *LINES], "line 1: messages\\[0\\].role"),
        ([*LINES, "[" * 100_000], "line 13"),
        ([*LINES, 7], "line 13"),
    ],
)
def test_a_file_that_cannot_be_trained_on_fails_the_job(served: Served, lines: list[Any], message: str) -> None:
    _, client = served
    file = client.files.create(file=as_file(lines), purpose="fine-tune")
    job = ended(client, create(client, training_file=file.id).id)
    assert job.status == "failed"
    assert (job.error.code, job.error.param) == ("invalid_training_file", "training_file")
    assert re.search(message, job.error.message)


def test_preferences_are_checked_by_their_own_form(served: Served) -> None:
    _, client = served
    said = [[{"role": "assistant", "content": word}] for word in ("yes", "no")]
    line = {"input": {"messages": LINES[0]["messages"][:1]}, "preferred_output": said[0]}
    method = {"type": "dpo", "dpo": {"hyperparameters": {"beta": 0.1, "n_epochs": 1}}}
    file = client.files.create(file=as_file([line] * 10), purpose="fine-tune")
    job = ended(client, create(client, training_file=file.id, method=method).id)
    assert "non_preferred_output" in job.error.message
    right = client.files.create(file=as_file([line | {"non_preferred_output": said[1]}] * 10), purpose="fine-tune")
    job = create(client, training_file=right.id, method=method)
    assert job.method.dpo.hyperparameters.beta == 0.1
    assert "invalid" not in str(ended(client, job.id).error)  # the tiny trainer reads no preferences, and says so


@pytest.mark.parametrize(("seed", "message"), [(13, "out of memory, said the seed"), (14, "wrote no adapter")])
def test_a_trainer_that_fails_says_why(served: Served, seed: int, message: str) -> None:
    _, client = served
    job = ended(client, create(client, seed=seed).id)
    assert (job.status, job.error.code, job.error.message[-len(message) :]) == ("failed", "training_failed", message)
    assert job.fine_tuned_model is None
    last = until(lambda: [e for e in client.fine_tuning.jobs.list_events(job.id) if e.level == "error"])
    assert last[0].message == job.error.message


def test_without_a_trainer_every_job_is_refused(tmp_path: Path) -> None:
    with tuning_server(tmp_path, Trainer(("none",), ("torch",))) as (_, url), strict(url) as client:
        with pytest.raises(openai.PermissionDeniedError, match=r"glow-pipelines\[train\]") as caught:
            create(client)
        assert caught.value.code == "training_not_available"
        assert client.fine_tuning.jobs.list().data == []


def test_cancel_pause_and_resume(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TINY_SECONDS", "0.15")
    with (
        tuning_server(tmp_path) as (tuning, url),
        strict(url) as client,
        openai.OpenAI(api_key="k", base_url=url, max_retries=0) as lenient,  # the client's types know no "paused"
    ):
        long = create(client, steps=50)
        with pytest.raises(openai.BadRequestError, match="step 0"):
            client.fine_tuning.jobs.pause(long.id)
        folder = tuning.jobs.folder(tuning.jobs.get(long.id))  # type: ignore[arg-type]
        until(lambda: (folder / "metrics.jsonl").exists() and tuning.jobs.get(long.id).step)  # type: ignore[union-attr]
        short = create(client, steps=2)
        assert lenient.fine_tuning.jobs.pause(long.id).status == "pausing"
        until(lambda: lenient.fine_tuning.jobs.retrieve(long.id).status == "paused")
        assert client.fine_tuning.jobs.checkpoints.list(long.id).data  # one can be tried out while it waits
        assert ended(client, short.id).status == "succeeded"  # a paused job does not hold up the next
        before = tuning.jobs.get(long.id)
        assert before is not None
        assert before.step >= 1
        assert client.fine_tuning.jobs.resume(long.id).status == "queued"
        until(lambda: tuning.jobs.get(long.id).step > before.step)  # type: ignore[union-attr]
        assert [line.split()[1] for line in (folder / "began.txt").read_text().splitlines()] == ["0", str(before.step)]

        assert client.fine_tuning.jobs.cancel(long.id).status == "cancelled"
        until(lambda: lease.holder(folder) is None)
        until(lambda: not (folder / "train.jsonl").exists())
        for again in (client.fine_tuning.jobs.cancel, client.fine_tuning.jobs.resume, client.fine_tuning.jobs.pause):
            with pytest.raises(openai.BadRequestError, match="cancelled"):
                again(long.id)
        assert ended(client, create(client, steps=1).id).status == "succeeded"


def test_a_deleted_model_is_gone_and_its_job_stays(served: Served) -> None:
    tuning, client = served
    name = ended(client, create(client, steps=1).id).fine_tuned_model
    checkpoint = f"{name}:ckpt-step-1"
    assert client.models.retrieve(checkpoint).id == checkpoint
    with pytest.raises(openai.NotFoundError):
        client.models.delete(checkpoint)
    assert client.models.delete(name).deleted
    for gone in (name, checkpoint):
        with pytest.raises(openai.NotFoundError):
            client.models.retrieve(gone)
    with pytest.raises(openai.PermissionDeniedError):
        client.models.delete(BASE)
    assert client.fine_tuning.jobs.list().data[0].fine_tuned_model == name
    assert not list(tuning.jobs._folder.rglob("*.gguf"))


def test_a_killed_trainer_goes_on_from_its_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TINY_SECONDS", "0.1")
    with tuning_server(tmp_path) as (tuning, url), strict(url) as client:
        job = create(client, steps=12)
        folder = tuning.jobs.folder(tuning.jobs.get(job.id))  # type: ignore[arg-type]

        def began() -> list[list[int]]:
            path = folder / "began.txt"
            return [[int(n) for n in line.split()] for line in path.read_text().splitlines()] if path.exists() else []

        def step() -> int:
            return (
                len((folder / "metrics.jsonl").read_text().splitlines()) if (folder / "metrics.jsonl").exists() else 0
            )

        until(lambda: step() >= 2)
        os.kill(began()[0][0], signal.SIGKILL)  # what trains
        until(lambda: len(began()) == 2 and step() >= 5)
        holder = lease.holder(folder)
        assert holder
        os.kill(holder, signal.SIGKILL)  # who would tell of its end; it trains on, and has the lease alone
        assert lease.start(folder, 99, TINY) is None
        done = ended(client, job.id)
        assert done.status == "succeeded"
        starts = began()
        assert [start[1] > 0 for start in starts] == [False] + [True] * (len(starts) - 1)
        steps = [e.data["step"] for e in client.fine_tuning.jobs.list_events(job.id) if e.type == "metrics"]  # type: ignore[index]
        assert steps == list(range(12, 0, -1))
        # The steps of one number by gradient descent are the same with or without interruptions.
        undisturbed = ended(client, create(client, steps=12).id)
        contents = [client.files.content(each.result_files[0]).read() for each in (done, undisturbed)]
        assert contents[0] == contents[1]


def test_a_trainer_that_is_killed_again_and_again_fails(tmp_path: Path) -> None:
    suicide = (sys.executable, "-c", "import os; os.kill(os.getpid(), 9)")
    with tuning_server(tmp_path, Trainer(suicide)) as (tuning, url), strict(url) as client:
        job = ended(client, create(client).id)
        assert job.error.code == "training_interrupted"
        assert tuning.jobs.get(job.id).fence == MOST_IDLE  # type: ignore[union-attr]


SERVER = """
import sys, time
from pathlib import Path
from tests.providers.tuning_server import tuning_server
with tuning_server(Path(sys.argv[1])) as (_, url):
    print(url, flush=True)
    time.sleep(60)
"""


def test_a_killed_server_forgets_nothing_and_trains_nothing_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TINY_SECONDS", "0.1")
    first = subprocess.Popen([sys.executable, "-c", SERVER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert first.stdout is not None
    with first.stdout, strict(first.stdout.readline().strip()) as client:
        jobs = [create(client, steps=30, metadata={"n": "0"}), create(client, steps=2), create(client, steps=2)]
        folder = tmp_path / "jobs" / jobs[0].id
        until(lambda: (folder / "metrics.jsonl").exists())
        client.fine_tuning.jobs.cancel(jobs[1].id)
        told = client.fine_tuning.jobs.list_events(jobs[0].id, limit=100).data
        first.kill()
        first.wait()
    assert lease.holder(folder)  # training goes on without the server
    with tuning_server(tmp_path) as (_, url), strict(url) as client:
        assert {job.id: job.status for job in client.fine_tuning.jobs.list()} == {
            jobs[0].id: "running", jobs[1].id: "cancelled", jobs[2].id: "queued"
        }  # fmt: skip
        assert ended(client, jobs[0].id).status == "succeeded"
        assert ended(client, jobs[2].id).status == "succeeded"
        assert (folder / "began.txt").read_text().count("\n") == 1
        events = list(client.fine_tuning.jobs.list_events(jobs[0].id))
        assert [e.id for e in events[-len(told) :]] == [e.id for e in told]  # a cursor from before is still one
        assert [e.data["step"] for e in events if e.type == "metrics"] == list(range(30, 0, -1))  # type: ignore[index]


def test_an_orderly_stop_leaves_no_trainer_and_the_job_for_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TINY_SECONDS", "0.1")
    with tuning_server(tmp_path) as (tuning, url), strict(url) as client:
        id = create(client, steps=40).id
        until(lambda: tuning.jobs.get(id).step >= 3)  # type: ignore[union-attr]
    folder = tmp_path / "jobs" / id
    assert lease.holder(folder) is None
    with tuning_server(tmp_path) as (_, url), strict(url) as client:
        assert ended(client, id).status == "succeeded"
    assert len((folder / "began.txt").read_text().splitlines()) == 2


def test_what_was_not_written_whole_is_left_out(tmp_path: Path) -> None:
    with tuning_server(tmp_path) as (_, url), strict(url) as client:
        id = create(client, steps=2).id
        ended(client, id)
        until(lambda: "successfully" in client.fine_tuning.jobs.list_events(id, limit=1).data[0].message)
    with (tmp_path / "jobs" / id / "events.jsonl").open("ab") as file:
        file.write(b'{"id": "ftevent-torn')
    half_made = tmp_path / "jobs" / "ftjob-half"
    half_made.mkdir()
    (half_made / "train.jsonl").write_text(json.dumps(LINES[0]))
    jobs = Jobs(tmp_path / "jobs")
    (job,) = jobs.all()
    before = jobs.events(job)
    assert all("torn" not in event["id"] for event in before)
    assert not half_made.exists()
    jobs.tell(job, "another", "more")
    jobs.tell(job, "another", "more")
    assert Jobs(tmp_path / "jobs").events(job) == [*before, jobs.events(job)[-1]]
