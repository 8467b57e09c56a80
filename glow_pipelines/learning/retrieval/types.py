"""The values retrieval learning takes in and hands out.

Belongs here: frozen shapes shared by search, feedback, training and the gate, with their JSON faces. Does not belong
here: any computation on them, any table or SQL (the store maps rows to these shapes and back).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from glow_pipelines.learning.intervals import Interval

Vector = NDArray[np.float64]
Leg = Literal["dense", "lexical", "both"]
Policy = Literal["production", "interleave", "explore"]
Split = Literal["train", "val", "test"]
NegativeKind = Literal["skipped", "lexical", "mined"]


@dataclass(frozen=True)
class Chunk:
    """A piece of a document as it is searched. ``embedding`` has shape (dimensions,), or is None until embedded."""

    id: str
    document_id: str
    text: str
    embedding: Vector | None = field(default=None, compare=False, repr=False)


_WEIGHTS = (
    "dense_weight",
    "lexical_weight",
    "memory_weight",
    "shift",
    "prior_weight",
    "expansion_weight",
    "pseudo_weight",
)


@dataclass(frozen=True)
class RetrievalParameters:
    """How legs and learned terms are added up; the formula is in ``index.RetrievalIndex``.

    The defaults are the untuned hybrid: both legs at weight 1, nothing learned. ``shift`` is how far a document vector
    moves toward the questions it answered; ``base_attractiveness`` is the clicks per examination of the log the memory
    was built from, so that the chunk prior can be rebuilt from the memory rows alone. ``adapter_weight`` is the share
    of the adapted query in the one the dense leg asks with; ``expansion_weight`` scales the words expansions add to
    the lexical leg; ``pseudo_weight`` is how far the dense query moves toward the first ``pseudo_depth`` hits.
    ``dense_floor``: the cosine that counts as 0, None for the mean cosine of two chunks of the index.
    ``candidate_depth``: how many chunks each leg offers a search over an index too large to score whole.
    """

    dense_weight: float = 1.0
    lexical_weight: float = 1.0
    memory_weight: float = 0.0
    shift: float = 0.0
    prior_weight: float = 0.0
    adapter_weight: float = 0.0
    expansion_weight: float = 0.0
    pseudo_weight: float = 0.0
    pseudo_depth: int = 3
    base_attractiveness: float = 0.0
    memory_floor: float = 0.3
    memory_power: float = 4.0
    memory_neighbours: int = 20
    dense_floor: float | None = None
    candidate_depth: int = 40
    k1: float = 1.2
    b: float = 0.75
    version: str = "floor-1"

    def __post_init__(self) -> None:
        for name in (*_WEIGHTS, "k1"):
            value = getattr(self, name)
            if not (np.isfinite(value) and value >= 0):
                raise ValueError(f"retrieval parameter {name}={value!r}: give a finite number of 0 or more")
        for name in ("adapter_weight", "base_attractiveness", "memory_floor", "b"):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise ValueError(f"retrieval parameter {name}={value!r}: give a number from 0 to 1")
        if self.dense_floor is not None and not -1 <= self.dense_floor < 1:
            raise ValueError(f"retrieval parameter dense_floor={self.dense_floor!r}: give a cosine below 1, or None")
        if self.pseudo_depth < 1:
            raise ValueError(f"retrieval parameter pseudo_depth={self.pseudo_depth!r}: give a number of 1 or more")

    def to_json(self) -> dict[str, float | int | str | None]:
        """All fields as a flat JSON object."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> RetrievalParameters:
        """Inverse of ``to_json``; absent fields take their defaults.

        Raises ValueError for a field this version does not know: a newer configuration must not be half applied.
        """
        unknown = sorted(set(data) - {f.name for f in fields(cls)})
        if unknown:
            raise ValueError(f"retrieval parameters: unknown field {unknown[0]!r}; upgrade, or remove the field")
        return cls(**data)

    @property
    def sha256(self) -> str:
        """Hash of the canonical JSON: equal parameters have equal hashes on every machine."""
        return _address(self.to_json())


@dataclass(frozen=True)
class MemoryRow:
    """What one past question taught about one chunk, with the retrieval events it was learned from.

    ``attractiveness`` is the examination-corrected posterior in [0, 1]; ``effective_examinations`` the expected number
    of people who really looked, in users.
    """

    query: str
    embedding: Vector = field(compare=False, repr=False)
    chunk_id: str
    attractiveness: float
    effective_examinations: float
    event_ids: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        return {**_plain(self), "embedding": [float(x) for x in self.embedding], "event_ids": list(self.event_ids)}


@dataclass(frozen=True)
class Expansion:
    """Words to search beside ``phrase``, with the evidence for them: ``lift`` and held-out ``gain`` in nDCG@10."""

    phrase: str
    adds: tuple[str, ...]
    weight: float
    queries: int
    users: int
    lift: float
    gain: float
    event_ids: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not (np.isfinite(self.weight) and self.weight >= 0):
            raise ValueError(f"expansion of {self.phrase!r}: weight={self.weight!r}; give a finite number of 0 or more")

    def to_json(self) -> dict[str, Any]:
        return {**_plain(self), "adds": list(self.adds), "event_ids": list(self.event_ids)}


@dataclass(frozen=True)
class Configuration:
    """All that decides a ranking beside the chunks themselves: immutable, and its content is its address.

    ``adapter`` has shape (dimensions, dimensions), row by row as stored; a query q becomes ``adapter @ q``.
    ``chunking`` and ``model`` name what the chunks were cut and embedded with; empty where there is but one of each.
    """

    parameters: RetrievalParameters = field(default_factory=RetrievalParameters)
    memory: tuple[MemoryRow, ...] = ()
    adapter: Vector | None = field(default=None, compare=False, repr=False)
    expansions: tuple[Expansion, ...] = ()
    chunking: str = ""
    model: str = ""

    @property
    def sha256(self) -> str:
        """Hash of the content; the adapter counts at the single precision it is stored with."""
        adapter = None
        if self.adapter is not None:
            adapter = hashlib.sha256(np.ascontiguousarray(self.adapter, dtype="<f4").tobytes()).hexdigest()
        remembered = [[r.query, r.chunk_id, r.attractiveness, list(r.event_ids)] for r in self.memory]
        expansions = [expansion.to_json() for expansion in self.expansions]
        return _address([self.parameters.to_json(), remembered, adapter, expansions, self.chunking, self.model])


@dataclass(frozen=True)
class Hit:
    """One chunk in one result list and what became of it.

    ``rank`` counts from 1. ``leg`` is the team that placed it when the list was interleaved. ``propensity`` is the
    probability that the user looked, as logged when the list was served, in (0, 1]. ``shown``: it reached the model or
    the user. ``kept``: it supported an answer the user kept. ``explicit``: a thumb on this very chunk, an expert's if
    ``expert``.
    """

    chunk_id: str
    rank: int
    score: float
    leg: Leg
    propensity: float
    shown: bool = True
    cited: bool = False
    clicked: bool = False
    kept: bool = False
    explicit: Literal[-1, 0, 1] = 0
    score_dense: float | None = None
    score_lexical: float | None = None
    expert: bool = False

    def __post_init__(self) -> None:
        if self.rank < 1:
            raise ValueError(f"hit {self.chunk_id!r}: rank={self.rank}; ranks count from 1")
        if not 0 < self.propensity <= 1:
            raise ValueError(f"hit {self.chunk_id!r}: propensity={self.propensity}; give a probability in (0, 1]")


@dataclass(frozen=True)
class RetrievalEvent:
    """One search as it happened. ``query_embedding`` is None when the log did not keep it; training embeds it then.

    ``day``: days since any fixed origin, for decay; ``configuration``: what answered, None where nobody noted it.
    """

    id: str
    query: str
    query_embedding: Vector | None = field(compare=False, repr=False)
    policy: Policy
    user_id: str
    conversation_id: str
    hits: tuple[Hit, ...]
    day: float = 0.0
    configuration: str | None = None


@dataclass(frozen=True)
class Signal:
    """What one person said by deed of one chunk for one query, over all times they saw it.

    ``credit``: mean credit of a look in [0, 1]; ``looks``: mean chance that they looked, 1 where they judged the chunk
    itself (``explicit``: -1, 0 no judgement, 1). ``day``: the latest, on the scale of ``RetrievalEvent.day``.
    """

    query: str
    chunk_id: str
    user_id: str
    credit: float
    looks: float
    explicit: int = 0
    day: float = 0.0
    event_ids: tuple[str, ...] = ()


@dataclass(frozen=True)
class Judgement:
    """How well ``chunk_id`` answers ``query``: 0 not at all, 1 relevant, more for better."""

    query: str
    chunk_id: str
    grade: float


@dataclass(frozen=True)
class TrainingPair:
    """A triplet for training an embedding model; ``group`` is the query group that must not cross splits."""

    query: str
    positive_chunk_id: str
    negative_chunk_id: str
    weight: float
    negative_kind: NegativeKind
    event_ids: tuple[str, ...]
    group: str

    def to_json(self) -> dict[str, Any]:
        return {**_plain(self), "event_ids": list(self.event_ids)}


@dataclass(frozen=True)
class RetrievalMetrics:
    """Means over judged queries with 95 % bootstrap intervals clustered by query group.

    ``judged_at_10``: share of the top 10 anybody judged; ``queries``: how many had a relevant chunk and so counted.
    """

    ndcg_at_10: Interval
    mrr_at_10: Interval
    recall_at_10: Interval
    hit_at_1: Interval
    judged_at_10: float
    queries: int
    condensed: bool

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def _address(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _plain(row: MemoryRow | TrainingPair | Expansion) -> dict[str, Any]:
    return {f.name: getattr(row, f.name) for f in fields(row)}


def unit(matrix: NDArray[Any] | Sequence[Vector]) -> Vector:
    """Rows (or a single vector) scaled to length 1; a zero row stays zero."""
    array = np.asarray(matrix, dtype=np.float64)
    norms = np.linalg.norm(array, axis=-1, keepdims=True)
    scaled: Vector = np.divide(array, norms, out=np.zeros_like(array), where=norms > 0)
    return scaled


def product(matrix: Vector, vector: Vector) -> Vector:
    """``matrix @ vector`` on one thread.

    OpenBLAS splits even a 1400 x 384 product over all cores; with both of two cores busy that took 9 ms, this 0.2.
    """
    result: Vector = np.einsum("ij,j->i", matrix, vector)
    return result
