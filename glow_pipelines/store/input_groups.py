"""Which inputs of an agent belong together, in the database: groups, splits, and by what near ones are found.

Belongs here: SQL over sets of inputs and what they are near to. Does not: which inputs belong together
(learning/datasets), what is said of them and learned from it (curation).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glow_pipelines.learning.datasets import LearningInput, NearMarks, Split, is_bridge, rare_keys
from glow_pipelines.learning.datasets.crowds import CROWD, CROWDED_BANDS
from glow_pipelines.store.noun import Noun


@dataclass(frozen=True)
class KnownInput:
    """An input that was grouped before. `place`: of the text asked about that it may be near to."""

    id: int
    key: str
    group: str
    place: int = -1


@dataclass(frozen=True)
class Embedded:
    """Words → their embedding by a model."""

    model: str
    vectors: Mapping[str, NDArray[np.floating[Any]]]


class InputGroups(Noun):
    queries = "input_groups"

    def inputs(self, inputs: Sequence[int]) -> dict[str, tuple[int, str | None, bool]]:
        """Input key → (id, group, whether near-duplicates find it)."""
        rows = self._rows("inputs", inputs=list(inputs))
        return {row["key"]: (row["input_id"], row["group_key"], row["marked"]) for row in rows}

    def near(self, agent: str, marks: NearMarks, differing: float) -> list[KnownInput]:
        """Inputs grouped before that share a key with one of the marked texts and differ in few enough bits."""
        n, bands = marks.keys.shape
        rows = self._rows(
            "near_inputs",
            agent=agent,
            places=[place for place in range(n) for _ in range(bands)],
            keys=marks.keys.ravel().tolist(),
            sketches=[marks.bit_string(place) for place in range(n)],
            differing=int(differing),
            most=CROWD,
        )
        return [KnownInput(row["input_id"], row["key"], row["group_key"], row["place"]) for row in rows]

    def crowded(self, marks: NearMarks) -> list[int]:
        """Which of the marked texts lie in a crowd, where `near` looks at the first few only."""
        n, bands = marks.keys.shape
        rows = self._rows(
            "crowded_texts",
            places=[place for place in range(n) for _ in range(bands)],
            keys=marks.keys.ravel().tolist(),
            most=CROWD // 2,
            bands=CROWDED_BANDS,
        )
        return [row["place"] for row in rows]

    def near_in_crowds(
        self, agent: str, marks: NearMarks, words: Mapping[int, str], differing: float
    ) -> list[KnownInput]:
        """Inputs grouped before that share most of what is rare with texts in crowds; `words` are theirs, by place."""
        keys = dict(zip(words, rare_keys(agent, list(words.values())), strict=True))
        rows = self._rows(
            "near_in_crowds",
            agent=agent,
            places=[place for place, found in keys.items() for _ in found],
            keys=[key for found in keys.values() for key in found.tolist()],
            sketches=[marks.bit_string(place) for place in range(len(marks.keys))],
            differing=int(differing),
            most=CROWD,
        )
        return [KnownInput(row["input_id"], row["key"], row["group_key"], row["place"]) for row in rows]

    def words(self, inputs: Sequence[int]) -> dict[int, str]:
        """The words of inputs as their examples say them."""
        return {row["input_id"]: row["words"] for row in self._rows("words_of_inputs", inputs=list(inputs))}

    def alike(self, agent: str, embedded: Embedded, cosine: float) -> list[KnownInput]:
        """Inputs grouped before whose embedding by the same model is this near at least; `place` is the words'."""
        vectors = [literal(vector) for vector in embedded.vectors.values()]
        rows = self._rows("alike_inputs", agent=agent, model=embedded.model, vectors=vectors, cosine=cosine)
        return [KnownInput(row["input_id"], row["key"], row["group_key"], row["place"]) for row in rows]

    def of_conversations(self, agent: str, conversations: Sequence[str]) -> list[tuple[str, KnownInput]]:
        """(conversation, input grouped before), a few of each."""
        rows = self._rows("inputs_of_conversations", agent=agent, conversations=list(conversations))
        return [(row["conversation"], KnownInput(row["input_id"], row["key"], row["group_key"])) for row in rows]

    def splits(self, agent: str, groups: Iterable[str]) -> dict[str, Split]:
        """Group → split, of those that have one."""
        rows = self._rows("splits_of_groups", agent=agent, groups=sorted(groups))
        return {row["group_key"]: row["split"] for row in rows}

    def assign_splits(self, agent: str, splits: Mapping[str, Split]) -> None:
        """Give groups their split; a group that has one keeps it."""
        self._run("assign_splits", agent=agent, groups=list(splits), splits=list(splits.values()))

    def assign_groups(
        self,
        agent: str,
        inputs: Mapping[int, LearningInput],
        groups: Mapping[int, str],
        marks: NearMarks,
        embedded: Embedded | None = None,
    ) -> None:
        """Give inputs their group for ever, or the marks again that an erasure took. `marks` are in the order of
        `inputs`; a bridge is found by none later."""
        vectors = {} if embedded is None else embedded.vectors
        self._run(
            "assign_groups",
            inputs=list(inputs),
            groups=[groups[id] for id in inputs],
            conversations=[each.conversation for each in inputs.values()],
            sketches=[marks.bit_string(place) for place in range(len(inputs))],
            embeddings=[literal(vectors[e.words]) if e.words in vectors else None for e in inputs.values()],
            model=None if embedded is None else embedded.model,
        )
        found = [(place, id) for place, id in enumerate(inputs) if not is_bridge(groups[id])]
        keys = marks.keys[[place for place, _ in found]]
        self._run(
            "insert_near_keys", keys=keys.ravel().tolist(), inputs=[id for _, id in found for _ in range(keys.shape[1])]
        )

        ids = list(inputs)
        # After their keys are there: those that came together may be a crowd already.
        crowded = [place for place in self.crowded(marks) if not is_bridge(groups[ids[place]])]
        rare = rare_keys(agent, [inputs[ids[place]].words for place in crowded])
        self._run(
            "insert_rare_keys",
            keys=[key for found in rare for key in found.tolist()],
            inputs=[ids[place] for place, found in zip(crowded, rare, strict=True) for _ in found],
            most=CROWD,
        )


def literal(vector: NDArray[np.floating[Any]]) -> str:
    """A vector as PostgreSQL reads it."""
    return "[" + ",".join(f"{float(value):.8g}" for value in vector) + "]"
