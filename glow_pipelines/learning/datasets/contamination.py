"""Whether a held-out row was shown to the model: as a demonstration of a prompt in force.

Belongs here: equal, near, or sharing a long run of words. Does not belong here: which prompts are in force (store),
what happens to the row (inspection).
"""

from collections.abc import Iterable, Iterator, Sequence

from glow_pipelines.learning.datasets.jaccard import WINDOW
from glow_pipelines.learning.datasets.text import normalize

LONG, SHORT = 13, 8  # words in a run that is no coincidence; of texts that have no 13, 8


class Demonstrations:
    """The inputs of demonstrations, ready to be compared with many texts."""

    def __init__(self, inputs: Iterable[str]) -> None:
        self._texts = sorted({text for each in inputs if (text := normalize(each))})
        self._sets = [_grams(text) for text in self._texts]
        self._grams = frozenset().union(*self._sets)
        words = [text.split() for text in self._texts]
        self._long = frozenset(run for each in words for run in _runs(each, LONG))
        self._short = frozenset(run for each in words if len(each) < LONG for run in _runs(each, SHORT))

    def __bool__(self) -> bool:
        return bool(self._texts)

    def show(self, text: str, threshold: float = 0.7) -> bool:
        """Whether a normalised text is, nearly is, or shares a run of words with a demonstration."""
        own = _grams(text)
        # The intersection with all of them is at least that with one, and that is at least threshold times its size.
        if len(own & self._grams) >= threshold * len(own) and any(
            len(own & each) >= threshold * len(own | each) for each in self._sets
        ):
            return True
        words = text.split()
        return any(run in self._long for run in _runs(words, LONG)) or (
            bool(self._short) and any(run in self._short for run in _runs(words, SHORT))
        )


def _grams(text: str) -> frozenset[str]:
    """The character 5-grams of a text; of a shorter one the text itself, filled up."""
    padded = text.ljust(WINDOW, "\0")
    return frozenset(padded[at : at + WINDOW] for at in range(len(padded) - WINDOW + 1))


def _runs(words: Sequence[str], length: int) -> Iterator[tuple[str, ...]]:
    return (tuple(words[at : at + length]) for at in range(len(words) - length + 1))
