"""Tenants and persons: whoever is bound to one reads, writes and changes nothing of another.

Belongs here: crossing between tenants and persons, by argument, by setting, by claim. Does not: roles, tokens, limits.
"""

import json
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from psycopg.types.json import Jsonb

from tests.api.calling import (
    AGENT,
    GOOD,
    Refused,
    annotation,
    attempt,
    batch,
    call,
    demonstration,
    execution,
    feedback,
    withdrawal,
)
from tests.api.logins import Logins
from tests.api.tenants import ROLES, SECRET, Other

FORGED = [
    None,
    "set glow.tenant = '*'",
    "set glow.tenant = '{other}'",
    "select set_config('glow.tenant', '*', false)",
    """select set_config('request.jwt.claims', '{{"tenant": "{other}", "role": "glow_pipeline"}}', false)""",
]


@pytest.mark.parametrize("forged", FORGED)
def test_nothing_of_another_tenant_is_read_or_written(
    logins: Logins, other: Other, fresh_tenant: Callable[[], str], forged: str | None
) -> None:
    name, url = logins.make(*ROLES)
    logins.bind(name, tenant=fresh_tenant())
    connection = logins.open(url)
    if forged:
        connection.execute(forged.format(me=name, other=other.tenant).encode())
    leaks = []
    for function, arguments in other.calls():
        answer = attempt(connection, function, **arguments)
        told = json.dumps(answer, default=str)
        if SECRET in told or (
            other.agent in told.replace(f"'{other.agent}' is not accepted", "") and not refused(answer)
        ):
            leaks.append(f"{function}({arguments}) told {told[:300]}")
        if (now := other.state()) != other.before:
            leaks.append(f"{function}({arguments}) changed the other tenant's rows")
            other.before = now
    assert not leaks, "\n".join(leaks)


def test_lineage_views_show_a_tenant_its_own_agents_alone(
    logins: Logins, other: Other, fresh_tenant: Callable[[], str]
) -> None:
    shown = {}
    for tenant in (other.tenant, fresh_tenant()):
        connection = logins.connect("glow_engineer", tenant=tenant)
        connection.execute("select set_config('glow.tenant', '*', false)")
        shown[tenant] = [
            connection.execute(query).fetchall()
            for query in ("select * from glow_api.dataset_lineage", "select * from glow_api.feedback_lineage")
        ]
    own, foreign = shown.values()
    assert all(other.agent in str(rows) for rows in own)
    assert foreign == [[], []]


def refused(answer: Any) -> bool:
    return isinstance(answer, Refused) or (bool(answer) and isinstance(answer, list) and "code" in str(answer[0]))


@pytest.mark.parametrize("scope", ["true", "false"])
def test_a_setting_forged_within_the_transaction_is_overwritten(
    logins: Logins, other: Other, fresh_tenant: Callable[[], str], scope: str
) -> None:
    connection = logins.connect(*ROLES, tenant=fresh_tenant())
    told = []
    for function, arguments in other.calls():
        with connection.transaction(force_rollback=True):
            connection.execute(f"select set_config('glow.tenant', '*', {scope})".encode())
            told.append((function, json.dumps(attempt(connection, function, **arguments), default=str)))
    assert not [(function, answer[:300]) for function, answer in told if SECRET in answer]
    assert other.state() == other.before


def test_the_other_tenant_finds_its_own(other: Other, logins: Logins) -> None:
    """Or all of the above would pass on an empty database."""
    connection = logins.connect(*ROLES, tenant=other.tenant)
    aimed = dict(reversed(other.calls()))
    reading = ("feedback_stats", "common_issues", "why", "effect_of", "request_status")
    told = {function: attempt(connection, function, **aimed[function]) for function in reading}
    assert told["feedback_stats"]["thumbs_up"] == 1
    assert SECRET in str(told["common_issues"])
    assert SECRET in str(told["why"])
    assert told["effect_of"][0][0] == "learning example"
    assert told["request_status"]["reason"] == SECRET


def test_the_same_ids_in_two_tenants_are_two_things(logins: Logins, fresh_tenant: Callable[[], str]) -> None:
    tenants = (fresh_tenant(), fresh_tenant())
    sessions = [logins.connect("glow_app", "glow_reviewer", tenant=tenant) for tenant in tenants]
    n = uuid4().int % 10**9
    said: list[dict[str, Any]] = []
    for thumbs, session in zip((1, -1), sessions, strict=True):
        note = f"of {thumbs}"
        said.append(
            {
                "execution": call(session, "log_execution", **{**execution(n), "input": note})["status"],
                "vote": call(session, "submit_feedback", **{**feedback(n), "thumbs": thumbs, "comment": note})[
                    "status"
                ],
                "search": call(session, "log_retrieval", **{**GOOD["log_retrieval"](n), "query": note})["status"],
                "judged": call(
                    session, "submit_annotation", **{**annotation(n), "execution_id": f"e-{n}", "notes": note}
                )["status"],
                "shown": call(session, "submit_demonstration", **{**demonstration(n), "notes": note})["status"],
                "rows": call(session, "submit_feedback_batch", rows=Jsonb([{**feedback(n + 1), "thumbs": thumbs}]))[0][
                    "status"
                ],
            }
        )
    assert said[0] == said[1] == dict.fromkeys(said[0], "accepted")
    figures = [call(session, "feedback_stats", agent=AGENT) for session in sessions]
    assert [(f["thumbs_up"], f["thumbs_down"], f["executions"]) for f in figures] == [(2, 0, 1), (0, 2, 1)]
    assert call(sessions[0], "withdraw_feedback", **withdrawal(n))["status"] == "withdrawn"
    assert call(sessions[1], "feedback_stats", agent=AGENT)["thumbs_down"] == 2
    replays = [
        call(session, "submit_feedback", **{**feedback(n), "thumbs": t, "comment": f"of {t}"})
        for t, session in zip((1, -1), sessions, strict=True)
    ]
    assert [replay["status"] for replay in replays] == ["replayed", "replayed"]
    assert replays[0]["feedback_id"] != replays[1]["feedback_id"]


def test_an_agent_of_a_tenant_is_to_others_as_if_it_were_not(
    other: Other, logins: Logins, fresh_tenant: Callable[[], str]
) -> None:
    session = logins.connect(*ROLES, tenant=fresh_tenant())
    for function in ("feedback_stats", "resolve_prompt", "datasets", "request_dataset"):
        theirs, nobodys = (attempt(session, function, agent=name) for name in (other.agent, "agent-nobody"))
        assert isinstance(theirs, Refused)
        assert (theirs.code, theirs.message.replace(other.agent, ""), theirs.hint) == (
            nobodys.code,
            nobodys.message.replace("agent-nobody", ""),
            nobodys.hint,
        )
    assert attempt(session, "register_agent", agent=other.agent).code == "PT409"


def test_a_login_without_a_binding_has_the_tenant_default_and_no_other(other: Other, logins: Logins) -> None:
    session = logins.connect("glow_app")
    assert attempt(session, "feedback_stats", agent=other.agent).code == "PT404"
    assert attempt(session, "feedback_stats", agent=AGENT, tenant=other.tenant).code == "PT403"


@pytest.mark.parametrize("tenant", ["*", "", " ", "default ", "DEFAULT", "a" * 64, "a\x1fb", "../x", "'", "x y", "ü"])
def test_a_tenant_of_another_form_is_refused_even_from_who_serves_all(logins: Logins, tenant: str) -> None:
    everywhere = logins.connect("glow_app", "glow_reviewer", tenant=None, note="all tenants")
    bound = logins.connect("glow_app", "glow_reviewer", tenant="default")
    for function, make in (
        ("log_execution", execution),
        ("submit_feedback", feedback),
        ("submit_demonstration", demonstration),
    ):
        given = {**make(5), "tenant": tenant}
        assert attempt(everywhere, function, **given).code == "PT422"
        assert attempt(bound, function, **given).code in ("PT403", "PT422")
        assert batch(everywhere, f"{function}_batch", [given])[0]["code"] == "PT422"
    assert attempt(everywhere, "feedback_stats", agent=AGENT, tenant=tenant).code == "PT422"
    assert attempt(everywhere, "submit_annotation", **{**annotation(5), "tenant": tenant}).code in ("PT404", "PT422")
    assert attempt(everywhere, "resolve_prompt", agent=AGENT, tenant=tenant).code == "PT422"
