"""Text against text: `exact` and `label`, and the one way texts are made comparable.

Belongs here: what compares whole answers as text. Does not belong here: parts of an answer (contains), numbers.
"""

import unicodedata
from collections.abc import Mapping
from typing import Any

from glow_pipelines.learning.prompts.metrics.metric import Metric
from glow_pipelines.learning.prompts.metrics.settings import Settings


def normalize(text: str) -> str:
    """NFKC and casefold, runs of white space as one blank, none at the ends."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(unicodedata.normalize("NFKC", folded).split())


def exact(settings: Mapping[str, Any] | None = None) -> Metric:
    """1.0 when answer and target are the same text after NFKC and with runs of white space as one blank.

    Settings: `case` 'fold' (default) or 'keep'; `punctuation` 'keep' (default), 'ends' (none at either end) or 'drop'
    (none between letters either; within a number it stays, since 1.5 is not 15, and so does a minus before one).
    """
    read = Settings("exact", settings)
    fold = read.choice("case", ("fold", "keep"), "fold") == "fold"
    policy = read.choice("punctuation", ("keep", "ends", "drop"), "keep")
    given = read.finish()

    def comparable(text: str) -> str:
        plain = normalize(text) if fold else " ".join(unicodedata.normalize("NFKC", text).split())
        if policy == "ends":
            return _trimmed(plain)
        return " ".join(_dropped(plain).split()) if policy == "drop" else plain

    return Metric("exact", 2, lambda answer, target: float(comparable(answer) == comparable(target)), settings=given)


def label(settings: Mapping[str, Any] | None = None) -> Metric:
    """1.0 when both are the same label apart from case, Unicode form and white space.

    Settings: `labels`, the closed set (an answer outside it is wrong and invalid; without it any text is a label);
    `aliases`, an object from another spelling to its label.
    """
    read = Settings("label", settings)
    labels = read.texts("labels", 1000)
    aliases = read.mapping("aliases", 5000)
    allowed = {normalize(each) for each in labels}
    if len(allowed) < len(labels):
        raise read.wrong("labels", list(labels), "labels that differ in more than case and spacing")
    meant: dict[str, str] = {}
    for alias, name in aliases.items():
        if not isinstance(name, str) or not normalize(name) or (labels and normalize(name) not in allowed):
            raise read.wrong(f"aliases.{alias}", name, "one of the labels" if labels else "a label")
        if normalize(alias) in allowed and normalize(alias) != normalize(name):
            raise read.wrong(f"aliases.{alias}", name, "an alias that is not itself another label")
        meant[normalize(alias)] = normalize(name)
    given = read.finish()

    def named(text: str) -> str:
        plain = normalize(text)
        return meant.get(plain, plain)

    def score(answer: str, target: str) -> float:
        said = named(answer)
        return float(said == named(target) and (not allowed or said in allowed))

    return Metric(
        "label", 1, score, settings=given, valid=(lambda answer: named(answer) in allowed) if allowed else None
    )


def _is_mark(character: str) -> bool:
    return unicodedata.category(character).startswith("P")


def _trimmed(text: str) -> str:
    start, end = 0, len(text)
    while start < end and (_is_mark(text[start]) or text[start] == " "):
        # The sign of a number is part of it: -5 is not 5.
        if text[start] == "-" and text[start + 1 : start + 2].isdecimal():
            break
        start += 1
    while end > start and (_is_mark(text[end - 1]) or text[end - 1] == " ") and text[end - 1] != "%":
        end -= 1
    return text[start:end]


def _dropped(text: str) -> str:
    kept = []
    for at, character in enumerate(text):
        before, after = text[at - 1 : at], text[at + 1 : at + 2]
        in_number = before.isdecimal() and after.isdecimal()
        sign = character == "-" and after.isdecimal() and not before.isalnum()
        percent = character == "%" and before.isdecimal()
        kept.append(" " if _is_mark(character) and not (in_number or sign or percent) else character)
    return "".join(kept)
