"""What assets work with, from the environment.

Belongs here: turning settings into a Dagster-free `Services` when a run starts. Does not: settings (settings.py), how
anything is opened (services.py).
"""

import dagster as dg
from pydantic import Field

from glow_pipelines.services import Services
from glow_pipelines.settings import Settings


class ServicesResource(dg.ConfigurableResource[Services]):
    """Database, store and models; each opened when first asked for.

    The fields show in the UI which outside services a location uses; the secrets among them are masked.
    """

    database_url: str | None = Field(default=None, json_schema_extra={"dagster__is_secret": True})
    openai_base_url: str | None = None

    def create_resource(self, context: dg.InitResourceContext) -> Services:
        return Services(Settings.from_environment())


@dg.definitions
def resources() -> dg.Definitions:
    return dg.Definitions(resources={"services": ServicesResource()})
