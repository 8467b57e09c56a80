"""What can go wrong between this package and its PostgreSQL.

Belongs here: the exceptions that `glow_pipelines.database` raises on its own account.
Does not: psycopg's own errors, which pass through untouched once a connection is open.
"""

from glow_pipelines.errors import Actionable


class DatabaseUnavailable(Actionable):
    """No usable PostgreSQL: absent, out of reach, too old, or without pgvector. The message names the remedy."""


class MigrationError(Actionable):
    """The files under `sql/` and what the database remembers of them do not fit together. Nothing was changed."""
