"""Tenants and persons: whoever is bound to one reads, writes and changes nothing of another.

Belongs here: crossing between tenants and persons, by argument, by setting, by claim. Does not: roles, tokens, limits.
"""
# ruff: noqa: E501, S608 -- SQL is read best unbroken, and the names in it are ours

import json
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg.types.json import Jsonb

from tests.api.calling import (
    AGENT,
    GOOD,
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
    register,
    retrieval,
    withdrawal,
)
from tests.api.logins import Logins

SECRET = "SECRET OF THE OTHER TENANT"
ROLES = ("glow_app", "glow_reviewer", "glow_viewer", "glow_engineer")
TENANT_TABLES = """
select c.relname from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant'
 where c.relnamespace = 'glow'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
   and c.relname not in ('agents', 'logins') order by 1
"""
LEARNED = """
insert into glow.split_assignments (agent, group_key, split) values (%(agent)s, 'g', 'train');
insert into glow.learning_examples (example_id, agent, input, target, source, status, quality, expert_approved, group_key,
  split, content_hash, rule_version, reason)
values (%(agent)s, %(agent)s, %(secret)s, %(secret)s, 'vote', 'approved', 1, false, 'g', 'train', 'h', 'r', %(secret)s);
insert into glow.example_sources (example_version, kind, source_id, role)
select example_version, 'feedback', %(feedback)s, 'vote' from glow.learning_examples where example_id = %(agent)s;
insert into glow.training_datasets (dataset_id, agent, kind, rule, rule_version, as_of, content_hash, statistics)
values (%(agent)s, %(agent)s, 'sft', '{}', 'r', now(), 'h', jsonb_build_object('x', %(secret)s::text));
insert into glow.dataset_examples (dataset_id, position, example_version, example_id, agent, group_key, split)
select %(agent)s, 1, example_version, example_id, agent, 'g', 'train' from glow.learning_examples where example_id = %(agent)s;
"""


class Other:
    """Another tenant with a row of everything, all of which say the secret."""

    def __init__(self, logins: Logins, tenant: str) -> None:
        self.admin, self.tenant, self.agent = logins.admin, tenant, f"agent-{tenant}"
        self.execution, self.user = f"e-{tenant}", f"u-{tenant}"
        register(self.admin, self.agent, tenant)
        said_ids: list[int] = []
        app = logins.connect("glow_app", "glow_reviewer", tenant=tenant)
        for agent, suffix in ((self.agent, ""), (AGENT, "-shared")):
            said = {"agent": agent, "execution_id": self.execution + suffix}
            call(app, "log_execution", **said, input=SECRET, output=SECRET, user_id=self.user)
            vote = call(
                app,
                "submit_feedback",
                **said,
                user_id=self.user,
                thumbs=1,
                comment=SECRET,
                issues=[SECRET],
                idempotency_key="k",
            )
            said_ids.append(int(vote["feedback_id"]))
            hits = Jsonb([{"rank": 1, "chunk_id": SECRET}])
            call(app, "log_retrieval", **said, event_id=self.execution + suffix, query=SECRET, hits=hits)
            call(
                app,
                "submit_demonstration",
                agent=agent,
                expert=self.user,
                input=SECRET,
                output=SECRET,
                idempotency_key="k",
            )
            annotated = self.execution + suffix
            call(app, "submit_annotation", execution_id=annotated, reviewer=self.user, verdict="correct", output=SECRET)
        self.feedback = said_ids[0]
        asked = call(self.admin, "request_dataset", agent=self.agent, reason=SECRET)
        self.request = asked["request_id"]
        with self.admin.transaction():
            values = {"agent": self.agent, "secret": SECRET, "feedback": str(self.feedback)}
            psycopg.ClientCursor(self.admin).execute(LEARNED, values)
        self.before = self.state()

    def state(self) -> str:
        """Everything that is the tenant's, as text."""
        tables = [name for (name,) in self.admin.execute(TENANT_TABLES).fetchall()]
        rows = [
            self.admin.execute(
                f"select coalesce(string_agg(t::text, '|' order by t::text), '') from glow.{name} t where tenant = %s".encode(),
                (self.tenant,),
            ).fetchone()
            for name in tables
        ]
        for name in ("agents", "requests", "prompt_versions", "prompt_aliases"):
            query = (
                f"select coalesce(string_agg(t::text, '|' order by t::text), '') from glow.{name} t where agent = %s"
            )
            rows.append(self.admin.execute(query.encode(), (self.agent,)).fetchone())
        assert len(tables) >= 9
        return str(rows)

    def calls(self) -> list[tuple[str, Arguments]]:
        """Calls of every function that aim at this tenant's rows."""
        said = {"agent": self.agent, "execution_id": self.execution, "user_id": self.user}
        aimed: dict[str, Arguments] = {
            "log_execution": {**execution(1), "agent": self.agent, "execution_id": self.execution},
            "submit_feedback": {**feedback(1), **said},
            "withdraw_feedback": {**withdrawal(1), **said},
            "log_retrieval": {**GOOD["log_retrieval"](1), "agent": self.agent, "event_id": self.execution},
            "submit_annotation": {**annotation(1), "execution_id": self.execution, "reviewer": self.user},
            "submit_demonstration": {**demonstration(1), "agent": self.agent},
            "issue_feedback_token": said,
            "resolve_prompt": {"agent": self.agent, "unit": "u"},
            "feedback_stats": {"agent": self.agent},
            "common_issues": {"agent": self.agent},
            "register_agent": {"agent": self.agent, "description": "mine now", "issues": ["mine"]},
            "datasets": {"agent": self.agent},
            "why": {"dataset": self.agent, "example": self.agent},
            "effect_of": {"feedback": self.feedback},
            "request_prompt_optimization": {"agent": self.agent},
            "request_dataset": {"agent": self.agent, "kind": "sft"},
            "request_training_run": {"agent": self.agent},
            "request_status": {"request_id": self.request},
            "cancel_request": {"request_id": self.request},
            "success_metrics": {},
            "learning_stats": {},
        }
        named = {name: {**arguments, "tenant": self.tenant} for name, arguments in aimed.items()}
        rows = {"log_execution", "submit_feedback", "log_retrieval", "submit_annotation", "submit_demonstration"}
        batches = [
            (f"{name}_batch", {"rows": Jsonb([{key: getattr(v, "obj", v) for key, v in given.items()}])})
            for source in (aimed, named)
            for name, given in source.items()
            if name in rows
        ]
        tenantless = {
            "datasets",
            "why",
            "effect_of",
            "success_metrics",
            "learning_stats",
            "request_status",
            "cancel_request",
        }
        tenantless |= {name for name in aimed if name.startswith("request_")}
        shared = [
            ("feedback_stats", {"agent": AGENT}),
            ("common_issues", {"agent": AGENT}),
            ("withdraw_feedback", {"agent": AGENT, "execution_id": f"{self.execution}-shared", "user_id": self.user}),
            ("log_retrieval", {**GOOD["log_retrieval"](2), "event_id": f"{self.execution}-shared"}),
        ]
        every = [*aimed.items(), *((n, a) for n, a in named.items() if n not in tenantless), *batches, *shared]
        assert {name for name, _ in every} == set(GOOD) - {"apply_import", "submit_feedback_with_token"}
        return every


@pytest.fixture
def other(logins: Logins, fresh_tenant: Callable[[], str]) -> Other:
    return Other(logins, fresh_tenant())


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


# --- claims of a gateway ---


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
