"""Few-shot: show solved train examples, chosen by label-aware facility location.

Chosen without looking at validation scores: greedy choice by validation gain over-fitted badly where measured (val
.667, test .415), facility location with no evaluation at all did better than random on both tasks.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from glow_pipelines.learning.prompts.evidence import Candidate, Correction, Example
from glow_pipelines.learning.prompts.facility import choose, choose_near, similarities
from glow_pipelines.learning.prompts.hygiene import fit_to_show
from glow_pipelines.learning.prompts.influence import Support, capped
from glow_pipelines.learning.prompts.lineage import lineage_of
from glow_pipelines.learning.prompts.performance import Analysis
from glow_pipelines.learning.prompts.prompt import Demonstration, Prompt, estimate_tokens

SIZES = (2, 4, 8)
NEAR = 4  # demonstrations around the failures
MOST = 24
DRAWS = 3
LONGEST_INPUT = 400  # characters; a long demonstration costs tokens in every later call
MOST_LABELS = 12  # without a contract, more distinct targets than these are likely free text
TOKEN_COST = 2e-5  # of all coverage, by token; at 1e-4 a second demonstration of 77 intents was never worth it

Array = NDArray[np.float64]


def few_shot(
    incumbent: Prompt,
    examples: Sequence[Example],
    corrections: Sequence[Correction],
    analysis: Analysis,
    embeddings: NDArray[np.float64],
    rng: np.random.Generator,
) -> list[Candidate]:
    """The incumbent without demonstrations where it has some; two, four and eight; one and two per label where there
    are few labels, the latter also grouped by label; four around the failures; and one per label from random halves
    of the examples: a small model depends more on which it is shown than on how they were chosen.
    """
    candidates: dict[str, Candidate] = {}
    for shown, reason in _sets(incumbent, examples, corrections, analysis, embeddings, rng):
        prompt = replace(incumbent, demonstrations=tuple(Demonstration(e.id, e.input, e.target) for e in shown))
        if prompt != incumbent:
            traced = lineage_of(prompt, examples, corrections)
            made = Candidate(prompt, "few_shot", incumbent.sha256, traced, reason=reason)
            candidates.setdefault(prompt.sha256, made)
    return list(candidates.values())


def _sets(
    incumbent: Prompt,
    examples: Sequence[Example],
    corrections: Sequence[Correction],
    analysis: Analysis,
    embeddings: Array,
    rng: np.random.Generator,
) -> Iterator[tuple[list[Example], str]]:
    yield [], "no demonstrations at all"
    eligible = _eligible(incumbent, examples)
    if not eligible:
        return
    pool = _Pool.of(incumbent, examples, corrections, embeddings, rng)
    for size, grouped in _sizes(pool, eligible):
        chosen = pool.choose(eligible, size)
        order = "grouped by label" if grouped else "in turns"
        yield pool.ordered(chosen, grouped), f"{len(chosen)} demonstrations that cover the train examples best, {order}"
    near = pool.choose_near(eligible, {id for cluster in analysis.clusters for id in cluster.example_ids})
    if near:
        yield pool.ordered(near), f"{len(near)} demonstrations around the failures"
    count = len({pool.labels[index] for index in eligible})
    for _ in range(DRAWS if pool.closed and count <= MOST else 0):
        drawn = pool.choose(_half(eligible, pool.labels, rng), count)
        yield pool.ordered(drawn), f"{len(drawn)} demonstrations that cover a random half best"


def _sizes(pool: "_Pool", eligible: Sequence[int]) -> list[tuple[int, bool]]:
    """(how many, grouped): fewer than one per label teach that the others are never right, so that is tried too."""
    count = len({pool.labels[index] for index in eligible})
    full = [size for size in (count, 2 * count) if pool.closed and size <= MOST]
    return [*((size, False) for size in sorted({*SIZES, *full})), *((size, True) for size in full[1:])]


@dataclass(frozen=True)
class _Pool:
    """The train examples as the choice sees them. Without labels (free text) all count as of one."""

    examples: Sequence[Example]
    labels: list[str]
    closed: bool
    similarity: Array
    weights: Array
    costs: Array
    rank: dict[str, int]

    @classmethod
    def of(
        cls,
        incumbent: Prompt,
        examples: Sequence[Example],
        corrections: Sequence[Correction],
        embeddings: Array,
        rng: np.random.Generator,
    ) -> "_Pool":
        closed = incumbent.choices is not None or len({example.target for example in examples}) <= MOST_LABELS
        labels = [example.target if closed else "" for example in examples]
        support = Support(examples, corrections)
        people = [support.person(example.id) or example.group for example in examples]
        weights = capped(people, [example.weight for example in examples])
        tokens = [estimate_tokens(example.input) + estimate_tokens(example.target) + 8 for example in examples]
        rank = {label: place for place, label in enumerate(rng.permutation(sorted(set(labels))).tolist())}
        costs = TOKEN_COST * float(weights.sum()) * np.array(tokens, dtype=float)
        return cls(examples, labels, closed, similarities(embeddings, labels), weights, costs, rank)

    def choose(self, eligible: Sequence[int], total: int) -> list[int]:
        each = -(-total // len({self.labels[index] for index in eligible}))
        return choose(self.similarity, self.weights, self.labels, eligible, total, each, self.costs)

    def choose_near(self, eligible: Sequence[int], failed: set[str]) -> list[int]:
        """Near the failures of their own label, which are the ones they can mend."""
        at = [index for index, example in enumerate(self.examples) if example.id in failed]
        if not at:
            return []
        relevance = self.similarity[:, at] @ self.weights[at] / max(float(self.weights[at].sum()), 1e-9)
        each = -(-NEAR // len({self.labels[index] for index in eligible}))
        return choose_near(relevance, self.similarity, self.labels, eligible, NEAR, each)

    def ordered(self, chosen: Sequence[int], grouped: bool = False) -> list[Example]:
        """The first of every label, then the second of every label, or label by label."""
        if grouped:
            return [self.examples[index] for index in sorted(chosen, key=lambda index: self.rank[self.labels[index]])]
        seen: Counter[str] = Counter()
        keyed = []
        for index in chosen:
            keyed.append((seen[self.labels[index]], self.rank[self.labels[index]], index))
            seen[self.labels[index]] += 1
        return [self.examples[index] for _, _, index in sorted(keyed)]


def _eligible(incumbent: Prompt, examples: Sequence[Example]) -> list[int]:
    """What may be shown: approved by an expert, since a vote alone may be spiteful, fit to show, and not too long."""
    return [
        index
        for index, example in enumerate(examples)
        if example.approved
        and example.weight > 0
        and len(example.input) <= LONGEST_INPUT
        and (incumbent.choices is None or example.target in incumbent.choices)
        and fit_to_show(example.input)
        and fit_to_show(example.target)
    ]


def _half(eligible: Sequence[int], labels: Sequence[str], rng: np.random.Generator) -> list[int]:
    """A random half of every label, so that none is missing."""
    drawn = rng.permutation(eligible).tolist()
    by_label = {label: [index for index in drawn if labels[index] == label] for label in labels}
    return sorted(index for found in by_label.values() for index in found[: -(-len(found) // 2)])
