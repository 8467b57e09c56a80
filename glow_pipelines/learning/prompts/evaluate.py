"""Evaluation: asking the model about (prompt, example) pairs, once each, within the budget.

Belongs here: the bridge between stages and the answerer. Does not belong here: which pairs to ask (race, gate,
analysis), what a score is (metrics, judges).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from glow_pipelines.learning.prompts.budget import Budget, BudgetExhaustedError
from glow_pipelines.learning.prompts.evidence import Answer, Answerer, Example
from glow_pipelines.learning.prompts.metrics import Judge, Metric, normalize
from glow_pipelines.learning.prompts.prompt import Prompt, RenderedPrompt
from glow_pipelines.learning.prompts.scores import ScoreCache, Scored, ScoreKey

Pair = tuple[Prompt, Example]


@dataclass(frozen=True)
class Outcome:
    """One scored answer. `valid` says whether it keeps the output contract: one of the choices and in the form of the
    metric, or not empty. Tokens and seconds are those of the answer when it was fresh. `parts` are the metric's
    sub-scores by name.
    """

    text: str
    score: float
    valid: bool
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0
    right_at: float = 1.0
    parts: tuple[tuple[str, float], ...] = ()

    @property
    def right(self) -> bool:
        return self.score >= self.right_at


class Evaluator:
    """Remembers every outcome, so stages share answers and a pair is asked once per optimization.

    `evaluations` counts the pairs asked for, cached or not. Stages divide their work by this number and never by what
    was paid: a resumed run finds its answers in the cache and must still take the same decisions. Texts are written
    by `writer` and judged by `judge`, both the answerer when there is none of their own; `unreadable` counts what a
    judge replied out of form.
    """

    def __init__(
        self,
        answer: Answerer,
        metric: Metric | Judge,
        budget: Budget,
        batch_size: int = 32,
        writer: Answerer | None = None,
        scores: ScoreCache | None = None,
        judge: Answerer | None = None,
    ) -> None:
        self._answer, self.metric, self.budget, self._batch_size = answer, metric, budget, batch_size
        self._writer, self._judge, self._scores = writer or answer, judge or answer, scores
        self._outcomes: dict[tuple[str, str], Outcome] = {}
        self._texts: dict[RenderedPrompt, str] = {}
        self.unreadable = 0

    @property
    def evaluations(self) -> int:
        return len(self._outcomes)

    @property
    def written(self) -> int:
        """Texts asked of the writing model, each once."""
        return len(self._texts)

    @property
    def calls_per_pair(self) -> int:
        """The most model calls one pair may cost: its answer, and what a judge asks about it."""
        return 1 if isinstance(self.metric, Metric) else 1 + self.metric.calls

    @property
    def outcomes(self) -> Mapping[tuple[str, str], Outcome]:
        """All outcomes by (prompt address, example id)."""
        return MappingProxyType(self._outcomes)

    def unasked(self, pairs: Iterable[Pair]) -> list[Pair]:
        """The pairs not asked yet, without repetition: by prompt, then in order."""
        fresh = {(prompt.sha256, example.id): (prompt, example) for prompt, example in pairs}
        asked = [pair for key, pair in fresh.items() if key not in self._outcomes]
        # Prompt by prompt: an endpoint that reuses the beginning of a prompt reads it once then, not once per item.
        place = {sha256: at for at, sha256 in enumerate(dict.fromkeys(prompt.sha256 for prompt, _ in asked))}
        return sorted(asked, key=lambda pair: place[pair[0].sha256])

    def ask(self, pairs: Iterable[Pair]) -> None:
        """Asks what is unasked, all or nothing: raises BudgetExhaustedError before the first call when it does not fit.

        What answers use is not known before, nor what a judge asks: a limit of tokens or money may stop them between
        two batches, and what was scored before stays. Batches are as large as their worst case allows.
        Raises ValueError when the answerer returns another number of answers than it was asked for.
        """
        fresh = self.unasked(pairs)
        asked = len(fresh) * (self.calls_per_pair - 1)
        wanted = [prompt.render(example.input) for prompt, example in fresh]
        if not self.budget.likely(wanted) or (asked and asked + len(fresh) > self.budget.remaining):
            raise BudgetExhaustedError(
                f"{len(fresh)} evaluations of {self.calls_per_pair} calls asked for, "
                f"{self.budget.remaining} calls left, or their tokens do not fit"
            )
        start = 0
        while start < len(fresh):
            size = max(1, self.budget.fitting(wanted[start : start + self._batch_size]))
            batch, requests = fresh[start : start + size], wanted[start : start + size]
            start += size
            answers = self._paid(self._answer, requests)
            scored = self._score(batch, requests, [answer.text for answer in answers])
            for (prompt, example), answer, found in zip(batch, answers, scored, strict=True):
                self._outcomes[prompt.sha256, example.id] = self._outcome(prompt, answer, found)

    def ask_while_it_fits(self, prompt: Prompt, examples: Sequence[Example], size: int) -> None:
        """In batches, until tokens or money end: calls were counted before."""
        for start in range(0, len(examples), size):
            try:
                self.ask((prompt, example) for example in examples[start : start + size])
            except BudgetExhaustedError:
                break

    def outcome(self, prompt: Prompt, example: Example) -> Outcome:
        """The outcome of a pair asked before; KeyError otherwise."""
        return self._outcomes[prompt.sha256, example.id]

    def write(self, rendered: RenderedPrompt) -> str:
        """What the writing model answers; asked once, a repeated request is remembered.

        Raises BudgetExhaustedError before the call when it does not fit.
        """
        if rendered not in self._texts:
            (answer,) = self._paid(self._writer, [rendered])
            self._texts[rendered] = answer.text
        return self._texts[rendered]

    def _paid(self, model: Answerer, requests: Sequence[RenderedPrompt]) -> Sequence[Answer]:
        """The answers of one batch, reserved before and settled after. A call that raised stays reserved."""
        held = self.budget.reserve(requests)
        answers = model(requests)
        if len(answers) != len(requests):
            raise ValueError(f"the answerer returned {len(answers)} answers for {len(requests)} prompts")
        self.budget.settle(held, answers)
        return answers

    def _score(
        self, batch: Sequence[Pair], requests: Sequence[RenderedPrompt], answers: Sequence[str]
    ) -> Sequence[Scored]:
        """Scores from the cache, else asked for. What was asked is kept at once, errors never are.

        What costs nothing is computed anew.
        """
        if isinstance(self.metric, Metric) and self.metric.prepare is None:
            return self._scored([(example, answer) for (_, example), answer in zip(batch, answers, strict=True)])
        keys = [
            ScoreKey.of(request, example, answer, self.metric)
            for request, (_, example), answer in zip(requests, batch, answers, strict=True)
        ]
        known = dict(self._scores.get_many(keys)) if self._scores else {}
        missing = [at for at, key in enumerate(keys) if key not in known]
        found = self._scored([(batch[at][1], answers[at]) for at in missing])
        fresh = {keys[at]: each for at, each in zip(missing, found, strict=True)}
        if self._scores and fresh:
            self._scores.put_many({key: each for key, each in fresh.items() if not each.unreadable})
        self.unreadable += sum(each.unreadable for each in fresh.values())
        return [known[key] if key in known else fresh[key] for key in keys]

    def _scored(self, items: Sequence[tuple[Example, str]]) -> list[Scored]:
        metric = self.metric
        if isinstance(metric, Metric):
            if metric.prepare is not None:
                metric.prepare([text for example, answer in items for text in (answer, example.target)])
            return [Scored.by(metric, answer, example.target) for example, answer in items]
        asked = [metric.questions(example, answer) for example, answer in items]
        questions = [question for each in asked for question in each]
        replies: list[str] = []
        for start in range(0, len(questions), self._batch_size):
            replies += [r.text for r in self._paid(self._judge, questions[start : start + self._batch_size])]
        found = []
        for (example, answer), each in zip(items, asked, strict=True):
            own, replies = replies[: len(each)], replies[len(each) :]
            unreadable = metric.unreadable(answer, own)
            found.append(Scored(metric.verdict(example, answer, own), bool(answer.strip()), (), unreadable))
        return found

    def _outcome(self, prompt: Prompt, answer: Answer, found: Scored) -> Outcome:
        allowed = None if prompt.choices is None else {normalize(choice) for choice in prompt.choices}
        kept = found.valid if allowed is None else found.valid and normalize(answer.text) in allowed
        outcome = Outcome(answer.text, found.score, kept, answer.prompt_tokens, answer.completion_tokens)
        return replace(outcome, seconds=answer.seconds, right_at=self.metric.right_at, parts=found.parts)
