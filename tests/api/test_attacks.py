"""The API under attack: what roles may do, SQL in every text, names that shadow ours, ways to become somebody else.

Belongs here: attacks from a login of its own right. Does not: other tenants (`test_attacks_tenants`), tokens, limits.
"""
# ruff: noqa: E501 -- SQL is read best unbroken, and the names in it are ours

import base64
import json
import re
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql
from psycopg.types.json import Jsonb

from glow_pipelines.database import connect
from tests.api.calling import AGENT, GOOD, Refused, attempt, call, execution, one, refusal, register
from tests.api.logins import Logins

WRITE = {"log_execution", "log_retrieval", "submit_feedback", "submit_demonstration"}
BATCHES = {f"{name}_batch" for name in WRITE}
FIGURES = {"feedback_stats", "common_issues"}
ASKING = {"request_prompt_optimization", "request_dataset", "request_training_run", "request_status", "cancel_request"}
LINEAGE = {"datasets", "why", "effect_of"}
# The whole matrix, written down a second time: whoever grants something changes it here too.
MAY: dict[str, set[str]] = {
    "glow_app": WRITE
    | BATCHES
    | FIGURES
    | {"withdraw_feedback", "resolve_prompt", "issue_feedback_token", "submit_feedback_with_token"},
    "glow_browser": {"submit_feedback_with_token"},
    "glow_reviewer": FIGURES
    | {"submit_annotation", "submit_annotation_batch", "submit_demonstration", "submit_demonstration_batch"},
    "glow_viewer": FIGURES | {"success_metrics"},
    "glow_engineer": FIGURES | ASKING | LINEAGE | {"success_metrics", "learning_stats", "register_agent"},
    "glow_pipeline": {"apply_import", "learning_stats", "success_metrics"},
}
SECRET = {"logins", "call_samples", "token_keys"}
FUNCTIONS = "select distinct proname from pg_proc where pronamespace = 'glow_api'::regnamespace order by 1"
RELATIONS = """
select oid::regclass::text from pg_class
 where relnamespace in ('glow'::regnamespace, 'glow_api'::regnamespace, 'glow_migrations'::regnamespace)
   and relkind in ('r', 'p', 'v', 'm', 'S', 'f') order by 1
"""


@pytest.fixture
def members(logins: Logins) -> Callable[[str], psycopg.Connection]:
    """A session of a fresh login, member of one role."""
    return logins.connect


@pytest.mark.parametrize("role", MAY)
def test_a_role_may_execute_what_the_matrix_says(members: Callable[[str], psycopg.Connection], role: str) -> None:
    """By catalog, as the login sees it: by oid, because names resolve only with the right to use the schema."""
    rows = members(role).execute(
        "select p.proname, n.nspname, has_function_privilege(p.oid, 'execute') and has_schema_privilege(n.oid, 'usage')"
        "  from pg_proc p join pg_namespace n on n.oid = p.pronamespace where n.nspname like 'glow%'"
    )
    may = {(schema, name) for name, schema, allowed in rows if allowed}
    assert {name for schema, name in may if schema == "glow_api"} == MAY[role]
    assert {schema for schema, _ in may} <= {"glow_api"} | ({"glow"} if role == "glow_pipeline" else set())


@pytest.mark.parametrize("role", MAY)
def test_a_role_reaches_no_table(members: Callable[[str], psycopg.Connection], role: str) -> None:
    rows = (
        members(role)
        .execute(
            "select c.relname, n.nspname, c.relispartition, bool_or(has_table_privilege(c.oid, privilege))"
            "       and has_schema_privilege(n.oid, 'usage')"
            "  from pg_class c join pg_namespace n on n.oid = c.relnamespace,"
            "       unnest('{select,insert,update,delete,truncate,references,trigger}'::text[]) privilege"
            " where n.nspname like 'glow%' and c.relkind in ('r', 'p', 'v', 'm', 'f') group by c.oid, n.oid, 1, 2, 3"
        )
        .fetchall()
    )
    reached = {name for name, schema, partition, allowed in rows if allowed}
    if role != "glow_pipeline":
        assert not reached
    else:
        assert not reached & SECRET
        # Whether the schema is current it must be able to ask; the months are reached through their tables alone.
        assert {name for name, schema, _, allowed in rows if allowed and schema != "glow"} == {"applied"}
        assert not [name for name, _, partition, allowed in rows if allowed and partition]


@pytest.mark.parametrize("role", MAY)
def test_nobody_owns_creates_or_administers_anything(members: Callable[[str], psycopg.Connection], role: str) -> None:
    connection = members(role)
    assert one(connection, "select count(*) from pg_class c where pg_has_role(c.relowner, 'member')") == 0
    assert one(connection, "select count(*) from pg_proc p where pg_has_role(p.proowner, 'member')") == 0
    creatable = (
        "select count(*) from pg_namespace n where nspname !~ '^pg_temp' and has_schema_privilege(n.oid, 'create')"
    )
    assert one(connection, creatable) == 0
    assert one(connection, "select has_database_privilege(current_database(), 'create')") is False
    powers = "select bool_or(rolsuper or rolcreaterole or rolcreatedb or rolreplication or rolbypassrls) from pg_roles"
    assert one(connection, f"{powers} where pg_has_role(oid, 'member')") is False


def test_functions_belong_to_an_owner_without_powers(admin: psycopg.Connection) -> None:
    owners = admin.execute(
        "select distinct r.rolname, r.rolsuper, r.rolbypassrls, r.rolcanlogin from pg_proc p join pg_roles r on r.oid = p.proowner"
        " where p.prosecdef and p.pronamespace in ('glow'::regnamespace, 'glow_api'::regnamespace)"
    ).fetchall()
    assert owners == [("glow_owner", False, False, False)]


@pytest.mark.parametrize("role", MAY)
def test_a_call_of_anything_else_is_denied(
    members: Callable[[str], psycopg.Connection], admin: psycopg.Connection, role: str
) -> None:
    """By calling: each overload with nulls of its own argument types."""
    connection = members(role)
    signatures = admin.execute(
        "select p.proname, (select coalesce(array_agg(format_type(t, null) order by n), '{}')"
        "                     from unnest(p.proargtypes) with ordinality as a(t, n))"
        "  from pg_proc p where p.pronamespace = 'glow_api'::regnamespace"
    ).fetchall()
    tried = 0
    for name, types in signatures:
        if name in MAY[role]:
            continue
        tried += 1
        nulls = ", ".join(f"null::{kind}" for kind in types)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(f"select glow_api.{name}({nulls})".encode())
    assert tried > 30


@pytest.mark.parametrize("role", MAY)
def test_every_relation_is_denied_by_asking(
    members: Callable[[str], psycopg.Connection], admin: psycopg.Connection, role: str
) -> None:
    connection = members(role)
    for (name,) in admin.execute(RELATIONS).fetchall():
        if role == "glow_pipeline" and name.removeprefix("glow.") not in SECRET and not name.startswith("glow_m"):
            continue
        for statement in (
            "select * from {} limit 1",
            "delete from {}",
            "truncate {}",
            "copy {} to stdout",
            "drop table {}",
        ):
            if role == "glow_pipeline" and (name, statement[:4]) in (
                ("glow_migrations.applied", "sele"),
                ("glow_migrations.applied", "copy"),
            ):
                continue
            with pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.WrongObjectType)):
                connection.execute(statement.format(name).encode())


def test_what_the_roles_may_is_also_possible(logins: Logins, admin: psycopg.Connection) -> None:
    """A matrix that denies everything would pass all of the above."""
    call(admin, "log_execution", **{**execution(0), "execution_id": "known"})
    assert set(GOOD) == set().union(*MAY.values())
    for role, functions in MAY.items():
        connection = logins.connect(role)
        denied = {f for f in sorted(functions) if attempt_good(connection, f, 1) == "42501"}
        assert not denied, f"{role}: {denied}"


def attempt_good(connection: psycopg.Connection, function: str, n: int) -> str:
    answer = attempt(connection, function, **GOOD[function](n))
    return answer.code if isinstance(answer, Refused) else ""


# --- becoming somebody else ---

ESCALATIONS = [
    "set role glow_owner",
    "set role glow_pipeline",
    "set role glow",
    "set session authorization glow_owner",
    "set session authorization default; set role glow_owner",
    "reset role; set role glow_engineer",
    "select set_config('role', 'glow_owner', false)",
    "select set_config('session_authorization', 'glow_owner', false)",
    "set session_replication_role = replica",
    "grant glow_owner to {me}",
    "grant glow_engineer to {me}",
    "grant glow_app to glow_browser",
    "alter role {me} superuser",
    "alter role {me} bypassrls",
    "alter role glow_owner login password 'x'",
    "create role glow_evil superuser",
    "alter function glow_api.submit_feedback_batch(jsonb) owner to {me}",
    "alter function glow_api.submit_feedback_batch(jsonb) set search_path = pg_temp",
    "alter function glow_api.submit_feedback_batch(jsonb) reset search_path",
    "alter function glow_api.submit_feedback_batch(jsonb) security invoker",
    "create or replace function glow_api.standard_issues() returns text[] language sql return '{{}}'::text[]",
    "create function glow_api.evil() returns int language sql return 1",
    "create function public.evil() returns int language sql return 1",
    "create function pg_catalog.evil() returns int language sql return 1",
    "create function pg_temp.evil() returns int language sql security definer return 1; alter function pg_temp.evil() owner to glow_owner",
    "create table glow.evil (x int)",
    "create table public.evil (x int)",
    "create schema evil",
    "create schema authorization glow_owner",
    "drop function glow_api.submit_feedback_batch(jsonb)",
    "drop schema glow_api cascade",
    "alter schema glow_api owner to {me}",
    "alter default privileges for role glow_owner grant execute on functions to public",
    "grant execute on all functions in schema glow_api to {me}",
    "grant usage on schema glow to {me}",
    "alter table glow.agents disable row level security",
    "alter table glow.executions no force row level security",
    "create policy evil on glow.executions using (true)",
    "create trigger evil before insert on glow.agents for each row execute function glow.refuse_change()",
    "create rule evil as on insert to glow.agents do instead nothing",
    "create extension plpython3u",
    "create event trigger evil on ddl_command_start execute function glow.refuse_change()",
    "create publication evil for all tables",
    "select pg_read_file('postgresql.conf')",
    "copy (select 1) to program 'true'",
    "select lo_import('/etc/passwd')",
    "alter system set row_security = off",
    "alter database {db} set search_path = evil",
    "insert into glow.logins (login) values ({me_text})",
    "update pg_catalog.pg_authid set rolsuper = true",
    "select rolpassword from pg_catalog.pg_authid",
    "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'glow'",
    "do $$ begin perform glow_api.enter(); end $$",
    "select glow_api.bind_login({me_text}, tenant => 'other')",
    "select inner_pad from glow.token_keys",
    "select (glow_api.record_feedback(null, row(null, null)::glow_api.caller))",
    "select glow.claim('{{a}}')",
    "select glow.ensure_partitions()",
    "select glow.expire(now())",
]


@pytest.mark.parametrize("role", [role for role in MAY if role != "glow_pipeline"])
def test_nobody_becomes_more(logins: Logins, role: str) -> None:
    name, url = logins.make(role)
    connection = logins.open(url)
    before = fingerprint(logins.admin)
    for statement in ESCALATIONS:
        if statement.endswith(f"set role {role}"):
            continue  # it is a member
        text = statement.format(me=name, me_text=f"'{name}'", db=connection.info.dbname)
        with pytest.raises(psycopg.Error) as caught:
            connection.execute(text.encode())
        assert isinstance(
            caught.value, psycopg.errors.InsufficientPrivilege | psycopg.errors.InvalidParameterValue
        ) or caught.value.sqlstate in ("42501", "42883", "22023", "3F000", "0A000"), f"{text}: {caught.value!r}"
        connection.execute("reset role; reset session authorization")
    assert one(connection, "select session_user = current_user and current_user = %s", name)
    assert fingerprint(logins.admin) == before


FINGERPRINT = """
select md5(string_agg(said, '|' order by said)) from (
  select row(rolname, rolsuper, rolcanlogin, rolbypassrls, rolcreaterole)::text from pg_roles
             where rolname ~ '^glow_' and rolname !~ '^glow_test_'
  union all select row(m.roleid::regrole, m.member::regrole)::text from pg_auth_members m
             where m.member::regrole::text ~ '^glow_' and m.member::regrole::text !~ '^glow_test_'
  union all select row(oid, relname, relnamespace, relowner, relacl, relrowsecurity, relforcerowsecurity)::text from pg_class
             where relnamespace::regnamespace::text !~ '^pg_(toast|temp)'
  union all select row(oid, proname, proowner, proacl, prosecdef, proconfig, md5(prosrc))::text from pg_proc
             where pronamespace::regnamespace::text !~ '^pg_temp'
  union all select row(oid, nspname, nspowner, nspacl)::text from pg_namespace where nspname !~ '^pg_(toast|temp)'
  union all select row(oid, polname, polrelid, polroles)::text from pg_policy) as state(said)
"""


def fingerprint(connection: psycopg.Connection) -> str:
    """Roles, memberships, relations, functions, schemas and policies, as one hash. Other workers' logins are left out."""
    return str(one(connection, FINGERPRINT))


# --- names that shadow ours ---

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


# --- SQL in every text ---

INJECTIONS = [
    "'; drop table glow.agents cascade; --",
    "' or '1'='1",
    "'); delete from glow.agent_feedback; --",
    "\\'; drop schema glow cascade; --",
    "$$; drop table glow.agents; $$",
    "$1; drop table glow.agents",
    "'||(select rolpassword from pg_authid limit 1)||'",
    "%s %I %L %1$s %n %%",
    "{0} {agent} %(agent)s :agent ${agent}",
    '"; alter role glow_app superuser; --',
    "/* */ union select inner_pad from glow.token_keys --",
    "E'\\x27; create role evil superuser; --'",
    "1; copy glow.logins to program 'sh'",
    "glow.agents",
    "*",
]
STORED = """
select coalesce(jsonb_agg(row), '[]') from (
  select to_jsonb(t) from glow.executions t union all select to_jsonb(t) from glow.agent_feedback t
  union all select to_jsonb(t) from glow.retrieval_events t union all select to_jsonb(t) from glow.retrieval_hits t
  union all select to_jsonb(t) from glow.expert_annotations t union all select to_jsonb(t) from glow.demonstrations t
  union all select to_jsonb(t) from glow.agents t union all select to_jsonb(t) from glow.prompt_versions t
  union all select to_jsonb(t) from glow.requests t union all select to_jsonb(t) from glow.execution_keys t) r(row)
"""
TEXTS = """
select p.proname, a.name, format_type(a.type, null)
  from pg_proc p cross join lateral unnest(p.proargnames[:p.pronargs], p.proargtypes::oid[]) as a(name, type)
 where p.pronamespace = 'glow_api'::regnamespace and a.type in ('text'::regtype, 'text[]'::regtype, 'jsonb'::regtype)
   and exists (select from aclexplode(p.proacl) x where x.grantee <> p.proowner)
 order by 1, 2
"""
# Only looked up: what is not found is refused or, for a unit outside every experiment, not kept.
NOT_KEPT = {("resolve_prompt", "unit")}


def texts_of(value: Any) -> Iterator[str]:
    """Every text within a JSON value, keys included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from texts_of(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from texts_of(inner)


def poisoned(function: str, argument: str, kind: str, text: str) -> Iterator[dict[str, Any]]:
    """Good calls of a function with the text in one argument, or in one place of it."""
    good = GOOD[function](777)
    if function.endswith("_batch"):
        (row,) = good["rows"].obj
        for field, value in row.items():
            if isinstance(value, str):
                yield {"rows": Jsonb([{**row, field: text}])}
            elif isinstance(value, list) and value and isinstance(value[0], str):
                yield {"rows": Jsonb([{**row, field: [text]}])}
        yield {"rows": Jsonb([{**row, text: "x"}])}
        yield {"rows": Jsonb([text])}
        yield {"rows": Jsonb(text)}
    elif kind == "text[]":
        yield {**good, argument: [text]}
    elif kind == "jsonb":
        for value in (
            text,
            [text],
            {text: text},
            {"metric": text},
            {"instruction": text},
            [{"rank": 1, "chunk_id": text}],
        ):
            yield {**good, argument: Jsonb(value)}
    else:
        yield {**good, argument: text}


@pytest.fixture(scope="module")
def seeded(shared_url: str) -> Iterator[psycopg.Connection]:
    """The administrator, in a transaction of its own: as whom it asks is said by session_user, what it wrote is undone."""
    with connect(shared_url) as connection:
        register(connection, "victim")
        call(connection, "log_execution", **{**execution(0), "execution_id": "known"})
        connection.commit()
        yield connection


@pytest.mark.parametrize("function", sorted(GOOD))
def test_sql_in_a_text_is_kept_as_it_is_or_refused(seeded: psycopg.Connection, logins: Logins, function: str) -> None:
    """Asked with SET SESSION AUTHORIZATION, which is the login's own session in all that counts here: the answer can be
    looked up and undone in one transaction."""
    role = next(role for role, functions in MAY.items() if function in functions)
    name, _ = logins.make(role)
    connection = seeded
    arguments = [(argument, kind) for proname, argument, kind in connection.execute(TEXTS) if proname == function]
    if not arguments:
        assert function in ("success_metrics", "learning_stats", "effect_of", "request_status")
    before = fingerprint(connection)
    connection.execute("delete from glow.requests")  # an open one would answer for every other
    tables = one(connection, STORED)
    become = sql.SQL("set session authorization {}").format(sql.Identifier(name))
    kept = 0
    try:
        for argument, kind in arguments:
            for text in INJECTIONS:
                for given in poisoned(function, argument, kind, text):
                    connection.execute("savepoint attack")
                    try:
                        connection.execute(become)
                        answer = call(connection, function, **given)
                    except psycopg.Error as error:
                        connection.execute("rollback to attack")
                        refused = refusal(error)
                        assert re.fullmatch("PT4[0-9][0-9]", refused.code), f"{argument} = {text!r}: {refused}"
                        assert refused.hint
                        continue
                    connection.execute("reset session authorization")
                    found = [*texts_of(one(connection, STORED)), *texts_of(answer)]
                    if function == "issue_feedback_token":
                        found += texts_of(json.loads(base64.urlsafe_b64decode(answer["token"].split(".")[0] + "==")))
                    refused_row = (
                        isinstance(answer, list) and answer and isinstance(answer[0], dict) and answer[0].get("code")
                    )
                    if not refused_row and (function, argument) not in NOT_KEPT:
                        assert any(text in f for f in found), (
                            f"{argument} = {text!r}: neither kept nor refused: {answer}"
                        )
                        kept += 1
                    connection.execute("rollback to attack")
        assert fingerprint(connection) == before
        assert one(connection, STORED) == tables
    finally:
        connection.rollback()
    readers = FIGURES | LINEAGE | {"apply_import", "resolve_prompt", "request_status", "submit_feedback_with_token"}
    readers.add("cancel_request")  # of a request that is not there
    assert kept or not arguments or function in readers
