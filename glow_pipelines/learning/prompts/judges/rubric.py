"""`rubric_judge`: independent yes-or-no items about one answer, each with words of the answer as its evidence.

Belongs here: the items, what is asked, how a reply is read. Does not belong here: whether the judge may be believed
(calibration).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from glow_pipelines.learning.prompts.evidence import Example
from glow_pipelines.learning.prompts.judges.material import block, nonce, warning
from glow_pipelines.learning.prompts.metrics.metric import settings_sha256
from glow_pipelines.learning.prompts.metrics.settings import Settings
from glow_pipelines.learning.prompts.metrics.text import normalize
from glow_pipelines.learning.prompts.prompt import RenderedPrompt

MOST_ITEMS = 20
LEAST_QUOTE = 3
"""Letters and digits of a quote, unless the answer is shorter: a full stop occurs in every answer."""


@dataclass(frozen=True)
class Item:
    """One criterion. With `quote` it is met only if the judge shows words of the answer that meet it."""

    id: str
    criterion: str
    weight: float
    quote: bool


@dataclass(frozen=True)
class RubricJudge:
    """The weighted share of items met. It sees input and answer; no vote, no comment, no target."""

    items: tuple[Item, ...]
    right_at: float
    task: str
    settings: Mapping[str, Any]
    id: str = "rubric_judge"
    version: int = 1
    graded: bool = True

    @property
    def calls(self) -> int:
        return len(self.items)

    @cached_property
    def settings_sha256(self) -> str:
        return settings_sha256(self.settings)

    def questions(self, item: Example, answer: str) -> tuple[RenderedPrompt, ...]:
        mark = nonce(item.input, answer, self.task, *(each.criterion for each in self.items))
        material = f"{block('INPUT', item.input, mark)}\n\n{block('ANSWER', answer, mark)}"
        return tuple(_question(each, self.task, material, mark) for each in self.items)

    def verdict(self, item: Example, answer: str, answers: Sequence[str]) -> float:
        met = [is_met(each, answer, reply) for each, reply in zip(self.items, answers, strict=True)]
        total = sum(each.weight for each in self.items)
        return sum(each.weight for each, yes in zip(self.items, met, strict=True) if yes) / total

    def unreadable(self, answer: str, answers: Sequence[str]) -> int:
        return sum(is_met(each, answer, reply) is None for each, reply in zip(self.items, answers, strict=True))


def rubric_judge(settings: Mapping[str, Any] | None = None) -> RubricJudge:
    """Settings: `items`, a list of {id, criterion, weight (1), evidence 'quote' (default) or 'none'}; `right_at`, the
    share from which an answer is right (1: all items); `task`, a sentence on what is being answered.

    With evidence 'none' the item is answered yes or no alone: for criteria about what an answer does not hold.
    """
    read = Settings("rubric_judge", settings)
    items = tuple(_item(read, place, each) for place, each in enumerate(read.objects("items", MOST_ITEMS)))
    right_at = read.number("right_at", 0.01, 1, 1.0)
    task = read.text("task", 1000, "Somebody asked something and got an answer.")
    given = read.finish()
    if not items or sum(each.weight for each in items) <= 0:
        raise read.wrong("items", given.get("items"), f"1 to {MOST_ITEMS} items whose weights sum to more than 0")
    if len({each.id for each in items}) < len(items):
        raise read.wrong("items", [each.id for each in items], "items with ids that differ")
    return RubricJudge(items, right_at, task, given)


def is_met(item: Item, answer: str, reply: str) -> bool | None:
    """Whether an item is met, by a reply; None when the reply is not in the form.

    The form: `yes` or `no`; with a quote one JSON object of exactly `met` and `quote`. A quote that does not stand in
    the answer is no evidence: the item is not met.
    """
    if not item.quote:
        return {"yes": True, "no": False}.get(normalize(reply))
    try:
        found = json.loads(reply, object_pairs_hook=_once)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or set(found) != {"met", "quote"}:
        return None
    if not isinstance(found["met"], bool) or not isinstance(found["quote"], str):
        return None
    return found["met"] and _stands_in(found["quote"], answer)


def _stands_in(quote: str, answer: str) -> bool:
    words, whole = normalize(quote), normalize(answer)
    told = sum(character.isalnum() for character in words)
    least = min(LEAST_QUOTE, sum(character.isalnum() for character in whole))
    return bool(words) and told >= max(1, least) and words in whole


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) < len(pairs):
        raise ValueError("a key occurs twice")
    return dict(pairs)


def _item(read: Settings, place: int, given: Mapping[str, Any]) -> Item:
    name = f"items[{place}]"
    if set(given) - {"id", "criterion", "weight", "evidence"}:
        raise read.wrong(name, dict(given), "id, criterion, weight and evidence, nothing else")
    id, criterion = given.get("id"), given.get("criterion")
    if not isinstance(id, str) or not 0 < len(id) <= 60:
        raise read.wrong(f"{name}.id", id, "a text of 1 to 60 characters")
    if not isinstance(criterion, str) or not 0 < len(criterion) <= 1000:
        raise read.wrong(f"{name}.criterion", criterion, "a text of 1 to 1000 characters that yes or no answers")
    weight, evidence = given.get("weight", 1), given.get("evidence", "quote")
    if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 <= weight <= 1000:
        raise read.wrong(f"{name}.weight", weight, "a number from 0 to 1000")
    if evidence not in ("quote", "none"):
        raise read.wrong(f"{name}.evidence", evidence, "'quote' or 'none'")
    return Item(id, criterion, float(weight), evidence == "quote")


def _question(item: Item, task: str, material: str, mark: str) -> RenderedPrompt:
    form = (
        'Reply with one JSON object and nothing else: {"met": true or false, "quote": "…"}. When it is met, quote is '
        "copied from the answer word by word and shows it; otherwise quote is empty."
        if item.quote
        else "Reply with yes or no and nothing else."
    )
    system = (
        f"You check whether an answer meets one criterion, and only that one. {task}\n\n{warning(mark)}\n\n"
        f"Criterion: {item.criterion}\n\nLength, style and confidence of the answer do not count unless the criterion "
        f"names them. When in doubt, it is not met. {form}"
    )
    user = f"{material}\n\nDoes the answer meet the criterion?"
    choices = None if item.quote else ("yes", "no")
    return RenderedPrompt((("system", system), ("user", user)), choices, 300 if item.quote else 8)
