"""OpenAIEmbeddings against a real server that answers what a test wrote down."""

from typing import Any

import numpy as np
import pytest
from scripted_server import Reply, refusal, scripted

from glow_pipelines.providers.embeddings import OpenAIEmbeddings
from glow_pipelines.providers.retry import RetryPolicy
from glow_pipelines.providers.types import ProviderError
from glow_pipelines.providers.wire import open_client

QUICK = RetryPolicy(attempts=3, sleep=lambda seconds: None)


def vectors(*rows: list[float]) -> Reply:
    data = [{"object": "embedding", "index": index, "embedding": row} for index, row in enumerate(rows)]
    return Reply({"object": "list", "model": "e", "data": data[::-1], "usage": {"prompt_tokens": 1, "total_tokens": 1}})


def by_length(body: dict[str, Any]) -> Reply:
    return vectors(*[[float(len(text)), 1.0] for text in body["input"]])


def test_batches_come_back_as_unit_rows_in_order() -> None:
    texts = ["a", "bb", "ccc", "dddd", "eeeee"]
    with scripted(by_length) as server, open_client("k", server.base_url) as client:
        found = OpenAIEmbeddings(client, "e", dimensions=2, batch_size=2).embed(texts)
    assert found.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1.0, rtol=1e-6)
    np.testing.assert_allclose(found[:, 0] / found[:, 1], [1, 2, 3, 4, 5], rtol=1e-6)
    assert [body["input"] for body in server.asked] == [["a", "bb"], ["ccc", "dddd"], ["eeeee"]]
    assert {body["encoding_format"] for body in server.asked} == {"float"}


def test_no_texts_need_no_call() -> None:
    with scripted(by_length) as server, open_client("k", server.base_url) as client:
        assert OpenAIEmbeddings(client, "e", dimensions=2).embed([]).shape == (0, 2)
    assert server.asked == []


def test_what_may_pass_is_asked_again() -> None:
    with (
        scripted(refusal(500), Reply("<p>", content_type="text/html"), by_length) as server,
        open_client("k", server.base_url) as client,
    ):
        assert OpenAIEmbeddings(client, "e", dimensions=2, retry=QUICK).embed(["a"]).shape == (1, 2)
    assert len(server.asked) == 3


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (vectors([1.0, 2.0, 3.0]), "GLOW_EMBEDDING_DIMENSIONS"),
        (vectors([1.0, 2.0], [3.0, 4.0]), "GLOW_EMBEDDING_DIMENSIONS"),
        (vectors([0.0, 0.0]), "without direction"),
        (refusal(401, "who are you"), "OPENAI_API_KEY"),
    ],
)
def test_what_is_wrong_for_good_is_said_at_once(reply: Reply, said: str) -> None:
    with (
        scripted(reply) as server,
        open_client("k", server.base_url) as client,
        pytest.raises(ProviderError, match=said) as caught,
    ):
        OpenAIEmbeddings(client, "e", dimensions=2, retry=QUICK).embed(["a"])
    assert not caught.value.retryable
    assert len(server.asked) == 1
