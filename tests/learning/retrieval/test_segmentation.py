"""Boundaries and cuts: they cover the text, keep their order, and follow what citations say.

Belongs here: properties on any text, the model's direction, optimality of the cuts. Does not: whether it pays
(test_rechunking).
"""

import itertools
import math
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glow_pipelines.learning.retrieval.boundaries import FEATURES, LONGEST, candidates, fit, log_odds, votes
from glow_pipelines.learning.retrieval.citations import CitedSpan
from glow_pipelines.learning.retrieval.segmentation import (
    LENGTH_PENALTY,
    boundaries,
    matched_target,
    segmented,
    spans,
)

TEXT = (
    "Opening hours\nThe desk opens at nine. It closes at five. However, Friday is short.\n\n"
    "Refunds\nSend the form to us:\n- a copy of the bill\n- your account number\nWe pay within ten days."
)
WEIGHTS = {"blank_line": 3.0, "connective": -2.0, "list_next": -1.0, "cohesion": -1.0, "intercept": -0.5}
prose = st.text(alphabet="abc AB.!?\n:-19é", max_size=600) | st.text(max_size=200)


def test_boundaries_know_headings_lists_and_connectives() -> None:
    found = candidates(TEXT)
    seen = {
        TEXT[at:][:12]: dict(zip(FEATURES, row, strict=True))
        for at, row in zip(found.positions, found.features, strict=True)
    }
    assert seen["Refunds\nSend"]["blank_line"] == seen["Refunds\nSend"]["heading_next"] == 1
    assert seen["However, Fri"]["connective"] == 1
    assert seen["It closes at"]["connective"] == 1
    assert seen["- a copy of "]["list_next"] == seen["- a copy of "]["colon_before"] == 1
    assert seen["We pay withi"]["list_before"] == 1


@settings(deadline=None)
@given(prose, st.integers(50, 900), st.floats(-3, 3), st.floats(-3, 3))
def test_any_text_is_covered_in_order(text: str, target: int, blank: float, cohesion: float) -> None:
    cuts = boundaries(text, {"blank_line": blank, "cohesion": cohesion}, target)
    assert cuts == sorted(set(cuts))
    assert "".join(text[a:b] for a, b in spans(len(text), cuts)) == text
    assert all(b - a <= max(2.5 * target, LONGEST + 16) for a, b in spans(len(text), cuts))
    assert boundaries(text, {"blank_line": blank, "cohesion": cohesion}, target) == cuts


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000))
def test_no_other_choice_of_cuts_is_better(seed: int) -> None:
    rng = np.random.default_rng(seed)
    text = " ".join("Word " * int(rng.integers(4, 9)) + "end." for _ in range(9))
    found = candidates(text)
    odds = rng.normal(size=len(found.positions)) * 2
    target = float(rng.uniform(60, 150))

    def worth(chosen: tuple[int, ...]) -> float:
        cuts = [int(found.positions[at]) for at in chosen]
        sizes = [b - a for a, b in spans(len(text), cuts)]
        if max(sizes) > max(2.5 * target, LONGEST):
            return -math.inf
        return float(odds[list(chosen)].sum()) - LENGTH_PENALTY * sum(math.log(size / target) ** 2 for size in sizes)

    every = range(len(found.positions))
    best = max(worth(some) for n in range(len(found.positions) + 1) for some in itertools.combinations(every, n))
    place = {int(at): i for i, at in enumerate(found.positions)}
    mine = tuple(place[at] for at in segmented(found, odds, len(text), target))
    assert worth(mine) == pytest.approx(best)


def test_citations_teach_where_to_cut() -> None:
    rng = np.random.default_rng(3)
    parts = []
    for number in range(20):
        paragraphs = [
            " ".join(f"Sentence {rng.integers(999)} tells of a {word} here." for _ in range(4))
            for word in ("meter", "badge")
        ]
        text = "\n\n".join(paragraphs)
        half = len(paragraphs[0])
        marked = [CitedSpan(f"d{number}", 0, half, "q", f"u{n}", "e") for n in range(2)]
        marked += [CitedSpan(f"d{number}", half + 2, len(text), "q", f"u{n}", "e") for n in range(2)]
        found = candidates(text)
        parts.append((found, votes(found, marked)))
    model = fit(parts, 80, 2)
    assert model.weights["blank_line"] > 1
    assert model.weights["cohesion"] < 0
    for found, vote in parts:
        odds = log_odds(found, model.weights)
        assert odds[vote.cut > 0].min() > odds[vote.crossed > 0].max()


def test_a_border_of_today_votes_for_nothing() -> None:
    found = candidates(TEXT)
    border = int(found.positions[3])
    span = [CitedSpan("d", int(found.positions[1]), border, "q", "u", "e"), CitedSpan("d", 0, len(TEXT), "q", "v", "e")]
    free, censored = votes(found, span), votes(found, span, [border])
    assert free.cut[3] > 0 < free.crossed[3]
    assert censored.cut[3] == censored.crossed[3] == 0


def test_one_loud_user_does_not_decide_a_boundary() -> None:
    found = candidates(TEXT)
    loud = [CitedSpan("d", 0, int(found.positions[2]), "q", "u", f"e{n}") for n in range(1000)]
    assert votes(found, loud).cut.max() == 3.0


def test_headings_stay_with_what_they_head() -> None:
    text = "First topic is over now.\n\nMoving the antenna\nIt is done by two people."
    found = candidates(text)
    at = {text[int(p) :][:6]: i for i, p in enumerate(found.positions)}
    vote = votes(found, [CitedSpan("d", text.index("It is"), len(text), "q", "u", "e")])
    assert vote.cut[at["Moving"]] > 0 < vote.crossed[at["It is "]]


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 1000), st.integers(120, 700))
def test_the_mean_size_is_matched(seed: int, size: int) -> None:
    rng = np.random.default_rng(seed)
    texts = [" ".join(f"Sentence {n} is about {rng.integers(99)} things." for n in range(120)) for _ in range(4)]
    found = [candidates(text) for text in texts]
    scored = [(c, rng.normal(size=len(c.positions)), len(t)) for c, t in zip(found, texts, strict=True)]
    _, mean = matched_target(scored, size, 0.01)
    assert mean == pytest.approx(size, rel=0.08)


@pytest.mark.parametrize("weights", [{"blank": 1.0}, {"line": math.nan}, {"line": math.inf}])
def test_weights_of_another_version_are_refused(weights: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="chunking weights"):
        boundaries(TEXT, weights, 400)


@pytest.mark.parametrize("target", [0, 49.9, 20_001, math.nan])
def test_a_senseless_target_is_refused(target: float) -> None:
    with pytest.raises(ValueError, match="target"):
        boundaries(TEXT, WEIGHTS, target)


@pytest.mark.parametrize(
    "hostile", ["\n" * 1_000_000, "a\n" * 200_000, "ab." + '"' * 1_000_000, "x" * 1_000_000, "ab. " * 100_000]
)
def test_a_megabyte_of_anything_is_cut_in_seconds(hostile: str) -> None:
    begun = time.process_time()
    cuts = boundaries(hostile, WEIGHTS, 800)
    assert time.process_time() - begun < 25
    assert cuts
