"""Erasing one person among few rows.

Belongs here: the person, both calls of an erasure, curation by its assets. Does not: the company of world.
"""

from typing import Any

import dagster as dg
import psycopg

from glow_pipelines.defs.datasets import training_dataset
from glow_pipelines.defs.examples import learning_examples
from glow_pipelines.services import Services
from tests.api.calling import AGENT, call

WHO = "person-77"


def erase(connection: psycopg.Connection, subject: str = WHO, **arguments: Any) -> dict[str, Any]:
    seen = call(connection, "erase_subject", subject=subject, **arguments)
    told: dict[str, Any] = call(
        connection, "erase_subject", subject=subject, dry_run=False, confirm=seen["confirm"], **arguments
    )
    return told


def curate(services: Services, dataset: bool = False) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("agent", [AGENT])
        resources = {"services": services}
        assert dg.materialize([learning_examples], instance=instance, resources=resources).success
        if dataset:
            assert dg.materialize(
                [training_dataset], instance=instance, resources=resources, partition_key=AGENT
            ).success
