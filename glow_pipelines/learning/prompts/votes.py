"""Votes: how content users are, by issue and by slice.

Belongs here: rates with intervals, no user weighing more than a tenth. Does not belong here: what the votes are about.
"""

from collections import Counter
from collections.abc import Sequence

from glow_pipelines.learning.prompts.evidence import Vote
from glow_pipelines.learning.prompts.influence import rate
from glow_pipelines.learning.prompts.performance import VoteResult

_MOST_ISSUES, _MOST_SLICES = 12, 12


def count_votes(votes: Sequence[Vote]) -> tuple[VoteResult, ...]:
    """All votes, then by issue, then each slice the same way; the most frequent issues and slices come first.

    A user who votes twice on an execution counts with the later one (rows are in the order of their feedback ids as
    given).
    """
    last = {(vote.user_id or vote.feedback_id, vote.execution_id): vote for vote in votes}
    heard = list(last.values())
    slices = Counter(name for vote in heard for name in set(vote.slices))
    found: list[VoteResult] = []
    for name in [None, *_first(slices, _MOST_SLICES)]:
        inside = [vote for vote in heard if name is None or name in vote.slices]
        issues = Counter(issue for vote in inside for issue in set(vote.issues))
        found += [_result(issue, name, inside) for issue in [None, *_first(issues, _MOST_ISSUES)] if inside]
    return tuple(found)


def _result(issue: str | None, name: str | None, inside: Sequence[Vote]) -> VoteResult:
    naming = [issue is None or issue in vote.issues for vote in inside]
    named = [vote for vote, names in zip(inside, naming, strict=True) if names]
    return VoteResult(
        issue=issue,
        slice=name,
        votes=len(named),
        users=len({vote.user_id for vote in named}),
        positive=rate([vote.positive for vote in named], [vote.user_id for vote in named]),
        share=rate(naming, [vote.user_id for vote in inside]),
    )


def _first(counted: Counter[str], most: int) -> list[str]:
    return sorted(counted, key=lambda name: (-counted[name], name))[:most]
