"""What the subject leaves in the review queue, as reviewer and as the one whose answers are reviewed.

Belongs here: every way in which a reviewer can write, with the mark in each text. Does not: what is asserted.
"""

from typing import Any

import psycopg

from glow_pipelines.demo.company import CODER, cases
from tests.api.calling import call


def review(connection: psycopg.Connection, mark: str, subject: str) -> None:
    """Claims, skips, declines, comparisons, adjudications, gold. Some of it weeks ago, for the report of last week."""
    agent = CODER
    known = [case.id for case in cases(CODER)]
    mine = [f"run-{mark}-{n}" for n in range(20, 30)]
    call(connection, "set_review_policy", agent=agent, reviews=2, gold_share=0, control_share=0.05)
    for n, execution in enumerate(known[20:26]):
        call(connection, "request_review", execution_id=execution, reason=f"asked {n}", reviews=3)
    held = claim(connection, subject, "judgement", 6)
    corrected, skipped, declined, released, extended, _ = held
    call(connection, "submit_annotation", execution_id=held[corrected]["execution_id"], reviewer=subject,
         verdict="correct", output=f"claimed says {mark}", notes=f"notes {mark}", item_id=corrected)  # fmt: skip
    call(connection, "skip", item_id=skipped, reason=f"skipped since I know {mark}", reviewer=subject)
    call(connection, "decline", item_id=declined, reason=f"{mark} is me", reviewer=subject)
    call(connection, "release", item_id=released, reason=f"released {mark}", reviewer=subject)
    call(connection, "extend_lease", item_id=extended, reviewer=subject)

    # Asked about the subject; judged by another, in the subject's words.
    asked = call(connection, "request_review", execution_id=mine[0], reason=f"look at {mark}", reviews=2)
    call(connection, "skip", item_id=asked["item_id"], reason=f"a friend of {mark}", reviewer="second")
    _compared(connection, mark, subject, mine, known)

    call(connection, "adjudicate", execution_id=known[40], verdict="correct", output=f"decided by {mark}",
         notes=f"because {mark}", reviewer=subject)  # fmt: skip
    call(connection, "adjudicate", execution_id=mine[3], verdict="correct", output=f"decided about {mark}",
         reviewer="third")  # fmt: skip
    call(connection, "set_gold", execution_id=mine[4], verdict="correct", output=f"known of {mark}")
    call(connection, "set_gold", execution_id=known[41], verdict="approve")
    for execution in (mine[4], known[41]):
        call(connection, "submit_annotation", execution_id=execution, reviewer=subject, verdict="correct",
             output=f"gold of {mark}")  # fmt: skip
    # A pair of reviewers with enough in common.
    for execution in known[50:66]:
        call(connection, "submit_annotation", execution_id=execution, reviewer=subject, verdict="reject")
    connection.execute("update glow.expert_annotations set recorded_at = recorded_at - interval '14 days'")


def claim(connection: psycopg.Connection, reviewer: str, kind: str, n: int) -> dict[int, dict[str, Any]]:
    """Item id → what is shown of it."""
    rows = connection.execute(
        "select to_jsonb(c) from glow_api.claim_annotation(jsonb_build_object('kind', %s::text), %s, reviewer => %s) c",
        (kind, n, reviewer),
    ).fetchall()
    assert len(rows) == n
    return {row["item_id"]: row for (row,) in rows}


def _compared(connection: psycopg.Connection, mark: str, subject: str, mine: list[str], known: list[str]) -> None:
    alternatives = {
        mine[1]: f"an answer to {mark}, better",
        # Word for word what the subject said was right (world._as_reviewer), as an engineer would ask about it.
        known[1]: f"better: {mark} number 1",
        known[30]: "an answer of nobody, compared all the same",
    }
    for execution, alternative in alternatives.items():
        call(connection, "request_comparison", execution_id=execution, alternative=alternative)
    for reviewer in (subject, "second"):
        for item, row in claim(connection, reviewer, "comparison", len(alternatives)).items():
            liked = "first" if row["first"] in alternatives.values() else "second"
            notes = f"I, {mark}, prefer this" if reviewer == subject else None
            call(connection, "submit_comparison", item_id=item, preferred=liked, notes=notes, reviewer=reviewer,
                 idempotency_key=f"c-{mark}-{item}" if reviewer == subject else None)  # fmt: skip
