"""Waiting until readers of news may see what was just committed.

Belongs here: that one wait. A reader stops at the oldest open transaction of the server, and other tests have theirs.
"""

import time

import psycopg


def until_readable(url: str, seconds: float = 30) -> None:
    """Return when no transaction is open that began before this call. Raises TimeoutError."""
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute("select pg_current_xact_id()").fetchone()
        assert row is not None
        for _ in range(int(seconds / 0.05)):
            found = connection.execute(
                "select pg_snapshot_xmin(pg_current_snapshot()) > %s::xid8", (str(row[0]),)
            ).fetchone()
            if found == (True,):
                return
            time.sleep(0.05)
    raise TimeoutError(f"a transaction of another test has been open for {seconds:g} seconds")
