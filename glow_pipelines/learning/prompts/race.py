"""The race: sequential halving over shared val items, so that most calls go to the arms that may win.

Belongs here: who is asked next and who leaves. Its scores rank arms and are never reported as a gain: the best of
many is lucky. Does not belong here: the decision whether the winner is better (gate).
"""

import math
from collections.abc import Callable, Sequence

from glow_pipelines.learning.intervals import wilson
from glow_pipelines.learning.prompts.budget import BudgetExhaustedError
from glow_pipelines.learning.prompts.evaluate import Evaluator
from glow_pipelines.learning.prompts.evidence import Candidate, Example
from glow_pipelines.learning.prompts.results import Arm, Race, Round
from glow_pipelines.learning.prompts.settings import OptimizerSettings

Grow = Callable[[Sequence[Candidate]], Sequence[Candidate]]


def race(
    incumbent: Candidate,
    challengers: Sequence[Candidate],
    items: Sequence[Example],
    evaluator: Evaluator,
    settings: OptimizerSettings,
    limit: int,
    grow: Grow | None = None,
) -> Race:
    """Runs the arms over `items` in the order given, asking for at most `limit` new evaluations.

    All arms see the same items. Each round has an equal share of what is left; then the weaker half of the challengers
    leaves, the incumbent never. An arm whose paired z against the leader falls below `race_drop_z` at a look leaves at
    once. `grow` may add arms after the first round, given everyone's standing, best first; they catch up.
    """
    return _Race(incumbent, challengers, items, evaluator, settings, limit).run(grow)


class _Race:
    def __init__(
        self,
        incumbent: Candidate,
        challengers: Sequence[Candidate],
        items: Sequence[Example],
        evaluator: Evaluator,
        settings: OptimizerSettings,
        limit: int,
    ) -> None:
        self._incumbent, self._items, self._settings = incumbent, items, settings
        self._evaluator, self._limit = evaluator, limit
        self._started, self._paid = evaluator.evaluations, evaluator.budget.calls
        self._entered = [incumbent, *challengers]
        self._racing = list(challengers)
        self._left: dict[str, tuple[int, str]] = {}
        self._seen = 0

    def run(self, grow: Grow | None) -> Race:
        rounds: list[Round] = []
        grown: tuple[Candidate, ...] = ()
        while self._racing and self._advance(self._reach()):
            standing = self._ranked([self._incumbent, *self._racing])
            rounds.append(
                Round(
                    len(rounds) + 1,
                    self._seen,
                    tuple(each.prompt.sha256 for each in standing),
                    tuple(self._right(each) / self._seen for each in standing),
                )
            )
            everyone = self._ranked([each for each in self._entered if self._items_of(each) == self._seen])
            self._halve()
            if grow and len(rounds) == 1:
                grown = tuple(grow(everyone))
                self._admit([each for each in grown if not each.findings])
        return self._result(rounds, grown)

    def _used(self) -> int:
        return self._evaluator.evaluations - self._started

    def _cost(self, items: int) -> int:
        arms = [self._incumbent, *self._racing]
        return len(self._evaluator.unasked((arm.prompt, item) for item in self._items[:items] for arm in arms))

    def _reach(self) -> int:
        """How many items this round can take all arms to with its share of what is left."""
        rounds_left = max(1, math.ceil(math.log2(len(self._racing) + 1)))
        allowance = (self._limit - self._used()) / rounds_left
        # At least one item as long as it fits, or a small limit would end a race of many rounds before its start.
        allowance = max(allowance, min(self._cost(self._seen + 1), self._limit - self._used()))
        reach = self._seen
        while reach < len(self._items) and self._cost(reach + 1) <= allowance:
            reach += 1
        return reach

    def _advance(self, reach: int) -> bool:
        """Asks up to `reach` items, stopping at every look to let the hopeless leave. False when nothing was asked."""
        before, look = self._seen, self._settings.race_look
        while self._seen < reach and self._racing:
            stop = min(reach, (self._seen // look + 1) * look)
            arms = [self._incumbent, *self._racing]
            try:
                self._evaluator.ask((arm.prompt, item) for item in self._items[:stop] for arm in arms)
            except BudgetExhaustedError:
                break
            self._seen = stop
            if stop % look == 0:
                self._drop_hopeless()
        return self._seen > before

    def _drop_hopeless(self) -> None:
        leader = self._ranked([self._incumbent, *self._racing])[0]
        best = self._scores(leader)
        for arm in list(self._racing):
            gaps = [mine - theirs for mine, theirs in zip(self._scores(arm), best, strict=True)]
            spread = math.sqrt(sum(gap * gap for gap in gaps))
            if spread and sum(gaps) / spread < self._settings.race_drop_z:
                self._leave(arm, f"paired z {sum(gaps) / spread:.2f} against the leader")

    def _halve(self) -> None:
        keep = max(1, math.ceil((len(self._racing) + 1) / 2) - 1)
        for arm in self._ranked(self._racing)[keep:]:
            self._leave(arm, "weaker half")

    def _admit(self, arms: Sequence[Candidate]) -> None:
        known = {each.prompt.sha256 for each in self._entered}
        for arm in arms:
            catch_up = self._cost(self._seen) + self._seen
            if arm.prompt.sha256 not in known and self._used() + catch_up <= self._limit / 2:
                self._racing.append(arm)
                self._entered.append(arm)
                try:
                    self._evaluator.ask((arm.prompt, item) for item in self._items[: self._seen])
                except BudgetExhaustedError:
                    self._racing.remove(arm)
                    self._entered.remove(arm)

    def _leave(self, arm: Candidate, reason: str) -> None:
        self._racing.remove(arm)
        self._left[arm.prompt.sha256] = (self._seen, reason)

    def _items_of(self, arm: Candidate) -> int:
        return self._left.get(arm.prompt.sha256, (self._seen, ""))[0]

    def _scores(self, arm: Candidate) -> list[float]:
        return [self._evaluator.outcome(arm.prompt, item).score for item in self._items[: self._items_of(arm)]]

    def _right(self, arm: Candidate) -> float:
        return sum(self._scores(arm))

    def _ranked(self, arms: Sequence[Candidate]) -> list[Candidate]:
        """Best first; ties go to the shorter prompt, then to the lower address so that runs agree."""
        return sorted(arms, key=lambda arm: (-self._right(arm), arm.prompt.tokens, arm.prompt.sha256))

    def _result(self, rounds: Sequence[Round], grown: tuple[Candidate, ...]) -> Race:
        arms = []
        for arm in self._entered:
            n = self._items_of(arm)
            right = sum(self._evaluator.outcome(arm.prompt, item).right for item in self._items[:n])
            left_at, reason = self._left.get(arm.prompt.sha256, (None, None))
            sha256, tokens = arm.prompt.sha256, arm.prompt.tokens
            arms.append(Arm(sha256, arm.operator, tokens, n, right, wilson(right, n), left_at, reason))
        survivors = self._ranked([self._incumbent, *self._racing]) if self._seen else [self._incumbent]
        return Race(
            arms=tuple(arms),
            rounds=tuple(rounds),
            survivors=tuple(arm.prompt.sha256 for arm in survivors),
            evaluations=self._used(),
            calls=self._evaluator.budget.calls - self._paid,
            grown=grown,
        )
