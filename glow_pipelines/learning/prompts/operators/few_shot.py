"""Few-shot: show solved train examples, chosen by label-aware facility location.

Chosen without looking at validation scores: greedy choice by validation gain over-fitted badly where measured (val
.667, test .415), facility location with no evaluation at all did better than random on both tasks.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from glow_pipelines.learning.prompts.evidence import Candidate, Correction, Example, trace
from glow_pipelines.learning.prompts.facility import choose, similarities
from glow_pipelines.learning.prompts.hygiene import fit_to_show
from glow_pipelines.learning.prompts.prompt import Demonstration, Prompt
from glow_pipelines.learning.prompts.results import Analysis

FEW = 4
MOST = 24
DRAWS = 4
LONGEST_INPUT = 400  # characters; a long demonstration costs tokens in every later call
MOST_LABELS = 12  # beyond, "one per label" is a long prompt and targets are likely free text


def few_shot(
    incumbent: Prompt,
    examples: Sequence[Example],
    corrections: Sequence[Correction],
    analysis: Analysis,
    embeddings: NDArray[np.float64],
    rng: np.random.Generator,
) -> list[Candidate]:
    """One and two per label (four and eight for free text), each in turns and grouped by label where that differs; and
    one per label from random halves of the examples: a small model depends more on which it is shown than on how they
    were chosen.
    """
    eligible = _eligible(incumbent, examples)
    if not eligible:
        return []
    closed = len({example.target for example in examples}) <= MOST_LABELS
    labels = [example.target if closed else "" for example in examples]
    similarity = similarities(embeddings, labels)
    weights = np.array([example.weight for example in examples], dtype=float)
    count = len({labels[index] for index in eligible})
    rank = {label: place for place, label in enumerate(rng.permutation(sorted(set(labels))).tolist())}
    # Fewer than one per label would teach that the labels left out are never right.
    sizes = {(count, 1), (2 * count, 2)} if closed else {(FEW, FEW), (2 * FEW, 2 * FEW)}
    sets = [choose(similarity, weights, labels, eligible, min(total, MOST), each) for total, each in sorted(sizes)]
    if closed:
        for _ in range(DRAWS):
            sets.append(choose(similarity, weights, labels, _half(eligible, labels, rng), min(count, MOST), 1))
    candidates: dict[str, Candidate] = {}
    for place, chosen in enumerate(sets):
        orders = (_in_turns(chosen, labels, rank), sorted(chosen, key=lambda index: rank[labels[index]]))
        for order in orders[: 1 if place >= len(sizes) else 2]:
            shown = [examples[index] for index in order]
            prompt = replace(incumbent, demonstrations=tuple(Demonstration(e.id, e.input, e.target) for e in shown))
            if prompt != incumbent:
                made = Candidate(prompt, "few_shot", incumbent.sha256, trace(shown, "demo"))
                candidates.setdefault(prompt.sha256, made)
    return list(candidates.values())


def _eligible(incumbent: Prompt, examples: Sequence[Example]) -> list[int]:
    """What may be shown; a label that has approved examples shows only those, since a vote alone may be spiteful."""
    fit = [
        index
        for index, example in enumerate(examples)
        if example.weight > 0
        and len(example.input) <= LONGEST_INPUT
        and (incumbent.choices is None or example.target in incumbent.choices)
        and fit_to_show(example.input)
        and fit_to_show(example.target)
    ]
    approved = {examples[index].target for index in fit if examples[index].approved}
    return [index for index in fit if examples[index].approved or examples[index].target not in approved]


def _half(eligible: Sequence[int], labels: Sequence[str], rng: np.random.Generator) -> list[int]:
    """A random half of every label, so that none is missing."""
    drawn = rng.permutation(eligible).tolist()
    by_label = {label: [index for index in drawn if labels[index] == label] for label in labels}
    return sorted(index for found in by_label.values() for index in found[: -(-len(found) // 2)])


def _in_turns(chosen: Sequence[int], labels: Sequence[str], rank: dict[str, int]) -> list[int]:
    """The first of every label, then the second of every label: no label gets the last word twice."""
    seen: Counter[str] = Counter()
    keyed = []
    for index in chosen:
        keyed.append((seen[labels[index]], rank[labels[index]], index))
        seen[labels[index]] += 1
    return [index for _, _, index in sorted(keyed)]
