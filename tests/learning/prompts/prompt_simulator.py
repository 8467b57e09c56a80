"""A small world with known truth for the prompt tests: tickets with labels, and a model whose arms are as good as told.

The optimizer sees answers only; which arm is better is known here and nowhere else.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from glow_pipelines.learning.prompts.types import Answer, Correction, Example, Prompt, RenderedPrompt, Source, Split

LABELS = ("travel", "meals", "office", "software")
WORDS = {
    "travel": ["taxi", "train", "flight", "hotel", "airport", "parking"],
    "meals": ["lunch", "dinner", "coffee", "restaurant", "catering", "breakfast"],
    "office": ["paper", "printer", "chair", "desk", "toner", "stapler"],
    "software": ["licence", "subscription", "cloud", "hosting", "plugin", "backup"],
}
INCUMBENT = Prompt("You are a helpful accountant. Which account is it?", choices=LABELS, max_tokens=4)
Lift = Callable[[RenderedPrompt], float]


def world(
    rng: np.random.Generator, train: int = 40, val: int = 60, test: int = 90
) -> tuple[list[Example], dict[str, list[float]]]:
    """Examples in three splits, and embeddings that separate the labels imperfectly."""
    examples, embeddings = [], {}
    centres = rng.normal(size=(len(LABELS), 8))
    sizes: tuple[tuple[Split, int], ...] = (("train", train), ("val", val), ("test", test))
    for split, count in sizes:
        for index in range(count):
            label = LABELS[int(rng.integers(len(LABELS)))]
            first, second = rng.choice(WORDS[label], size=2, replace=False)
            name = f"{split}-{index:03d}"
            sources = (Source("feedback", f"f-{name}"), Source("annotation", f"a-{name}"))
            text = f"{first} and {second} no {name}"
            examples.append(Example(name, text, label, f"g-{name}", split, 1.0, sources))
            embeddings[name] = (centres[LABELS.index(label)] + rng.normal(size=8)).tolist()
    return examples, embeddings


def correct(example: Example, comment: str | None = None) -> Correction:
    wrong = LABELS[(LABELS.index(example.target) + 1) % len(LABELS)]
    name = example.id
    return Correction(f"f-{name}", f"x-{name}", example.input, wrong, example.target, "u-1", ("wrong_value",), comment)


class SimulatedModel:
    """Each arm answers each item once and for ever: it differs from the incumbent on `discordance` of the items and is
    better by `lift(rendered)`. Drawn per arm as a whole, so hundreds of runs take seconds."""

    def __init__(
        self,
        examples: Sequence[Example],
        rng: np.random.Generator,
        lift: Lift = lambda rendered: 0.0,
        base: float = 0.70,
        discordance: float = 0.18,
    ) -> None:
        self._index = {example.input: index for index, example in enumerate(examples)}
        self._targets = [example.target for example in examples]
        self._rng, self._lift, self._base, self._discordance = rng, lift, base, discordance
        self._incumbent = rng.random(len(examples)) < base
        self._arms: dict[object, np.ndarray] = {INCUMBENT.render("").messages[:-1]: self._incumbent}
        self.asked: list[tuple[object, int]] = []

    def __call__(self, prompts: Sequence[RenderedPrompt]) -> list[Answer]:
        return [self._answer(rendered) for rendered in prompts]

    def _answer(self, rendered: RenderedPrompt) -> Answer:
        head, item = rendered.messages[:-1], self._index[rendered.messages[-1][1]]
        if head not in self._arms:
            self._arms[head] = self._draw(self._lift(rendered))
        self.asked.append((head, item))
        target = self._targets[item]
        text = target if self._arms[head][item] else LABELS[(LABELS.index(target) + 1) % len(LABELS)]
        return Answer(text, 20, 1, 0.001, cached=False)

    def _draw(self, lift: float) -> np.ndarray:
        won, lost = (self._discordance + lift) / 2, (self._discordance - lift) / 2
        flips = np.where(self._incumbent, lost / self._base, won / (1 - self._base))
        return self._incumbent ^ (self._rng.random(len(flips)) < flips)


class Recording:
    """An answer cache around a model: what was asked before comes back cached."""

    def __init__(self, model: Callable[[Sequence[RenderedPrompt]], Sequence[Answer]]) -> None:
        self._model = model
        self._known: dict[RenderedPrompt, Answer] = {}
        self.paid = 0

    def __call__(self, prompts: Sequence[RenderedPrompt]) -> list[Answer]:
        answers = []
        for prompt in prompts:
            if prompt in self._known:
                known = self._known[prompt]
                answers.append(replace(known, cached=True))
            else:
                self._known[prompt] = self._model([prompt])[0]
                self.paid += 1
                answers.append(self._known[prompt])
        return answers
