"""Which questions are the same question in other words.

Belongs here: grouping of query texts by embedding. Does not belong here: what a group teaches (``feedback``), or its
split, which the caller decides.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np

from glow_pipelines.learning.retrieval.text import normalised
from glow_pipelines.learning.retrieval.types import Vector, product, unit

SAME_QUESTION = 0.9  # cosine; 39 % of SciFact's test claims have such a twin in train, Cranfield's queries 6 %


def group_queries(
    queries: Sequence[str], embeddings: Mapping[str, Vector], threshold: float = SAME_QUESTION
) -> dict[str, str]:
    """Query text -> group key. A query joins the nearest leader within ``threshold``, else it leads a new group.

    Leaders, not chains: joining by any member grows transitive giants. Queries are taken in the order given, so a log
    that only grows keeps its groups; the key is a hash of the leader's text, not of the members.
    """
    leaders = np.zeros((len({normalised(query) for query in queries}), len(next(iter(embeddings.values()), ()))))
    keys: list[str] = []
    by_text: dict[str, str] = {}
    group: dict[str, str] = {}
    for query in queries:
        text = normalised(query)
        if text not in by_text:
            vector = unit(embeddings[query])
            cosine = product(leaders[: len(keys)], vector)
            if len(keys) and cosine.max() >= threshold:
                by_text[text] = keys[int(cosine.argmax())]
            else:
                leaders[len(keys)] = vector
                keys.append(hashlib.sha256(text.encode()).hexdigest()[:16])
                by_text[text] = keys[-1]
        group[query] = by_text[text]
    return group
