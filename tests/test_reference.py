"""docs/reference/sql.md: it is what the database makes of it today, and leaves nothing out.

Belongs here: the generated page. Does not: documents written by hand (test_docs).
"""

import re
from collections.abc import Mapping

import psycopg
import pytest

from glow_pipelines.database import MigrationError, connect, sql_folder
from glow_pipelines.database.reference import (
    CODES,
    OWNER_STATUSES,
    REQUEST_STATUSES,
    SHARED,
    STATUSES,
    Findings,
    find_out,
    render,
)
from glow_pipelines.database.reference_catalog import Argument, Function, read_functions, read_roles
from glow_pipelines.database.reference_examples import EXAMPLES, Example
from glow_pipelines.database.reference_probes import accepted_forms
from glow_pipelines.database.roles import ROLES
from tests.role_turns import turn_with_roles

PAGE = sql_folder().parent / "docs" / "reference" / "sql.md"
SQL = "\n".join(path.read_text("utf-8") for path in sql_folder().glob("[am]*/*.sql"))
STATUS = re.compile(r"'status', (?:'(\w+)'|case (.*?) end)", re.DOTALL)
# Not by read_functions: what it overlooked, this would overlook too.
GRANTED = """
select p.proname, p.proargnames[1:p.pronargs] from pg_proc p
 where p.pronamespace = 'glow_api'::regnamespace
   and exists (select from aclexplode(p.proacl) a where a.grantee <> p.proowner)
"""


@pytest.fixture
def found(database_url: str) -> Findings:
    with turn_with_roles():
        return find_out(database_url, sql_folder())


def sections(page: str) -> Mapping[str, str]:
    """Heading of a function → what stands below it."""
    parts = re.split(r"^### (\w+)$", page, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_the_page_is_what_the_database_says_today(found: Findings) -> None:
    assert render(found, sql_folder()) == PAGE.read_text("utf-8"), (
        "the database says something else: run `make reference`"
    )


def test_a_difference_is_seen(database_url: str) -> None:
    with connect(database_url) as connection:
        connection.execute("comment on function glow_api.learning_stats is 'Something else.'")
    with turn_with_roles():
        found = find_out(database_url, sql_folder())
    assert render(found, sql_folder()) != PAGE.read_text("utf-8")


def test_no_function_that_is_granted_and_no_argument_is_missing(connection: psycopg.Connection) -> None:
    page = sections(PAGE.read_text("utf-8"))
    granted = connection.execute(GRANTED).fetchall()
    assert len(granted) > 25
    assert {name for name, _ in granted} - page.keys() == set()
    assert [
        f"{name}({each})" for name, taken in granted for each in taken or () if f"| `{each}` |" not in page[name]
    ] == []


def test_every_function_is_really_called() -> None:
    assert set(sections(PAGE.read_text("utf-8"))) == {example.function for example in EXAMPLES}


def test_a_value_of_the_right_type_is_refused_by_us_or_not_at_all(found: Findings) -> None:
    assert found.flaws == ()


def test_a_value_that_postgresql_refuses_instead_is_found(connection: psycopg.Connection) -> None:
    with connection.transaction(force_rollback=True):
        connection.execute("create role reference_owner login in role glow_owner")
        connection.execute("create function glow_api.naive(most text) returns int language sql return most::int")
        connection.execute("alter function glow_api.naive owner to glow_owner")
        naive = Function("naive", "feedback", "", "integer", (Argument("most", "text", None),), (), ())
        forms, flaws = accepted_forms(connection, naive, Example("naive", "glow_owner", {"most": "1"}))
    assert forms == {}
    assert "naive(most => ''): 22P02 " in flaws[0]


def test_a_function_that_no_file_writes_is_refused(connection: psycopg.Connection) -> None:
    with connection.transaction(force_rollback=True):
        connection.execute("create function glow_api.stray() returns int language sql security definer return 1")
        with pytest.raises(MigrationError, match=r"glow_api\.stray is in the database and in no file"):
            read_functions(connection, sql_folder())


def test_every_code_is_explained_and_no_other() -> None:
    assert set(CODES) == set(re.findall(r"'(PT\d{3})'", SQL))


def test_every_status_is_explained_and_no_other() -> None:
    texts = {one for one, _ in STATUS.findall(SQL)} | {
        word for _, case in STATUS.findall(SQL) for word in re.findall(r"(?:then|else) '(\w+)'", case)
    }
    assert texts - {""} == {*STATUSES, *OWNER_STATUSES}
    (states,) = re.findall(r"state\s+text not null default 'queued' check \(state in \((.*?)\)\)", SQL)
    assert set(re.findall(r"\w+", states)) == set(REQUEST_STATUSES)


def test_every_shared_argument_is_shared_and_has_one_type() -> None:
    uses = re.findall(r"^\| `(\w+)` \| ([\w\[\]]+) \| .* \| .* \|$", PAGE.read_text("utf-8"), re.MULTILINE)
    for name in SHARED:
        types = [type_ for each, type_ in uses if each == name]
        assert (len(set(types)), len(types) > 1 or name == "started_at") == (1, True), name


def test_every_role_is_explained() -> None:
    assert set(read_roles(sql_folder())) == set(ROLES)
