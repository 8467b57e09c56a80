"""PostgreSQL as this project needs it: a server of our own or the user's, its URLs, its migrations.

Belongs here: everything up to an open, migrated database. Does not: what is read and written in it (`store`, `client`).
"""

from glow_pipelines.database.connect import connect, ensure_database
from glow_pipelines.database.errors import DatabaseUnavailable, MigrationError
from glow_pipelines.database.migrate import MigrationReport, is_current, migrate
from glow_pipelines.database.server import EmbeddedServer, ServerStatus
from glow_pipelines.database.sql_files import sql_folder

__all__ = [
    "DatabaseUnavailable",
    "EmbeddedServer",
    "MigrationError",
    "MigrationReport",
    "ServerStatus",
    "connect",
    "ensure_database",
    "is_current",
    "migrate",
    "sql_folder",
]
