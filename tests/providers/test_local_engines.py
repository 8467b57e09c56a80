"""That reusing the beginning of a prompt changes no answer, to the last bit of its log-probabilities."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from glow_pipelines.providers.local import engines, weights
from glow_pipelines.providers.local.engines import ChatEngine
from glow_pipelines.providers.local.remembered import Remembered

try:
    FILES = weights.find_weights(None)
except weights.ModelUnavailable as error:
    pytest.skip(f"no embedded models: {error}", allow_module_level=True)
pytest.importorskip("xllamacpp")

BEGIN = [
    # Over 64 tokens in all: shorter prompts are one tile of flash attention, and would not show what it does.
    {"role": "system", "content": "Name the account of the expense: travel, meals or office. " * 5},
    {"role": "user", "content": "Taxi to the client"},
    {"role": "assistant", "content": "travel"},
]
TEXTS = ("Train", "Train to Lyon and back, second class", "Pens")


def body(messages: list[dict[str, str]]) -> dict[str, Any]:
    return {"messages": messages, "max_tokens": 5, "temperature": 0, "logprobs": True, "top_logprobs": 3}


def test_reuse_changes_nothing(tmp_path: Path) -> None:
    engine = ChatEngine(FILES.chat, 1, 2, "key", Remembered(tmp_path / "checked.json"))
    bodies = [body([*BEGIN, {"role": "user", "content": text}]) for text in TEXTS]
    truth = [engine._complete(each, reuse=False)["choices"] for each in bodies]
    # A conversation that goes on: what was generated comes back as part of the prompt.
    reply = {"role": "assistant", "content": truth[0][0]["message"]["content"]}
    bodies.append(body([*bodies[0]["messages"], reply, {"role": "user", "content": "Why?"}]))
    truth.append(engine._complete(bodies[-1], reuse=False)["choices"])

    order = [2, 0, 3, 1]
    order += [index for index in range(len(bodies)) for _ in range(2)]  # the same in a row: one token is left to read
    order += [0, 3, 2, 0, 3]  # a conversation right after what it continues
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda index: engine.complete(bodies[index]), order))
    assert [answer["choices"] for answer in answers] == [truth[index] for index in order]
    if engine._reuse:  # else this machine's kernels are not exact, and nothing may be reused
        assert sum(answer["timings"]["cache_n"] for answer in answers) > 20 * len(order)


class Scripted:
    """In llama.cpp's place: answers what reuse would have done, and remembers whether reuse was allowed."""

    def __init__(self, *timings: dict[str, int]) -> None:
        self.timings, self.allowed = list(timings), list[bool]()

    def handle_chat_completions(self, asked: dict[str, Any]) -> dict[str, Any]:
        self.allowed.append(asked["cache_prompt"])
        timings = self.timings.pop(0) if asked["cache_prompt"] else {"prompt_n": 50, "cache_n": 0}
        return {"choices": [], "usage": {"prompt_tokens": sum(timings.values())}, "timings": timings}


@pytest.mark.parametrize(
    ("second", "asked_again"),
    [
        ({"prompt_n": 10, "cache_n": 40}, False),
        ({"prompt_n": 2, "cache_n": 50}, False),
        ({"prompt_n": 1, "cache_n": 49}, True),  # one token alone goes through another kernel
        ({"prompt_n": 10, "cache_n": 51}, True),  # more than the prompt before had: some of it was generated
    ],
)
def test_an_inexact_reuse_is_noticed_and_asked_again_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, second: dict[str, int], asked_again: bool
) -> None:
    server = Scripted({"prompt_n": 50, "cache_n": 0}, second)
    monkeypatch.setattr(engines, "_load", lambda *_: server)
    monkeypatch.setattr(ChatEngine, "_reuse_is_exact", lambda *_: True)
    engine = ChatEngine(FILES.chat, 1, 1, "key", Remembered(tmp_path / "checked.json"))
    for text in ("Pens", "Dinner"):
        engine.complete(body([*BEGIN, {"role": "user", "content": text}]))
    assert server.allowed == [True, True] + [False] * asked_again


def test_where_reuse_is_not_exact_nothing_is_reused_then_or_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, remembered = Scripted(), Remembered(tmp_path / "checked.json")
    monkeypatch.setattr(engines, "_load", lambda *_: server)
    for proof in (lambda *_: False, lambda *_: pytest.fail("proven twice")):
        monkeypatch.setattr(ChatEngine, "_reuse_is_exact", proof)
        ChatEngine(FILES.chat, 1, 1, "key", remembered).complete(body(BEGIN))
    assert server.allowed == [False, False]
