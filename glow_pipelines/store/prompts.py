"""Prompt versions, optimizations, gates and aliases in the database.

Belongs here: writing a prompt with its lineage, moving an alias by compare-and-swap with its history. Does not: who
wins (learning/prompts).
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from glow_pipelines.learning.prompts.types import Candidate, Gate, Lineage, Prompt
from glow_pipelines.store.noun import Noun, Row, json

Alias = Literal["production", "candidate", "previous"]


@dataclass(frozen=True)
class PromptInForce:
    """The prompt behind an alias and the revision a move must name."""

    prompt: Prompt
    operator: str
    revision: int


class AliasMoved(Exception):
    """Somebody else moved the alias first; read it again."""


class Prompts(Noun):
    queries = "prompts"

    def in_force(self, agent: str, alias: Alias = "production") -> PromptInForce | None:
        row = self._row("prompt_in_force", agent=agent, alias=alias)
        if row is None:
            return None
        return PromptInForce(Prompt.from_json(row["prompt"]), row["operator"], row["revision"])

    def prompt(self, agent: str, prompt_version: str) -> Prompt | None:
        row = self._row("prompt", agent=agent, prompt_version=prompt_version)
        return None if row is None else Prompt.from_json(row["prompt"])

    def add(self, agent: str, candidate: Candidate) -> None:
        """Write a candidate and the rows its rules and demonstrations came from; the same content is written once."""
        version = candidate.prompt.sha256
        self._run(
            "insert_prompt",
            agent=agent,
            prompt=json(candidate.prompt.content()),
            operator=candidate.operator,
            parent=candidate.parent_sha256,
        )
        self._run_many("insert_lineage", (_lineage(agent, version, row) for row in candidate.lineage))

    def start_optimization(self, optimization_id: str, agent: str, dataset_id: str, incumbent: str) -> None:
        self._run(
            "start_optimization",
            optimization_id=optimization_id,
            agent=agent,
            dataset_id=dataset_id,
            incumbent=incumbent,
        )

    def has_optimization(self, optimization_id: str) -> bool:
        """Whether this optimization was begun before."""
        return self._row("optimization", optimization_id=optimization_id) is not None

    def optimization(self, optimization_id: str) -> Row:
        row = self._row("optimization", optimization_id=optimization_id)
        assert row is not None
        return row

    def latest_optimization(self, agent: str) -> Row | None:
        return self._row("latest_optimization", agent=agent)

    def record_analysis(self, optimization_id: str, analysis: Mapping[str, object]) -> None:
        self._run("record_analysis", optimization_id=optimization_id, content=json(analysis))

    def record_candidates(self, optimization_id: str, candidates: Sequence[Mapping[str, object]]) -> None:
        self._run("record_candidates", optimization_id=optimization_id, content=json(list(candidates)))

    def record_race(self, optimization_id: str, race: Mapping[str, object]) -> None:
        self._run("record_race", optimization_id=optimization_id, content=json(race))

    def close_optimization(self, optimization_id: str, state: str, reason: str) -> None:
        self._run("close_optimization", optimization_id=optimization_id, state=state, reason=reason)

    def record_gate(self, gate_id: str, optimization_id: str, agent: str, gate: Gate, groups: Collection[str]) -> None:
        """Write a gate and spend the groups of its fresh test items. Writing it again changes nothing.

        Raises psycopg.errors.UniqueViolation when another gate spent one of the groups.
        """
        written = self._run(
            "insert_gate",
            gate_id=gate_id,
            optimization_id=optimization_id,
            agent=agent,
            incumbent=gate.incumbent_sha256,
            finalist=gate.finalist_sha256,
            verdict=gate.verdict,
            evidence=json(gate.to_json()),
        )
        if written:
            self._run("spend_test_groups", agent=agent, gate_id=gate_id, groups=sorted(groups))

    def gate(self, gate_id: str) -> Row | None:
        return self._row("gate", gate_id=gate_id)

    def latest_gate(self, agent: str) -> Row | None:
        return self._row("latest_gate", agent=agent)

    def spent(self, agent: str, groups: Collection[str]) -> dict[str, str]:
        """Which of these groups of test items are spent, and by which gate."""
        rows = self._rows("spent_test_groups", agent=agent, groups=sorted(groups))
        return {row["group_key"]: row["gate_id"] for row in rows}

    def gate_of_alias(self, agent: str, alias: Alias) -> Row | None:
        """The gate behind the newest move of an alias: gate_id, verdict, finalist, prompt_version."""
        return self._row("gate_of_alias", agent=agent, alias=alias)

    def record_evaluations(self, rows: Iterable[Mapping[str, object]]) -> None:
        """Rows of agent, prompt_version, example_id, metric, model, output, score, stage."""
        self._run_many("insert_evaluation", rows)

    def move_alias(
        self, agent: str, alias: Alias, prompt_version: str, moved_by: str, reason: str, gate_id: str | None = None
    ) -> bool:
        """Point an alias at a prompt; False when it points there already.

        Raises AliasMoved when it moved between reading and writing.
        """
        current = self._row("prompt_in_force", agent=agent, alias=alias)
        if current is not None and current["prompt_version"] == prompt_version:
            return False
        revision = 0 if current is None else current["revision"]
        moved = self._row("move_alias", agent=agent, alias=alias, prompt_version=prompt_version, revision=revision)
        if moved is None:
            raise AliasMoved(f"alias {alias} of {agent} is not at revision {revision} any more")
        self._run(
            "insert_alias_move",
            agent=agent,
            alias=alias,
            prompt_version=prompt_version,
            previous=current and current["prompt_version"],
            revision=moved["revision"],
            moved_by=moved_by,
            reason=reason,
            gate_id=gate_id,
        )
        return True

    def lineage(self, agent: str, prompt_version: str) -> list[Row]:
        """Every row behind a prompt, down to feedback and annotations."""
        return self._rows("lineage", agent=agent, prompt_version=prompt_version)

    def untraced(self, agent: str, prompt_version: str) -> list[Row]:
        """Rules and demonstrations without a source: must be empty."""
        return self._rows("untraced", agent=agent, prompt_version=prompt_version)


def _lineage(agent: str, version: str, row: Lineage) -> dict[str, object]:
    return {
        "agent": agent,
        "prompt_version": version,
        "kind": "example" if isinstance(row.source, str) else row.source.kind,
        "source_id": row.source if isinstance(row.source, str) else row.source.id,
        "role": row.role,
        "rule_id": row.rule_id or "",
    }
