"""The short way of a first word, which `submit_feedback` takes by itself, against the ways that are long.

Belongs here: that both write the same. Does not: what is written (`test_votes`), what is refused (`test_poison_*`).
"""
# ruff: noqa: E501 -- SQL is read best unbroken

from typing import Any

from psycopg.types.json import Jsonb

from tests.api.calling import AGENT, call
from tests.api.logins import Logins


def test_a_first_word_is_written_alike_in_one_question_and_by_the_machine(logins: Logins) -> None:
    """A limit makes a login one that has to enter, and a batch of one goes by way of the batch."""
    said: dict[str, Any] = {
        "thumbs": -1,
        "rating": 2,
        "dimensions": {"clarity": 2},
        "issues": ["unclear", "tone"],
        "comment": "No.",
    }
    said |= {"correction": "4400", "channel": "web", "conversation_id": "talk", "occurred_at": "2026-03-01T00:00:00Z"}
    plain, limited = logins.connect("glow_app"), logins.connect("glow_app", calls_per_minute=100, tenant="default")
    for number, words in enumerate((said, {"correction": "4400"}, {"comment": "é" * 10000}, {"issues": ["tone"]})):
        names = [f"alike-{number}-{way}" for way in range(3)]
        rows = [
            {"agent": AGENT, "execution_id": name, "user_id": "u", "idempotency_key": name} | words for name in names
        ]
        answers = [call(plain, "submit_feedback", **rows[0]), call(limited, "submit_feedback", **rows[1])]
        answers += call(plain, "submit_feedback_batch", rows=Jsonb(rows[2:]))
        assert [a["status"] for a in answers] == ["accepted"] * 3
        written = logins.admin.execute(
            "select distinct f.tenant, f.agent, f.user_id, f.kind, f.withdrawn, f.thumbs, f.rating, f.dimensions, f.issues, f.comment, f.correction, f.channel,"
            "       f.conversation_id, f.superseded_by, c.kind, c.withdrawn, c.corrected, c.feedback_id = f.feedback_id, f.recorded_at = c.recorded_at,"
            "       f.occurred_at = c.occurred_at, f.idempotency_key = c.idempotency_key,"
            "       case when f.occurred_at > '2026-03-01Z' then f.recorded_at - f.occurred_at < interval '1 second' end"
            "  from glow.agent_feedback f join glow.current_feedback c using (execution_id) where f.execution_id = any(%s)",
            (names,),
        ).fetchall()
        assert len(written) == 1
