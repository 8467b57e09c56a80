"""The SQL files against a real database: the schema is what it claims, every query fits it, the API is closed.

Belongs here: what holds for all of `sql/`. Does not: what a function or query answers (tests of client and store).
"""

import ast
import os
import re
from pathlib import Path

import psycopg
import pytest

from glow_pipelines.database import EmbeddedServer, connect, sql_folder
from glow_pipelines.database.binaries import Binaries, find_binaries
from glow_pipelines.database.schema import render
from glow_pipelines.store.queries import load

STORE = Path(__file__).parents[1] / "glow_pipelines" / "store"
SCHEMA = sql_folder() / "schema.sql"
NOUNS = sorted(path.stem for path in (sql_folder() / "queries").glob("*.sql"))
QUERIES = [(noun, name) for noun in NOUNS for name in load(noun)]
RUNNERS = {"_row", "_rows", "_run", "_run_many", "_stream", "_copied"}

FUNCTIONS = """
select p.oid::regprocedure::text as signature, p.prosecdef as definer, r.rolname as owner,
       obj_description(p.oid, 'pg_proc') as comment, has_function_privilege('public', p.oid, 'execute') as public,
       coalesce((select setting from unnest(p.proconfig) setting where setting like 'search_path=%'), '') as path,
       exists (select from aclexplode(p.proacl) a where a.grantee not in (0, p.proowner)) as granted,
       p.prosrc ~ 'glow_api[.](enter|require_(caller|everybody|reviewer|execution|librarian)|open_request)[(]' as enters
  from pg_proc p join pg_roles r on r.oid = p.proowner
 where p.pronamespace = 'glow_api'::regnamespace order by 1
"""


@pytest.fixture
def dumper(postgres: EmbeddedServer, database_url: str) -> Binaries:
    """pg_dump of the server's own version: another one words the same schema differently."""
    binaries = find_binaries(os.environ)
    with connect(database_url) as connection:
        if connection.info.server_version // 10000 != int(binaries.version().split(".")[0]):
            pytest.skip("the server of GLOW_TEST_DATABASE_URL is not of the version sql/schema.sql is made with")
    return binaries


@pytest.fixture
def bare_url(database_url: str) -> str:
    """A database without anything of ours."""
    with connect(database_url) as connection:
        connection.execute("drop schema glow, glow_api, glow_migrations cascade; drop extension if exists vector")
    return database_url


def test_the_migrations_make_the_schema_of_the_file(database_url: str, dumper: Binaries) -> None:
    made = render(database_url, dumper)
    assert made == SCHEMA.read_text("utf-8"), "sql/schema.sql is not what the migrations make: run `make schema`"


def test_the_file_makes_the_same_schema(bare_url: str, dumper: Binaries) -> None:
    text = SCHEMA.read_text("utf-8")
    with connect(bare_url) as connection:
        connection.execute(text.encode())
    # Less the parentheses: `a between 1 and 2 and b` is nested when it is first read, flat when its dump is read.
    assert re.sub("[()]", "", render(bare_url, dumper)) == re.sub("[()]", "", text)


def test_a_difference_is_seen(database_url: str, dumper: Binaries) -> None:
    with connect(database_url) as connection:
        connection.execute("alter table glow.agents alter description drop default")
    assert render(database_url, dumper) != SCHEMA.read_text("utf-8")


def test_every_query_says_what_it_is_for() -> None:
    assert QUERIES
    silent = [f"{noun}.{name}" for noun, name in QUERIES if not load(noun)[name].startswith("-- ")]
    assert not silent, ", ".join(silent)


def numbered(query: str) -> str:
    """psycopg's placeholders as PREPARE takes them: the same name has the same number."""
    names = list(dict.fromkeys(re.findall(r"%\((\w+)\)s", query)))
    return re.sub(r"%\((\w+)\)s", lambda found: f"${names.index(found[1]) + 1}", query).replace("%%", "%")


def test_placeholders_are_numbered_by_name() -> None:
    assert numbered("a = %(x)s or b = %(y)s or c = %(x)s or d like '%%'") == "a = $1 or b = $2 or c = $1 or d like '%'"


def test_every_query_fits_the_schema(connection: psycopg.Connection) -> None:
    refused = []
    for noun, name in QUERIES:
        try:
            with connection.transaction():
                connection.execute(f"prepare {noun}_{name} as {numbered(load(noun)[name])}".encode())
        except psycopg.Error as error:
            refused.append(f"{noun}.{name}: {error}")
    assert not refused, "\n".join(refused)


def run_by_name(source: str) -> set[str]:
    """The query names a store module runs."""
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call) and node.args]
    named = [(ast.unparse(call.func).removeprefix("self."), call.args[0]) for call in calls]
    return {str(name.value) for runner, name in named if runner in RUNNERS and isinstance(name, ast.Constant)}


@pytest.mark.parametrize("noun", NOUNS)
def test_the_store_of_a_noun_runs_its_queries_all_of_them_and_no_other(noun: str) -> None:
    assert run_by_name((STORE / f"{noun}.py").read_text("utf-8")) == set(load(noun))


def test_every_function_of_the_api_is_closed_and_documented(connection: psycopg.Connection) -> None:
    found = []
    for signature, definer, owner, comment, public, path, granted, enters in connection.execute(FUNCTIONS).fetchall():
        flaws = {
            "has no comment": not comment,
            "may be executed by PUBLIC": public,
            "does not belong to glow_owner": owner != "glow_owner",
            "is granted but does not run as its owner": granted and not definer,
            "runs as its owner but does not pin a search_path that ends in pg_temp": definer
            and not re.search(r"\bpg_temp$", path),
            "is granted but does not begin by finding out who calls": granted and not enters,
        }
        found += [f"{signature} {flaw}" for flaw, is_so in flaws.items() if is_so]
    assert not found, "\n".join(found)
