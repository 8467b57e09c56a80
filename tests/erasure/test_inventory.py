"""No table is forgotten: the list of places against the catalog, and the page for people against the list.

Belongs here: completeness. Does not: whether what the list says is done (the other files of this folder).
`python -m tests.erasure.test_inventory DATABASE_URL` prints the table of docs/erasure.md.
"""

import sys
from pathlib import Path

import psycopg

from glow_pipelines.database import connect

PAGE = Path(__file__).parents[2] / "docs" / "erasure.md"
TABLES = """
select c.relname, array(
         select a.attname::text from pg_attribute a
          where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped) as columns
  from pg_class c
 where c.relnamespace = 'glow'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition order by 1
"""
PLACES = "select * from glow_api.personal_places()"


def page_table(connection: psycopg.Connection) -> str:
    """The list as Markdown."""
    rows = connection.execute("select relation, note from glow_api.personal_places() order by relation").fetchall()
    return "\n".join(
        ["| table | what becomes of it |", "|---|---|", *(f"| `{name}` | {note} |" for name, note in rows)]
    )


def test_every_table_is_on_the_list_once_and_nothing_else(connection: psycopg.Connection) -> None:
    tables = [name for name, _ in connection.execute(TABLES).fetchall()]
    places = [row[0] for row in connection.execute(PLACES).fetchall()]
    assert sorted(places) == tables, "a line in glow_api.personal_places (sql/api/erasure.sql) for each table, please"


def test_the_list_names_columns_that_there_are_and_what_can_be_done(connection: psycopg.Connection) -> None:
    columns = dict(connection.execute(TABLES).fetchall())
    for relation, people, of_people, about, of_about, emptied, swept, note in connection.execute(PLACES).fetchall():
        assert {*(people or []), *([about] if about else []), *(emptied or [])} <= set(columns[relation]), relation
        assert (people is None) == (of_people is None), relation
        assert (about is None) == (of_about is None), relation
        assert {of_people, of_about, swept} <= {None, "delete", "pseudonym", "rename", "leaves"}, relation
        assert about is None or "tenant" in columns[relation], relation
        assert note.endswith("."), relation


def test_the_page_shows_the_list(connection: psycopg.Connection) -> None:
    assert page_table(connection) in PAGE.read_text("utf-8"), (
        "put the table that `python -m tests.erasure.test_inventory DATABASE_URL` prints into docs/erasure.md"
    )


if __name__ == "__main__":
    with connect(sys.argv[1]) as printed:
        sys.stdout.write(page_table(printed) + "\n")
