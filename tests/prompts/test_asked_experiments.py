"""Experiments that an engineer asks for: what is refused at once, what is started, and what users then get."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from glow_pipelines.client import GlowClient, GlowError
from glow_pipelines.settings import Settings
from glow_pipelines.steps.experiments import CannotStart, start_asked
from glow_pipelines.store import Store
from tests.prompts.conftest import AGENT, PROMPT


@pytest.fixture
def other(add: Callable[..., str]) -> str:
    """Another version of the agent's prompt."""
    return add(replace(PROMPT, instruction="Which account?"), operator="restructure")


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"effect": 0.0}, "effect"),
        ({"effect": float("nan")}, "effect"),
        ({"prompt_version": "f" * 64}, "prompt_version"),
        ({"prompt_version": PROMPT.sha256}, "prompt_version"),
        ({"hypothesis": "x" * 2001}, "hypothesis"),
        ({"agent": "nobody"}, "agent"),
    ],
)
def test_what_cannot_be_tried_is_refused_by_name(
    client: GlowClient, other: str, changed: dict[str, object], field: str
) -> None:
    asked: dict[str, object] = {"agent": AGENT, "prompt_version": other, **changed}
    with pytest.raises(GlowError, match=field):
        client.create_experiment(**asked)  # type: ignore[arg-type]


def test_what_was_asked_for_is_started_once_and_users_get_both(client: GlowClient, store: Store, other: str) -> None:
    request = client.create_experiment(AGENT, other, "shorter is as good", effect=0.1)
    assert client.create_experiment(AGENT, other, "shorter is as good", effect=0.1).request_id == request.request_id
    settings = Settings.from_environment({})
    with store.transaction() as t:
        asked = t.requests.parameters(request.request_id)
        start_asked(t, settings, AGENT, request.request_id, asked)
        running = t.experiments.running(AGENT)
    assert running is not None
    assert (running["treatment"], running["hypothesis"]) == (other, "shorter is as good")
    assert (running["gate_id"], running["request_id"]) == (None, request.request_id)
    assert running["plan"]["effect"] == 0.1
    assert running["plan"]["minimum_users"] == settings.ab_test_min_sample_size
    given = {client.resolve_prompt(AGENT, f"user-{n}").prompt_version for n in range(40)}
    assert given == {PROMPT.sha256, other}
    with store.transaction() as t:
        assert start_asked(t, settings, AGENT, request.request_id, asked) == running["experiment_id"]
        with pytest.raises(CannotStart, match="another experiment runs"):
            start_asked(t, settings, AGENT, request.request_id + 1, asked)


def test_another_is_refused_while_one_runs(
    client: GlowClient, store: Store, other: str, add: Callable[..., str]
) -> None:
    third = add(replace(PROMPT, instruction="Account?"))
    request = client.create_experiment(AGENT, other)
    with store.transaction() as t:
        asked = t.requests.parameters(request.request_id)
        start_asked(t, Settings.from_environment({}), AGENT, request.request_id, asked)
    with pytest.raises(GlowError, match="is running"):
        client.create_experiment(AGENT, third)
