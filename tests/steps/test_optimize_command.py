"""`glow optimize`: the plan first, honest ends, no traceback for a mistake."""

from collections.abc import Callable

import pytest
from click.testing import CliRunner, Result

from glow_pipelines.cli import main
from glow_pipelines.client import GlowClient
from glow_pipelines.commands.optimize import EXITS, PAUSED
from glow_pipelines.database import connect
from tests.openai_server import OpenAIServer
from tests.steps.optimizing import copies as copies
from tests.steps.optimizing import learned as learned
from tests.steps.optimizing import server as server

Run = Callable[..., Result]


@pytest.fixture
def glow(copies: Callable[[], str], server: OpenAIServer, monkeypatch: pytest.MonkeyPatch) -> Run:
    for name, value in (server.environment() | {"DATABASE_URL": copies(), "GLOW_CHAT_PRICES": "1/2"}).items():
        monkeypatch.setenv(name, value)
    return lambda *given: CliRunner().invoke(main, ["optimize", *given], catch_exceptions=False)


def test_a_dry_run_prints_the_plan_and_touches_nothing(glow: Run, server: OpenAIServer) -> None:
    import os

    done = glow("coder", "--dry-run", "--budget-calls", "400")
    assert done.exit_code == 0
    for told in ("analysis", "reflect", "race", "gate", "never more than", "USD", "dry run"):
        assert told in done.output
    assert server.requests.total() == 0
    with connect(os.environ["DATABASE_URL"]) as connection:
        assert connection.execute("select count(*) from glow.prompt_optimizations").fetchone() == (0,)


def test_mistakes_are_told_in_a_line(glow: Run) -> None:
    unknown = glow("nobody")
    assert unknown.exit_code == 1
    assert "nobody" in unknown.output
    assert "Traceback" not in unknown.output
    assert glow("coder", "--goal", "wit").exit_code == 2
    assert glow("coder", "--budget-calls", "0").exit_code == 2


def test_every_end_has_its_status(glow: Run) -> None:
    paused = glow("coder", "--budget-seconds", "0", "--budget-calls", "300", "--goal", "brevity")
    assert paused.exit_code == PAUSED
    assert "glow optimize coder --goal brevity --budget-calls 300" in paused.output
    few = glow("coder", "--budget-calls", "60")
    assert few.exit_code in (EXITS["no_improvement"], EXITS["carry_over"]), few.output
    assert "used" in few.output


def test_too_little_data_says_how_much_is_needed(glow: Run) -> None:
    import os

    with GlowClient(os.environ["DATABASE_URL"]) as client:
        client.register_agent("empty", "", {"metric": "label"}, {"instruction": "x"})
    nothing = glow("empty")
    assert nothing.exit_code == 1
    assert "no dataset version yet" in nothing.output
