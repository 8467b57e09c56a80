"""New inputs into groups, by what was grouped before and is near to them.

Belongs here: finding their neighbours through the store, having them grouped, keeping the outcome. Does not: SQL
(store/curation), what belongs together and what a bridge is (learning/datasets/groups).
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from glow_pipelines.learning.datasets import (
    BehaviorLearner,
    GroupItem,
    LearningInput,
    assign_splits,
    is_bridge,
    near_duplicates,
    near_marks,
    normalize,
)
from glow_pipelines.learning.datasets.jaccard import verify
from glow_pipelines.learning.datasets.minhash import most_differing
from glow_pipelines.learning.datasets.similar import paraphrases
from glow_pipelines.store import Transaction
from glow_pipelines.store.input_groups import Embedded, KnownInput

Pairs = list[tuple[str, str]]


@dataclass(frozen=True)
class Grouped:
    """`groups` is by input id; `joined` of the inputs are in a group that was there before."""

    groups: dict[int, str]
    joined: int = 0


def group_inputs(
    t: Transaction,
    learner: BehaviorLearner,
    agent: str,
    inputs: Mapping[int, LearningInput],
    embedded: Embedded | None = None,
) -> Grouped:
    """Give inputs their group for ever, and their groups a split. Where their words are embedded, paraphrases
    share one too."""
    if not inputs:
        return Grouped({})
    fresh, settings = list(inputs.values()), learner.settings
    marks = near_marks(agent, [each.words for each in fresh])
    differing = most_differing(settings.near_duplicate)
    near = t.input_groups.near(agent, marks, differing)
    crowded = {place: fresh[place].words for place in t.input_groups.crowded(marks)}
    if crowded:
        seen = {(each.place, each.id) for each in near}
        found = t.input_groups.near_in_crowds(agent, marks, crowded, differing)
        near += [each for each in found if (each.place, each.id) not in seen]
    pairs = _near_pairs(fresh, near, t.input_groups.words([each.id for each in near]), settings.near_duplicate)
    extra, alike = _paraphrases(t, agent, fresh, embedded, settings.paraphrase)
    talks = t.input_groups.of_conversations(agent, sorted({each.conversation for each in fresh if each.conversation}))
    known = {each.key: each.group for each in (*near, *alike, *(each for _, each in talks))}
    said_in = {each.key: conversation for conversation, each in talks}
    splits = t.input_groups.splits(agent, set(known.values()))
    grouped = learner.group(
        fresh,
        known,
        splits,
        neighbours=[GroupItem(key, "", said_in.get(key)) for key in known],
        near_pairs=pairs,
        extra_pairs=extra,
    )
    groups = {id: grouped[each.key] for id, each in inputs.items()}
    new = {group for group in groups.values() if not is_bridge(group)} - set(splits)
    t.input_groups.assign_splits(agent, assign_splits(new, {}, settings.shares, settings.salt))
    t.input_groups.assign_groups(agent, inputs, groups, marks, embedded)
    return Grouped(groups, sum(group in splits for group in groups.values()))


def mark_again(
    t: Transaction,
    agent: str,
    inputs: Mapping[int, LearningInput],
    groups: Mapping[int, str],
    embedded: Embedded | None = None,
) -> None:
    """Have inputs found by near-duplicates again that have their group already: an erasure took their marks, and now
    somebody else asks the same."""
    if inputs:
        marks = near_marks(agent, [each.words for each in inputs.values()])
        t.input_groups.assign_groups(agent, inputs, groups, marks, embedded)


def _near_pairs(
    fresh: Sequence[LearningInput], near: Sequence[KnownInput], words: Mapping[int, str], threshold: float
) -> Pairs:
    """Near-duplicates among new inputs, and of new ones and those grouped before; all decided exactly."""
    texts = [normalize(each.words) for each in fresh]
    pairs = [(fresh[a].key, fresh[b].key) for a, b in near_duplicates(texts, threshold).tolist()]
    near = [each for each in near if each.id in words]
    if not near:
        return pairs
    place = {id: len(texts) + n for n, id in enumerate(words)}
    proposed = np.array([(each.place, place[each.id]) for each in near], dtype=np.int64)
    keys = {place[each.id]: each.key for each in near}
    decided = verify(proposed, [*texts, *map(normalize, words.values())], threshold)
    return [*pairs, *((fresh[a].key, keys[b]) for a, b in decided.tolist())]


def _paraphrases(
    t: Transaction, agent: str, fresh: Sequence[LearningInput], embedded: Embedded | None, threshold: float
) -> tuple[Pairs, list[KnownInput]]:
    """Pairs that say the same in other words, and those of them that were grouped before."""
    if embedded is None or not embedded.vectors:
        return [], []
    known = t.input_groups.alike(agent, embedded, threshold)
    saying: dict[str, list[str]] = defaultdict(list)
    for each in fresh:
        saying[each.words].append(each.key)
    words = list(embedded.vectors)
    pairs = [(key, each.key) for each in known for key in saying[words[each.place]]]
    return [*paraphrases(fresh, embedded.vectors, threshold), *pairs], known
