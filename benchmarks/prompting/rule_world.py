"""RuleLM: a simulated model whose accuracy depends on what its prompt says. The truth is here and nowhere else.

Fourteen hidden rules, each of which repairs its own kind of item; harmful rules that break some; a long prompt dilutes
what it says; and each item has its own luck, which stays, so that the same prompt answers the same item the same way.
Belongs here: the world, its model, its mock reflection. Does not belong here: what is compared in it (rules).
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from glow_pipelines.learning.prompts.types import Answer, Example, Prompt, RenderedPrompt, Split

RULES = 14
HARMFUL = 8
SEED_ACCURACY = 0.52  # of the empty prompt
LIFT = (1.5, 4.5)  # what a rule adds to the log odds of its own kind of item
HARM = (0.1, 0.35)  # what a harmful rule takes from the log odds of all
FREE = 0.20  # share of items that belong to no rule
DILUTION = 0.015  # what each rule takes from the log odds of all: a long prompt
ITEM_LUCK = 1.0  # spread of item difficulty, log odds
NOISE_SHARE = 0.25  # how much of an item's luck is drawn anew when the prompt changes
HALLUCINATED = 0.35  # of reflections: a rule that does not help
SIZES: dict[Split, int] = {"train": 120, "val": 100, "test": 400}
TRUTH_ITEMS = 4000
RIGHT, WRONG = "right", "wrong"


@dataclass(frozen=True)
class RuleWorld:
    """One world. Rules are sentences `rule-NN`, harmful ones `harm-NN`; anything else in a prompt does nothing."""

    seed: int
    kinds: Mapping[str, int]  # kind of every item by its input; -1: none
    luck: Mapping[str, float]
    lift: NDArray[np.float64]
    harm: NDArray[np.float64]
    examples: tuple[Example, ...]
    truth: tuple[str, ...]  # inputs nobody is shown, for the true accuracy
    mislabelled: frozenset[str] = field(default_factory=frozenset)

    def chance(self, said: Iterable[str], input: str) -> float:
        """Of a right answer, before the item's luck with this very prompt."""
        rules = frozenset(said)
        odds = float(logit(SEED_ACCURACY)) + self.luck[input] - DILUTION * len(rules)
        kind = self.kinds[input]
        odds += self.lift[kind] if kind >= 0 and f"rule-{kind:02d}" in rules else 0.0
        odds -= sum(self.harm[int(rule[5:])] for rule in rules if rule.startswith("harm-"))
        return float(expit(odds))

    def right(self, said: Iterable[str], input: str) -> bool:
        """Whether the answer is right: three quarters of the luck stay with the item, the rest comes anew."""
        rules = tuple(sorted(set(said)))
        stays, anew = _uniform(f"{self.seed}|{input}"), _uniform(f"{self.seed}|{input}|{rules}")
        drawn = stays if _uniform(f"{self.seed}|{input}|{rules}|which") > NOISE_SHARE else anew
        return drawn < self.chance(rules, input)

    def accuracy(self, said: Iterable[str]) -> float:
        """True accuracy: the mean chance over items nobody was shown."""
        rules = tuple(said)
        return float(np.mean([self.chance(rules, input) for input in self.truth]))

    def oracle(self) -> float:
        """Accuracy with every rule worth its length and no harmful one: greedy by what each adds."""
        said: list[str] = []
        best = self.accuracy(said)
        for rule in sorted(range(RULES), key=lambda each: -self.lift[each]):
            tried = self.accuracy([*said, f"rule-{rule:02d}"])
            if tried > best:
                said, best = [*said, f"rule-{rule:02d}"], tried
        return best


def rule_world(seed: int, label_noise: float = 0.0) -> RuleWorld:
    """A world with its examples, the same for the same seed."""
    rng = np.random.default_rng([14, seed])
    shares = rng.dirichlet(np.full(RULES, 2.0)) * (1 - FREE)
    inputs = [f"{split} item {index}" for split, count in SIZES.items() for index in range(count)]
    truth = [f"truth item {index}" for index in range(TRUTH_ITEMS)]
    drawn = rng.choice(RULES + 1, size=len(inputs) + len(truth), p=[*shares, FREE])
    kinds = {input: int(kind) if kind < RULES else -1 for input, kind in zip([*inputs, *truth], drawn, strict=True)}
    luck = dict(zip([*inputs, *truth], rng.normal(0, ITEM_LUCK, len(kinds)).tolist(), strict=True))
    noisy = frozenset(np.array(inputs)[rng.random(len(inputs)) < label_noise].tolist())
    examples = tuple(
        Example(input, input, WRONG if input in noisy else RIGHT, input, split)
        for split, count in SIZES.items()
        for input in (f"{split} item {index}" for index in range(count))
    )
    lift, harm = rng.uniform(*LIFT, RULES), rng.uniform(*HARM, HARMFUL)
    return RuleWorld(seed, kinds, luck, lift, harm, examples, tuple(truth), noisy)


def said_in(text: str) -> tuple[str, ...]:
    """The rules a prompt states, whatever else it says."""
    words = {word.strip("-.,: ") for word in text.split()}
    return tuple(sorted(word for word in words if word[:5] in ("rule-", "harm-") and word[5:].isdigit()))


@dataclass
class RuleModel:
    """Answers from a world; one answer is one call."""

    world: RuleWorld
    calls: int = 0

    def __call__(self, prompts: Sequence[RenderedPrompt]) -> list[Answer]:
        self.calls += len(prompts)
        return [self._answer(rendered) for rendered in prompts]

    def _answer(self, rendered: RenderedPrompt) -> Answer:
        said = said_in(" ".join(text for role, text in rendered.messages if role == "system"))
        right = self.world.right(said, rendered.messages[-1][1])
        return Answer(RIGHT if right else WRONG, 20, 1, 0.0, cached=False)


@dataclass
class MockReflection:
    """A writer of rules. Shown failed items, it names the rule of one of them; one time in `hallucinated` it names any
    rule at random instead, half of those harmful. It sees kinds of failed items, never accuracies."""

    world: RuleWorld
    rng: np.random.Generator
    hallucinated: float = HALLUCINATED
    calls: int = 0

    def __call__(self, said: Sequence[str], failed: Sequence[str]) -> str:
        """One rule that is not said yet, or the same prompt's first again when nothing is new."""
        self.calls += 1
        kinds = [self.world.kinds[input] for input in failed if self.world.kinds[input] >= 0]
        named = [f"rule-{kind:02d}" for kind in kinds if f"rule-{kind:02d}" not in said]
        if not named or self.rng.random() < self.hallucinated:
            if self.rng.random() < 0.5:
                return f"harm-{int(self.rng.integers(HARMFUL)):02d}"
            return f"rule-{int(self.rng.integers(RULES)):02d}"
        return named[int(self.rng.integers(len(named)))]


def seed_prompt() -> Prompt:
    return Prompt("Answer the question.", choices=(RIGHT, WRONG), max_tokens=4)


def _uniform(key: str) -> float:
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=7).digest(), "big") / 2**56
