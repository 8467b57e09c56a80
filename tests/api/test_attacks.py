"""The API under attack: what roles may do, SQL in every text, names that shadow ours, ways to become somebody else.

Belongs here: attacks from a login of its own right. Does not: other tenants (`test_attacks_tenants`), tokens, limits.
"""
# ruff: noqa: E501 -- SQL is read best unbroken, and the names in it are ours

from collections.abc import Callable

import psycopg
import pytest

from tests.api.calling import GOOD, Refused, attempt, call, execution, one
from tests.api.logins import Logins

WRITE = {"log_execution", "log_retrieval", "submit_feedback", "submit_demonstration"}
BATCHES = {f"{name}_batch" for name in WRITE}
FIGURES = {"feedback_stats", "common_issues"}
ASKING = {"request_prompt_optimization", "request_dataset", "request_training_run", "create_experiment"}
ASKING |= {"request_status", "cancel_request"}
REVIEWING = {"annotation_queue", "claim_annotation", "skip", "decline", "release", "extend_lease", "submit_comparison"}
SUPERVISING = {"set_review_policy", "request_review", "request_comparison", "set_gold", "unset_gold"}
ERASURE = {"erase_subject", "erasures", "set_retention"}
FINISHING = {"erase_late", "swept_places", "replace_quoting", "name_successor", "finish_erasure", "forget_statistics"}
LINEAGE = {"datasets", "why", "effect_of", "my_agents"}
VIEWS = {"dataset_lineage", "feedback_lineage"}
READERS = {"glow_engineer", "glow_pipeline"}
# The whole matrix, written down a second time: whoever grants something changes it here too.
PATTERNS = {"correction_patterns"}
PROMPTS = {"prompts", "prompt_history", "prompt_lineage", "rollback_prompt", "notifications"}
DOCUMENTS = {"put_document", "put_documents", "retire_document", "documents"}
RETRIEVAL = {"rollback_retrieval", "retrieval_history"}
EXPERIMENTS = {"plan_experiment", "experiments", "experiment_looks", "experiment_decision", "stop_experiment"}
EXPERIMENTS |= {"abandon_experiment", "pause_experiment", "resume_experiment", "extend_experiment"}
EXPERIMENTS |= {"restart_experiment"}
EXPERIMENTS |= {"create_holdout", "end_holdout", "holdouts"}
ROLLOUTS = {"start_rollout", "rollouts", "rollout_history", "approve_rollout", "pause_rollout", "resume_rollout"}
ROLLOUTS |= {"roll_back"}
MAY: dict[str, set[str]] = {
    "glow_app": WRITE
    | BATCHES
    | DOCUMENTS
    | FIGURES
    | {"search"}
    | {"withdraw_feedback", "resolve_prompt", "issue_feedback_token", "submit_feedback_with_token"}
    | PATTERNS,
    "glow_browser": {"submit_feedback_with_token"},
    "glow_reviewer": FIGURES
    | REVIEWING
    | {"adjudicate"}
    | {"submit_annotation", "submit_annotation_batch", "submit_demonstration", "submit_demonstration_batch"},
    "glow_viewer": FIGURES | PATTERNS | {"success_metrics"},
    "glow_engineer": FIGURES
    | ASKING
    | PROMPTS
    | DOCUMENTS
    | RETRIEVAL
    | {"search"}
    | EXPERIMENTS
    | ROLLOUTS
    | LINEAGE
    | SUPERVISING
    | PATTERNS
    | ERASURE
    | {"success_metrics", "learning_stats", "register_agent", "set_curation_policy", "curation_policy"},
    "glow_pipeline": FINISHING
    | {"apply_import", "learning_stats", "success_metrics", "my_agents"}
    | {"create_experiment", "experiments", "experiment_looks", "experiment_decision"}
    | {"start_rollout", "rollouts", "rollout_history"},
}
SECRET = {"logins", "call_samples", "token_keys", "erasure_key", "erased_subjects"}
DENIED = (
    psycopg.errors.InsufficientPrivilege,
    psycopg.errors.WrongObjectType,
    psycopg.errors.ObjectNotInPrerequisiteState,  # a view over several tables, before anybody asks who is asking
)
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
        assert reached == (VIEWS if role in READERS else set())
    else:
        assert not reached & SECRET
        # Whether the schema is current it must be able to ask; the months are reached through their tables alone.
        assert {name for name, schema, _, allowed in rows if allowed and schema != "glow"} == {"applied", *VIEWS}
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
        if role in READERS and name.removeprefix("glow_api.") in VIEWS:
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
            with pytest.raises(DENIED):
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
