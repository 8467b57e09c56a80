"""Reflection: what a reflective engine may do, and what it finds within its limit.

Belongs here: the part of train it reflects on and the part it is measured on, paying, rewriting, remembering who was
shown what, the Pareto front. Does not belong here: whom to rewrite next (reflect_gepa, reflect_loop).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from glow_pipelines.learning.prompts.budget import BudgetExhaustedError
from glow_pipelines.learning.prompts.deltas import apply, deltas
from glow_pipelines.learning.prompts.evaluate import Evaluator
from glow_pipelines.learning.prompts.evidence import Candidate, Correction, Example
from glow_pipelines.learning.prompts.operators.edits import apply_edits, candidate
from glow_pipelines.learning.prompts.order import stratified
from glow_pipelines.learning.prompts.prompt import Prompt, Rule
from glow_pipelines.learning.prompts.provenance import Provenance
from glow_pipelines.learning.prompts.records import Case, Records, select
from glow_pipelines.learning.prompts.writing import WritingError, ask_for_rules, draw_nonce, read_edits

MOST_HELD, LEAST_HELD = 20, 6  # 40 left gepa too few steps: 3 to 4 points less at 600 and 1,200 calls
MOST_CASES = 20
FRUITLESS = 12  # texts in a row that changed nothing, after which nothing is expected of the next


class NothingMoreError(Exception):
    """The writing model has nothing more to say."""


class Reflection:
    """One reflection over train examples. Raises BudgetExhaustedError before it would ask for more than `limit`.

    The limit counts evaluations not asked for before and texts written, cached or not, so that a resumed run stops
    where the first one would have.
    """

    def __init__(
        self,
        incumbent: Prompt,
        train: Sequence[Example],
        corrections: Sequence[Correction],
        evaluator: Evaluator,
        rng: np.random.Generator,
        limit: int,
    ) -> None:
        self.incumbent, self.limit = incumbent, limit
        self._evaluator, self._nonce, self._fruitless = evaluator, draw_nonce(rng), 0
        self._train, self._corrections = train, corrections
        ordered = stratified([each for each in train if each.weight > 0], rng)
        held = min(MOST_HELD, max(LEAST_HELD, limit // 6), len(ordered) // 2)
        self.held, self.feedback = tuple(ordered[:held]), tuple(ordered[held:])
        self.batch = min(4, len(self.feedback))
        self.records = Records(train, corrections)
        self._provenance = Provenance(incumbent, train, corrections)
        self._started = self._spent()
        self._shown: dict[Prompt, tuple[Case, ...]] = {incumbent: ()}
        self._parent: dict[Prompt, Prompt] = {}
        self._unmeasured: list[Prompt] = []
        self.refused: list[str] = []

    @property
    def remaining(self) -> int:
        return self.limit - (self._spent() - self._started)

    def _spent(self) -> int:
        return self._evaluator.evaluations + self._evaluator.written

    def scores(self, prompt: Prompt, examples: Sequence[Example]) -> list[float]:
        """One score per example; asked together, or not at all when they do not fit."""
        fresh = self._evaluator.unasked((prompt, example) for example in examples)
        if len(fresh) > self.remaining:
            raise BudgetExhaustedError(f"{len(fresh)} evaluations asked for, {self.remaining} of {self.limit} left")
        self._evaluator.ask(fresh)
        return [self._evaluator.outcome(prompt, example).score for example in examples]

    def measure(self, prompt: Prompt) -> list[float]:
        """Scores on the held part. A prompt whose measuring does not fit is kept as unmeasured."""
        self._unmeasured.append(prompt)
        scores = self.scores(prompt, self.held)
        self._unmeasured.remove(prompt)
        return scores

    def dataset(self, prompt: Prompt, examples: Sequence[Example]) -> list[dict[str, Any]]:
        """Reflective records of examples asked before; what must not be shown is not in it."""
        found = []
        for example in examples:
            case = self.records.case(example, self._evaluator.outcome(prompt, example))
            if case is not None:
                found.append({"Example": example.id, **case.record()})
        return found

    def rewrite(self, prompt: Prompt, examples: Sequence[Example]) -> Prompt | None:
        """The prompt with rules that the writing model derived from these examples and what is known around them; None
        when there is nothing to learn or nothing usable came back.
        """
        cases = select((self._case(prompt, each) for each in self._around(prompt, examples)), MOST_CASES)
        if all(case.right for case in cases):
            return None
        if self.remaining < 1 + len(examples):  # what is written could not be tried any more
            raise BudgetExhaustedError(f"a text and its trial asked for, {self.remaining} of {self.limit} left")
        answer = self._evaluator.write(ask_for_rules(prompt, cases, (), self._nonce))
        rewritten = self._rewritten(prompt, answer, cases)
        self._fruitless = 0 if rewritten is not None and rewritten not in self._shown else self._fruitless + 1
        if self._fruitless >= FRUITLESS:
            raise NothingMoreError
        if rewritten is not None:
            self._shown.setdefault(rewritten, (*self._shown[prompt], *cases))
            self._parent.setdefault(rewritten, prompt)
        return rewritten

    def _rewritten(self, prompt: Prompt, answer: str, cases: Sequence[Case]) -> Prompt | None:
        try:
            applied = apply_edits(prompt, read_edits(answer, cases), self._provenance)
        except WritingError as error:
            self.refused.append(str(error))
            return None
        self.refused += applied.refused
        return applied.prompt if applied.prompt != prompt else None

    def candidates(self, most: int, engine: str) -> list[Candidate]:
        """All rules that did no harm on held items, together; then the Pareto front over those items, best mean first;
        then what could not be measured any more: `most` in all. Never the incumbent, and never an argmax: which of them
        is better is for the race to say.
        """
        known = [each for each in self._shown if not self._evaluator.unasked((each, item) for item in self.held)]
        scores = {prompt: tuple(self.scores(prompt, self.held)) for prompt in known}
        front = [each for each in known if each != self.incumbent and not _dominated(each, scores)]
        front.sort(key=lambda each: (-sum(scores[each]), each.tokens, each.sha256))
        united = self._united(scores)
        chosen = dict.fromkeys([*united, *front, *(each for each in self._unmeasured if each != self.incumbent)])
        said = f"{engine} reflected on failures of train examples"
        said += f"; {len(self.refused)} edits refused, such as {self.refused[0]}" if self.refused else ""
        rest = self._train, self._corrections, f"{said}."
        return [candidate(each, self.incumbent, "reflect", self._shown[each], *rest) for each in list(chosen)[:most]]

    def _united(self, scores: Mapping[Prompt, Sequence[float]]) -> list[Prompt]:
        """The incumbent with the rules of every prompt that did no worse than the one it was made of: searches end with
        several prompts that each learned something else (in a world of known rules, 1 to 2 points more).
        """
        rules, cases = dict[str, Rule](), dict[Case, None]()
        for made, parent in self._parent.items():
            if made in scores and parent in scores and sum(scores[made]) >= sum(scores[parent]):
                rules |= {rule.id: rule for rule in made.rules if rule not in parent.rules}
                cases |= dict.fromkeys(self._shown[made])
        kept = {rule.text: rule for rule in rules.values()}
        if len(kept) < 2:
            return []
        united = apply(self.incumbent, deltas(self.incumbent, kept.values()))
        self._shown.setdefault(united, tuple(cases))
        return [united]

    def _case(self, prompt: Prompt, example: Example) -> Case | None:
        outcomes = self._evaluator.outcomes
        found = outcomes.get((prompt.sha256, example.id)) or outcomes.get((self.incumbent.sha256, example.id))
        return None if found is None else self.records.case(example, found)

    def _around(self, prompt: Prompt, examples: Sequence[Example]) -> list[Example]:
        """The examples, then others of the feedback part with the targets of the failures among them: three cases make
        a rule, and a batch alone seldom holds three of a kind.
        """
        missed = {each.target for each in examples if not self._evaluator.outcome(prompt, each).right}
        rest = [each for each in self.feedback if each not in examples]
        return [*examples, *(each for each in rest if each.target in missed), *rest]


def _dominated(prompt: Prompt, scores: dict[Prompt, tuple[float, ...]]) -> bool:
    """Whether another prompt is nowhere worse and somewhere better; of equals the shorter one stays."""
    mine = scores[prompt]
    for other, theirs in scores.items():
        if other == prompt or any(a < b for a, b in zip(theirs, mine, strict=True)):
            continue
        if theirs != mine or (other.tokens, other.sha256) < (prompt.tokens, prompt.sha256):
            return True
    return False
