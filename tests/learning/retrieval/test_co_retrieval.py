"""Which chunks belong together, and which are merely popular."""

import numpy as np
import pytest

from glow_pipelines.learning.retrieval.co_retrieval import PairCount, associations, hubs, npmi


def test_npmi_by_hand() -> None:
    assert npmi(10, 10, 10, 100) == pytest.approx(1.0)
    assert npmi(1, 10, 10, 100) == pytest.approx(0.0)
    assert npmi(0, 10, 10, 100) == -1.0
    assert npmi(5, 5, 5, 5) == 1.0
    # p_ab = .05, p_a = .1, p_b = .2: ln 2.5 / −ln .05
    assert npmi(5, 10, 20, 100) == pytest.approx(0.30587, abs=1e-5)


def test_each_kind_is_told_apart() -> None:
    pairs = [
        PairCount("copy", "copy2", 40, 10, cosine=0.99),
        PairCount("part1", "part2", 40, 38, cosine=0.6, adjacent=True),
        PairCount("next1", "next2", 40, 2, cosine=0.6, adjacent=True),
        PairCount("rule", "exception", 40, 30, cosine=0.5),
        PairCount("near", "nearer", 40, 0, cosine=None),
    ]
    shown = {name: 50 for pair in pairs for name in (pair.first, pair.second)}
    cited = dict.fromkeys(shown, 40)
    found = {each.first: each for each in associations(pairs, 1000, shown, cited)}
    assert {name: each.kind for name, each in found.items()} == {
        "copy": "redundant",
        "part1": "adjacent",
        "next1": "adjacent",
        "rule": "complementary",
        "near": "associated",
    }
    assert [name for name, each in found.items() if each.merge] == ["part1"]
    assert found["part1"].cited == pytest.approx(38 / 42)


def test_popular_chunks_that_meet_by_chance_are_no_pair() -> None:
    """Chunks shown independently of each other: at q < .01 hardly one in a thousand pairs may be called a find."""
    rng = np.random.default_rng(3)
    lists = rng.random((2000, 60)) < rng.uniform(0.01, 0.6, 60)
    counts = lists.T.astype(int) @ lists.astype(int)
    names = [f"c{i:02}" for i in range(60)]
    pairs = [PairCount(names[i], names[j], int(counts[i, j])) for i in range(60) for j in range(i + 1, 60)]
    shown = {name: int(counts[i, i]) for i, name in enumerate(names)}
    assert len(associations(pairs, 2000, shown)) <= 1
    both = lists[:, 0] | lists[:, 1]
    planted = PairCount("c00", "c01", int(both.sum()))
    found = associations([*pairs[1:], planted], 2000, {**shown, "c00": int(both.sum()), "c01": int(both.sum())})
    assert found[0].npmi == pytest.approx(1.0)
    assert (found[0].first, found[0].second) == ("c00", "c01")


def test_rare_pairs_are_not_tested_and_wrong_counts_are_refused() -> None:
    assert associations([PairCount("a", "b", 4)], 1000, {"a": 4, "b": 4}) == []
    with pytest.raises(ValueError, match="more than one is shown"):
        associations([PairCount("a", "b", 6)], 10, {"a": 5, "b": 6})


def test_hubs() -> None:
    found = hubs({"a": (300, 0.02), "b": (100, 0.5), "c": (120, 0.5)}, 1000)
    assert [(each.chunk_id, each.share) for each in found] == [("a", 0.3), ("c", 0.12)]
    assert hubs({}, 0) == []
