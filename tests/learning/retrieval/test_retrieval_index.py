"""Search, memory and interleaving: order, ties, scales, fairness."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glow_pipelines.learning.retrieval import Chunk, MemoryRow, RetrievalIndex, RetrievalParameters
from glow_pipelines.learning.retrieval.interleaving import EventChance, swapped, team_draft
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
    floor = 0.6 / 3  # the mean of a·b, a·c and b·c
    assert index.dense_floor == pytest.approx(floor)
    found = {s.chunk_id: s for s in index.search("office machine depreciation", EAST, 10)}
    assert found["a"].score == pytest.approx(1.0)
    assert found["c"].score == pytest.approx((0.6 - floor) / (1 - floor))
    assert found["b"].score == pytest.approx(0.5 - floor / (1 - floor))
    assert "n" not in found, "neither embedded nor sharing a word: no candidate"
    assert [found[c].leg for c in "ab"] == ["dense", "lexical"]
    assert [s.rank for s in index.search("office", EAST, 3)] == [1, 2, 3]


def test_a_score_is_the_same_whatever_else_is_scored() -> None:
    parameters = RetrievalParameters(dense_floor=0.2)
    all_of_them = {s.chunk_id: s.score for s in RetrievalIndex(CHUNKS, parameters).search("travel tax", EAST, 4)}
    few = {s.chunk_id: s.score for s in RetrievalIndex(CHUNKS[:1] + CHUNKS[2:3], parameters).search("value", EAST, 4)}
    assert few["c"] == pytest.approx((0.6 - 0.2) / 0.8)
    assert few["c"] < all_of_them["c"] < few["c"] + 1, "the dense part is the same, words of its own come on top"


def test_far_from_everything_the_nearest_is_still_first_and_worth_one() -> None:
    index = RetrievalIndex(CHUNKS, RetrievalParameters(dense_floor=0.9))
    found = index.search("x", np.array([0.1, 0.0, -0.99]), 4)
    assert ids(found) == ["a", "b", "c"]
    assert found[0].score == pytest.approx(1.0)
    one = RetrievalIndex(CHUNKS[:1])
    assert one.search("x", EAST, 1)[0].score == pytest.approx(1.0)
    assert one.search("x", -EAST, 1)[0].score == pytest.approx(1.0)


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


@given(st.text(min_size=1, max_size=20), st.integers(0, 300))
def test_draws_of_a_search_are_its_own_and_repeat(event_id: str, n: int) -> None:
    event_id = event_id.encode("utf-8", "ignore").decode()
    first, again = EventChance(event_id), EventChance(event_id)
    drawn = [first.random() for _ in range(n)]
    assert drawn == [again.random() for _ in range(n)]
    assert all(0 <= x < 1 for x in drawn)


def test_a_swap_leaves_all_but_two_neighbours_and_hits_every_pair_half_the_time() -> None:
    seen = {tuple(swapped("abcd", EventChance(f"e{n}"))) for n in range(400)}
    assert seen == {tuple("abcd"), tuple("bacd"), tuple("acbd"), tuple("abdc")}
    same = sum(swapped("abcd", EventChance(f"e{n}")) == list("abcd") for n in range(2000))
    assert same == pytest.approx(1000, abs=100)
    assert swapped("a", EventChance("e")) == ["a"]
    assert swapped("", EventChance("e")) == []


def test_both_teams_go_first_equally_often() -> None:
    rng = np.random.default_rng(1)
    firsts = [team_draft("abc", "def", 2, rng)[0][1] for _ in range(2000)]
    assert firsts.count("dense") == pytest.approx(1000, abs=100)


def test_text_is_compared_by_its_words() -> None:
    assert terms("Companies are claiming refunded expenses") == terms("company claim refund expense")
    assert terms("glass bus analysis") == ["glass", "bus", "analysis"]
    assert content_hash("A  b, c!") == content_hash("a b C")
    assert jaccard(shingles("one two three four"), shingles("one two three five")) == pytest.approx(1 / 3)
