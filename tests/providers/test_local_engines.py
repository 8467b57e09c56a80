"""That reusing the beginning of a prompt changes no answer, to the last bit of its log-probabilities."""

import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from glow_pipelines.providers.local import weights
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
TEXTS = ("Train", "Train to Lyon and back, second class", "Pens", "Train to Lyon")


def body(messages: list[dict[str, str]]) -> dict[str, Any]:
    return {"messages": messages, "max_tokens": 5, "temperature": 0, "logprobs": True, "top_logprobs": 3}


def test_reuse_changes_nothing(tmp_path: Path) -> None:
    engine = ChatEngine(FILES.chat, 1, 2, "key", Remembered(tmp_path / "checked.json"))
    bodies = [body([*BEGIN, {"role": "user", "content": text}]) for text in TEXTS]
    truth = [engine._complete(each, reuse=False)["choices"] for each in bodies]
    for first in (0, 2):  # conversations that go on: what was generated comes back as part of the prompt
        reply = {"role": "assistant", "content": truth[first][0]["message"]["content"]}
        bodies.append(body([*bodies[first]["messages"], reply, {"role": "user", "content": "Why?"}]))
        truth.append(engine._complete(bodies[-1], reuse=False)["choices"])

    order = [each for seed in range(2) for each in random.Random(seed).sample(range(len(bodies)), len(bodies))]
    order += [index for index in range(len(bodies)) for _ in range(2)]  # the same in a row: one token is left to read
    order += [0, 4, 2, 5]  # a conversation right after what it continues
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda index: engine.complete(bodies[index]), order))
    assert [answer["choices"] for answer in answers] == [truth[index] for index in order]
    if engine._reuse:  # else this machine's kernels are not exact, and nothing may be reused
        assert sum(answer["timings"]["cache_n"] for answer in answers) > 20 * len(order)


def test_what_was_proven_is_not_proven_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    remembered = Remembered(tmp_path / "checked.json")
    monkeypatch.setattr(ChatEngine, "_reuse_is_exact", lambda engine: False)
    assert not ChatEngine(FILES.chat, 1, 1, "key", remembered)._reuse
    monkeypatch.delattr(ChatEngine, "_reuse_is_exact")
    again = ChatEngine(FILES.chat, 1, 1, "key", remembered)
    answers = [again.complete(body([*BEGIN, {"role": "user", "content": "Pens"}])) for _ in range(2)]
    assert [answer["timings"]["cache_n"] for answer in answers] == [0, 0]
