"""Every text of a version looked at once, on its way past.

Belongs here: what needs the texts themselves: screens, lines, labels, and handing them to the searches for leaks and
repeats. Does not belong here: what can be counted without texts (the database), verdicts (checks).
"""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple, Protocol
from unicodedata import normalize as to_form

from glow_pipelines.learning.datasets.export import LINE_KINDS, line_row
from glow_pipelines.learning.datasets.lines import validate_row
from glow_pipelines.learning.datasets.repeats import Repeats
from glow_pipelines.learning.datasets.rules import Kind
from glow_pipelines.learning.datasets.screens import screen
from glow_pipelines.learning.datasets.splits import SPLITS, Split
from glow_pipelines.learning.datasets.text import normalize, text_key

LABELS = 50  # more distinct targets than this are free text
_SHOWN = 5


class TextRow(NamedTuple):
    """A row of a version with its texts; `version` names the row of the example."""

    version: int
    id: str
    agent: str
    split: Split
    input: str
    target: str
    rejected: str | None


class Faults:
    """How many rows have a fault, and the first few of them."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.examples: dict[str, list[str]] = {}

    def add(self, fault: str, *examples: str) -> None:
        """One more; a pair shows two examples."""
        self.counts[fault] += 1
        shown = self.examples.setdefault(fault, [])
        if len(shown) < _SHOWN:
            shown.extend(each for each in examples if each not in shown)


class TakesTexts(Protocol):
    """What texts are handed to: a search for leaks, or what passes them on to one."""

    def add(self, places: Sequence[int], texts: Sequence[str], splits: Sequence[int]) -> None: ...


class Inspection:
    """`faults` by kind of finding ("pii", "secret", "injection"), "schema" and what `schema_problems` says of it."""

    def __init__(self, kind: Kind, leaks: TakesTexts | None = None, repeats: Repeats | None = None) -> None:
        self._line_kind = LINE_KINDS[kind]
        self._leaks, self._repeats = leaks, repeats
        self._labels: Counter[str] | None = Counter()
        self.faults = Faults()
        self.schema_problems: Counter[str] = Counter()

    def add(self, rows: Sequence[TextRow]) -> None:
        """Look at the next rows."""
        places = [row.version for row in rows]
        inputs, answers = [normalize(row.input) for row in rows], [text_key(row.target) for row in rows]
        if self._leaks is not None:
            self._leaks.add(places, inputs, [SPLITS.index(row.split) for row in rows])
        if self._repeats is not None:
            self._repeats.add(
                places, [key or row.input.strip() for row, key in zip(rows, inputs, strict=True)], answers
            )
        for row, answer in zip(rows, answers, strict=True):
            self._look(row, answer)

    @property
    def labels(self) -> dict[str, int]:
        """How often each answer is given; empty for free text."""
        return dict(sorted((self._labels or {}).items()))

    def _look(self, row: TextRow, answer: str) -> None:
        texts = (row.input, row.target) if row.rejected is None else (row.input, row.target, row.rejected)
        # Nearly always nothing is found: one pass over all texts of a row, a second one only to be sure of a finding.
        if screen("\n".join(texts)):
            for kind in {finding.kind for text in texts for finding in screen(text)}:
                self.faults.add(kind, row.id)
        # As they will stand in the line: two answers may differ in code points alone.
        input, target, *rejected = (text if text.isascii() else to_form("NFC", text) for text in texts)
        line = line_row(self._line_kind, input, target, rejected[0] if rejected else None)
        problems = validate_row(line, self._line_kind)
        if problems:
            self.faults.add("schema", row.id)
            self.schema_problems.update({f"{problem.field}: {problem.remedy}" for problem in problems})
        if self._labels is not None:
            self._labels[answer] += 1
            if len(self._labels) > LABELS:
                self._labels = None
