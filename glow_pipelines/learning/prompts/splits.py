"""Splits: who may see which example, and proof that nothing leaks between them.

Belongs here: separating what was assigned elsewhere, refusing leaks. Does not belong here: assigning splits (datasets).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from glow_pipelines.learning.prompts.evidence import Correction, Example
from glow_pipelines.learning.prompts.metrics import normalize
from glow_pipelines.learning.prompts.settings import OptimizerSettings


@dataclass(frozen=True)
class Splits:
    """Examples by split. Train holds no input that also stands in val or test; `repeated` counts those left out."""

    train: tuple[Example, ...]
    val: tuple[Example, ...]
    test: tuple[Example, ...]
    repeated: int
    held_out: frozenset[str]

    @classmethod
    def of(cls, examples: Sequence[Example]) -> Self:
        """Separates examples, ordered by id. Raises ValueError on a repeated id or a group in two splits."""
        groups: dict[str, str] = {}
        ids: set[str] = set()
        for example in examples:
            if groups.setdefault(example.group, example.split) != example.split:
                raise ValueError(
                    f"group={example.group!r} is in {groups[example.group]} and {example.split}: split leak"
                )
            if example.id in ids:
                raise ValueError(f"example id={example.id!r} occurs twice")
            ids.add(example.id)
        ordered = sorted(examples, key=lambda example: example.id)
        held_out = frozenset(normalize(example.input) for example in ordered if example.split != "train")
        train = [example for example in ordered if example.split == "train"]
        kept = tuple(example for example in train if normalize(example.input) not in held_out)
        val = tuple(example for example in ordered if example.split == "val")
        test = tuple(example for example in ordered if example.split == "test")
        return cls(kept, val, test, len(train) - len(kept), held_out)

    def unleaked(self, corrections: Sequence[Correction]) -> list[Correction]:
        """Corrections whose input is not a val or test input: those would carry the answer into the prompt."""
        return [each for each in corrections if normalize(each.input) not in self.held_out]

    def notes(self, corrections: Sequence[Correction]) -> tuple[str, ...]:
        """What was left out, in words."""
        unheard = len(corrections) - len(self.unleaked(corrections))
        said = (
            (self.repeated, "train examples repeat a val or test input and were left out"),
            (unheard, "corrections concern a val or test input and were left out"),
        )
        return tuple(f"{count} {what}" for count, what in said if count)

    def missing(self, settings: OptimizerSettings) -> tuple[str, ...]:
        """Which minimums are not met, in words; empty when there is enough to try."""
        wanted = (
            ("train", len(self.train), settings.min_train),
            ("val", len(self.val), settings.min_val),
            ("test", len(self.test), settings.min_test),
        )
        return tuple(f"{name} has {have} examples, needs {need}" for name, have, need in wanted if have < need)
