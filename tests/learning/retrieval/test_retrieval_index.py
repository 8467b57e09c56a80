"""Search, memory and interleaving: order, ties, scales, fairness."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glow_pipelines.learning.retrieval import Chunk, MemoryRow, RetrievalIndex, RetrievalParameters
from glow_pipelines.learning.retrieval.interleaving import team_draft
from glow_pipelines.learning.retrieval.text import content_hash, jaccard, shingles, terms

CHUNKS = [
    Chunk("a", "d1", "refund of value added tax for travel", np.array([1.0, 0.0, 0.0])),
    Chunk("b", "d2", "depreciation of office machines", np.array([0.0, 1.0, 0.0])),
    Chunk("c", "d3", "travel allowances for employees", np.array([0.6, 0.0, 0.8])),
    Chunk("n", "d4", "meals", None),
]
EAST = np.array([1.0, 0.0, 0.0])


def row(chunk_id: str, attractiveness: float, embedding: np.ndarray = EAST) -> MemoryRow:
    return MemoryRow("earlier", embedding, chunk_id, attractiveness, 5.0, ("e1",))


def ids(found: list) -> list[str]:
    return [scored.chunk_id for scored in found]


def test_the_score_is_the_formula() -> None:
    index = RetrievalIndex(CHUNKS, RetrievalParameters(lexical_weight=0.5))
    found = {s.chunk_id: s for s in index.search("office machine depreciation", EAST, 10)}
    assert found["a"].score == pytest.approx(1.0)
    assert found["c"].score == pytest.approx(0.6)
    assert found["b"].score == pytest.approx(0.5)
    assert "n" not in found, "neither embedded nor sharing a word: no candidate"
    assert [found[c].leg for c in "ab"] == ["dense", "lexical"]
    assert [s.rank for s in index.search("office", EAST, 3)] == [1, 2, 3]


def test_words_alone_work_without_an_embedding() -> None:
    index = RetrievalIndex(CHUNKS)
    assert ids(index.search("What about travels?", None, 5)) == ["c", "a"]
    assert ids(index.search("meal", None, 5)) == ["n"]
    assert index.search("the of and", None, 5) == []


def test_ties_go_to_the_smaller_id_whatever_the_input_order() -> None:
    twins = [Chunk(i, i, "same words", EAST) for i in ("z", "m", "a")]
    assert ids(RetrievalIndex(twins).search("words", EAST, 3)) == ["a", "m", "z"]
    assert ids(RetrievalIndex(twins[::-1]).search("words", EAST, 3)) == ["a", "m", "z"]


def test_memory_lifts_what_answered_a_near_question_and_not_for_a_far_one() -> None:
    parameters = RetrievalParameters(memory_weight=3.0, base_attractiveness=0.2)
    index = RetrievalIndex(CHUNKS, parameters, [row("b", 0.9), row("gone", 0.9)])
    assert ids(index.search("question", EAST, 1)) == ["b"]
    assert ids(index.search("question", np.array([0.2, 0.0, 0.98]), 1)) == ["c"]


def test_the_shift_moves_with_evidence() -> None:
    parameters = RetrievalParameters(shift=4.0, lexical_weight=0.0)
    directions = [RetrievalIndex(CHUNKS, parameters, [row("b", a)]).memory.shifts() for a in (0.0, 0.2, 0.9)]
    lengths = [float(np.linalg.norm(d[1])) for d in directions if d is not None]
    assert lengths[0] == 0.0
    assert 0 < lengths[1] < lengths[2] < 1
    plain = RetrievalIndex(CHUNKS, replace(parameters, shift=0.0)).components("x", EAST).dense
    moved = RetrievalIndex(CHUNKS, parameters, [row("b", 0.9)]).components("x", EAST).dense
    assert moved[1] > plain[1]


def test_reconfigured_is_the_same_as_built_anew() -> None:
    parameters = RetrievalParameters(lexical_weight=2.0, memory_weight=1.0, shift=0.3, prior_weight=0.2, k1=0.9)
    memory = [row("b", 0.9), row("a", 0.1)]
    again = RetrievalIndex(CHUNKS).reconfigured(parameters, memory)
    anew = RetrievalIndex(CHUNKS, parameters, memory)
    assert again.search("travel office", EAST, 4) == anew.search("travel office", EAST, 4)


def test_bad_input_is_named() -> None:
    with pytest.raises(ValueError, match="twice"):
        RetrievalIndex([CHUNKS[0], CHUNKS[0]])
    with pytest.raises(ValueError, match=r"lengths \[2, 3\]"):
        RetrievalIndex([CHUNKS[0], Chunk("x", "x", "x", np.ones(2))])
    with pytest.raises(ValueError, match="memory_weight=-1"):
        RetrievalParameters(memory_weight=-1)


def test_parameters_survive_json_and_hash_by_value() -> None:
    parameters = RetrievalParameters(memory_weight=2.5, shift=0.1)
    again = RetrievalParameters.from_json(parameters.to_json())
    assert again == parameters
    assert again.sha256 == parameters.sha256 != RetrievalParameters().sha256
    with pytest.raises(ValueError, match="unknown field 'adapter'"):
        RetrievalParameters.from_json({"adapter": 1})


LISTS = st.lists(st.sampled_from("abcdefghijklmnop"), unique=True, max_size=12)


@given(LISTS, LISTS, st.integers(0, 12), st.integers(0, 2**32 - 1))
def test_team_draft_shows_each_chunk_once_and_the_teams_take_turns(
    dense: list[str], lexical: list[str], k: int, seed: int
) -> None:
    drafted = team_draft(dense, lexical, k, np.random.default_rng(seed))
    chosen = [chunk_id for chunk_id, _ in drafted]
    assert len(set(chosen)) == len(chosen) == min(k, len({*dense, *lexical}))
    for at in range(0, len(drafted), 2):
        left = [set(leg) - set(chosen[:at]) for leg in (dense, lexical)]
        teams = [team for _, team in drafted[at : at + 2]]
        if len(teams) == 2 and all(len(leg) > 1 for leg in left):
            assert sorted(teams) == ["dense", "lexical"]
    for n, (chunk_id, team) in enumerate(drafted):
        own = dense if team == "dense" else lexical
        assert chunk_id == next(c for c in own if c not in chosen[:n]), "each pick is the team's best left"


def test_both_teams_go_first_equally_often() -> None:
    rng = np.random.default_rng(1)
    firsts = [team_draft("abc", "def", 2, rng)[0][1] for _ in range(2000)]
    assert firsts.count("dense") == pytest.approx(1000, abs=100)


def test_text_is_compared_by_its_words() -> None:
    assert terms("Companies are claiming refunded expenses") == terms("company claim refund expense")
    assert terms("glass bus analysis") == ["glass", "bus", "analysis"]
    assert content_hash("A  b, c!") == content_hash("a b C")
    assert jaccard(shingles("one two three four"), shingles("one two three five")) == pytest.approx(1 / 3)
