"""Tickets with labels, and a model whose prompts are as good as told: a world in which every template operator works.

Belongs here: examples, embeddings, corrections and the model. Does not belong here: what is simulated with them. The
optimizer under test sees answers only.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from benchmarks.prompting.arms import BASE, DISCORDANCE, correlation
from glow_pipelines.learning.prompts.types import Answer, Correction, Example, Prompt, RenderedPrompt, Source, Split

WORDS = {
    "travel": ("taxi", "train", "flight", "hotel", "airport", "parking"),
    "meals": ("lunch", "dinner", "coffee", "restaurant", "catering", "breakfast"),
    "office": ("paper", "printer", "chair", "desk", "toner", "stapler"),
    "software": ("licence", "subscription", "cloud", "hosting", "plugin", "backup"),
}
LABELS = tuple(WORDS)
PROMPT = Prompt("You are a helpful accountant. Which account is it?", choices=LABELS, max_tokens=4)
EMBEDDING_SIZE = 8
Lift = Callable[[RenderedPrompt], float]


def tickets(
    rng: np.random.Generator, sizes: dict[Split, int], prefix: str = ""
) -> tuple[list[Example], dict[str, list[float]]]:
    """Examples by split, and embeddings that separate the labels imperfectly."""
    examples, embeddings = [], {}
    centres = rng.normal(size=(len(LABELS), EMBEDDING_SIZE))
    for split, count in sizes.items():
        for index in range(count):
            label = LABELS[int(rng.integers(len(LABELS)))]
            first, second = rng.choice(WORDS[label], size=2, replace=False)
            name = f"{prefix}{split}-{index:04d}"
            sources = (Source("feedback", f"f-{name}"), Source("annotation", f"a-{name}"))
            examples.append(Example(name, f"{first} and {second} no {name}", label, name, split, 1.0, sources))
            embeddings[name] = (centres[LABELS.index(label)] + rng.normal(size=EMBEDDING_SIZE)).tolist()
    return examples, embeddings


def corrections(examples: Sequence[Example], count: int) -> list[Correction]:
    """Of the first train examples, by a user who is right."""
    train = [example for example in examples if example.split == "train"][:count]
    return [
        Correction(f"f-{each.id}", f"x-{each.id}", each.input, another(each.target), each.target, "user", ("wrong",))
        for each in train
    ]


def another(label: str) -> str:
    """A wrong label."""
    return LABELS[(LABELS.index(label) + 1) % len(LABELS)]


class TicketModel:
    """Each prompt answers each ticket once and for ever, right on `base` + `lift(rendered)` of them; difficulty is
    shared, so that prompts of equal accuracy differ on `discordance` of the tickets. `label_noise` is the share of
    tickets whose target is wrong: there the model's right answer counts as wrong, and one wrong answer as right."""

    def __init__(
        self,
        examples: Sequence[Example],
        rng: np.random.Generator,
        lift: Lift = lambda rendered: 0.0,
        base: float = BASE,
        discordance: float = DISCORDANCE,
        label_noise: float = 0.0,
    ) -> None:
        self._index = {example.input: index for index, example in enumerate(examples)}
        self._targets = [example.target for example in examples]
        self._rng, self._lift, self._base = rng, lift, base
        self._rho = correlation(discordance, base)
        self._difficulty = rng.normal(size=len(examples))
        self._mislabelled = rng.random(len(examples)) < label_noise
        self._arms: dict[object, NDArray[np.bool_]] = {}

    def __call__(self, prompts: Sequence[RenderedPrompt]) -> list[Answer]:
        return [self._answer(rendered) for rendered in prompts]

    def _answer(self, rendered: RenderedPrompt) -> Answer:
        head, item = rendered.messages[:-1], self._index[rendered.messages[-1][1]]
        if head not in self._arms:
            own = self._rng.normal(size=len(self._targets))
            latent = np.sqrt(self._rho) * self._difficulty + np.sqrt(1 - self._rho) * own
            self._arms[head] = (latent < norm.ppf(self._base + self._lift(rendered))) ^ self._mislabelled
        target = self._targets[item]
        return Answer(target if self._arms[head][item] else another(target), 20, 1, 0.0, cached=False)
