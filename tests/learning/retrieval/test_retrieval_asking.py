"""The query side of a configuration: what an adapter and added words do to a search."""

from dataclasses import replace

import numpy as np
import pytest

from glow_pipelines.learning.retrieval import Chunk, Configuration, Expansion, RetrievalIndex, RetrievalParameters
from glow_pipelines.learning.retrieval.asking import AddedWords, adapted
from glow_pipelines.learning.retrieval.types import unit

EAST, NORTH = np.eye(2)
CHUNKS = [Chunk("east", "d1", "travel allowance", EAST), Chunk("north", "d2", "meal deduction", NORTH)]
TURN = np.array([[0.0, -1.0], [1.0, 0.0]])
FOOD = Expansion("business lunch", ("meals",), 0.5, 6, 4, 3.0, 0.01, ("e1",))


def test_the_adapter_turns_the_question_as_far_as_its_weight() -> None:
    assert adapted(EAST, TURN, 0.0) is EAST
    assert adapted(EAST, TURN, 1.0) == pytest.approx(NORTH)
    assert adapted(EAST, 7 * TURN, 0.5) == pytest.approx(unit(EAST + NORTH))
    for weight, first in ((0.0, "east"), (1.0, "north")):
        parameters = RetrievalParameters(adapter_weight=weight)
        index = RetrievalIndex(CHUNKS, Configuration(parameters, adapter=TURN))
        assert index.search("x", EAST, 1)[0].chunk_id == first


def test_words_are_added_once_where_the_whole_phrase_is_asked_for() -> None:
    twice = AddedWords([FOOD, replace(FOOD, weight=0.2)])
    assert twice.of("a lunch for business friends", 2.0) == {"meal": 1.0}
    assert twice.of("a lunch", 1.0) == {}
    assert twice.of("meals at a business lunch", 1.0) == {}, "the question has the word"
    assert twice.of("business lunch", 0.0) == {}
    assert AddedWords([replace(FOOD, phrase="the of")]).of("the of", 1.0) == {}, "no phrase: no rule for every question"


def test_added_words_find_what_shares_no_word_at_a_weight_that_may_be_zero() -> None:
    for weight, found in ((0.0, []), (1.0, ["north"])):
        parameters = RetrievalParameters(expansion_weight=weight)
        index = RetrievalIndex(CHUNKS, Configuration(parameters, expansions=(FOOD,)))
        assert [scored.chunk_id for scored in index.search("business lunch", None, 5)] == found


def test_the_first_hits_move_the_question_and_words_decide_which_are_first() -> None:
    south = Chunk("south", "d3", "unheard of", unit(np.array([0.2, 1.0])))
    for weight, second in ((0.0, "east"), (3.0, "south")):
        parameters = RetrievalParameters(lexical_weight=4.0, pseudo_weight=weight, pseudo_depth=1)
        index = RetrievalIndex([*CHUNKS, south], parameters)
        found = [scored.chunk_id for scored in index.search("meal", EAST, 3)]
        assert found[:2] == ["north", second], "the best by words is far from the vector asked with"
        assert [s.chunk_id for s in index.search("meal", None, 3)] == ["north"]


def test_every_part_of_a_configuration_is_in_its_address() -> None:
    base = Configuration(RetrievalParameters(adapter_weight=1.0), (), TURN, (FOOD,), "chunking", "model")
    others = [
        replace(base, parameters=RetrievalParameters()),
        replace(base, adapter=2 * TURN),
        replace(base, adapter=None),
        replace(base, expansions=()),
        replace(base, chunking="other"),
        replace(base, model="other"),
    ]
    assert len({each.sha256 for each in (base, *others)}) == 7
    stored = replace(base, adapter=TURN.astype(np.float32).astype(np.float64))
    assert stored.sha256 == base.sha256
