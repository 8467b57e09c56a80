"""Feedback of each agent in a few numbers.

Belongs here: rates with intervals, mean rating, ranked issues. Does not belong here: trends and alerts (operations).
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from glow_pipelines.learning.feedback.rates import Rate, rate_of
from glow_pipelines.learning.feedback.rows import ExecutionRow, FeedbackRow, sentiment


@dataclass(frozen=True, slots=True)
class IssueCount:
    """An issue, the executions it was ticked on, and its share of the executions with feedback."""

    issue: str
    count: int
    share: Rate


@dataclass(frozen=True, slots=True)
class FeedbackSummary:
    """One agent.

    `feedback`: executions with any feedback of all executions. `positive`: votes for of votes for or against, one
    vote per execution and user. `corrected`: executions with a correction of those with feedback. `unmatched`:
    rows whose execution was not among the executions given; they count in nothing else.
    """

    agent: str
    executions: int
    rows: int
    unmatched: int
    users: int
    feedback: Rate
    positive: Rate
    corrected: Rate
    mean_rating: float | None
    ratings: int
    issues: tuple[IssueCount, ...]


def summarize(rows: Iterable[FeedbackRow], executions: Iterable[ExecutionRow]) -> dict[str, FeedbackSummary]:
    """A summary for every agent that has an execution or a row, by agent name."""
    known: dict[str, set[str]] = defaultdict(set)
    for execution in executions:
        known[execution.agent].add(execution.id)
    by_agent: dict[str, list[FeedbackRow]] = defaultdict(list)
    for row in rows:
        by_agent[row.agent].append(row)
    return {agent: _one(agent, by_agent[agent], known[agent]) for agent in sorted(known.keys() | by_agent.keys())}


def _one(agent: str, rows: list[FeedbackRow], known: set[str]) -> FeedbackSummary:
    matched = sorted((row for row in rows if row.execution_id in known), key=lambda row: row.id)
    votes: dict[tuple[str, str], int] = {}
    issues: set[tuple[str, str]] = set()
    for row in matched:
        vote = sentiment(row)
        # An anonymous row is its own voter: two of them on one execution may be two people.
        voter = row.user_id if row.user_id is not None else f"\0{row.id}"
        if vote is not None:
            votes[row.execution_id, voter] = vote  # a later row of the same user is a changed mind
        issues.update((row.execution_id, issue) for issue in row.issues)
    heard = {row.execution_id for row in matched}
    ups, downs = (sum(v == sign for v in votes.values()) for sign in (1, -1))
    ratings = [row.rating for row in matched if row.rating is not None]
    counts = Counter(issue for _, issue in issues)
    return FeedbackSummary(
        agent=agent,
        executions=len(known),
        rows=len(rows),
        unmatched=len(rows) - len(matched),
        users=len({row.user_id for row in matched if row.user_id is not None}),
        feedback=rate_of(len(heard), len(known)),
        positive=rate_of(ups, ups + downs),
        corrected=rate_of(len({row.execution_id for row in matched if row.correction is not None}), len(heard)),
        mean_rating=sum(ratings) / len(ratings) if ratings else None,
        ratings=len(ratings),
        issues=tuple(
            IssueCount(issue, count, rate_of(count, len(heard)))
            for issue, count in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
        ),
    )
