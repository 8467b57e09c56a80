"""The meter: everybody is charged for the same request once, and nobody beyond the limit."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.prompting.meter import Exhausted, Memory, Meter
from glow_pipelines.learning.prompts.types import Answer, RenderedPrompt
from tests.prompting.overlap_model import OverlapModel

CHOICES = ("travel", "meals")


def request(text: str) -> RenderedPrompt:
    return RenderedPrompt((("user", text),), CHOICES, 4)


def test_each_contestant_pays_once_and_the_model_is_asked_once() -> None:
    model = OverlapModel()
    memory = Memory(model)
    one, other = Meter(10, memory), Meter(10, memory)
    first = one.answer([request("a"), request("b"), request("a")])
    again = one.answer([request("b"), request("c")])
    theirs = other.answer([request("a")])
    assert [each.cached for each in first] == [False, False, True]
    assert [each.cached for each in again] == [True, False]
    assert [each.cached for each in theirs] == [False]  # the harness knew; to this contestant it was new
    assert (one.calls, other.calls, len(model.asked)) == (3, 1, 3)
    assert (one.prompt_tokens, one.completion_tokens) == (30, 6)
    assert theirs[0].text == first[0].text


def test_the_stop_is_hard_and_free() -> None:
    model = OverlapModel()
    meter = Meter(2, Memory(model))
    meter.answer([request("a")])
    with pytest.raises(Exhausted, match="2 new calls wanted, 1 of 2 left"):
        meter.answer([request("a"), request("b"), request("c")])
    assert (meter.calls, meter.refused, len(model.asked)) == (1, 1, 1)
    meter.answer([request("a"), request("b")])
    with pytest.raises(Exhausted):
        meter.answer([request("c")])
    assert meter.answer([request("a")])[0].cached  # what was paid stays answered


def test_writing_counts_like_any_call() -> None:
    task, writer = OverlapModel(), OverlapModel()
    meter = Meter(2, Memory(task), Memory(writer))
    free = RenderedPrompt((("user", "Improve this."),), None, 64)
    assert "```" in meter.write([free])[0].text
    meter.write([free])
    meter.answer([request("a")])
    assert (meter.calls, meter.written, len(task.asked), len(writer.asked)) == (2, 1, 1, 1)
    with pytest.raises(Exhausted):
        meter.answer([free])  # another model's answer is another call


def test_one_model_for_both_is_one_memory() -> None:
    memory = Memory(OverlapModel())
    meter = Meter(5, memory, memory)
    meter.write([request("a")])
    meter.answer([request("a")])
    assert meter.calls == 1


def test_a_failed_call_was_a_call() -> None:
    def broken(requests: Sequence[RenderedPrompt]) -> list[Answer]:
        raise ConnectionError("gone")

    meter = Meter(3, Memory(broken))
    with pytest.raises(ConnectionError):
        meter.answer([request("a"), request("b")])
    assert meter.calls == 2


def test_a_model_that_drops_answers_is_noticed() -> None:
    with pytest.raises(ValueError, match="1 answers for 2 requests"):
        Memory(lambda requests: OverlapModel()(requests[:1]))([request("a"), request("b")])
    with pytest.raises(ValueError, match="limit=-1"):
        Meter(-1, Memory(OverlapModel()))


@given(st.integers(0, 12), st.lists(st.lists(st.sampled_from("abcdefgh"), max_size=6), max_size=12))
def test_calls_are_the_distinct_requests_and_never_beyond_the_limit(limit: int, batches: list[list[str]]) -> None:
    model = OverlapModel()
    meter = Meter(limit, Memory(model))
    paid: set[str] = set()
    for batch in batches:
        fits = len(paid | set(batch)) <= limit
        try:
            meter.answer([request(text) for text in batch])
            assert fits
            paid |= set(batch)
        except Exhausted:
            assert not fits
    assert meter.calls == len(paid) == len(model.asked) <= limit
