"""The database and logins that the tests of the API use, for this folder too.

Belongs here: what several files need. Does not: the model of the queue (`queue_model`), clients that are killed.
"""

from tests.api.conftest import admin, fresh_tenant, logins, shared_url

__all__ = ["admin", "fresh_tenant", "logins", "shared_url"]
