"""Which questions are the same question in other words.

Belongs here: grouping of query texts by embedding. Does not belong here: what a group teaches (``feedback``), or its
split, which the caller decides.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np

from glow_pipelines.learning.retrieval.text import normalised
from glow_pipelines.learning.retrieval.types import Vector, unit

SAME_QUESTION = 0.9  # cosine; 39 % of SciFact's test claims have such a twin in train, Cranfield's queries 6 %
BLOCK = 256


def group_queries(
    queries: Sequence[str], embeddings: Mapping[str, Vector], threshold: float = SAME_QUESTION
) -> dict[str, str]:
    """Query text -> group key. A query joins the nearest leader within ``threshold``, else it leads a new group.

    Leaders, not chains: joining by any member grows transitive giants. Queries are taken in the order given, so a log
    that only grows keeps its groups; the key is a hash of the leader's text, not of the members.
    """
    first: dict[str, str] = {}
    for query in queries:
        first.setdefault(normalised(query), query)
    texts = list(first)
    if not texts:
        return {}
    vectors = unit(np.array([embeddings[first[text]] for text in texts]))
    leaders: list[int] = []
    leader = np.zeros(len(texts), dtype=int)
    # In blocks: 20,000 questions one by one against all leaders took minutes, as matrix products seconds.
    for start in range(0, len(texts), BLOCK):
        block = vectors[start : start + BLOCK]
        before = len(leaders)
        known = block @ vectors[leaders].T
        inside = block @ block.T
        for row in range(len(block)):
            cosine = np.concatenate([known[row], inside[row, [at - start for at in leaders[before:]]]])
            if cosine.size and cosine.max() >= threshold:
                leader[start + row] = leaders[int(cosine.argmax())]
            else:
                leaders.append(start + row)
                leader[start + row] = start + row
    key = {at: hashlib.sha256(texts[at].encode()).hexdigest()[:16] for at in leaders}
    of_text = {text: key[int(at)] for text, at in zip(texts, leader, strict=True)}
    return {query: of_text[normalised(query)] for query in queries}
