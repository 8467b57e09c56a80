"""The posterior: what a click is worth, and that nobody can shout."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glow_pipelines.learning.retrieval import Hit, RetrievalEvent
from glow_pipelines.learning.retrieval.feedback import Cell, Posterior, relevance_posterior
from glow_pipelines.learning.retrieval.groups import group_queries
from glow_pipelines.learning.retrieval.interleaving import examination
from glow_pipelines.learning.retrieval.signals import signals_of


def event(number: int, user: str, query: str, *hits: Hit) -> RetrievalEvent:
    return RetrievalEvent(f"e{number}", query, None, "production", user, "", hits)


def hit(chunk_id: str, rank: int, **signals: object) -> Hit:
    return Hit(chunk_id, rank, 0.0, "both", examination(rank), **signals)  # type: ignore[arg-type]


def posterior(events: list[RetrievalEvent]) -> Posterior:
    return relevance_posterior(signals_of(events), {e.query: e.query for e in events})


def cell(events: list[RetrievalEvent], chunk_id: str, query: str = "q") -> Cell:
    return next(c for c in posterior(events).cells if (c.group, c.chunk_id) == (query, chunk_id))


def crowd(clicks: int, silent: int, rank: int = 1) -> list[RetrievalEvent]:
    return [event(i, f"u{i}", "q", hit("a", rank, clicked=i < clicks)) for i in range(clicks + silent)]


def test_hand_computed_posterior() -> None:
    events = [*crowd(2, 2), event(9, "v", "other", hit("b", 2))]
    found = posterior(events)
    base = round(2 / 4.5, 2)
    assert found.base_attractiveness == pytest.approx(base)
    assert found.cells[1].attractiveness == pytest.approx((2 + 2 * base) / (4 + 2))
    assert found.cells[1].event_ids == ("e0", "e1", "e2", "e3")


def test_the_same_clicks_say_more_far_down_and_silence_says_less() -> None:
    noise = [event(100 + i, f"x{i}", "other", hit("z", 1, clicked=i == 0)) for i in range(4)]
    assert cell([*crowd(2, 4, rank=5), *noise], "a").attractiveness > cell([*crowd(2, 4), *noise], "a").attractiveness
    assert cell([*crowd(0, 4, rank=5), *noise], "a").attractiveness > cell([*crowd(0, 4), *noise], "a").attractiveness


def test_labels_need_enough_looks() -> None:
    background = [event(100 + i, f"x{i}", "other", hit("z", 1, clicked=i == 0)) for i in range(10)]
    assert cell([*crowd(3, 0), *background], "a").label == "positive"
    assert cell([*crowd(1, 0), *background], "a").label == "unjudged"
    assert cell([*crowd(0, 3), *background], "a").label == "negative"


def test_a_thumb_replaces_the_click_and_a_bare_citation_counts_half() -> None:
    down = cell([event(1, "u", "q", hit("a", 4, clicked=True, explicit=-1))], "a")
    assert (down.credit, down.effective_examinations) == (0.0, 1.0)
    assert cell([event(1, "u", "q", hit("a", 1, cited=True))], "a").credit == 0.5
    assert cell([event(1, "u", "q", hit("a", 1, cited=True, kept=True))], "a").credit == 1.0
    assert posterior([event(1, "u", "q", hit("a", 1, shown=False))]).cells == ()


@given(st.integers(1, 1000), st.integers(0, 12), st.integers(0, 12), st.integers(1, 10))
def test_a_thousand_clicks_of_one_user_are_one_click(repeats: int, clicks: int, silent: int, rank: int) -> None:
    loud = [event(1000 + i, "loud", "q", hit("a", rank, clicked=True)) for i in range(repeats)]
    once, many = (cell([*crowd(clicks, silent), *loud[:n]], "a") for n in (1, repeats))
    assert many.attractiveness == pytest.approx(once.attractiveness)
    assert many.users == once.users == clicks + silent + 1


@given(st.integers(1, 400), st.integers(0, 100))
def test_over_all_questions_one_user_weighs_three_or_five_percent_of_a_chunk(questions: int, others: int) -> None:
    loud = [event(i, "loud", f"q{i}", hit("a", 1, clicked=True)) for i in range(questions)]
    rest = [event(1000 + i, f"u{i}", "other", hit("a", 1)) for i in range(others)]
    credit = sum(c.credit for c in posterior([*loud, *rest]).cells)
    cap = max(3.0, 0.05 * (credit + others))
    assert credit == pytest.approx(min(questions, cap), rel=1e-6) or credit <= cap + 1e-9
    assert credit == pytest.approx(min(questions, max(3.0, others * 0.05 / 0.95)))


@given(st.permutations(range(8)))
def test_the_order_of_the_log_does_not_matter(order: list[int]) -> None:
    events = [
        event(i, f"u{i % 3}", f"q{i % 2}", hit("a", i % 4 + 1, clicked=i % 3 == 0), hit("b", 5)) for i in range(8)
    ]
    for one, other in zip(posterior(events).cells, posterior([events[i] for i in order]).cells, strict=True):
        assert one.attractiveness == pytest.approx(other.attractiveness)
        assert (one.group, one.chunk_id, one.event_ids, one.label) == (
            other.group,
            other.chunk_id,
            other.event_ids,
            other.label,
        )


def test_rewordings_share_a_group_and_a_chain_does_not_become_a_giant() -> None:
    angle = np.deg2rad(20)
    steps = {f"q{i}": np.array([np.cos(i * angle), np.sin(i * angle)]) for i in range(4)}
    groups = group_queries(list(steps), steps)
    assert groups["q0"] == groups["q1"] != groups["q2"] == groups["q3"]
    assert group_queries(["Same  words!", "same words"], {"Same  words!": np.ones(2), "same words": -np.ones(2)}) == {
        "Same  words!": groups_key("same words"),
        "same words": groups_key("same words"),
    }


def groups_key(text: str) -> str:
    return next(iter(group_queries([text], {text: np.ones(2)}).values()))
