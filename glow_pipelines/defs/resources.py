"""What assets work with, from the environment.

Belongs here: turning settings into a Dagster-free `Services` when a run starts. Does not: settings (settings.py), how
anything is opened (services.py).
"""

import os

import dagster as dg
from pydantic import Field

from glow_pipelines.services import Services
from glow_pipelines.settings import Settings


class ServicesResource(dg.ConfigurableResource[Services]):
    """Database, store and models, each opened when first asked for.

    `database_url` points one run at another database; everything else comes from the environment.
    """

    database_url: str | None = Field(default=None, json_schema_extra={"dagster__is_secret": True})

    def create_resource(self, context: dg.InitResourceContext) -> Services:
        named = {} if self.database_url is None else {"DATABASE_URL": self.database_url}
        return Services(Settings.from_environment(os.environ | named))


@dg.definitions
def resources() -> dg.Definitions:
    # In one process, also for what is launched by hand: a process per step imports everything again (4 s of processor
    # time each) and opens its own connections.
    return dg.Definitions(resources={"services": ServicesResource()}, executor=dg.in_process_executor)
