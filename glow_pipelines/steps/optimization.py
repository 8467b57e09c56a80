"""One prompt optimization between the store and the engine.

Belongs here: reading what a stage needs, calling it, writing what it found. Does not: Dagster (prompts.py), the stages
themselves (learning/prompts).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256

from glow_pipelines.learning.datasets import VersionRow
from glow_pipelines.learning.prompts import Budget, OptimizerSettings, PromptOptimizer
from glow_pipelines.learning.prompts.metrics import METRICS
from glow_pipelines.learning.prompts.splits import Splits
from glow_pipelines.learning.prompts.types import (
    Analysis,
    Candidate,
    Carried,
    Correction,
    Example,
    Gate,
    Prompt,
    Race,
    Source,
)
from glow_pipelines.services import Services
from glow_pipelines.store.noun import Row

ENGINE = "prompts-1"


class NotOptimizable(Exception):
    """There is nothing to optimize, and why."""


@dataclass
class Optimization:
    """An agent's newest dataset version against its prompt in force."""

    services: Services
    agent: str
    id: str
    metric: str
    incumbent: Prompt
    examples: tuple[Example, ...]
    corrections: tuple[Correction, ...]
    row: Row
    budget: Budget

    @classmethod
    def open(cls, services: Services, agent: str) -> "Optimization":
        """The optimization to do, or to show again when it was done. Raises NotOptimizable with the reason."""
        with services.store.transaction() as t:
            registered = t.feedback.agent(agent)
            if registered.metric is None or registered.metric not in METRICS:
                raise NotOptimizable("this agent's answers have no exact metric; a judge comes with calibration")
            dataset = t.datasets.in_force(agent)
            incumbent = t.prompts.in_force(agent)
            if dataset is None or incumbent is None:
                raise NotOptimizable("no dataset version yet" if dataset is None else "no prompt in force")
            identity = (agent, dataset["dataset_id"], incumbent.prompt.sha256, services.chat.name, ENGINE)
            optimization_id = sha256("\x1f".join(identity).encode()).hexdigest()[:32]
            known = t.optimizations.has(optimization_id)
            if not known and (running := t.experiments.running(agent)) is not None:
                raise NotOptimizable(f"waits for experiment {running['experiment_id']}: one candidate at a time")
            t.optimizations.start(optimization_id, agent, dataset["dataset_id"], incumbent.prompt.sha256)
            row = t.optimizations.get(optimization_id)
            rows = t.datasets.rows(dataset["dataset_id"])
            votes = t.feedback.feedback_of_agent(agent, incumbent.prompt.sha256, until=row["feedback_until"])
            executions = {run.id: run for run in t.feedback.executions_of_agent(agent)}
        corrections = tuple(
            Correction(
                feedback_id=str(vote.id),
                execution_id=vote.execution_id,
                input=executions[vote.execution_id].input,
                observed=executions[vote.execution_id].output,
                expected=vote.correction,
                user_id=vote.user_id or "",
                issues=vote.issues,
                comment=vote.comment,
            )
            for vote in votes
            if vote.correction is not None
        )
        budget = Budget(registered.max_calls or services.settings.optimization_max_calls)
        examples = tuple(_example(each) for each in rows)
        return cls(
            services, agent, optimization_id, registered.metric, incumbent.prompt, examples, corrections, row, budget
        )

    @cached_property
    def missing(self) -> tuple[str, ...]:
        """What is missing before anything may be tried."""
        return tuple(Splits.of(self.examples).missing(OptimizerSettings()))

    @cached_property
    def _optimizer(self) -> PromptOptimizer:
        return self._engine(self.budget)

    def _engine(self, budget: Budget) -> PromptOptimizer:
        return PromptOptimizer(self.services.answer, self.metric, int(self.id[:8], 16), budget)

    def analyze(self) -> Analysis:
        analysis = self._optimizer.analyze(self.incumbent, self.examples, self.corrections)
        with self.services.store.transaction() as t:
            t.optimizations.record_analysis(self.id, {**analysis.to_json(), "calls": self.budget.calls})
        return analysis

    def propose(self) -> tuple[Candidate, ...]:
        """Candidates, written as prompt versions with their lineage."""
        if self.missing or self.carried is not None:
            return ()
        analysis = self._optimizer.analyze(self.incumbent, self.examples, self.corrections)  # answers are cached
        train = [example for example in self.examples if example.split == "train"]
        vectors = self.services.embeddings.embed([example.input for example in train])
        embeddings = {example.id: vector.tolist() for example, vector in zip(train, vectors, strict=True)}
        found = self._optimizer.propose(self.incumbent, self.examples, self.corrections, analysis, embeddings)
        self._write(found)
        return found

    def race(self, log: Callable[[str], object]) -> Race:
        """The race; candidates that it bred are written too."""
        candidates = self.propose()
        if not candidates:
            return Race((), (), (), 0, 0)
        log(f"racing {sum(not each.findings for each in candidates)} candidates of {self.agent}")
        race = self._optimizer.race(self.incumbent, candidates, self.examples, self.corrections)
        self._write((*candidates, *race.grown))
        with self.services.store.transaction() as t:
            t.optimizations.record_race(self.id, race.to_json())
            t.optimizations.record_evaluations(self._evaluations("race"))
        return race

    def gate(self) -> Gate | None:
        """The gate of the finalist, written once; None when there is no finalist."""
        finalist, earlier = self._finalist()
        if finalist is None:
            with self.services.store.transaction() as t:
                state = "insufficient_data" if self.missing else "no_improvement"
                t.optimizations.close(self.id, state, self.outcome())
            return None
        gate_id = sha256(f"{self.id}\x1f{finalist.sha256}".encode()).hexdigest()[:32]
        with self.services.store.transaction() as t:
            known = t.optimizations.gate(gate_id)
            tests = {example.id: example.group for example in self.examples if example.split == "test"}
            spent = t.optimizations.spent(self.agent, set(tests.values()))
        if known is not None:
            return Gate.from_json(known["evidence"])
        fresh = tuple(example for example in self.examples if example.group not in spent)
        # Its share of the plan, never what happens to be left: a resumed run must decide the same.
        self.budget = Budget(self._optimizer.plan(self.examples).gate)
        self._optimizer = self._engine(self.budget)
        gate = self._optimizer.gate(self.incumbent, finalist, fresh, earlier)
        groups = {tests[id] for id in set(gate.spent) - set(earlier.spent if earlier else ())}
        states = {"promote": "finalist", "drop": "no_improvement", "carry_over": "carry_over"}
        with self.services.store.transaction() as t:
            t.optimizations.record_gate(gate_id, self.id, self.agent, gate, groups)
            t.optimizations.close(self.id, states[gate.verdict], gate.reason)
            t.optimizations.record_evaluations(self._evaluations("gate"))
        return gate

    def outcome(self) -> str:
        """Why there is no gate, in words."""
        if self.missing:
            return f"insufficient data: {'; '.join(self.missing)}"
        return "no candidate did better than the prompt in force on validation items; no test item was spent"

    def spent_elsewhere(self, gate: Gate) -> list[str]:
        """Test items of this gate whose group a gate of another finalist has spent: must be none."""
        groups = {example.group for example in self.examples if example.id in set(gate.spent)}
        with self.services.store.transaction() as t:
            rows = [t.optimizations.gate(each) for each in set(t.optimizations.spent(self.agent, groups).values())]
        return [row["gate_id"] for row in rows if row is not None and row["finalist"] != gate.finalist_sha256]

    def untraced(self) -> list[str]:
        """Rules and demonstrations of the candidates without a source row."""
        with self.services.store.transaction() as t:
            row = t.optimizations.get(self.id)
            found = []
            for each in row["candidates"] or []:
                found += [
                    f"{each['operator']}: {part['id']}" for part in t.prompts.untraced(self.agent, each["version"])
                ]
            return found

    @cached_property
    def carried(self) -> Carried | None:
        """The finalist of an earlier night whose gate was not decided; fixed when this optimization began."""
        if self.row["carried_gate"] is None:
            return None
        with self.services.store.transaction() as t:
            row = t.optimizations.gate(self.row["carried_gate"])
            if row is None:
                return None
            prompt = t.prompts.prompt(self.agent, row["finalist"])
        if prompt is None:
            return None
        return Carried(Candidate(prompt, "carried", self.incumbent.sha256), Gate.from_json(row["evidence"]))

    def _finalist(self) -> tuple[Prompt | None, Gate | None]:
        if self.carried is not None:
            return self.carried.finalist.prompt, self.carried.gate
        survivors = (self.row["race"] or {}).get("survivors") or [self.incumbent.sha256]
        if survivors[0] == self.incumbent.sha256:
            return None, None
        with self.services.store.transaction() as t:
            return t.prompts.prompt(self.agent, survivors[0]), None

    def _evaluations(self, stage: str) -> list[dict[str, object]]:
        """What this stage's prompts answered, for whoever asks later."""
        return [
            {
                "agent": self.agent,
                "prompt_version": prompt,
                "example_id": example,
                "metric": self.metric,
                "model": self.services.chat.name,
                "output": outcome.text,
                "score": outcome.score,
                "stage": stage,
            }
            for (prompt, example), outcome in self._optimizer.outcomes.items()
        ]

    def _write(self, candidates: tuple[Candidate, ...]) -> None:
        listed: list[dict[str, object]] = [
            {"version": each.prompt.sha256, "operator": each.operator, "findings": list(each.findings)}
            for each in candidates
        ]
        with self.services.store.transaction() as t:
            for each in candidates:
                t.prompts.add(self.agent, each)
            t.optimizations.record_candidates(self.id, listed)


def _example(row: VersionRow) -> Example:
    kept = row.example
    sources = tuple(Source(source.kind, source.id) for source in kept.sources)
    return Example(kept.id, kept.input, kept.target, kept.group, row.split, kept.quality, sources)
