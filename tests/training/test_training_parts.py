"""What training settles without torch: lines, the tokens that are learned, the schedule, the folder, one worker."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from glow_pipelines.cli import main as glow
from glow_pipelines.finetuning.pairs import CannotTrain
from glow_pipelines.training.folder import DONE, PAUSED, Job, JobFolder, MetricsLog
from glow_pipelines.training.lines import Conversation, Example, Message, read_examples
from glow_pipelines.training.schedule import batch_of, ramp, schedule_of
from glow_pipelines.training.tokens import tokens_of, why_left_out
from glow_pipelines.training.worker import work
from tests.training.tiny import preference, supervised, write_base, write_job

END = 1


def render(messages: Any, asks: bool) -> str:
    """Like ChatML, in letters: < begins a message, > ends it."""
    return "".join(f"<{each['role'][0]}{each['content']}>\n" for each in messages) + ("<a" if asks else "")


def encode(text: str) -> list[int]:
    """A token a letter, > as END, but "ax" is one token: it must not arise where prompt and answer meet."""
    return [END if part == ">" else 300 if part == "ax" else ord(part) for part in re.findall("ax|.|\n", text)]


def talk(*said: str, learned: tuple[int, ...]) -> Conversation:
    """User and assistant by turns."""
    roles = ("user", "assistant") * len(said)
    messages: list[Message] = [{"role": role, "content": text} for role, text in zip(roles, said, strict=False)]
    return Conversation(tuple(messages), learned)


def shown(conversation: Conversation) -> str:
    """What is learned, in capitals."""
    tokens = tokens_of(conversation, render, encode, END)
    letters = (">" if each == END else chr(each) for each in tokens.ids)
    pairs = zip(letters, tokens.learned, strict=True)
    return "".join(letter.upper().replace(">", "]") if learned else letter for letter, learned in pairs)


def test_the_answer_is_learned_with_its_end_and_nothing_after() -> None:
    assert shown(talk("hi", "yo", learned=(1,))) == "<uhi>\n<aYO]\n"
    assert shown(talk("hi", "yo", "so", "no", learned=(1, 3))) == "<uhi>\n<aYO]\n<uso>\n<aNO]\n"
    assert shown(talk("hi", "yo", "so", "no", learned=(3,))) == "<uhi>\n<ayo>\n<uso>\n<aNO]\n"


def test_prompt_and_answer_do_not_join_into_a_token() -> None:
    tokens = tokens_of(talk("hi", "xy", learned=(1,)), render, encode, END)
    assert 300 not in tokens.ids
    assert [chr(i) for i, learned in zip(tokens.ids, tokens.learned, strict=True) if learned] == ["x", "y", chr(END)]


def test_a_template_that_changes_the_past_is_refused() -> None:
    def forgets(messages: Any, asks: bool) -> str:
        return render(messages, asks) if asks else render(messages[-1:], False)

    with pytest.raises(CannotTrain, match="writes a prompt differently"):
        tokens_of(talk("hi", "yo", learned=(1,)), forgets, encode, END)


def test_lines_that_would_harm_are_left_out() -> None:
    conversation = talk("hi <x> there", "yo", learned=(1,))
    tokens = [tokens_of(conversation, render, encode, END)]
    example = Example(7, (conversation,))
    assert why_left_out(example, tokens, ("<x>",), 99) == "it holds the control token '<x>'"
    assert why_left_out(example, tokens, ("<y>",), 10) == f"it has {len(tokens[0])} tokens, 10 are taken"
    assert why_left_out(example, tokens, ("<y>",), 99) is None


def test_lines_are_read(tmp_path: Path) -> None:
    rows = [supervised("a\u2028b", "no"), {"messages": [{"role": "assistant", "content": "x", "weight": 0}]}]
    rows[1]["messages"] += [{"role": "user", "content": "y"}, {"role": "assistant", "content": "z", "weight": 1}]
    path = tmp_path / "train.jsonl"
    text = "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows)
    path.write_text(f"{text}\n", "utf-8-sig")
    first, second = read_examples(path, "supervised")
    assert (first.line, first.answers[0].learned, second.answers[0].learned) == (1, (2,), (2,))
    assert next(iter(second.texts)) == "x"
    path.write_text(json.dumps(preference("q", "good", "bad")), "utf-8")
    (pair,) = read_examples(path, "dpo")
    assert [each.messages[-1]["content"] for each in pair.answers] == ["good", "bad"]
    assert [each.learned for each in pair.answers] == [(2,), (2,)]


@pytest.mark.parametrize(
    "row",
    [
        '{"messages": [}',
        "[]",
        "{}",
        '{"messages": [{"role": "user", "content": "x"}]}',
        '{"messages": [{"role": "assistant", "content": "x", "weight": 0}]}',
        '{"messages": [{"role": "tool", "content": "x"}, {"role": "assistant", "content": "x"}]}',
        '{"messages": [{"role": "assistant", "content": null}]}',
        json.dumps(preference("q", "good", "bad")),
    ],
)
def test_what_is_no_line_is_named(tmp_path: Path, row: str) -> None:
    path = tmp_path / "train.jsonl"
    path.write_text(f"{json.dumps(supervised('q', 'a'))}\n{row}\n", "utf-8")
    with pytest.raises(CannotTrain, match=r"train\.jsonl, line 2: no line of supervised"):
        read_examples(path, "supervised")


@given(st.integers(1, 60), st.integers(1, 9), st.integers(0, 2**31 - 1))
def test_every_epoch_has_every_example_once(examples: int, batch: int, seed: int) -> None:
    per_epoch = -(-examples // batch)
    for epoch in range(2):
        steps = range(epoch * per_epoch, (epoch + 1) * per_epoch)
        seen = [place for step in steps for place in batch_of(step, examples, batch, seed)]
        assert sorted(seen) == list(range(examples))


def job(method: Any = "supervised", **hyperparameters: Any) -> Job:
    return Job(Path("x.gguf"), method, hyperparameters, 0)


def test_auto_runs_long_enough_for_few_lines_and_not_for_ever_for_many() -> None:
    assert [schedule_of(job(), n).epochs for n in (1, 10, 50, 91, 5000)] == [25, 25, 16, 9, 3]
    assert schedule_of(job(n_epochs="auto"), 50).steps == 208
    asked = schedule_of(job("dpo", n_epochs=2.0, batch_size=16, learning_rate_multiplier=0.5, beta=0.3), 10)
    assert (asked.epochs, asked.batch, asked.steps, asked.beta) == (2, 10, 2, 0.3)
    assert asked.rate == pytest.approx(5e-5)


def test_the_rate_rises_falls_and_never_ends() -> None:
    rates = [ramp(step, 100, 0.1) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == rates[9] == 1
    assert rates[9:] == sorted(rates[9:], reverse=True)
    assert rates[-1] == 0.05
    assert ramp(0, 1, 0.1) == 1


def test_checkpoints_are_at_ends_of_epochs_and_between_never_at_the_end() -> None:
    plan = schedule_of(job(n_epochs=2, batch_size=2, checkpoint_every=3), 10)
    assert [done for done in range(1, plan.steps + 1) if plan.saves(done)] == [3, 5, 6, 9]
    assert [done for done in range(1, plan.steps + 1) if plan.is_epoch_end(done)] == [5, 10]


@pytest.mark.parametrize(
    "asked",
    [{"epochs": 3}, {"n_epochs": 0}, {"n_epochs": 1.5}, {"n_epochs": True}, {"batch_size": "many"}, {"beta": 0.1},
     {"learning_rate_multiplier": float("nan")}, {"rank": 10**6}],
)  # fmt: skip
def test_hyperparameters_that_cannot_be_meant_are_named(asked: dict[str, Any]) -> None:
    with pytest.raises(CannotTrain, match=f"hyperparameters: '?{next(iter(asked))}"):
        schedule_of(job(**asked), 10)


def test_a_job_is_read_and_what_is_wrong_with_it_is_named(tmp_path: Path) -> None:
    base = write_base(tmp_path / "base.gguf")
    folder = JobFolder(write_job(tmp_path / "job", base, [supervised("a", "b")], n_epochs=2))
    assert folder.read_job() == Job(base, "supervised", {"n_epochs": 2}, 3)
    good = folder.read_job().to_json()
    for change, why in (
        ({"base": "nowhere.gguf"}, "base"),
        ({"method": "reinforcement"}, "method='reinforcement'; trained here: supervised, dpo"),
        ({"seed": -1}, "seed=-1"),
        ({"hyperparameters": [1]}, "hyperparameters"),
    ):
        (folder.path / "job.json").write_text(json.dumps(good | change), "utf-8")
        with pytest.raises(CannotTrain, match=why):
            folder.read_job()
    (folder.path / "job.json").unlink()
    with pytest.raises(CannotTrain, match="give base, method"):
        folder.read_job()


def test_the_log_tells_a_step_once_and_mends_half_a_line(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    log = MetricsLog(path)
    log.say("begins", 1.0)
    for step in (1, 2):
        log.step({"step": step, "train_loss": 0.5}, 3, 2.0)
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"at": 3.0, "lev')
    log = MetricsLog(path)
    assert (path.read_bytes(), log.last_step) == (whole, 2)
    log.say("begins", 9.0)
    log.step({"step": 2, "train_loss": 0.5}, 3, 9.0)
    assert path.read_bytes() == whole
    log.step({"step": 3, "train_loss": 0.25, "valid_loss": 0.5}, 3, 9.0)
    last = json.loads(path.read_bytes().splitlines()[-1])
    assert last["message"] == "Step 3/3: training loss=0.2500, validation loss=0.5000"
    assert (last["at"], last["type"], last["data"]["step"]) == (9.0, "metrics", 3)


def test_what_is_done_or_paused_needs_no_torch(tmp_path: Path) -> None:
    folder = JobFolder(write_job(tmp_path, write_base(tmp_path / "base.gguf"), [supervised("a", "b")]))
    folder.pause.touch()
    assert work(folder) == PAUSED
    folder.adapter.touch()
    assert work(folder) == DONE


def test_two_workers_never_train_one_job(tmp_path: Path) -> None:
    folder = JobFolder(write_job(tmp_path, write_base(tmp_path / "base.gguf"), [supervised("a", "b")]))
    folder.pause.touch()
    command = [sys.executable, "-m", "glow_pipelines.training", "--job", str(tmp_path)]
    assert subprocess.run(command, check=False).returncode == PAUSED
    import fcntl

    with folder.lock.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        refused = subprocess.run(command, check=False, capture_output=True, text=True)
    assert refused.returncode == 1
    assert refused.stderr.splitlines()[-1].startswith("another worker trains the job in ")
    assert subprocess.run(command, check=False).returncode == PAUSED


def test_the_command_makes_a_job_and_no_other_of_it(tmp_path: Path) -> None:
    base, lines = write_base(tmp_path / "base.gguf"), tmp_path / "a.jsonl"
    lines.write_text(json.dumps(supervised("a", "b")), "utf-8")
    out = tmp_path / "out"
    command = ["train", "local", "--train", str(lines), "--base", str(base), "--out", str(out), "--epochs", "2"]
    out.mkdir()
    (out / "adapter.gguf").touch()  # nothing is left to do
    result = {"lines": 1, "steps": 2, "seconds": 1.5, "metrics": {"train_loss": 0.5}}
    (out / "result.json").write_text(json.dumps(result), "utf-8")
    told = CliRunner().invoke(glow, command)
    assert told.exit_code == 0, told.output
    assert "1 lines, 2 steps, 2 s: train_loss 0.5000" in told.output
    assert JobFolder(out).read_job() == Job(base, "supervised", {"n_epochs": 2}, 0)
    other = CliRunner().invoke(glow, [*command, "--seed", "4"])
    assert other.exit_code == 2
    assert "another training" in other.output


def test_torch_is_not_loaded_before_training(tmp_path: Path) -> None:
    code = "import sys, glow_pipelines.cli, glow_pipelines.training.__main__; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_command_names_a_file_that_is_not_there(tmp_path: Path) -> None:
    base = write_base(tmp_path / "base.gguf")
    told = CliRunner().invoke(
        glow, ["train", "local", "--train", "nowhere.jsonl", "--base", str(base), "--out", str(tmp_path / "out")]
    )
    assert told.exit_code == 1
    assert "nowhere.jsonl" in told.output
    assert not (tmp_path / "out" / "job.json").exists()
