"""The examination curve, on simulated logs whose curve is known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glow_pipelines.learning.retrieval.examination import Exposures, Row, chance, learn_examination
from glow_pipelines.learning.retrieval.interleaving import examination

STEEP = (1.0, 0.5, 0.3, 0.2, 0.15)
FLAT = (1.0, 0.9, 0.85, 0.8, 0.8)
LAST_SEEN = (1.0, 0.6, 0.4, 0.3, 0.7)
"""People scroll to the end: the last rank is looked at again."""


def simulate(
    curve: tuple[float, ...], lists: int, seed: int, *, shuffled: float, mixed: bool, questions: int = 40
) -> list[Row]:
    """Better chunks stand higher; a neighbour is swapped with chance ``shuffled``."""
    rng = np.random.default_rng(seed)
    counts: dict[tuple[str, str, int, bool], list[int]] = {}
    relevance = np.sort(rng.beta(1, 2, size=(questions, len(curve))), axis=1)[:, ::-1]
    for _ in range(lists):
        q = int(rng.integers(questions))
        order = list(range(len(curve)))
        if rng.random() < shuffled:
            at = int(rng.integers(len(curve) - 1))
            order[at], order[at + 1] = order[at + 1], order[at]
        for place, chunk in enumerate(order):
            count = counts.setdefault((f"q{q}", f"c{chunk}", place + 1, mixed), [0, 0])
            count[0] += 1
            count[1] += rng.random() < curve[place] * relevance[q, chunk]
    return [(*key, shown, clicked) for key, (shown, clicked) in counts.items()]


def error(found: tuple[float, ...], curve: tuple[float, ...]) -> float:
    return float(np.max(np.abs(np.log(np.array(found) / np.array(curve)))))


@pytest.mark.parametrize("curve", [STEEP, FLAT, LAST_SEEN])
def test_swapped_neighbours_give_the_curve(curve: tuple[float, ...]) -> None:
    log = simulate(curve, 20_000, 1, shuffled=1.0, mixed=True)
    found = learn_examination(Exposures.of(log), len(curve))
    assert found.source == "randomised"
    assert error(found.curve, curve) < 0.2
    rate = [sum(r[5] for r in log if r[2] == k) / sum(r[4] for r in log if r[2] == k) for k in range(1, 6)]
    by_clicks = tuple(each / rate[0] for each in rate)
    assert error(found.curve, curve) < error(by_clicks, curve), "clicks decline with relevance too"


@pytest.mark.parametrize("curve", [STEEP, FLAT, LAST_SEEN])
def test_without_chance_what_moved_gives_an_estimate(curve: tuple[float, ...]) -> None:
    log = Exposures.of(simulate(curve, 20_000, 2, shuffled=0.7, mixed=False))
    found = learn_examination(log, len(curve))
    assert found.source == "moved"
    assert error(found.curve, curve) < 0.2


def test_what_never_moved_says_nothing() -> None:
    """Relevance falls with rank: clicks would show a curve where everybody looks at everything."""
    found = learn_examination(Exposures.of(simulate((1.0,) * 5, 5000, 3, shuffled=0.0, mixed=True)), 5)
    assert (found.source, found.clicks) == ("default", 0)
    assert found.curve == tuple(examination(rank) for rank in range(1, 6))


def test_few_clicks_leave_the_default() -> None:
    found = learn_examination(Exposures.of(simulate(FLAT, 60, 4, shuffled=1.0, mixed=True)), 5)
    assert found.source == "default"
    assert learn_examination(Exposures.of([])).curve == tuple(examination(rank) for rank in range(1, 11))


@given(
    st.lists(
        st.tuples(
            st.sampled_from("pq"), st.sampled_from("abc"), st.integers(1, 14), st.booleans(), st.integers(0, 400)
        ).flatmap(lambda row: st.integers(0, row[4]).map(lambda clicked: (*row, clicked))),
        max_size=30,
    )
)
def test_a_curve_is_of_chances_whatever_was_logged(rows: list[Row]) -> None:
    found = learn_examination(Exposures.of(rows))
    assert len(found.curve) == 10
    assert found.curve[0] == 1
    assert all(0.1 <= each <= 1 for each in found.curve)


def test_beyond_the_curve_the_default_goes_on() -> None:
    assert [chance((), rank) for rank in (1, 2, 10, 30)] == [examination(rank) for rank in (1, 2, 10, 30)]
    assert chance((1.0, 0.8), 2) == 0.8
    assert chance((1.0, 0.8), 4) == pytest.approx(0.4)
    assert chance((1.0, 0.1), 9) == 0.1
