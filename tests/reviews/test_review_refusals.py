"""What the functions of the queue refuse, by which code; what is hostile is kept as it is; whose rows are whose."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg.types.json import Jsonb

from tests.api.calling import attempt, batch, call, one
from tests.api.logins import Logins

HOSTILE = "'; drop table glow.agents; -- <script>alert(1)</script> {{7*7}} \u202e %s {0} $1 \\"


@pytest.fixture
def agent(admin: psycopg.Connection) -> str:
    name = f"refused-{uuid4().hex[:8]}"
    call(admin, "register_agent", agent=name)
    for number in range(3):
        call(admin, "log_execution", execution_id=f"{name}-{number}", agent=name, input="in", output="out")
    return name


@pytest.fixture
def item(admin: psycopg.Connection, agent: str) -> int:
    return int(call(admin, "request_review", execution_id=f"{agent}-0")["item_id"])


FORMS = [
    ("claim_annotation", {"filters": Jsonb([1])}, "PT400", "filters"),
    ("claim_annotation", {"filters": {"agnet": "x"}}, "PT400", "filters.agnet"),
    ("claim_annotation", {"filters": {"agent": 7}}, "PT422", "filters.agent"),
    ("claim_annotation", {"filters": {"agent": "nobody"}}, "PT404", "agent"),
    ("claim_annotation", {"filters": {"kind": "poem"}}, "PT422", "filters.kind"),
    ("claim_annotation", {"filters": {"reason": "whim"}}, "PT422", "filters.reason"),
    ("claim_annotation", {"filters": {"state": "closed"}}, "PT422", "filters.state"),
    ("claim_annotation", {"filters": {"state": "adjudicate"}}, "PT422", "filters.state"),
    ("claim_annotation", {"n": 0}, "PT422", "n"),
    ("claim_annotation", {"n": 101}, "PT422", "n"),
    ("claim_annotation", {"n": None}, "PT422", "n"),
    ("claim_annotation", {"lease": "0.5 seconds"}, "PT422", "lease"),
    ("claim_annotation", {"lease": "8 days"}, "PT422", "lease"),
    ("claim_annotation", {"lease": "-1 hour"}, "PT422", "lease"),
    ("claim_annotation", {"reviewer": ""}, "PT422", "reviewer"),
    ("claim_annotation", {"reviewer": "a\nb"}, "PT422", "reviewer"),
    ("claim_annotation", {"reviewer": None}, "PT422", "reviewer"),
    ("claim_annotation", {"tenant": "No Name"}, "PT422", "tenant"),
    ("annotation_queue", {"filters": {"x": 1}}, "PT400", "filters.x"),
    ("skip", {"item_id": 2**60}, "PT404", "item_id"),
    ("skip", {"item_id": None}, "PT404", "item_id"),
    ("skip", {"reason": "x" * 2001}, "PT413", "reason"),
    ("skip", {"reason": ""}, "PT422", "reason"),
    ("release", {}, "PT409", "item_id"),
    ("extend_lease", {}, "PT409", "item_id"),
    ("extend_lease", {"lease": "1 year"}, "PT422", "lease"),
    ("submit_comparison", {"preferred": "first"}, "PT422", "item_id"),
    ("submit_comparison", {"preferred": "both"}, "PT422", "preferred"),
    ("submit_comparison", {"preferred": None}, "PT422", "preferred"),
    ("submit_comparison", {"preferred": "tie", "notes": "x" * 10_001}, "PT413", "notes"),
    ("submit_comparison", {"preferred": "tie", "idempotency_key": "\t"}, "PT422", "idempotency_key"),
    ("adjudicate", {"verdict": "approve"}, "PT409", "item_id"),
    ("adjudicate", {"verdict": "approve", "execution_id": "x"}, "PT422", "item_id"),
]
ASKED = [
    ("set_review_policy", {"reviews": 0}, "PT422", "reviews"),
    ("set_review_policy", {"reviews": 21}, "PT422", "reviews"),
    ("set_review_policy", {"reviews": 100_000}, "PT422", "reviews"),
    ("set_review_policy", {"reviews": 3, "most_reviews": 2}, "PT422", "most_reviews"),
    ("set_review_policy", {"lease": "1 second"}, "PT422", "lease"),
    ("set_review_policy", {"control_share": 1.5}, "PT422", "control_share"),
    ("set_review_policy", {"control_share": "NaN"}, "PT422", "control_share"),
    ("set_review_policy", {"gold_share": 0.6}, "PT422", "gold_share"),
    ("set_review_policy", {"gold_share": -0.1}, "PT422", "gold_share"),
    ("set_review_policy", {"agent": "nobody"}, "PT404", "agent"),
    ("request_review", {"execution_id": "nothing"}, "PT404", "execution_id"),
    ("request_review", {"execution_id": ""}, "PT422", "execution_id"),
    ("request_review", {"reviews": 0}, "PT422", "reviews"),
    ("request_review", {"reviews": 21}, "PT422", "reviews"),
    ("request_review", {"reason": "x" * 2001}, "PT413", "reason"),
    ("request_comparison", {"alternative": None}, "PT422", "alternative"),
    ("request_comparison", {"alternative": "OUT!"}, "PT422", "alternative"),
    ("request_comparison", {"alternative": "x" * 1_000_001}, "PT413", "alternative"),
    ("set_gold", {"verdict": "maybe"}, "PT422", "verdict"),
    ("set_gold", {"verdict": "correct"}, "PT422", "output"),
    ("set_gold", {"verdict": "approve", "output": "x"}, "PT422", "output"),
    ("set_gold", {"execution_id": "nothing", "verdict": "approve"}, "PT404", "execution_id"),
    ("unset_gold", {"execution_id": "nothing"}, "PT404", "execution_id"),
]


@pytest.mark.parametrize(("function", "given", "code", "field"), FORMS)
def test_a_reviewer_is_refused_by_code_and_field(
    admin: psycopg.Connection, agent: str, item: int, function: str, given: dict[str, Any], code: str, field: str
) -> None:
    about = {} if function in ("claim_annotation", "annotation_queue") else {"item_id": item}
    refused = attempt(admin, function, **{"reviewer": "ann", **about, **given})
    assert (refused.code, refused.message.partition(": ")[0]) == (code, field), refused
    assert refused.hint
    assert one(admin, "select count(*) from glow.review_events where agent = %s", agent) == 0


@pytest.mark.parametrize(("function", "given", "code", "field"), ASKED)
def test_an_engineer_is_refused_by_code_and_field(
    admin: psycopg.Connection, agent: str, function: str, given: dict[str, Any], code: str, field: str
) -> None:
    about = {"agent": agent} if function == "set_review_policy" else {"execution_id": f"{agent}-0"}
    refused = attempt(admin, function, **{**about, **given})
    assert (refused.code, refused.message.partition(": ")[0]) == (code, field), refused
    assert refused.hint
    assert one(admin, "select count(*) from glow.review_items where agent = %s", agent) == 0


def test_a_review_that_somebody_else_has_by_now(admin: psycopg.Connection, agent: str) -> None:
    call(admin, "set_review_policy", agent=agent, reviews=1, most_reviews=1)
    item = call(admin, "request_review", execution_id=f"{agent}-0")["item_id"]
    judged = {"execution_id": f"{agent}-0", "reviewer": "ann", "verdict": "approve", "item_id": item}
    assert attempt(admin, "submit_annotation", **judged).code == "PT409"
    assert attempt(admin, "submit_annotation", **{**judged, "item_id": item + 10**6}).code == "PT404"
    call(admin, "claim_annotation", filters={"agent": agent}, reviewer="ann")
    admin.execute("update glow.review_slots set lease_until = now() - interval '1 second' where item_id = %s", (item,))
    late = call(admin, "claim_annotation", filters={"agent": agent}, reviewer="bob")
    assert len(late) == 1
    refused = attempt(admin, "submit_annotation", **judged)
    assert refused.code == "PT409"
    assert "Claim again" in refused.hint
    assert one(admin, "select count(*) from glow.expert_annotations where agent = %s", agent) == 0
    (row,) = batch(admin, "submit_annotation_batch", [judged])
    assert (row["status"], row["code"], row["field"]) == ("refused", "PT409", "item_id")
    events = admin.execute("select event, reviewer from glow.review_events where agent = %s order by 1, 2", (agent,))
    assert events.fetchall() == [("claimed", "ann"), ("claimed", "bob"), ("expired", "ann")]


def test_a_late_review_that_nobody_took_is_accepted_and_a_retry_replayed(admin: psycopg.Connection, agent: str) -> None:
    item = call(admin, "request_review", execution_id=f"{agent}-0")["item_id"]
    call(admin, "claim_annotation", filters={"agent": agent}, reviewer="ann")
    admin.execute("update glow.review_slots set lease_until = now() - interval '1 hour' where reviewer = 'ann'")
    judged = {"execution_id": f"{agent}-0", "reviewer": "ann", "verdict": "approve", "item_id": item}
    first = call(admin, "submit_annotation", **judged, idempotency_key=f"{agent}-k")
    assert first["status"] == "accepted"
    again = call(admin, "submit_annotation", **judged, idempotency_key=f"{agent}-k")
    assert again == {"annotation_id": first["annotation_id"], "status": "replayed"}
    other = attempt(admin, "submit_annotation", **{**judged, "verdict": "reject"}, idempotency_key=f"{agent}-k")
    assert other.code == "PT409"


def test_whoever_decided_does_not_review_and_whoever_reviewed_does_not_decide(
    admin: psycopg.Connection, agent: str
) -> None:
    name = f"{agent}-0"
    assert call(admin, "adjudicate", execution_id=name, verdict="approve", reviewer="dan")["status"] == "accepted"
    assert attempt(admin, "submit_annotation", execution_id=name, reviewer="dan", verdict="reject").code == "PT409"
    call(admin, "submit_annotation", execution_id=name, reviewer="ann", verdict="reject")
    assert attempt(admin, "adjudicate", execution_id=name, verdict="reject", reviewer="ann").code == "PT403"
    later = call(admin, "adjudicate", execution_id=name, verdict="reject", reviewer="eve")
    assert later["supersedes"]
    current = "select count(*) from glow.expert_annotations where execution_id = %s and role = 'adjudication'"
    assert one(admin, current + " and superseded_by is null", name) == 1


def test_a_login_speaks_for_its_own_person_alone(logins: Logins, agent: str, item: int) -> None:
    ann = logins.connect("glow_reviewer", tenant="default", person="ann")
    (row,) = call(ann, "claim_annotation", filters={"agent": agent})
    assert row[0] == item
    assert call(ann, "annotation_queue")["reviewer"] == "ann"
    for function in ("claim_annotation", "annotation_queue"):
        assert attempt(ann, function, reviewer="bob").code == "PT403"
    for function in ("skip", "decline", "release", "extend_lease"):
        assert attempt(ann, function, item_id=item, reviewer="bob").code == "PT403"
    assert attempt(ann, "adjudicate", item_id=item, verdict="approve", reviewer="bob").code == "PT403"


def test_another_tenants_items_are_as_if_they_were_not(
    logins: Logins, admin: psycopg.Connection, fresh_tenant: Callable[[], str], agent: str
) -> None:
    mine, theirs = fresh_tenant(), fresh_tenant()
    sessions = {name: logins.connect("glow_app", "glow_reviewer", tenant=name) for name in (mine, theirs)}
    items = {}
    for tenant, session in sessions.items():
        call(session, "log_execution", execution_id="same", agent=agent, input=f"of {tenant}", output="out")
        asked = call(admin, "request_review", execution_id="same", tenant=tenant)
        items[tenant] = asked["item_id"]
    for function in ("skip", "decline", "release", "extend_lease"):
        refused = attempt(sessions[mine], function, item_id=items[theirs], reviewer="ann")
        assert (refused.code, refused.message) == ("PT404", f"item_id: '{items[theirs]}' is not accepted")
    assert attempt(sessions[mine], "adjudicate", item_id=items[theirs], verdict="approve", reviewer="x").code == "PT404"
    assert attempt(sessions[mine], "claim_annotation", reviewer="ann", tenant=theirs).code == "PT403"
    shown = sessions[mine].execute("select item_id, input from glow_api.claim_annotation(n => 50, reviewer => 'ann')")
    assert shown.fetchall() == [(items[mine], f"of {mine}")]
    waiting = call(sessions[theirs], "annotation_queue", reviewer="ann")["waiting"]
    assert [(row["agent"], row["items"]) for row in waiting] == [(agent, 1)]


def test_hostile_text_is_kept_as_it_is(admin: psycopg.Connection, agent: str) -> None:
    name, text = f"{agent}-hostile", HOSTILE
    call(admin, "log_execution", execution_id=name, agent=agent, input=text, output=text, metadata={text: text})
    call(admin, "request_review", execution_id=name, reason=text)
    (row,) = call(admin, "claim_annotation", filters={"agent": agent}, reviewer=text[:100])
    assert (row[4], row[5], row[8]) == (text, text, {text: text})
    call(admin, "skip", item_id=row[0], reason=text, reviewer=text[:100])
    kept = "select reason from glow.review_events where item_id = %s and event = 'skipped'"
    assert one(admin, kept, row[0]) == text
    asked = call(admin, "request_comparison", execution_id=name, alternative=text + "2")
    claimed = call(admin, "claim_annotation", filters={"kind": "comparison", "agent": agent}, reviewer="ann")
    assert {claimed[0][6], claimed[0][7]} == {text, text + "2"}
    call(admin, "submit_comparison", item_id=asked["item_id"], preferred="neither", notes=text, reviewer="ann")
    assert one(admin, "select notes from glow.comparisons where execution_id = %s", name) == text


def test_what_happened_is_never_rewritten(admin: psycopg.Connection, agent: str, item: int) -> None:
    call(admin, "skip", item_id=item, reviewer="ann")
    for statement in ("delete from glow.review_events", "update glow.review_events set reviewer = 'bob'"):
        with pytest.raises(psycopg.Error) as refused:
            admin.execute(statement.encode())
        assert refused.value.sqlstate == "PT409"
    assert one(admin, "select count(*) from glow.review_events where agent = %s", agent) == 1
