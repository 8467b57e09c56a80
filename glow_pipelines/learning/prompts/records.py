"""Records: cases as a writing model may see them, with what must not be seen taken out.

Belongs here: what is shown of an example, its answer and its corrections, and who spoke. Does not belong here: the
request they are shown in (writing), what an edit may say (provenance).
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from glow_pipelines.learning.datasets.screens import screen
from glow_pipelines.learning.datasets.screens.hidden import blobs
from glow_pipelines.learning.datasets.screens.redact import redact
from glow_pipelines.learning.prompts.evaluate import Outcome
from glow_pipelines.learning.prompts.evidence import Correction, Example, Lineage, Source, trace
from glow_pipelines.learning.prompts.faults import faults
from glow_pipelines.learning.prompts.hygiene import fit_to_show
from glow_pipelines.learning.prompts.influence import CAP, Support
from glow_pipelines.learning.prompts.metrics import normalize
from glow_pipelines.learning.prompts.vocabulary import words

LONGEST_FIELD = 600  # characters
LONGEST_BLOCK = 24_000  # characters of all cases of one request
_LINK = re.compile(r"(?:\w+://|\bwww\.)[^\s<>\"')\]]+", re.IGNORECASE)


@dataclass(frozen=True)
class Case:
    """One example, what was answered, and what people said of it; the texts are screened, redacted and cut."""

    example: Example
    corrections: tuple[Correction, ...]
    speakers: frozenset[str]
    input: str
    output: str
    feedback: str
    right: bool

    def record(self) -> dict[str, Any]:
        """In the words of reflective optimizers."""
        return {"Inputs": {"input": self.input}, "Generated Outputs": self.output, "Feedback": self.feedback}

    def lineage(self) -> tuple[Lineage, ...]:
        """The example, its source rows, and every vote whose words were shown."""
        heard = tuple(Lineage(Source("feedback", each.feedback_id), "reflected") for each in self.corrections)
        return tuple(dict.fromkeys((*trace([self.example], "reflected"), *heard)))


class Records:
    """Makes cases from train examples; a correction is found by the input it is about."""

    def __init__(self, train: Sequence[Example], corrections: Sequence[Correction]) -> None:
        self.support = Support(train, corrections)
        self._heard: dict[str, list[Correction]] = {}
        for each in sorted(corrections, key=lambda each: each.feedback_id):
            self._heard.setdefault(normalize(each.input), []).append(each)

    def case(self, example: Example, outcome: Outcome) -> Case | None:
        """The case, or None when its input or answers speak to a model or hide something. Comments that do are left
        out with their corrections; the case stays.
        """
        shown = scrub((example.input, outcome.text, example.target))
        if shown is None:
            return None
        heard, said = [], []
        for each in self._heard.get(normalize(example.input), []):
            texts = scrub((each.observed, each.expected, each.comment or "", *each.issues))
            if texts is not None:
                heard.append(each)
                said += [f"A user said: {texts[2]}"] if texts[2] else []
                said += [f"Issue: {issue}" for issue in texts[3:]]
        given, answered, wanted = shown
        kind, difference = compare(answered, wanted, outcome)
        lines = [f"Score {outcome.score:.2g}. {difference}" + (f" ({kind})" if kind else ""), *dict.fromkeys(said)]
        speakers = self.support.people([example.id, *(each.id for each in heard)])
        return Case(example, tuple(heard), speakers, given, answered, "\n".join(lines), outcome.right)


def scrub(texts: Sequence[str]) -> tuple[str, ...] | None:
    """The texts without links, secrets and personal data, cut to `LONGEST_FIELD`; None when one of them may not be
    shown: it addresses a model, hides characters, or carries an encoded message.
    """
    plain = [_LINK.sub("<LINK>", text) for text in texts]
    if not all(map(_harmless, plain)) or not all(_harmless(text) for text in texts if "![" in text):
        return None
    redacted = redact(plain, lambda finding: finding.kind != "injection")
    if not redacted.clean:
        return None
    return tuple(text if len(text) <= LONGEST_FIELD else f"{text[:LONGEST_FIELD]}…" for text in redacted.texts)


def _harmless(text: str) -> bool:
    if not fit_to_show(text) or any(finding.kind == "injection" for finding in screen(text)):
        return False
    return "<!--" not in text and next(blobs(text), None) is None


def select(cases: Iterable[Case | None], most: int) -> list[Case]:
    """The first `most` cases, each said once and nobody heard in more than a tenth of them (but once at least); no
    more than fit into one request.
    """
    kept: list[Case] = []
    room = LONGEST_BLOCK
    seen: set[tuple[str, ...]] = set()
    heard: Counter[str] = Counter()
    for case in cases:
        if case is None or len(kept) == most:
            continue
        size = len(case.input) + len(case.output) + len(case.feedback)
        said = (*words(case.input), "|", *words(case.feedback))
        if said in seen or any(heard[each] >= max(1, int(CAP * most)) for each in case.speakers) or size > room:
            continue
        room -= size
        seen.add(said)
        heard.update(case.speakers)
        kept.append(case)
    return kept


def compare(answered: str, wanted: str, outcome: Outcome) -> tuple[str, str]:
    """The most telling fault, and the difference in words; fields of JSON are compared one by one."""
    if outcome.right:
        return "", "The answer is right."
    kind = next(iter(faults(answered, wanted)), "") if outcome.valid else "format"
    if not answered.strip():
        return kind, f"Expected {wanted!r}, got nothing."
    expected, got = _object(wanted), _object(answered)
    if expected is None or got is None:
        return kind, f"Expected {wanted!r}, got {answered!r}."
    missing = [f"`{path}` is missing" for path in expected if path not in got]
    wrong = [
        f"expected `{path}` = {_text(value)} (got {_text(got[path])})"
        for path, value in expected.items()
        if path in got and got[path] != value
    ]
    return kind, "; ".join([*missing, *wrong][:6]) + "."


def _object(text: str) -> dict[str, Any] | None:
    """The leaves of an object of JSON by path."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return dict(_leaves(data, "")) if isinstance(data, Mapping) else None


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _leaves(data: Any, path: str) -> Iterable[tuple[str, Any]]:
    if isinstance(data, Mapping):
        for key, value in data.items():
            yield from _leaves(value, f"{path}.{key}" if path else str(key))
    else:
        yield path, data
