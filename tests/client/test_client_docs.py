"""docs/client.md: its blocks run in order, as they stand."""

import re
from pathlib import Path

import psycopg
import pytest

from glow_pipelines.client import GlowClient, errors
from tests.openai_server import OpenAIServer, ScriptedModel

DOCUMENT = (Path(__file__).parents[2] / "docs/client.md").read_text("utf-8")


def test_every_block_runs(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"URL": database_url}
    with OpenAIServer(ScriptedModel()) as server:
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        blocks = re.findall(r"^```python\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL)
        assert len(blocks) == 4
        for block in blocks:
            exec(compile(block, "docs/client.md", "exec"), names)
    with psycopg.connect(database_url) as connection:
        counts = "select (select count(*) from glow.executions), (select count(*) from glow.agent_feedback)"
        assert connection.execute(counts).fetchone() == (3, 5)  # a withdrawal is a row of the history
    with GlowClient(database_url) as client:
        assert client.feedback_stats("tax").thumbs_up == 2


def test_the_table_of_errors_is_the_code(database_url: str) -> None:
    rows = re.findall(r"^\| `(\w+)` \| (PT\d+)", DOCUMENT, re.MULTILINE)
    assert {code: errors.from_sqlstate(code, "", None).__class__.__name__ for _, code in rows} == {
        code: name for name, code in rows
    }
    assert len(rows) == 8
