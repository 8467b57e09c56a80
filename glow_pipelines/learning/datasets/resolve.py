"""What becomes of the answers claimed for one input.

Belongs here: status and reason of each candidate, and which of several wins: adjudication over expert over correction
over vote.
Does not belong here: counting who said what (candidates), groups.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from glow_pipelines.learning.datasets.candidates import Candidate
from glow_pipelines.learning.datasets.examples import LearningExample, Status
from glow_pipelines.learning.datasets.screens import screen_example
from glow_pipelines.learning.datasets.settings import BehaviorSettings

_RANK = {"demonstration": 2, "annotation": 2, "correction": 1, "vote": 0}
_ADJUDICATED = 3


def resolve(candidates: Sequence[Candidate], settings: BehaviorSettings) -> list[LearningExample]:
    """The examples of one input: at most one approved. `group` is the example's own until rows are grouped."""
    judged = [(c, *verdict) for c in candidates if (verdict := _judge(c, settings)) is not None]
    examples = [
        LearningExample(
            id=candidate.id,
            agent=candidate.lead.agent,
            input=candidate.input,
            target=candidate.lead.target,
            source=candidate.lead.source,
            status=status,
            quality=candidate.quality,
            quality_parts=candidate.quality_parts,
            group=f"g-{candidate.id}",
            expert_approved=status == "approved" and candidate.experts_for > 0,
            content_hash=candidate.content_hash,
            sources=candidate.sources,
            rule_version=settings.rule_version,
            reason=reason,
            rejected_target=candidate.rejected_target,
            domain=candidate.lead.domain if candidate.execution is None else candidate.execution.domain,
        )
        for candidate, status, reason in _contest(judged)
    ]
    return [screen_example(example, settings.policy) for example in examples]


def withdrawn(stored: Iterable[LearningExample], found: Iterable[LearningExample]) -> list[LearningExample]:
    """Stored examples that the rows no longer support (a vote changed, an expert's mind), as rejected.

    `found` must be all that was learned of the same agents: what is missing from it has lost its support.
    """
    ids = {example.id for example in found}
    return [
        replace(example, status="rejected", expert_approved=False, reason="support withdrawn")
        for example in stored
        if example.id not in ids and example.status != "rejected"
    ]


def _judge(candidate: Candidate, settings: BehaviorSettings) -> tuple[Status, str] | None:
    """The candidate by itself; None when too little was said of it to keep it at all."""
    ups, downs = candidate.users_for, candidate.users_against
    denied = candidate.experts_against + candidate.experts_elsewhere
    if not candidate.supported and not denied:
        return None
    for name, text, longest in (
        ("input", candidate.input, settings.longest_input),
        ("target", candidate.lead.target, settings.longest_target),
    ):
        if not text.strip():
            return "rejected", f"empty {name}"
        if len(text) > longest:
            return "rejected", f"{name} of {len(text)} characters, more than {longest}"
    if candidate.decided:
        return ("approved", "an adjudication is for it") if candidate.decided > 0 else ("rejected", "adjudicated")
    if candidate.experts_for or denied:
        if not candidate.experts_for or candidate.experts_for < candidate.experts_against:
            return "rejected", "an expert rejected it"
        if candidate.experts_for == candidate.experts_against:
            return "pending", "experts disagree whether it is right"
        if candidate.experts_for < settings.enough_experts:
            return "pending", f"experts of weight {candidate.experts_for:g} for; needs another"
        return "approved", f"{candidate.experts_for:g} expert(s) for, {denied:g} against"
    if candidate.lead.source == "vote":
        clean = ups >= settings.agreeing_users and not downs
        return ("approved", f"{ups} users for, none against") if clean else None
    if downs >= max(ups, 1):
        return "pending", "users disagree; needs an expert"
    if ups < settings.agreeing_users:
        return "pending", f"{ups} of {settings.agreeing_users} users; needs an expert or another user"
    return "approved", f"{ups} users for, {downs} against"


def _contest(judged: Sequence[tuple[Candidate, Status, str]]) -> list[tuple[Candidate, Status, str]]:
    """Of several answers to one input at most one stays approved."""

    def force(candidate: Candidate) -> tuple[int, float]:
        rank = _ADJUDICATED if candidate.decided > 0 else _RANK[candidate.lead.source]
        lead = round(candidate.experts_for - candidate.experts_against, 6)
        return rank, (lead if rank >= 2 else candidate.users_for)

    approved = [candidate for candidate, status, _ in judged if status == "approved"]
    open_experts = any(status == "pending" and _RANK[c.lead.source] == 2 for c, status, _ in judged)
    best = max(map(force, approved), default=(-1, 0))
    leaders = [candidate for candidate in approved if force(candidate) == best]
    winner = leaders[0] if len(leaders) == 1 and (best[0] >= 2 or not open_experts) else None
    result = []
    for candidate, status, reason in judged:
        below = winner is not None and candidate is not winner and status in ("approved", "pending")
        if winner is not None and below and (status == "approved" or best[0] > _RANK[candidate.lead.source]):
            status, reason = "rejected", f"overruled by {winner.lead.source} {winner.id[:12]}"
        elif status == "approved" and winner is None:
            status, reason = (
                "pending",
                ("experts have not decided" if open_experts and best[0] < 2 else "several answers with equal support"),
            )
        result.append((candidate, status, reason))
    return result
