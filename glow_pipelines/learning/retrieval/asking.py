"""What a question becomes before it is searched: the adapted vector, the added words.

Belongs here: applying what a configuration learned to the query side. Does not belong here: learning it (``adapter``,
``expansion``), scoring chunks (``index``).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from glow_pipelines.learning.retrieval.text import terms
from glow_pipelines.learning.retrieval.types import Expansion, Vector, product, unit


def adapted(query_vector: Vector, adapter: Vector | None, weight: float) -> Vector:
    """unit((1 - weight) · q + weight · unit(W q)) of a unit vector ``q``; ``q`` itself without an adapter or weight."""
    if adapter is None or weight == 0:
        return query_vector
    return unit((1 - weight) * query_vector + weight * unit(product(adapter, query_vector)))


class AddedWords:
    """Which words a question gains: those of every expansion all of whose phrase's words it has.

    A word named by several expansions counts with the largest weight, and not at all where the question has it already.
    """

    def __init__(self, expansions: Sequence[Expansion]) -> None:
        self._rules = [
            (frozenset(terms(rule.phrase)), frozenset(word for text in rule.adds for word in terms(text)), rule.weight)
            for rule in expansions
        ]

    def of(self, query: str, weight: float) -> Mapping[str, float]:
        """Stemmed word -> how much of one occurrence it counts for; empty at weight 0."""
        added: dict[str, float] = defaultdict(float)
        if weight == 0 or not self._rules:
            return added
        own = set(terms(query))
        for phrase, words, strength in self._rules:
            if phrase and phrase <= own and strength > 0:
                for word in words:
                    if word not in own:
                        added[word] = max(added[word], weight * strength)
        return added
