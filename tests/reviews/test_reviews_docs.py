"""docs/reviews.md: its statements run in order, as they stand, by the people it is written for.

Belongs here: running them. Does not: that they fit the schema, that links lead somewhere (test_docs).
"""

import re
from pathlib import Path

import psycopg

from tests.api.calling import call, one
from tests.api.logins import Logins

DOCUMENT = (Path(__file__).parents[2] / "docs/reviews.md").read_text("utf-8")


def statements() -> list[str]:
    blocks = re.findall(r"^```sql\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL)
    return [each for block in blocks for each in re.split(r";\s*(?:\n|$)", block) if each.strip()]


def test_a_day_as_the_page_tells_it(logins: Logins, admin: psycopg.Connection) -> None:
    call(admin, "register_agent", agent="expense-coder")
    call(admin, "set_review_policy", agent="expense-coder", reviews=3)
    for number in range(1, 10):
        call(admin, "log_execution", execution_id=f"run-{number}", agent="expense-coder", input="Taxi", output="meals")
        if number == 8:
            call(admin, "request_comparison", execution_id="run-8", alternative="travel")
        else:
            call(admin, "request_review", execution_id=f"run-{number}")
    for reviewer, verdict in (("bob", "approve"), ("cyd", "reject")):
        call(admin, "submit_annotation", execution_id="run-9", reviewer=reviewer, verdict=verdict)
    call(admin, "submit_annotation", execution_id="run-9", reviewer="dan", verdict="correct", output="other")
    ann = logins.connect("glow_reviewer", tenant="default", person="ann")
    told = statements()
    assert len(told) == 22
    engineers = next(n for n, each in enumerate(told) if "request_review" in each)
    for number, statement in enumerate(told):
        if re.match(r"(create|alter) role |grant |select glow_api.bind_login", statement):
            continue  # by test_docs: roles belong to the server
        if "claim_annotation" in statement and "comparison" not in statement:
            claimed = ann.execute(statement.encode()).fetchall()
            assert [(row[0], row[1]) for row in sorted(claimed)] == [(n, f"run-{n}") for n in (1, 2, 3)]
            call(ann, "claim_annotation", filters={"kind": "judgement"}, n=4)
            continue
        (admin if number >= engineers else ann).execute(statement.encode())
    assert one(admin, "select state from glow.review_items where execution_id = 'run-9'") == "closed"
    events = dict(
        admin.execute("select event, count(*) from glow.review_events where reviewer = 'ann' group by 1").fetchall()
    )
    assert events == {
        "claimed": 8, "submitted": 4, "skipped": 1, "declined": 1, "released": 1, "extended": 1, "adjudicated": 1
    }  # fmt: skip
