"""What a log is asked before anything is learned from it: who looked, who agrees, who speaks alone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glow_pipelines.learning.retrieval.attention import agreement, seen_share
from glow_pipelines.learning.retrieval.feedback import relevance_posterior, unclear
from glow_pipelines.learning.retrieval.signal_table import SignalTable
from glow_pipelines.learning.retrieval.types import Signal
from glow_pipelines.learning.retrieval.weighing import Voices, voices


def signals(click, seed: int = 0, groups: int = 60, people: int = 8) -> list[Signal]:  # type: ignore[no-untyped-def]
    """Each person sees five chunks of each question in an order of their own; chunk 0 is the answer."""
    rng = np.random.default_rng(seed)
    found = []
    for group in range(groups):
        for person in range(people):
            for rank, chunk in enumerate(rng.permutation(5), 1):
                credit = float(click(rng, rank, chunk))
                found.append(
                    Signal(f"q{group}", f"c{chunk}", f"u{person}", credit, 1 / rank, event_ids=(f"e{person}",))
                )
    return found


def honest(rng: np.random.Generator, rank: int, chunk: int) -> bool:
    return bool(rng.random() < 1 / rank and rng.random() < (0.9 if chunk == 0 else 0.1))


def random(rng: np.random.Generator, rank: int, chunk: int) -> bool:
    return bool(rng.random() < 0.3 / rank)


def first(rng: np.random.Generator, rank: int, chunk: int) -> bool:
    return rank == 1


def top_half(rng: np.random.Generator, rank: int, chunk: int) -> bool:
    return bool(rank == 1 and rng.random() < 0.5)


def first_only(rng: np.random.Generator, rank: int, chunk: int) -> bool:
    return bool(rank == 1 and rng.random() < (0.9 if chunk == 0 else 0.1))


def heard(log: list[Signal]) -> Voices:
    return voices(SignalTable.of(log), {signal.query: signal.query for signal in log})


def test_people_agree_on_answers_and_on_nothing_else() -> None:
    assert agreement(heard(signals(honest))) > 6
    assert agreement(heard(signals(first_only))) > 3
    assert agreement(heard(signals(first))) == 0.0, "everybody clicks the first: that is the rank's doing"
    assert agreement(heard([])) == 0.0


def test_a_question_that_everybody_asks_does_not_drown_the_others() -> None:
    def popular(click, seed: int) -> list[Signal]:  # type: ignore[no-untyped-def]
        return [*signals(click, seed, groups=1, people=400), *signals(click, seed, groups=40, people=4)[20:]]

    assert min(agreement(heard(popular(honest, seed))) for seed in range(5)) > 4
    assert sum(agreement(heard(popular(random, seed))) >= 2.0 for seed in range(60)) <= 4


@pytest.mark.parametrize("click", [random, top_half])
def test_agreement_is_not_made_of_chance_or_rank(click) -> None:  # type: ignore[no-untyped-def]
    found = [agreement(heard(signals(click, seed, groups=30))) for seed in range(60)]
    assert sum(z >= 2.0 for z in found) <= 4


def test_looks_count_as_logged_unless_the_log_contradicts_itself() -> None:
    assert seen_share(heard(signals(honest))) == pytest.approx(1.0)
    blind = heard(signals(first_only))
    chance = np.round(blind.looks / blind.weight, 2)
    share = seen_share(blind)
    assert share[chance == 1.0] == pytest.approx(1.0)
    assert share[chance < 1.0].max() < 0.3


def test_silence_where_nobody_looked_is_no_verdict() -> None:
    log = signals(first_only)
    posterior = relevance_posterior(log, {signal.query: signal.query for signal in log})
    answers = [cell for cell in posterior.cells if cell.chunk_id == "c0"]
    others = [cell for cell in posterior.cells if cell.chunk_id != "c0"]
    assert np.mean([cell.attractiveness for cell in answers]) > 1.5 * np.mean([cell.attractiveness for cell in others])
    assert max(cell.effective_examinations for cell in others) < 8 * 0.8


@given(st.integers(1, 1000), st.sampled_from([-1, 1]), st.integers(1, 12))
def test_one_person_alone_moves_nothing_however_often(times: int, thumb: int, days: int) -> None:
    crowd = signals(honest, groups=3)
    loud = [
        Signal("q0", "new", "loud", float(thumb > 0), 1.0, thumb, float(n % days), (f"l{n}",)) for n in range(times)
    ]
    posterior = relevance_posterior([*crowd, *loud], {signal.query: signal.query for signal in crowd})
    (cell,) = [cell for cell in posterior.cells if cell.chunk_id == "new"]
    assert cell.agreed == posterior.base_attractiveness
    two = [*crowd, *loud, Signal("q0", "new", "second", float(thumb > 0), 1.0, thumb, 0.0, ("s",))]
    posterior = relevance_posterior(two, {signal.query: signal.query for signal in crowd})
    (cell,) = [cell for cell in posterior.cells if cell.chunk_id == "new"]
    assert (cell.agreed - posterior.base_attractiveness) * thumb > 0
    expert = Signal("q0", "new", "expert", float(thumb > 0), 1.0, 2 * thumb, 0.0, ("x",))
    posterior = relevance_posterior([*crowd, expert], {signal.query: signal.query for signal in crowd})
    (cell,) = [cell for cell in posterior.cells if cell.chunk_id == "new"]
    assert cell.agreed == cell.attractiveness != posterior.base_attractiveness


def test_experts_are_asked_where_people_are_in_two_minds() -> None:
    log = [Signal("q", "split", f"u{n}", float(n % 2), 1.0, event_ids=(f"e{n}",)) for n in range(8)]
    log += [Signal("q", "clear", f"u{n}", 0.0, 1.0, event_ids=(f"e{n}",)) for n in range(8)]
    log += [Signal("q", "hardly", "u1", 0.0, 0.5, event_ids=("e1",))]
    posterior = relevance_posterior(log, {"q": "q"})
    assert [cell.chunk_id for cell in unclear(posterior)] == ["split"]
