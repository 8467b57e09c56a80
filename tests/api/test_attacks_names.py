"""Names and settings that an attacker puts before ours, and locks held to stop the owner."""
# ruff: noqa: E501 -- SQL is read best unbroken, and the names in it are ours

from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg.types.json import Jsonb

from tests.api.calling import AGENT, attempt, call, execution, one
from tests.api.logins import Logins

HIJACK = """
create temp table agents (agent text, tenant text);
create temp table logins (login name, tenant text, person text, calls_per_minute int, bytes_per_call int);
create temp table execution_keys (tenant text, execution_id text, agent text, payload_hash bytea);
create temp table current_feedback (tenant text, execution_id text, user_id text, kind text, feedback_id bigint);
create temp table agent_feedback (feedback_id bigint);
create temp table token_keys (key_id int, inner_pad bytea, outer_pad bytea, retired_at timestamptz);
create temp table pg_class (relname name);
create temp table pg_roles (rolname name, rolcanlogin boolean);
insert into agents values ('ghost', null);
create domain pg_temp.text as pg_catalog.text check (false);
create type pg_temp.problem as (code pg_catalog.text);
create function pg_temp.enter(integer, bigint, glow_api.caller) returns glow_api.caller language sql return null::glow_api.caller;
create function pg_temp.require_caller(pg_catalog.text, pg_catalog.text, integer) returns glow_api.caller language sql return null::glow_api.caller;
create function pg_temp.current_setting(pg_catalog.text, boolean) returns pg_catalog.text language sql return '*'::pg_catalog.text;
create function pg_temp.clock_timestamp() returns timestamptz language sql return timestamptz '1999-01-01 00:00:00+00';
create function pg_temp.length(pg_catalog.text) returns integer language sql return 1;
create function pg_temp.coalesced(pg_catalog.text) returns pg_catalog.text language sql return '*'::pg_catalog.text;
create function pg_temp.eq(pg_catalog.text, pg_catalog.text) returns boolean language sql return true;
create function pg_temp.sha256(bytea) returns bytea language sql return ''::bytea;
create function pg_temp.pg_has_role(name, name, pg_catalog.text) returns boolean language sql return true;
create operator pg_temp.= (leftarg = pg_catalog.text, rightarg = pg_catalog.text, function = pg_temp.eq);
create operator pg_temp.<> (leftarg = pg_catalog.text, rightarg = pg_catalog.text, function = pg_temp.eq);
"""
PATHS = [
    "pg_temp, pg_catalog",
    "pg_temp, glow_api, glow, pg_catalog",
    "evil, pg_catalog",
    "pg_temp",
    "",
]


@pytest.fixture
def hijacker(logins: Logins) -> psycopg.Connection:
    connection = logins.connect("glow_app", tenant=f"t-{uuid4().hex[:12]}")
    connection.execute(HIJACK.encode())
    return connection


@pytest.mark.parametrize("path", PATHS)
def test_temporary_names_are_not_believed(hijacker: psycopg.Connection, admin: psycopg.Connection, path: str) -> None:
    hijacker.execute("select pg_catalog.set_config('search_path', %s, false)", (path,))
    n = f"e-{uuid4().hex}"

    def ask(function: str, arguments: str) -> Any:
        row = hijacker.execute(f"select glow_api.{function}({arguments})".encode()).fetchone()
        return row[0] if row else None

    with pytest.raises(psycopg.Error) as unknown:
        ask("submit_feedback", "agent => 'ghost', execution_id => 'e', user_id => 'u', thumbs => 1")
    assert unknown.value.sqlstate == "PT404"
    with pytest.raises(psycopg.Error) as other:
        ask(
            "submit_feedback",
            f"agent => '{AGENT}', execution_id => 'e', user_id => 'u', thumbs => 1, tenant => 'default'",
        )
    assert other.value.sqlstate == "PT403"
    with pytest.raises(psycopg.Error) as long:
        ask("submit_feedback", f"agent => '{AGENT}', execution_id => repeat('x', 201), user_id => 'u', thumbs => 1")
    assert long.value.sqlstate == "PT422"
    assert (
        ask("submit_feedback", f"agent => '{AGENT}', execution_id => '{n}', user_id => 'u', thumbs => 1")["status"]
        == "accepted"
    )
    answer = ask(
        "submit_feedback_batch", f"""'[{{"agent": "{AGENT}", "execution_id": "{n}", "user_id": "v", "thumbs": 1}}]'"""
    )
    assert [a["status"] for a in answer] == ["accepted"]
    assert ask("log_execution", f"'{n}', '{AGENT}', 'in', 'out'")["feedback_waiting"] == 2
    ask("feedback_stats", f"'{AGENT}'")
    rows = admin.execute(
        "select tenant, occurred_at > now() - interval '1 hour' from glow.agent_feedback where execution_id = %s", (n,)
    ).fetchall()
    assert len(rows) == 2
    assert all(tenant.startswith("t-") and recent for tenant, recent in rows)


HOSTILE_SETTINGS = [
    "set standard_conforming_strings = off",
    "set transform_null_equals = on",
    "set datestyle = 'German, DMY'; set intervalstyle = 'sql_standard'; set timezone = 'Pacific/Kiritimati'",
    "set bytea_output = 'escape'; set extra_float_digits = -15; set xmloption = document",
    "set row_security = off",
    "set default_transaction_isolation = 'serializable'",
    "set plan_cache_mode = force_generic_plan; set enable_hashagg = off; set enable_hashjoin = off; set enable_sort = off",
    "set lc_monetary = 'C'; set quote_all_identifiers = on; set array_nulls = off; set check_function_bodies = off",
    "set client_encoding = 'LATIN1'",
]


@pytest.mark.parametrize("setting", HOSTILE_SETTINGS)
def test_a_setting_of_the_session_changes_no_answer(
    app: psycopg.Connection, admin: psycopg.Connection, setting: str
) -> None:
    n = uuid4().int % 10**12
    said = {**execution(n), "metadata": {"x": 0.1, "y": 1e300}, "cost_usd": "0.1"}
    assert call(app, "log_execution", **said)["status"] == "accepted"
    app.execute(setting.encode())
    replay = attempt(app, "log_execution", **said)
    vote = {
        "agent": AGENT,
        "execution_id": f"e-{n}",
        "user_id": "u",
        "thumbs": 1,
        "occurred_at": "2026-03-02T01:00:00Z",
    }
    first = attempt(app, "submit_feedback", **vote)
    if "row_security" in setting:  # the server refuses to leave a policy out
        assert {replay.code, first.code} == {"42501"}
        return
    rows = call(app, "submit_feedback_batch", rows=Jsonb([{**vote, "thumbs": -1}]))
    assert (replay["status"], first["status"], rows[0]["status"]) == ("replayed", "accepted", "accepted")
    held = one(
        admin,
        "select occurred_at = '2026-03-02T01:00:00Z' from glow.current_feedback where execution_id = %s",
        f"e-{n}",
    )
    assert held is True


LOCKS = {
    "revoking token keys": (
        "select pg_advisory_lock(hashtextextended('glow.token_keys', 0))",
        "select glow_api.revoke_token_keys()",
    ),
    "making partitions": (
        "select pg_advisory_lock(hashtextextended('glow.partitions', 0))",
        "select glow.ensure_partitions()",
    ),
}


@pytest.mark.parametrize("work", LOCKS)
def test_an_app_cannot_hold_up_the_owner(app: psycopg.Connection, admin: psycopg.Connection, work: str) -> None:
    """Advisory locks are open to every login: one of ours with a name that can be guessed is a lever."""
    hold, needed = LOCKS[work]
    app.execute(hold.encode())
    try:
        admin.execute("set lock_timeout = '300ms'")
        admin.execute(needed.encode())
    finally:
        admin.execute("set lock_timeout = 0")
        app.execute("select pg_advisory_unlock_all()")
