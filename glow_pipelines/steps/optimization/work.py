"""What one optimization is about: read once when it is opened, fixed from then on.

Belongs here: finding or beginning it, its evidence, its engine. Does not: what its stages do (stages).
"""

from dataclasses import dataclass, replace
from functools import cached_property

from glow_pipelines.learning.prompts import Budget, OptimizerSettings, PromptOptimizer
from glow_pipelines.learning.prompts.goals import Goals
from glow_pipelines.learning.prompts.metrics import Judge, Metric
from glow_pipelines.learning.prompts.splits import Splits
from glow_pipelines.learning.prompts.types import Candidate as PromptCandidate
from glow_pipelines.learning.prompts.types import Carried, Correction, Example, Gate, Plan, Prompt, Vote
from glow_pipelines.services import Services
from glow_pipelines.steps.optimization import spending
from glow_pipelines.steps.optimization.asking import Asking
from glow_pipelines.steps.optimization.limits import Limits
from glow_pipelines.store.noun import Row
from glow_pipelines.store.scores import StoredScores


@dataclass
class Optimization:
    """An agent's newest dataset version against its prompt in force.

    `spent` are the groups of test items that were spent when it began. `budget` is that of the stage under way.
    """

    services: Services
    agent: str
    id: str
    metric: Metric | Judge
    incumbent: Prompt
    examples: tuple[Example, ...]
    spent: frozenset[str]
    corrections: tuple[Correction, ...]
    votes: tuple[Vote, ...]
    row: Row
    usual: Limits
    limits: Limits
    goals: Goals
    asking: Asking
    run: str
    budget: Budget
    used_before: Row
    proposed: tuple[PromptCandidate, ...] | None = None

    @cached_property
    def settings(self) -> OptimizerSettings:
        """The usual ones with the guardrails of the goals."""
        usual = OptimizerSettings()
        return replace(usual, gate=replace(usual.gate, guardrails=self.goals.guardrails))

    @cached_property
    def missing(self) -> tuple[str, ...]:
        """What is missing before anything may be tried. Who was carried over goes on with whatever there is."""
        if self.carried is not None:
            return ()
        gone = sum(example.group in self.spent for example in self.examples)
        spent = (f"{gone} test examples are spent on earlier finalists",) if gone else ()
        missing = tuple(Splits.of(self.usable).missing(self.settings))
        return (*missing, *spent) if missing else ()

    @cached_property
    def usable(self) -> tuple[Example, ...]:
        """The examples without test items that were spent when it began: those can decide nothing any more."""
        return tuple(example for example in self.examples if example.group not in self.spent)

    @cached_property
    def engine(self) -> PromptOptimizer:
        """Remembers what it asked; the stages up to the race share it."""
        return self._engine(self.budget)

    def _engine(self, budget: Budget) -> PromptOptimizer:
        model = self.services.chat.name
        return PromptOptimizer(
            self.asking,
            self.metric,
            int(self.id[:8], 16),
            budget,
            self.settings,
            writer=self.asking if writes(self.services) else None,
            # Not a judge's: its answers are cached, and a score that skips its questions would change the account.
            scores=self._scores(model),
            goals=self.goals,
        )

    def _scores(self, model: str) -> StoredScores | None:
        """Where scores are kept, for metrics that need no question to a model."""
        if not isinstance(self.metric, Metric):
            return None
        models = (model, self.services.embeddings.name) if self.metric.id == "embedding" else (model,)
        return StoredScores(self.services.store, *models)

    def engine_for_gate(self) -> PromptOptimizer:
        """A fresh one with what the stages before left of every limit, as they recorded it."""
        with self.services.store.transaction() as t:
            self.used_before = spending.before(t.optimizations.get(self.id)["spent"])
        self.budget = self.limits.budget(self.used_before)
        self.asking.keys.clear()
        self.__dict__.pop("engine", None)
        return self.engine

    @cached_property
    def plan(self) -> Plan:
        """The most each stage may ask for, and what that may cost."""
        return self._engine(self.limits.budget()).plan(self.incumbent, self.usable, self.carried is not None)

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
        return Carried(PromptCandidate(prompt, "carried", self.incumbent.sha256), Gate.from_json(row["evidence"]))

    def now(self) -> Row:
        """Its row as it stands."""
        with self.services.store.transaction() as t:
            return t.optimizations.get(self.id)


def writes(services: Services) -> bool:
    """Whether the chat model writes prompts: as the settings say, else where it is not the embedded one."""
    asked = services.settings.optimization_writing
    return not services.uses_local_models if asked is None else asked
