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
from glow_pipelines.learning.datasets.minhash import band_keys, signatures
from glow_pipelines.learning.datasets.text import digest, normalize, text_key

NEAR_KEYS = "near-1"  # of these seeds and bands; what was kept under another name must be made anew


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


def near_keys(agent: str, texts: Sequence[str]) -> NDArray[np.int64]:
    """texts x 32: texts of the agent at Jaccard .7 share one with chance .99985, others of it rarely, of others never.

    For ever the same: they are compared with those of texts that came years before.
    """
    ours = np.uint64(int(digest(NEAR_KEYS, agent)[:16], 16))
    keys = band_keys(signatures([normalize(text) for text in texts]))
    bands = mixed(np.arange(1, keys.shape[1] + 1, dtype=np.uint64) * GOLDEN + ours)
    return mixed(keys ^ bands).view(np.int64)
