"""Prompt versions and aliases in the database, and the ledger of tests that prompts passed or failed.

Belongs here: writing a prompt with its lineage, moving an alias by compare-and-swap with its history, rolling back.
Does not: optimizations and gates (optimizations), who wins (learning/prompts).
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Literal

import psycopg

from glow_pipelines.learning.prompts.types import Candidate, Lineage, Prompt, Rule
from glow_pipelines.store.noun import Noun, Row, json

Alias = Literal["production", "candidate", "previous"]
_CORRECTION = "correction:"  # begins the id of evidence that is a user's correction, before the number of its vote


@dataclass(frozen=True)
class PromptInForce:
    """The prompt behind an alias and the revision a move must name."""

    prompt: Prompt
    operator: str
    revision: int


class AliasMoved(Exception):
    """Somebody else moved the alias first; read it again."""


class MoveRefused(Exception):
    """The database refused to move an alias; the message says why and what is accepted."""


class NoSuchPrompt(Exception):
    """No version is meant, or more than one could be."""


class Prompts(Noun):
    queries = "prompts"

    def in_force(self, agent: str, alias: Alias = "production") -> PromptInForce | None:
        """The prompt behind an alias; its rules with their counters."""
        row = self._row("prompt_in_force", agent=agent, alias=alias)
        if row is None:
            return None
        return PromptInForce(self._prompt(agent, row["prompt"]), row["operator"], row["revision"])

    def prompt(self, agent: str, prompt_version: str) -> Prompt | None:
        """A version, its rules with their counters; None when there is none or it lost a part to an erasure."""
        row = self._row("prompt", agent=agent, prompt_version=prompt_version)
        return None if row is None else self._prompt(agent, row["prompt"])

    def add(
        self, agent: str, candidate: Candidate, operator_model: str | None = None, operator_prompt: str | None = None
    ) -> None:
        """Write a candidate and the rows its rules and demonstrations came from; the same content is written once.

        `operator_model` and `operator_prompt` (a sha256): which model wrote it, and the hash of what that was asked.
        """
        version = candidate.prompt.sha256
        self._run(
            "insert_prompt",
            agent=agent,
            prompt=json(candidate.prompt.content()),
            operator=candidate.operator,
            parent=candidate.parent_sha256,
            reason=candidate.reason[:2000],
            tokens=candidate.prompt.tokens,
            operator_model=operator_model,
            operator_prompt=operator_prompt,
        )
        self._run_many("insert_lineage", (_lineage(agent, version, row) for row in candidate.lineage))

    def gate_of_alias(self, agent: str, alias: Alias) -> Row | None:
        """The gate behind the newest move of an alias: gate_id, verdict, finalist, prompt_version."""
        return self._row("gate_of_alias", agent=agent, alias=alias)

    def move_alias(
        self,
        agent: str,
        alias: Alias,
        prompt_version: str,
        moved_by: str,
        reason: str,
        gate_id: str | None = None,
        experiment_id: str | None = None,
        expected: int | None = None,
    ) -> bool:
        """Point an alias at a prompt; False when it points there already. What production was stays as `previous`.

        `expected`: the revision the caller decided by (0: no such alias); None reads it now. Raises AliasMoved when it
        is another by the time of writing, MoveRefused for an unknown or erased version or an unknown experiment.
        """
        current = self._row("prompt_in_force", agent=agent, alias=alias)
        revision = 0 if current is None else current["revision"]
        if expected is not None and expected != revision:
            raise AliasMoved(f"alias {alias} of {agent} is at revision {revision}, not at {expected} any more")
        if current is not None and current["prompt_version"] == prompt_version:
            return False
        with refusals():
            moved = self._row(
                "move_alias",
                agent=agent,
                alias=alias,
                prompt_version=prompt_version,
                expected=revision,
                moved_by=moved_by,
                reason=reason,
                gate_id=gate_id,
                experiment_id=experiment_id,
            )
        if moved is None or moved["revision"] is None:
            raise AliasMoved(f"alias {alias} of {agent} is not at revision {revision} any more: somebody else moved it")
        return True

    def rollback(self, agent: str, moved_by: str, reason: str, target: str | None = None) -> Row:
        """Put the previous prompt in force again, or `target`, which must have been in production.

        Returns prompt_version, rolled_back, revision. Raises MoveRefused when there is no previous prompt, or an
        experiment runs on it.
        """
        with refusals():
            row = self._row("rollback", agent=agent, moved_by=moved_by, reason=reason, target=target)
        assert row is not None
        receipt: Row = row["receipt"]
        return receipt

    def lineage(self, agent: str, prompt_version: str) -> list[Row]:
        """Every row behind a prompt, down to feedback and annotations."""
        return self._rows("lineage", agent=agent, prompt_version=prompt_version)

    def trace(self, agent: str, prompt_version: str) -> list[Row]:
        """Every part of a prompt with every row it came from, by one query.

        part, part_id, content, traced, origin, origin_version, role, kind, source_id, source_role, example_id, said:
        what they mean is said at glow.trace_prompt.
        """
        return self._rows("trace", agent=agent, prompt_version=prompt_version)

    def untraced(self, agent: str, prompt_version: str) -> list[Row]:
        """Parts that nothing is known to be behind (part, id): must be empty."""
        return self._rows("untraced", agent=agent, prompt_version=prompt_version)

    def versions(self, agent: str, most: int = 100) -> list[Row]:
        """The versions of an agent, the newest first, with the aliases that point there."""
        return self._rows("versions", agent=agent, most=most)

    def history(self, agent: str, most: int = 100) -> list[Row]:
        """The moves of an agent's aliases, the newest first."""
        return self._rows("history", agent=agent, most=most)

    def find(self, agent: str, version: str) -> Row:
        """The version of an alias, or the one that begins so. Raises NoSuchPrompt for none, and for more than one."""
        rows = self._rows("find", agent=agent, version=version)
        if len(rows) != 1:
            problem = "no version" if not rows else "more than one version"
            raise NoSuchPrompt(
                f"{agent} has {problem} {version!r}; accepted: production, candidate, previous or the beginning of a "
                f"version; see: glow prompt list {agent}"
            )
        return rows[0]

    def open_level(self, gate_key: str, agent: str) -> tuple[int, int]:
        """The number of a test among those of all agents, and how many others had rejected when it was opened."""
        row = self._row("open_level", gate_key=gate_key, agent=agent)
        assert row is not None
        return row["number"], row["rejections"]

    def decide_level(self, gate_key: str, verdict: str, level: float | None = None) -> bool:
        """Write what a test came to: promote, drop, carry_over (open still); False when it was decided before."""
        return bool(self._run("decide_level", gate_key=gate_key, verdict=verdict, level=level))

    def level(self, gate_key: str) -> Row | None:
        """A test in the ledger: number, agent, rejections, level, verdict, opened_at, decided_at."""
        return self._row("level", gate_key=gate_key)

    def count_rules(self, agent: str, counts: Iterable[Rule], optimization_id: str = "") -> None:
        """Write how often rules helped and harmed in one optimization; written again, the same."""
        self._run_many(
            "count_rule",
            (
                {
                    "agent": agent,
                    "rule_id": rule.id,
                    "optimization_id": optimization_id,
                    "rule_text": rule.text,
                    "helpful": rule.helpful,
                    "harmful": rule.harmful,
                }
                for rule in counts
            ),
        )

    def rule_counts(self, agent: str) -> dict[tuple[str, str], tuple[int, int]]:
        """How often each rule of an agent, by its id and words, helped and harmed over all optimizations."""
        rows = self._rows("rule_counts", agent=agent)
        return {(row["rule_id"], row["rule_text"]): (row["helpful"], row["harmful"]) for row in rows}

    def _prompt(self, agent: str, content: Any) -> Prompt:
        prompt = Prompt.from_json(content)
        if not prompt.rules:
            return prompt
        counted = self.rule_counts(agent)
        rules = []
        for rule in prompt.rules:
            helpful, harmful = counted.get((rule.id, rule.text), (0, 0))
            rules.append(replace(rule, helpful=helpful, harmful=harmful))
        return replace(prompt, rules=tuple(rules))


@contextmanager
def refusals() -> Iterator[None]:
    """What the database refuses is a MoveRefused."""
    try:
        yield
    except psycopg.Error as error:
        if not (error.sqlstate or "").startswith("PT"):
            raise
        raise MoveRefused(f"{error.diag.message_primary}; accepted: {error.diag.message_hint}") from error


def _lineage(agent: str, version: str, row: Lineage) -> dict[str, object]:
    kind, source_id = ("example", row.source) if isinstance(row.source, str) else (row.source.kind, row.source.id)
    if kind == "example" and source_id.startswith(_CORRECTION):
        kind, source_id = "feedback", source_id.removeprefix(_CORRECTION)
    return {
        "agent": agent,
        "prompt_version": version,
        "kind": kind,
        "source_id": source_id,
        "role": row.role,
        "rule_id": row.rule_id or "",
    }
