"""Summaries of feedback, on rows small enough to count by hand."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glow_pipelines.learning.feedback import STANDARD_ISSUES, ExecutionRow, FeedbackRow, sentiment, summarize
from glow_pipelines.learning.intervals import wilson

AT = datetime(2026, 3, 1, tzinfo=UTC)


def vote(
    id: int, execution: str = "1", user: str | None = "u", thumbs: int | None = None, **more: object
) -> FeedbackRow:
    fields = {"rating": None, "issues": (), "comment": None, "correction": None, "conversation_id": None, "agent": "a"}
    return FeedbackRow(
        id=id, execution_id=execution, user_id=user, kind="vote", thumbs=thumbs, recorded_at=AT, **(fields | more)
    )


def run(id: str, agent: str = "a") -> ExecutionRow:
    return ExecutionRow(id, agent, "in", "out")


@pytest.mark.parametrize(
    ("thumbs", "rating", "expected"),
    [(1, 1, 1), (-1, 5, -1), (None, 5, 1), (None, 4, 1), (None, 3, 0), (None, 2, -1), (None, None, None)],
)
def test_thumbs_win_over_stars(thumbs: int | None, rating: int | None, expected: int | None) -> None:
    assert sentiment(vote(1, thumbs=thumbs, rating=rating)) == expected


def test_an_agent_counted_by_hand() -> None:
    rows = [
        vote(1, "1", "ann", 1, rating=5),
        vote(2, "1", "bob", -1, issues=("tone", "format")),
        vote(3, "2", "ann", -1, correction="right", issues=("tone",)),
        vote(4, "2", "ann", 1),  # changed her mind
        vote(5, "3", None, rating=2, issues=("tone",)),
        vote(6, "3", None, rating=2, issues=("tone",)),  # another anonymous user, or not: one execution, one tone
        vote(7, "unknown", "ann", 1),
    ]
    found = summarize(reversed(rows), [run(str(i)) for i in range(1, 6)])["a"]
    assert (found.executions, found.rows, found.unmatched, found.users) == (5, 7, 1, 2)
    assert (found.feedback.successes, found.feedback.n) == (3, 5)
    assert (found.positive.successes, found.positive.n) == (2, 5)
    assert (found.corrected.successes, found.corrected.n) == (1, 3)
    assert (found.mean_rating, found.ratings) == (3.0, 3)
    assert [(i.issue, i.count) for i in found.issues] == [("tone", 3), ("format", 1)]
    interval = wilson(2, 5)
    assert (found.positive.low, found.positive.high) == (interval.low, interval.high)


def test_silence_is_none_not_zero() -> None:
    found = summarize([], [run("1")])["a"]
    assert found.positive.value is None
    assert (found.positive.low, found.positive.high) == (0.0, 1.0)
    assert found.mean_rating is None
    assert found.feedback.value == 0.0


def test_agents_do_not_mix_and_an_agent_without_executions_is_heard() -> None:
    found = summarize([vote(1, "1", agent="b", thumbs=1)], [run("1", "a")])
    assert list(found) == ["a", "b"]
    assert found["b"].unmatched == 1
    assert found["a"].feedback.successes == 0


def test_every_issue_is_told_in_one_sentence() -> None:
    assert len(STANDARD_ISSUES) == 11
    assert all(text.endswith(".") and text.count(".") == 1 for text in STANDARD_ISSUES.values())


@given(st.lists(st.tuples(st.sampled_from("123"), st.sampled_from(["u", "v", None]), st.sampled_from([-1, 1, None]))))
def test_rates_lie_in_their_intervals_in_any_order(said: list[tuple[str, str | None, int | None]]) -> None:
    rows = [vote(i, execution, user, thumbs) for i, (execution, user, thumbs) in enumerate(said)]
    found = summarize(rows, [run("1"), run("2")])
    assert found == summarize(rows[::-1], [run("2"), run("1")])
    for rate in (found["a"].feedback, found["a"].positive, found["a"].corrected):
        assert rate.successes <= rate.n
        assert rate.value is None or rate.low <= rate.value <= rate.high
