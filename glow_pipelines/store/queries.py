"""Named queries from sql/queries/<noun>.sql.

Belongs here: finding and splitting the files. A query begins with a line `-- name --`; the comment lines after it are
its documentation. Does not: running them (see `noun`).
"""

import functools
import re
from typing import LiteralString, cast

from glow_pipelines.database.sql_files import sql_folder

_HEAD = re.compile(r"^-- ([a-z_]+) --$", re.MULTILINE)


@functools.cache
def load(noun: str) -> dict[str, LiteralString]:
    """The queries of one noun by name.

    Raises FileNotFoundError for an unknown noun and ValueError when a name is used twice.
    """
    text = (sql_folder() / "queries" / f"{noun}.sql").read_text(encoding="utf-8")
    parts = _HEAD.split(text)[1:]
    names, bodies = parts[::2], parts[1::2]
    if len(set(names)) != len(names):
        raise ValueError(f"sql/queries/{noun}.sql: a query name is used twice")
    # Files of this project, never user text: that is what LiteralString means to psycopg.
    return {name: cast(LiteralString, body.strip()) for name, body in zip(names, bodies, strict=True)}
