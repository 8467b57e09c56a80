"""An agent with versions of everything an experiment can vary, and experiments written straight into the table.

Belongs here: what tests of assignment share. Does not: what is asserted.
"""

import json
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from glow_pipelines.learning.experiments.assignment import Holdout, Trial
from tests.api.calling import call, one

AGENT = "desk"
KINDS = ("prompt", "model", "retrieval", "config")
CONFIGS = tuple({"temperature": n} for n in range(4))


@dataclass(frozen=True)
class World:
    """Versions by kind; the first of `prompt` is in production, nothing else is in force."""

    connection: psycopg.Connection
    versions: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def start(self, trial: Trial, arms: tuple[int, int] = (0, 1), **more: Any) -> None:
        """Write an experiment as it is; `arms`: which versions are control and treatment."""
        control, treatment = (self.versions[trial.kind][n] for n in arms)
        configs = [Jsonb(CONFIGS[n]) for n in arms] if trial.kind == "config" else [None, None]
        final = trial.state in ("completed", "rolled_back", "stopped")
        row = {
            "experiment_id": trial.experiment_id, "agent": trial.agent, "kind": trial.kind, "hypothesis": "",
            "control": control, "treatment": treatment, "control_config": configs[0], "treatment_config": configs[1],
            "layer": trial.layer, "slot_from": trial.slots[0], "slot_to": trial.slots[1], "unit": trial.unit,
            "hash": trial.hash, "phase": trial.phase, "salt": trial.salt, "treatment_ppm": trial.treatment_ppm,
            "control_ppm": trial.control_ppm, "enroll_ppm": trial.enroll_ppm, "plan": "{}", "request_id": 1,
            "state": trial.state, "stopped_at": "now" if final else None, **more,
        }  # fmt: skip
        statement = sql.SQL("insert into glow.learning_experiments ({}) values ({})").format(
            sql.SQL(", ").join(map(sql.Identifier, row)), sql.SQL(", ").join(map(sql.Placeholder, row))
        )
        self.connection.execute(statement, row)

    def hold_out(self, holdout: Holdout) -> None:
        self.connection.execute(
            "insert into glow.holdouts (holdout, agent, holdout_ppm) values (%s, %s, %s)",
            (holdout.holdout, holdout.agent, holdout.holdout_ppm),
        )

    def set(self, experiment_id: str, **columns: Any) -> None:
        """Change columns of an experiment. Which changes of state are legal is another matter (rollouts/)."""
        changes = sql.SQL(", ").join(
            sql.SQL("{} = {}").format(sql.Identifier(name), sql.Placeholder(name)) for name in columns
        )
        statement = sql.SQL("update glow.learning_experiments set {} where experiment_id = %(experiment_id)s")
        # On a connection that is in no transaction yet, transaction() would commit what a test leaves open.
        with self.connection.transaction() if self.connection.autocommit else nullcontext():
            self.connection.execute("set constraints all immediate")
            self.connection.execute("alter table glow.learning_experiments disable trigger moves")
            self.connection.execute(statement.format(changes), {"experiment_id": experiment_id, **columns})
            self.connection.execute("alter table glow.learning_experiments enable trigger moves")

    def resolve(self, unit: str | None = None, **more: str | None) -> Any:
        return call(self.connection, "resolve_prompt", agent=AGENT, unit=unit, **more)

    def exposures(self) -> list[tuple[Any, ...]]:
        return self.connection.execute(
            "select experiment_id, phase, unit_id, cluster_id, variant, bucket, propensity, hash_version"
            "  from glow.exposures order by experiment_id, phase, unit_id"
        ).fetchall()


def made(connection: psycopg.Connection) -> World:
    """The agent and its versions."""
    prompts = [{"instruction": f"Answer {n}."} for n in range(4)]
    call(connection, "register_agent", agent=AGENT, prompt=prompts[0])
    for prompt in prompts[1:]:
        connection.execute(
            "insert into glow.prompt_versions (agent, prompt_version, prompt, operator)"
            " values (%s, encode(sha256(convert_to(%s::jsonb::text, 'UTF8')), 'hex'), %s, 'person')",
            (AGENT, json.dumps(prompt), Jsonb(prompt)),
        )
    connection.execute(
        "insert into glow.chunkings (chunking, agent, parameters) values ('whole', %s, '{\"kind\": \"whole\"}')",
        (AGENT,),
    )
    connection.execute(
        "insert into glow.retrieval_indexes (agent, chunking, model, dimensions, state, built_at)"
        " values (%s, 'whole', 'm', 3, 'ready', now())",
        (AGENT,),
    )
    for n in range(4):
        connection.execute(
            "insert into glow.retrieval_configurations (configuration, agent, parameters, chunking, model)"
            " values (%s, %s, %s, 'whole', 'm')",
            (f"retrieval-{n}", AGENT, Jsonb({"k": n})),
        )
    hashed = "select encode(sha256(convert_to(%s::jsonb::text, 'UTF8')), 'hex')"
    return World(
        connection,
        {
            "prompt": tuple(one(connection, hashed, json.dumps(prompt)) for prompt in prompts),
            "model": tuple(f"model-{n}" for n in range(4)),
            "retrieval": tuple(f"retrieval-{n}" for n in range(4)),
            "config": tuple(one(connection, hashed, json.dumps(config)) for config in CONFIGS),
        },
    )
