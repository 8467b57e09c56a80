"""Levels and betting: what error control over many gates and over graded scores rests on."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glow_pipelines.learning.prompts.betting import BETS, log_wealth, next_bet
from glow_pipelines.learning.prompts.eprocess import ALTERNATIVES, log_e_value
from glow_pipelines.learning.prompts.levels import level, share
from glow_pipelines.learning.prompts.power import items_expected, power_table

differences = st.lists(st.floats(-1, 1), max_size=40)


@given(st.integers(1, 10_000))
def test_shares_sum_to_less_than_one_and_telescope(gates: int) -> None:
    assert sum(share(number) for number in range(1, gates + 1)) == pytest.approx(1 - math.sqrt(2 / (gates + 2)))
    assert share(gates) > share(gates + 1) > 0


def test_levels_of_the_first_gates() -> None:
    assert [round(1 / level(number, 0, 0.05)) for number in (1, 10, 30)] == [109, 1102, 5000]
    assert level(1000, 99, 0.05) == pytest.approx(100 * level(1000, 0, 0.05))
    assert level(1, 10_000, 0.05) == 0.05  # never more than all of it


@pytest.mark.parametrize(("number", "rejections", "alpha"), [(0, 0, 0.05), (1, -1, 0.05), (1, 0, 0.0), (1, 0, 1.0)])
def test_senseless_levels_are_refused(number: int, rejections: int, alpha: float) -> None:
    with pytest.raises(ValueError, match=r"must"):
        level(number, rejections, alpha)


def test_false_share_is_held_when_gates_overlap_and_some_are_true() -> None:
    """e-values of the worst kind (1/level with chance level, else 0), the same coin for all open gates, true gates
    between: the share of false among passed stays below alpha, and without true ones so does any pass at all."""
    for true_share, seed in ((0.0, 1), (0.3, 2), (0.7, 3)):
        rng, shares, ever = np.random.default_rng(seed), [], 0
        for _ in range(2000):
            passed = false = 0
            for block in range(8):
                at_opening = passed  # five gates are opened before any of them is decided
                coin = rng.random()
                for place in range(5):
                    allowed = level(5 * block + place + 1, at_opening, 0.05)
                    true = rng.random() < true_share
                    reject = true or coin < allowed
                    passed += reject
                    false += reject and not true
            shares.append(false / max(1, passed))
            ever += false > 0
        assert np.mean(shares) <= 0.05
        if true_share == 0:
            assert ever / 2000 <= 0.05


@given(differences, st.floats(-1, 0), st.floats(0, 1))
def test_betting_is_a_supermartingale_step_by_step(past: list[float], low: float, high: float) -> None:
    """Any two-point next difference of mean <= 0: expected wealth does not grow."""
    chance = -low / (high - low) if high > 0 else 0.0
    now = math.exp(log_wealth(past))
    following = chance * math.exp(log_wealth([*past, high])) + (1 - chance) * math.exp(log_wealth([*past, low]))
    assert following <= now * (1 + 1e-9)


@given(differences, st.floats(-1, 1))
def test_the_mixture_is_one_bettor_whose_bet_is_known_before(past: list[float], following: float) -> None:
    bet = next_bet(past)
    assert min(BETS) <= bet <= max(BETS) + 1e-9
    after = log_wealth(past) + math.log1p(bet * following)
    assert log_wealth([*past, following]) == pytest.approx(after, abs=1e-6)


@given(st.permutations([0.3, -0.2, 1.0, -1.0, 0.0, 0.05]))
def test_nights_may_divide_the_items_as_they_like(order: list[float]) -> None:
    assert log_wealth(order) == pytest.approx(log_wealth(sorted(order)))


@given(st.integers(0, 40), st.integers(0, 40))
def test_right_or_wrong_is_a_special_case(b: int, c: int) -> None:
    assert log_wealth([1.0] * b + [-1.0] * c + [0.0] * 7, 2 * ALTERNATIVES - 1) == pytest.approx(log_e_value(b, c))


def test_betting_seldom_crosses_under_the_null_whenever_one_looks() -> None:
    """Skewed differences of mean 0, seldom large wins and often small losses: looked at after each of 150 items."""
    rng, crossed, runs = np.random.default_rng(11), 0, 1500
    drawn = np.where(rng.random((runs, 150)) < 0.2, 0.8, -0.2)
    wealth = np.log1p(BETS[:, None, None] * drawn).cumsum(axis=2)
    crossed = (np.exp(wealth).mean(axis=0) >= 20).any(axis=1).mean()
    assert crossed <= 0.05
    small = np.log1p(BETS[:, None, None] * (drawn + 0.15).clip(-1, 1)).cumsum(axis=2)
    assert (np.exp(small).mean(axis=0) >= 20).any(axis=1).mean() > 0.9  # and sees a gain


def test_betting_refuses_what_is_no_score_or_no_bet() -> None:
    with pytest.raises(ValueError, match=r"-1\.\.1"):
        log_wealth([1.2])
    with pytest.raises(ValueError, match=r"-1\.\.1"):
        log_wealth([math.nan])
    with pytest.raises(ValueError, match="bets"):
        log_wealth([0.1], [1.0])


def test_planning_numbers_grow_with_the_bar_and_shrink_with_the_gain() -> None:
    rows = power_table(level=level(1, 0, 0.05))
    assert [row.pairs for row in rows] == [1235, 444, 172, 110]
    planned = [row.sequential for row in rows]
    assert planned == sorted(planned, reverse=True)
    assert items_expected(0.05, 0.001) > items_expected(0.05, 0.05) > items_expected(0.05, 0.05, log_e=2.0)
    assert power_table(discordance=0.06)[-1].gain == 0.05  # ten points cannot come of six
