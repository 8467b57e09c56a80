"""PromptOptimizer: analysis, proposals, race and gate in one turn.

Belongs here: the order of the stages, what each may see (propose: train, race: val, gate: test) and use, and the honest
final states. Does not belong here: the stages' own reasoning, dividing the budget (planning), storage, promotion.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from glow_pipelines.learning.prompts import analysis as analyses
from glow_pipelines.learning.prompts import gate as gates
from glow_pipelines.learning.prompts import race as races
from glow_pipelines.learning.prompts.budget import Budget
from glow_pipelines.learning.prompts.corrections import incorporate
from glow_pipelines.learning.prompts.evaluate import Evaluator, Outcome
from glow_pipelines.learning.prompts.goals import Goals
from glow_pipelines.learning.prompts.lint import Linter
from glow_pipelines.learning.prompts.metrics import Judge, Metric, metric_named
from glow_pipelines.learning.prompts.operators import OPERATORS, combine
from glow_pipelines.learning.prompts.operators.written import WRITTEN, WrittenOperator
from glow_pipelines.learning.prompts.order import by_turns, shuffled, stratified
from glow_pipelines.learning.prompts.planning import plan
from glow_pipelines.learning.prompts.power import power_table
from glow_pipelines.learning.prompts.scores import ScoreCache
from glow_pipelines.learning.prompts.settings import OptimizerSettings
from glow_pipelines.learning.prompts.splits import Splits
from glow_pipelines.learning.prompts.types import (
    Analysis,
    Answerer,
    Candidate,
    Carried,
    Correction,
    Example,
    Gate,
    IncorporatedCorrection,
    Optimization,
    Plan,
    Prompt,
    Race,
    State,
    Vote,
)

_STATES: Mapping[str, State] = {"promote": "finalist", "drop": "no_improvement", "carry_over": "carry_over"}
# One stream of randomness per stage: what one stage draws must not change the next.
_ANALYSIS, _PROPOSE, _RACE, _GATE, _WRITE = range(5)


class PromptOptimizer:
    """Improves a prompt from examples and corrections. One instance is one optimization: it remembers its answers.

    Deterministic given `seed` and the answers; a rerun over cached answers takes the same decisions and pays nothing.
    Stages may be called one by one; each takes all examples and reads only its own split. `writer` is the model that
    writes prompts, with `settings.reflect_share` of the budget; without one templates alone propose. `goals` choose the
    operators; their guardrails belong into the settings.
    """

    def __init__(
        self,
        answer: Answerer,
        metric: str | Metric | Judge,
        seed: int,
        budget: Budget,
        settings: OptimizerSettings | None = None,
        *,
        metric_settings: Mapping[str, Any] | None = None,
        writer: Answerer | None = None,
        judge: Answerer | None = None,
        scores: ScoreCache | None = None,
        goals: Goals | None = None,
        written: Mapping[str, WrittenOperator] = WRITTEN,
    ) -> None:
        self._written = written
        self._metric = metric_named(metric, metric_settings) if isinstance(metric, str) else metric
        self._seed, self._budget = seed, budget
        self._wanted = (goals or Goals.of(None)).operators
        self._settings = settings or OptimizerSettings()
        if writer is None:
            shares = self._settings.race_share + self._settings.reflect_share
            self._settings = replace(self._settings, reflect_share=0.0, race_share=shares)
        self._evaluator = Evaluator(answer, self._metric, budget, self._settings.batch_size, writer, scores, judge)

    @property
    def outcomes(self) -> Mapping[tuple[str, str], Outcome]:
        """Every scored answer of this optimization so far, by (prompt address, example id)."""
        return self._evaluator.outcomes

    @property
    def written(self) -> int:
        """Texts asked of the writing model so far."""
        return self._evaluator.written

    def plan(self, incumbent: Prompt, examples: Sequence[Example], carried: bool = False) -> Plan:
        """The most calls each stage may ask for, and what they may cost."""
        pair = self._evaluator.calls_per_pair
        return plan(incumbent, examples, self._budget, self._settings, pair, carried)

    def analyze(
        self,
        incumbent: Prompt,
        examples: Sequence[Example],
        corrections: Sequence[Correction],
        votes: Sequence[Vote] = (),
        embeddings: Mapping[str, Sequence[float]] | None = None,
    ) -> Analysis:
        """Where the incumbent fails on train examples (a stratified part of them when the plan allows no more)."""
        splits = Splits.of(examples)
        self._allowed(incumbent, examples, "analysis")
        # Of the plan and not of what is left: asked again, it looks at the same examples.
        allowed = self.plan(incumbent, examples).analysis // self._evaluator.calls_per_pair
        sample = stratified(splits.train, self._rng(_ANALYSIS))[:allowed]
        self._evaluator.ask_while_it_fits(incumbent, sample, self._settings.batch_size)
        asked = [example for example in sample if (incumbent.sha256, example.id) in self._evaluator.outcomes]
        outcomes = [self._evaluator.outcome(incumbent, example) for example in asked]
        heard = splits.unleaked(corrections)
        return analyses.analyze(incumbent, self._metric, asked, outcomes, heard, votes, embeddings)

    def propose(
        self,
        incumbent: Prompt,
        examples: Sequence[Example],
        corrections: Sequence[Correction],
        analysis: Analysis,
        embeddings: Mapping[str, Sequence[float]],
    ) -> tuple[Candidate, ...]:
        """Distinct candidates of all operators, linted. `embeddings` by example id; only train examples are looked up.
        Once in an optimization: what models write it pays from what is left of their share.

        Raises ValueError naming a train example without an embedding.
        """
        splits = Splits.of(examples)
        train, heard = splits.train, splits.unleaked(corrections)
        missing = [example.id for example in train if example.id not in embeddings]
        if missing:
            raise ValueError(f"no embedding for train examples {missing[:5]} ({len(missing)} in all)")
        matrix = np.array([embeddings[example.id] for example in train], dtype=float).reshape(len(train), -1)
        made: dict[str, Candidate] = {}
        for stream, (name, operator) in enumerate(OPERATORS.items()):
            if name not in self._wanted:
                continue
            for candidate in operator(incumbent, train, heard, analysis, matrix, self._rng(_PROPOSE, stream)):
                made.setdefault(candidate.prompt.sha256, candidate)
        for candidate in self._reflect(incumbent, examples, train, heard, analysis):
            made.setdefault(candidate.prompt.sha256, candidate)
        return self._lint(incumbent, splits, heard, list(made.values()))

    def race(
        self,
        incumbent: Prompt,
        candidates: Sequence[Candidate],
        examples: Sequence[Example],
        corrections: Sequence[Correction] = (),
    ) -> Race:
        """Sequential halving on val examples; the best wording and the best demonstrations combine after round one."""
        splits = Splits.of(examples)

        def grow(standing: Sequence[Candidate]) -> tuple[Candidate, ...]:
            bred = combine(standing) if "combine" in self._wanted else []
            return self._lint(incumbent, splits, splits.unleaked(corrections), bred)

        racing = by_turns([each for each in candidates if not each.findings])[: self._settings.max_arms]
        items = stratified(splits.val, self._rng(_RACE))
        start = Candidate(incumbent, "incumbent", incumbent.sha256)
        limit = self._allowed(incumbent, examples, "race")
        return races.race(start, racing, items, self._evaluator, self._settings, limit, grow)

    def gate(
        self,
        incumbent: Prompt,
        finalist: Prompt,
        examples: Sequence[Example],
        earlier: Gate | None = None,
        *,
        level: float | None = None,
        may_pass: bool = True,
        why_not: str = "",
    ) -> Gate:
        """The test on `test` examples, which must not have been spent on another finalist, with all that is left.

        `level`, `may_pass`, `why_not`: see gate.gate. A metric that may only rank passes nothing.
        """
        self._budget.allow(1, 1)
        if isinstance(self._metric, Metric) and not self._metric.may_gate:
            may_pass, why_not = False, f"metric {self._metric.id} is not made to decide alone"
        return gates.gate(
            incumbent,
            finalist,
            shuffled(Splits.of(examples).test, self._rng(_GATE)),
            self._evaluator,
            self._settings.gate,
            self._budget.remaining // self._evaluator.calls_per_pair,
            earlier,
            level=level,
            graded=self._metric.graded,
            may_pass=may_pass,
            why_not=why_not,
        )

    def optimize(
        self,
        incumbent: Prompt,
        examples: Sequence[Example],
        corrections: Sequence[Correction],
        embeddings: Mapping[str, Sequence[float]],
        carried: Carried | None = None,
    ) -> Optimization:
        """One turn. A `carried` finalist goes straight to the gate with the fresh test examples.

        Raises ValueError when a group or an id crosses splits: such a test would be no test.
        """
        splits = Splits.of(examples)
        notes = splits.notes(corrections)
        if carried is not None:
            gate = self.gate(incumbent, carried.finalist.prompt, examples, carried.gate)
            return self._done(_STATES[gate.verdict], gate.reason, incumbent, carried.finalist, gate=gate, notes=notes)
        missing = splits.missing(self._settings)
        if missing:
            return self._done(
                "insufficient_data",
                f"Nothing tried: {'; '.join(missing)}.",
                incumbent,
                missing=missing,
                power=power_table(alpha=self._settings.gate.alpha),
                notes=notes,
            )
        analysis = self.analyze(incumbent, examples, corrections, embeddings=embeddings)
        candidates = self.propose(incumbent, examples, corrections, analysis, embeddings)
        race = self.race(incumbent, candidates, examples, corrections)
        everyone = (*candidates, *race.grown)
        found: dict[str, Any] = {"analysis": analysis, "candidates": everyone, "race": race, "notes": notes}
        best = next((each for each in everyone if each.prompt.sha256 == race.survivors[0]), None)
        if best is None:
            reason = "No candidate did better than the incumbent on val examples; no test item was spent."
            return self._done("no_improvement", reason, incumbent, **found)
        gate = self.gate(incumbent, best.prompt, examples)
        return self._done(_STATES[gate.verdict], gate.reason, incumbent, best, gate=gate, **found)

    def incorporate_correction(self, correction: Correction, incumbent: Prompt | None = None) -> IncorporatedCorrection:
        """One correction as evidence: a train example or the reasons why not. It never changes a prompt by itself."""
        return incorporate(correction, incumbent, self._settings.correction_weight)

    def _lint(
        self, incumbent: Prompt, splits: Splits, heard: Sequence[Correction], candidates: Sequence[Candidate]
    ) -> tuple[Candidate, ...]:
        return Linter(incumbent, splits.train, heard, self._settings.max_prompt_tokens).linted(candidates)

    def _allowed(self, incumbent: Prompt, examples: Sequence[Example], stage: str) -> int:
        """How many pairs a stage may ask for: its calls of the plan and what the stages before it left."""
        stages = self.plan(incumbent, examples).stages
        upto = [name for name, _ in stages].index(stage) + 1
        self._budget.allow(sum(calls for _, calls in stages[:upto]), sum(calls for _, calls in stages))
        return self._budget.remaining // self._evaluator.calls_per_pair

    def _reflect(
        self,
        incumbent: Prompt,
        examples: Sequence[Example],
        train: Sequence[Example],
        heard: Sequence[Correction],
        analysis: Analysis,
    ) -> Iterator[Candidate]:
        """Candidates a model wrote. Each operator may use an equal part of what is left; the last one all of it."""
        writing = [each for each in self._written if each in self._wanted] if self._settings.reflect_share else []
        for stream, name in enumerate(writing):
            left = self._allowed(incumbent, examples, "reflect")
            limit = left // (len(writing) - stream)
            if limit:
                rng = self._rng(_WRITE, stream)
                yield from self._written[name](incumbent, train, heard, analysis, self._evaluator, rng, limit)

    def _rng(self, *stream: int) -> np.random.Generator:
        return np.random.default_rng([self._seed, *stream])

    def _done(
        self, state: State, reason: str, incumbent: Prompt, finalist: Candidate | None = None, **found: Any
    ) -> Optimization:
        given: dict[str, Any] = {"analysis": None, "candidates": (), "race": None, "gate": None, **found}
        return Optimization(
            state=state,
            reason=reason,
            incumbent=incumbent,
            finalist=finalist,
            metric=self._metric.id,
            metric_version=self._metric.version,
            seed=self._seed,
            evaluations=self._evaluator.evaluations,
            calls=self._budget.calls,
            cached=self._budget.cached,
            paid_calls=self._budget.paid_calls,
            prompt_tokens=self._budget.prompt_tokens,
            completion_tokens=self._budget.completion_tokens,
            cost_usd=self._budget.cost_usd,
            **given,
        )
