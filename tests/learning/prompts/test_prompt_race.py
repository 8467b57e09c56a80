"""The race: same items for all, the incumbent never gone, the limit never exceeded, the better arm found."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prompt_simulator import INCUMBENT, LABELS

from glow_pipelines.learning.prompts import Budget, OptimizerSettings
from glow_pipelines.learning.prompts.evaluate import Evaluator
from glow_pipelines.learning.prompts.metrics import metric_named
from glow_pipelines.learning.prompts.order import stratified
from glow_pipelines.learning.prompts.race import race, reach
from glow_pipelines.learning.prompts.types import Answer, Candidate, Example, Race, RenderedPrompt

ITEMS = [Example(f"{i:03d}", f"{i}", LABELS[i % 4], f"{i}", "val") for i in range(80)]


def arm(name: str, padding: int = 0) -> Candidate:
    return Candidate(replace(INCUMBENT, instruction=f"{name}" + " x" * padding), "test", INCUMBENT.sha256)


def run(
    accuracy: Callable[[str, int], bool],
    challengers: Sequence[Candidate],
    limit: int,
    budget: int = 10_000,
    grow: Callable[[Sequence[Candidate]], Sequence[Candidate]] | None = None,
) -> tuple[Race, dict[str, list[int]]]:
    seen: dict[str, list[int]] = {}

    def model(prompts: Sequence[RenderedPrompt]) -> list[Answer]:
        answers = []
        for prompt in prompts:
            name, item = prompt.messages[0][1].split()[0], int(prompt.messages[-1][1])
            seen.setdefault(name, []).append(item)
            answers.append(Answer(LABELS[item % 4] if accuracy(name, item) else "wrong", 1, 1, 0.0, False))
        return answers

    evaluator = Evaluator(model, metric_named("label"), Budget(budget))
    start = Candidate(replace(INCUMBENT, instruction="incumbent"), "incumbent", INCUMBENT.sha256)
    return race(start, challengers, ITEMS, evaluator, OptimizerSettings(), limit, grow), seen


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 12), st.integers(0, 700), st.integers(0, 700), st.integers(0, 999))
def test_limits_hold_and_items_are_shared(arms: int, limit: int, budget: int, seed: int) -> None:
    right = np.random.default_rng(seed).random((arms + 1, len(ITEMS))) < 0.7
    challengers = [arm(f"arm{index}") for index in range(arms)]

    def answered(name: str, item: int) -> bool:
        return bool(right[int(name[3:]) if name.startswith("arm") else arms, item])

    result, seen = run(answered, challengers, limit, budget)
    assert result.evaluations == result.calls == sum(map(len, seen.values())) <= min(limit, budget)
    for asked in seen.values():
        assert asked == list(range(len(asked)))  # everyone a prefix of the same order
    incumbent = next(each for each in result.arms if each.operator == "incumbent")
    assert incumbent.prompt_sha256 in result.survivors
    to_the_end = {each.prompt_sha256: each.n for each in result.arms if each.left_at is None}
    assert len(set(to_the_end.values())) == 1
    assert set(result.survivors) - {incumbent.prompt_sha256} <= set(to_the_end)
    assert all(each.n <= max(to_the_end.values()) for each in result.arms)
    for each in result.rounds:
        assert list(each.scores) == sorted(each.scores, reverse=True)


def test_the_best_of_eight_is_found_and_the_hopeless_leave_early() -> None:
    quality = {"arm3": 0.9, "arm5": 0.2}
    luck = np.random.default_rng(4).random((10, len(ITEMS)))

    def right(name: str, item: int) -> bool:
        row = int(name[3:]) if name.startswith("arm") else 9
        return bool(luck[row, item] < quality.get(name, 0.55))

    result, seen = run(right, [arm(f"arm{index}") for index in range(8)], 400)
    assert result.survivors[0] == arm("arm3").prompt.sha256
    assert len(seen["arm3"]) == max(map(len, seen.values()))
    hopeless = next(each for each in result.arms if each.prompt_sha256 == arm("arm5").prompt.sha256)
    assert hopeless.left_at == 10
    assert hopeless.reason is not None
    assert hopeless.reason.startswith("paired z")


def test_ties_go_to_the_shorter_prompt() -> None:
    result, _ = run(lambda name, item: item % 2 == 0, [arm("arm1", 9), arm("arm2"), arm("arm3", 30)], 10_000)
    lengths = {each.prompt_sha256: each.prompt_tokens for each in result.arms}
    survivors = [lengths[each] for each in result.survivors]
    assert survivors == sorted(survivors)
    assert survivors[0] == min(lengths.values())


def test_grown_arms_catch_up_and_may_win_and_rejected_ones_do_not_run() -> None:
    late, rejected = arm("arm9"), replace(arm("arm8"), findings=("link",))
    standings: list[list[str]] = []

    def grow(standing: Sequence[Candidate]) -> Sequence[Candidate]:
        standings.append([each.prompt.instruction for each in standing])
        return [late, rejected]

    good = {"arm9": 10, "arm1": 5}
    result, seen = run(
        lambda name, item: item % 10 < good.get(name, 3), [arm(f"arm{index}") for index in range(4)], 500, grow=grow
    )
    assert standings[0][0] == "arm1"
    assert len(standings) == 1
    assert result.survivors[0] == late.prompt.sha256
    assert seen["arm9"][:5] == [0, 1, 2, 3, 4]
    assert "arm8" not in seen
    assert result.grown == (late, rejected)


@given(st.integers(2, 16), st.integers(0, 50), st.integers(1, 200), st.integers(0, 2000))
def test_the_schedule_fits_and_leaves_little(arms: int, seen: int, items: int, limit: int) -> None:
    """Following the schedule to its end costs at most the limit, and less than one more item of every round below it
    unless there are no more items."""
    seen, left, at = min(seen, items), limit, min(seen, items)
    for racing in range(arms, 1, -1):
        stop = reach(racing, at, items, left)
        assert at <= stop <= items
        left -= (stop - at) * racing
        at = stop
    assert left >= 0
    assert left < sum(range(2, arms + 1)) or at == items


def test_the_published_schedule() -> None:
    # Audibert, Bubeck, Munos 2010: n_j = (budget / log-bar) / j with log-bar(8) = 1/2 + 1/2 + 1/3 + … + 1/8.
    assert reach(8, 0, 10_000, 800) == 45
    assert reach(2, 120, 10_000, 121) == 180


def test_an_incumbent_behind_is_asked_no_further_but_stays_last() -> None:
    quality = {"arm0": 0.7, "arm1": 0.9, "arm2": 0.7, "incumbent": 0.4}
    luck = np.random.default_rng(8).random((4, len(ITEMS)))
    rows = list(quality)
    result, seen = run(
        lambda name, item: bool(luck[rows.index(name), item] < quality[name]), [arm(a) for a in rows[:3]], 200
    )
    behind = next(each for each in result.arms if each.operator == "incumbent")
    assert result.survivors[-1] == behind.prompt_sha256
    assert behind.left_at == behind.n == len(seen["incumbent"]) < len(seen["arm1"])


def test_nothing_to_race_spends_nothing() -> None:
    result, seen = run(lambda name, item: True, [], 100)
    assert (result.evaluations, len(result.survivors), seen) == (0, 1, {})


@pytest.mark.parametrize("reverse", [False, True])
def test_stratified_order_is_the_same_however_items_arrive(reverse: bool) -> None:
    uneven = [Example(f"{i:02d}", "x", "rare" if i < 10 else "common", "g", "val") for i in range(40)]
    handed = uneven[::-1] if reverse else uneven
    order = stratified(handed, np.random.default_rng(0))
    assert order == stratified(uneven, np.random.default_rng(0))
    for n in range(8, 41):
        assert abs(sum(each.target == "rare" for each in order[:n]) - n / 4) <= 1.5
