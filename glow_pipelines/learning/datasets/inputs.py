"""What an agent was asked, once, whatever the case, spacing and punctuation.

Belongs here: the identity of an input, the examples it supports, the keys by which near ones are found again later.
Does not belong here: which inputs belong together (groups), keeping the keys (store).
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glow_pipelines.learning.datasets.examples import LearningExample
from glow_pipelines.learning.datasets.hashing import GOLDEN, mixed
from glow_pipelines.learning.datasets.jaccard import gram_sets
from glow_pipelines.learning.datasets.minhash import BANDS, band_keys, first_look, signatures_by_part
from glow_pipelines.learning.datasets.text import digest, normalize, text_key

NEAR_MARKS = "near-1"  # of these seeds and bands; what was kept under another name must be made anew


@dataclass(frozen=True, slots=True)
class LearningInput:
    """One input of an agent with the examples it supports, not yet grouped.

    `words` are those of its first example, as screened: what groups go by is what may be exported. `conversation` is
    that of the execution they were taken from.
    """

    agent: str
    key: str
    words: str
    conversation: str | None
    examples: tuple[LearningExample, ...]


def input_key(text: str) -> str:
    """The identity of an input within its agent: sha256, in hex, of its `text_key`."""
    return key_of(text_key(text))


def key_of(normal: str) -> str:
    """The same, of what `text_key` answered."""
    return hashlib.sha256(normal.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True, slots=True)
class NearMarks:
    """Of n texts of one agent: `keys` (n, 32) and `bits` (n, 4). Texts at Jaccard .7 share a key with chance .99985,
    others rarely, those of another agent never; `minhash.most_differing` says how many bits of near ones differ."""

    keys: NDArray[np.int64]
    bits: NDArray[np.uint64]

    def bit_string(self, place: int) -> str:
        """The 256 bits of one text as PostgreSQL writes them."""
        return "".join(f"{int(word):064b}" for word in self.bits[place])


def near_marks(agent: str, texts: Sequence[str]) -> NearMarks:
    """For ever the same: they are compared with those of texts that came years before."""
    ours = np.uint64(int(digest(NEAR_MARKS, agent)[:16], 16))
    keys = np.empty((len(texts), BANDS), dtype=np.uint64)
    bits = np.empty((len(texts), 4), dtype=np.uint64)
    for chosen, signed in signatures_by_part([normalize(text) for text in texts]):
        keys[chosen], bits[chosen] = band_keys(signed), first_look(signed)
    bands = mixed(np.arange(1, BANDS + 1, dtype=np.uint64) * GOLDEN + ours)
    return NearMarks(mixed(keys ^ bands).view(np.int64), bits)


def rare_keys(agent: str, texts: Sequence[str]) -> list[NDArray[np.int64]]:
    """A key of every 5-gram of each text, for ever the same. For texts in crowds, which share most bands: of these keys
    those tell them apart that few others hold."""
    if not texts:
        return []
    grams, counts = gram_sets([normalize(text) for text in texts])
    ours = np.uint64(int(digest(NEAR_MARKS, "grams", agent)[:16], 16))
    return np.split(mixed(grams ^ ours).view(np.int64), np.cumsum(counts)[:-1])
