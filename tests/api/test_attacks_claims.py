"""Claims of a gateway, and logins bound to a person."""

import json
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from tests.api.calling import (
    AGENT,
    Arguments,
    Refused,
    annotation,
    attempt,
    batch,
    call,
    demonstration,
    execution,
    feedback,
    one,
    retrieval,
    withdrawal,
)
from tests.api.logins import Logins
from tests.api.tenants import ROLES, SECRET, Other


def claims(connection: psycopg.Connection, value: Any, local: bool = True) -> None:
    text = value if isinstance(value, str) else json.dumps(value)
    connection.execute("select set_config('request.jwt.claims', %s, %s)", (text, local))


@pytest.fixture
def gateway(logins: Logins) -> psycopg.Connection:
    return logins.connect(
        *ROLES, tenant_claim=["app_metadata", "tenant"], person_claim=["sub"], note="PostgREST's authenticator"
    )


def test_a_gateway_has_the_tenant_and_the_person_of_the_claims(gateway: psycopg.Connection, other: Other) -> None:
    with gateway.transaction():
        claims(gateway, {"app_metadata": {"tenant": other.tenant}, "sub": "ann"})
        assert call(gateway, "feedback_stats", agent=other.agent)["thumbs_up"] == 1
        said = {"agent": other.agent, "execution_id": "e", "thumbs": 1}
        assert call(gateway, "submit_feedback", **said, user_id="ann")["status"] == "accepted"
        assert attempt(gateway, "submit_feedback", **said, user_id="bob").code == "PT403"
        assert batch(gateway, "submit_feedback_batch", [{**said, "user_id": "bob"}])[0]["code"] == "PT403"
        assert attempt(gateway, "submit_feedback", **said, user_id="ann", tenant="default").code == "PT403"


def test_claims_of_one_transaction_do_not_reach_the_next(gateway: psycopg.Connection, other: Other) -> None:
    with gateway.transaction():
        claims(gateway, {"app_metadata": {"tenant": other.tenant}, "sub": "ann"})
        call(gateway, "feedback_stats", agent=other.agent)
    answer = attempt(gateway, "feedback_stats", agent=other.agent)
    assert isinstance(answer, Refused)
    assert answer.code == "PT401"
    assert one(gateway, "select coalesce(current_setting('glow.tenant', true), '')") == ""


def test_claims_changed_within_a_transaction_hold_from_the_next_call(
    gateway: psycopg.Connection, other: Other, logins: Logins, fresh_tenant: Callable[[], str]
) -> None:
    with gateway.transaction():
        claims(gateway, {"app_metadata": {"tenant": other.tenant}, "sub": "ann"})
        assert call(gateway, "feedback_stats", agent=other.agent)["thumbs_up"] == 1
        claims(gateway, {"app_metadata": {"tenant": fresh_tenant()}, "sub": "ann"})
        assert attempt(gateway, "feedback_stats", agent=other.agent).code == "PT404"
        assert call(gateway, "feedback_stats", agent=AGENT)["thumbs_up"] == 0


BAD_CLAIMS: dict[str, Any] = {
    "none": "",
    "empty": {},
    "no person": {"app_metadata": {"tenant": "default"}},
    "no tenant": {"sub": "ann"},
    "null tenant": {"app_metadata": {"tenant": None}, "sub": "ann"},
    "elsewhere": {"tenant": "default", "sub": "ann"},
    "every tenant": {"app_metadata": {"tenant": "*"}, "sub": "ann"},
    "empty tenant": {"app_metadata": {"tenant": ""}, "sub": "ann"},
    "a list": {"app_metadata": {"tenant": ["default"]}, "sub": "ann"},
    "an object": {"app_metadata": {"tenant": {"default": True}}, "sub": "ann"},
    "capitals": {"app_metadata": {"tenant": "Default"}, "sub": "ann"},
    "long": {"app_metadata": {"tenant": "a" * 64}, "sub": "ann"},
    "no object": "7",
    "no JSON": "tenant=default",
    "half JSON": '{"app_metadata": {"tenant": "def',
}


@pytest.mark.parametrize("bad", BAD_CLAIMS)
def test_claims_that_name_no_tenant_are_refused(gateway: psycopg.Connection, other: Other, bad: str) -> None:
    with gateway.transaction(force_rollback=True):
        claims(gateway, BAD_CLAIMS[bad])
        answers = {
            "stats": attempt(gateway, "feedback_stats", agent=AGENT),
            "all": attempt(gateway, "learning_stats"),
            "effect": attempt(gateway, "effect_of", feedback=other.feedback),
            "vote": attempt(gateway, "submit_feedback", agent=AGENT, execution_id="e", user_id="ann", thumbs=1),
            "rows": batch(
                gateway, "submit_feedback_batch", [{"agent": AGENT, "execution_id": "e", "user_id": "ann", "thumbs": 1}]
            ),
        }
    assert SECRET not in str(answers)
    assert isinstance(answers["all"], Refused), "counts of all tenants"
    let_in = {
        name: answer for name, answer in answers.items() if not isinstance(answer, Refused) or answer.code != "PT401"
    }
    assert not let_in


# --- persons ---


def test_a_person_speaks_in_no_other_name(logins: Logins) -> None:
    session = logins.connect("glow_app", "glow_reviewer", "glow_engineer", tenant="default", person="ann")
    n = uuid4().int % 10**9
    call(logins.admin, "log_execution", **execution(n))
    given: list[tuple[str, str, Arguments]] = [
        ("submit_feedback", "user_id", feedback(n)),
        ("withdraw_feedback", "user_id", withdrawal(n)),
        ("submit_annotation", "reviewer", {**annotation(n), "execution_id": f"e-{n}"}),
        ("submit_demonstration", "expert", demonstration(n)),
        ("issue_feedback_token", "user_id", {"agent": AGENT, "execution_id": f"e-{n}", "user_id": ""}),
    ]
    for function, field, arguments in given:
        for name in ("bob", "Ann", "ann ", "ann\u200b", "аnn", "*"):  # the last but one begins with a Cyrillic letter
            answer = attempt(session, function, **{**arguments, field: name})
            assert isinstance(answer, Refused), function
            assert (answer.code, field in answer.message) == ("PT403", True), answer
        assert not isinstance(attempt(session, function, **{**arguments, field: "ann"}), Refused)
    for function, field, arguments in given:
        if function not in ("withdraw_feedback", "issue_feedback_token"):
            assert batch(session, f"{function}_batch", [{**arguments, field: "bob"}])[0]["code"] == "PT403"


@pytest.mark.parametrize(("function", "make"), [("log_execution", execution), ("log_retrieval", retrieval)])
def test_a_person_logs_in_no_other_name(logins: Logins, function: str, make: Callable[[int], Arguments]) -> None:
    session = logins.connect("glow_app", tenant="default", person="ann")
    given = {**make(uuid4().int % 10**9), "user_id": "bob"}
    assert batch(session, f"{function}_batch", [given])[0].get("code") == "PT403"
