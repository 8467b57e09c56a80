"""A model of this machine for the benchmark's tests: it answers by the words that a prompt shares with an input.

It reads nothing but the request, as any endpoint does: rules `label: words` of the system text, solved examples as
turns, the allowed answers. Asked freely, it writes an instruction. Equal requests get equal answers.
"""

import re
from collections.abc import Sequence

import numpy as np

from glow_pipelines.learning.prompts.types import Answer, RenderedPrompt

WORDS = {
    "travel": ["taxi", "train", "flight", "hotel", "airport", "parking"],
    "meals": ["lunch", "dinner", "coffee", "restaurant", "catering", "breakfast"],
    "office": ["paper", "printer", "chair", "desk", "toner", "stapler"],
}
WRITTEN = "Read the ticket. travel: taxi, flight. meals: lunch, coffee. Name the account."


def rows(count: int, seed: int) -> list[dict[str, str]]:
    """Tickets with their account."""
    rng = np.random.default_rng(seed)
    found = []
    for number in range(count):
        label = list(WORDS)[int(rng.integers(len(WORDS)))]
        first, second = rng.choice(WORDS[label], size=2, replace=False)
        found.append({"input": f"{first} with {second}, slip {seed}{number:03d}", "target": label})
    return found


class OverlapModel:
    """`asked` are all requests, in order."""

    def __init__(self) -> None:
        self.asked: list[RenderedPrompt] = []

    def __call__(self, requests: Sequence[RenderedPrompt]) -> list[Answer]:
        self.asked += requests
        return [Answer(self._text(each), 10 * len(each.messages), 2, 0.0, cached=False) for each in requests]

    def _text(self, request: RenderedPrompt) -> str:
        if request.choices is None:
            return f"Here it is:\n```\n{WRITTEN}\n```"
        told = _words(request.messages[-1][1])
        support = dict.fromkeys(request.choices, 0)
        for role, content in request.messages[:-1]:
            if role == "system":
                for label, listed in re.findall(r"(\w+): ([\w, ]+)", content):
                    if label in support:
                        support[label] += 2 * len(told & _words(listed))
        for shown, answer in zip(request.messages, request.messages[1:], strict=False):
            if shown[0] == "user" and answer[0] == "assistant" and answer[1] in support:
                support[answer[1]] += len(told & _words(shown[1]) - {"with", "slip"})
        return max(request.choices, key=lambda label: support[label])


def _words(text: str) -> set[str]:
    return set(re.findall(r"[a-z]+", text.lower()))
