"""Optimizations, gates and evaluations in the database.

Belongs here: one row per optimization and what its stages found, gates with the test items they spend. Does not: prompt
versions and aliases (prompts), who wins (learning/prompts).
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

from psycopg.errors import UniqueViolation

from glow_pipelines.learning.prompts.types import Gate
from glow_pipelines.store.noun import Noun, Row, json

_NOT_MEASURED: Mapping[str, object] = {
    "metric_version": 1,
    "valid": None,
    "prompt_tokens": None,
    "completion_tokens": None,
    "seconds": None,
}


class AlreadySpent(Exception):
    """Another gate spent a group of test items first. Nothing was written."""


class Optimizations(Noun):
    queries = "optimizations"

    def start(
        self,
        optimization_id: str,
        agent: str,
        dataset_id: str,
        incumbent: str,
        *,
        goals: Sequence[str] = (),
        limits: Mapping[str, object] | None = None,
        model: str | None = None,
        metric: str | None = None,
        metric_version: int | None = None,
        metric_settings: str | None = None,
    ) -> None:
        """Begin, or find again with what was fixed at the first start."""
        self._run(
            "start",
            optimization_id=optimization_id,
            agent=agent,
            dataset_id=dataset_id,
            incumbent=incumbent,
            goals=list(goals),
            limits=json(dict(limits or {})),
            model=model,
            metric=metric,
            metric_version=metric_version,
            metric_settings=metric_settings,
        )

    def has(self, optimization_id: str) -> bool:
        """Whether this optimization was begun before."""
        return self._row("get", optimization_id=optimization_id) is not None

    def get(self, optimization_id: str) -> Row:
        row = self._row("get", optimization_id=optimization_id)
        assert row is not None
        return row

    def latest(self, agent: str) -> Row | None:
        return self._row("latest", agent=agent)

    def record_plan(self, optimization_id: str, plan: Mapping[str, object]) -> None:
        self._run("record_plan", optimization_id=optimization_id, content=json(dict(plan)))

    def record_analysis(self, optimization_id: str, analysis: Mapping[str, object]) -> None:
        self._run("record_analysis", optimization_id=optimization_id, content=json(analysis))

    def record_candidates(self, optimization_id: str, candidates: Sequence[Mapping[str, object]]) -> None:
        self._run("record_candidates", optimization_id=optimization_id, content=json(list(candidates)))

    def record_race(self, optimization_id: str, race: Mapping[str, object]) -> None:
        self._run("record_race", optimization_id=optimization_id, content=json(race))

    def record_spent(self, optimization_id: str, spent: Mapping[str, object]) -> None:
        """What it has used so far over all attempts: calls, tokens, dollars; and what of it was paid."""
        self._run("record_spent", optimization_id=optimization_id, content=json(dict(spent)))

    def close(self, optimization_id: str, state: str, reason: str) -> None:
        self._run("close", optimization_id=optimization_id, state=state, reason=reason)

    def record_gate(
        self,
        gate_id: str,
        optimization_id: str,
        agent: str,
        gate: Gate,
        groups: Collection[str],
        gate_key: str | None = None,
    ) -> None:
        """Write a gate and spend the groups of its fresh test items. Writing it again changes nothing.

        `gate_key` is the key of its test in the ledger.

        Raises AlreadySpent when another gate spent one of the groups.
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
            gate_key=gate_key,
        )
        if written:
            try:
                self._run("spend_test_groups", agent=agent, gate_id=gate_id, groups=sorted(groups))
            except UniqueViolation as error:
                raise AlreadySpent(f"test items of {agent} were spent by another gate meanwhile") from error

    def gate(self, gate_id: str) -> Row | None:
        return self._row("gate", gate_id=gate_id)

    def latest_gate(self, agent: str) -> Row | None:
        """The newest gate of the agent whose finalist was neither rolled back since nor lost a part to an erasure."""
        return self._row("latest_gate", agent=agent)

    def spent(self, agent: str, groups: Collection[str]) -> dict[str, str]:
        """Which of these groups of test items are spent, and by which gate."""
        rows = self._rows("spent_test_groups", agent=agent, groups=sorted(groups))
        return {row["group_key"]: row["gate_id"] for row in rows}

    def spent_before(self, optimization_id: str) -> frozenset[str]:
        """The groups of test items that were spent when the optimization began."""
        return frozenset(row["group_key"] for row in self._rows("spent_before", optimization_id=optimization_id))

    def open_gate(self, optimization_id: str, finalist: str) -> Row | None:
        """The newest gate of a finalist that this optimization has to go on with: the same prompt in force, model and
        metric, and nothing decided."""
        return self._row("open_gate", optimization_id=optimization_id, finalist=finalist)

    def record_evaluations(self, rows: Iterable[Mapping[str, object]]) -> None:
        """Rows of agent, prompt_version, example_id, metric, model, output, score, stage; and if they were measured
        metric_version, valid, prompt_tokens, completion_tokens, seconds."""
        self._run_many("insert_evaluation", ({**_NOT_MEASURED, **row} for row in rows))

    def answers(self, keys: Collection[str], since: datetime) -> Row:
        """What the answers to these requests cost when fresh: calls, tokens, usd; `new`: how many came since then."""
        row = self._row("answers", keys=sorted(keys), since=since)
        assert row is not None
        return row

    def evaluated(self, agent: str, versions: Collection[str]) -> list[str]:
        """Those of these prompts that were asked anything."""
        rows = self._rows("evaluated", agent=agent, versions=sorted(versions))
        return [row["prompt_version"] for row in rows]

    def gates_of(self, agent: str, incumbent: str, finalist: str) -> list[Row]:
        """The gates of a finalist against one prompt in force, the oldest first."""
        return self._rows("gates_of", agent=agent, incumbent=incumbent, finalist=finalist)

    def rule_counts_before(self, agent: str, optimization_id: str) -> dict[tuple[str, str], tuple[int, int]]:
        """How often rules, by id and text, helped and harmed in the optimizations before this one."""
        rows = self._rows("rule_counts_before", agent=agent, optimization_id=optimization_id)
        return {(row["rule_id"], row["rule_text"]): (row["helpful"], row["harmful"]) for row in rows}
