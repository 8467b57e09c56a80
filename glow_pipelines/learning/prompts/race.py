"""The race: successive rejects over shared val items, so that most calls go to the arms that may win.

Belongs here: who is asked next and who leaves. Its scores rank arms and are never reported as a gain: the best of
many is lucky. Does not belong here: the decision whether the winner is better (gate).

Successive rejects (Audibert, Bubeck, Munos 2010) is halving that lets one arm go at a time: with one arm of eight 6
points better and 800 evaluations it returns an arm 0.93 points below the best, halving 1.3, equal shares 1.7
(benchmarks/prompting/allocation.py).
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

    All arms see the same items. After each round the worst leaves, the incumbent too: it is then asked no further, but
    stays last among the survivors. An arm whose paired z against the leader falls below `race_drop_z` at a look leaves
    at once. `grow` may add arms after the first round, given everyone's standing, best first; they catch up.
    """
    return _Race(incumbent, challengers, items, evaluator, settings, limit).run(grow)


def reach(arms: int, seen: int, items: int, limit: int) -> int:
    """Up to which item `arms` should be asked before the worst leaves, `seen` behind them and `limit` evaluations left.

    With j arms left, item f / j is reached, or the last; f is the largest whole number that the limit allows.
    """

    def cost(f: int) -> int:
        total, at = 0, seen
        for left in range(arms, 1, -1):
            stop = max(at, min(f // left, items))
            total, at = total + (stop - at) * left, stop
        return total

    low, high = 0, arms * items
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if cost(middle) <= limit else (low, middle - 1)
    # At least one item as long as it fits, or a small limit would end a race of many arms before its start.
    return max(seen, min(low // arms, items), min(1, limit // arms, items))


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
        self._racing = list(self._entered)
        self._left: dict[str, tuple[int, str]] = {}
        self._scored: dict[str, list[float]] = {arm.prompt.sha256: [] for arm in self._entered}
        self._seen = 0

    def run(self, grow: Grow | None) -> Race:
        rounds: list[Round] = []
        grown: tuple[Candidate, ...] = ()
        while len(self._racing) > 1:
            racing = list(self._racing)
            goal = reach(len(racing), self._seen, len(self._items), self._limit - self._used())
            afforded = self._advance(goal)
            if not self._seen:
                break
            rounds.append(self._round(len(rounds) + 1, racing))
            everyone = self._ranked([each for each in self._entered if len(self._scores(each)) == self._seen])
            planned = len(self._racing) == len(racing)  # else a hopeless arm left before the goal: plan anew without it
            if planned and (not afforded or len(racing) == 2):
                break
            if planned:
                self._leave(self._ranked(racing)[-1], "worst of the round")
            if grow and (planned or len(self._racing) == 1):
                grown = tuple(grow(everyone))
                self._admit([each for each in grown if not each.findings])
                grow = None
        return self._result(rounds, grown)

    def _used(self) -> int:
        return self._evaluator.evaluations - self._started

    def _advance(self, goal: int) -> bool:
        """Asks up to item `goal`, or the first look at which a hopeless arm leaves. False when it is not afforded."""
        look = self._settings.race_look
        while self._seen < goal:
            stop = min(goal, (self._seen // look + 1) * look)
            if not self._ask(self._racing, stop):
                return False
            self._seen = stop
            if stop % look == 0 and self._drop_hopeless():
                break
        return True

    def _ask(self, arms: Sequence[Candidate], stop: int) -> bool:
        try:
            self._evaluator.ask(
                (arm.prompt, item) for arm in arms for item in self._items[len(self._scores(arm)) : stop]
            )
        except BudgetExhaustedError:
            return False
        for arm in arms:
            scored = self._scores(arm)
            scored += [self._evaluator.outcome(arm.prompt, item).score for item in self._items[len(scored) : stop]]
        return True

    def _drop_hopeless(self) -> bool:
        best = self._scores(self._ranked(self._racing)[0])
        before = len(self._racing)
        for arm in list(self._racing):
            gaps = [mine - theirs for mine, theirs in zip(self._scores(arm), best, strict=True)]
            spread = math.sqrt(sum(gap * gap for gap in gaps))
            if spread and sum(gaps) / spread < self._settings.race_drop_z:
                self._leave(arm, f"paired z {sum(gaps) / spread:.2f} against the leader")
        return len(self._racing) < before

    def _admit(self, arms: Sequence[Candidate]) -> None:
        for arm in arms:
            if arm.prompt.sha256 in self._scored or self._used() + self._seen > self._limit / 2:
                continue
            self._scored[arm.prompt.sha256] = []
            if self._ask([arm], self._seen):
                self._racing.append(arm)
                self._entered.append(arm)

    def _leave(self, arm: Candidate, reason: str) -> None:
        self._racing.remove(arm)
        self._left[arm.prompt.sha256] = (self._seen, reason)

    def _scores(self, arm: Candidate) -> list[float]:
        """The arm's scores on the items it was asked, in their order."""
        return self._scored[arm.prompt.sha256]

    def _ranked(self, arms: Sequence[Candidate]) -> list[Candidate]:
        """Best first, of arms that saw the same; ties go to the shorter prompt, then to the lower address so that runs
        agree."""
        return sorted(arms, key=lambda arm: (-sum(self._scores(arm)), arm.prompt.tokens, arm.prompt.sha256))

    def _round(self, number: int, arms: Sequence[Candidate]) -> Round:
        standing = self._ranked(arms)
        return Round(
            number,
            self._seen,
            tuple(arm.prompt.sha256 for arm in standing),
            tuple(sum(self._scores(arm)) / self._seen for arm in standing),
        )

    def _result(self, rounds: Sequence[Round], grown: tuple[Candidate, ...]) -> Race:
        arms = []
        for arm in self._entered:
            n = len(self._scores(arm))
            right = sum(self._evaluator.outcome(arm.prompt, item).right for item in self._items[:n])
            left_at, reason = self._left.get(arm.prompt.sha256, (None, None))
            sha256, tokens = arm.prompt.sha256, arm.prompt.tokens
            arms.append(Arm(sha256, arm.operator, tokens, n, right, wilson(right, n), left_at, reason))
        survivors = self._ranked(self._racing) if self._seen else [self._incumbent]
        if self._incumbent not in survivors:
            survivors.append(self._incumbent)
        return Race(
            arms=tuple(arms),
            rounds=tuple(rounds),
            survivors=tuple(arm.prompt.sha256 for arm in survivors),
            evaluations=self._used(),
            calls=self._evaluator.budget.calls - self._paid,
            grown=grown,
        )
