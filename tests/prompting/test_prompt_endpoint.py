"""The whole command over HTTP: the endpoint of the usual settings, another one that writes, the cache of answers."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from glow_pipelines.learning.prompts.types import RenderedPrompt
from tests.openai_server import OpenAIServer, ScriptedModel
from tests.prompting.overlap_model import OverlapModel
from tests.prompting.test_task_files import write

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "prompts.py"


class OverTheWire(ScriptedModel):
    """The overlap model behind the endpoint of the tests."""

    def answer(self, messages: list[dict[str, str]], labels: list[str] | None) -> str:
        turns = tuple((each["role"], each["content"]) for each in messages)
        return OverlapModel()([RenderedPrompt(turns, None if labels is None else tuple(labels), 8)])[0].text  # type: ignore[arg-type]


def test_a_contest_over_http_is_paid_once(tmp_path: Path, database_url: str) -> None:
    pytest.importorskip("gepa")
    folder, results = write(tmp_path / "tickets", (40, 40, 140)), tmp_path / "prompts.json"
    with OpenAIServer(OverTheWire()) as server, OpenAIServer(OverTheWire()) as writer:
        settings = {**server.environment(), "DATABASE_URL": database_url, "GLOW_HOME": str(tmp_path / "home")}
        command = [sys.executable, str(SCRIPT), "--task", str(folder), "--metric", "label", "--calls", "150"]
        command += [
            "--max-test",
            "130",
            "--gate-share",
            "0.5",
            "--writer",
            f"poet@{writer.url}",
            "--results",
            str(results),
        ]

        def run() -> str:
            done = subprocess.run(command, cwd=tmp_path, env=os.environ | settings, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
            return done.stdout

        shown = run()
        first, asked, written = json.loads(results.read_text("utf-8")), server.requests.total(), writer.requests.total()
        run()
        assert (server.requests.total(), writer.requests.total()) == (asked, written)
    (name,) = first["tasks"]
    assert name == "tickets, scripted, 150 calls"
    figures, again = first["tasks"][name], json.loads(results.read_text("utf-8"))["tasks"][name]
    assert (figures["model"], figures["writer"]) == ("scripted", "poet")
    for who, each in figures["contestants"].items():
        for what in ("accuracy", "gain", "claimed gain", "calls", "of them to write"):
            assert again["contestants"][who][what] == each[what], (who, what)
    assert figures["questions to the model"] == asked
    assert 1 <= written <= 150
    assert figures["contestants"]["GEPA"]["calls"] <= 150
    assert results.with_suffix(".md").exists()
    assert "note: 130 of 140 rows of test.jsonl, drawn with seed 0" in shown
