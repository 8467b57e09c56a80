"""Retrieval configurations as a whole: parameters, memory, adapter, expansions, moved chunk vectors.

Belongs here: writing one in the transaction at hand, and reading it back as it was. Does not: which is in force
(retrieval), learning one (learning/retrieval), searching with one (sql/api).
"""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glow_pipelines.learning.retrieval.index import RetrievalIndex
from glow_pipelines.learning.retrieval.types import Configuration, Expansion, MemoryRow, RetrievalParameters, Vector
from glow_pipelines.store.noun import Noun, json


class RetrievalConfigurations(Noun):
    queries = "retrieval_configurations"

    def write(self, agent: str, index: RetrievalIndex, parent: str | None) -> str:
        """The configuration of `index` with the vectors it moved; the same one is written once. Returns its address.

        `index` must hold the chunks the configuration will be searched with: a moved vector belongs to a chunk.
        """
        configuration = index.configuration
        address = configuration.sha256
        created = self._row(
            "insert_configuration",
            configuration=address,
            agent=agent,
            parameters=json(configuration.parameters.to_json()),
            chunking=configuration.chunking,
            model=configuration.model,
            parent=parent,
        )
        if created is None:
            return address
        self._run_many("insert_memory", _placed(address, map(_memory, configuration.memory)))
        rows: Iterable[Vector] = () if configuration.adapter is None else configuration.adapter
        self._run_many("insert_adapter", _placed(address, ({"row": literal_of(row)} for row in rows)))
        self._run_many("insert_expansion", _placed(address, (rule.to_json() for rule in configuration.expansions)))
        moved = index.moved()
        self._run_many(
            "insert_shift",
            (
                {"configuration": address, "chunk_id": chunk_id, "embedding": literal_of(vector)}
                for chunk_id, vector in moved.items()
            ),
        )
        return address

    def read(self, configuration: str) -> Configuration | None:
        """A configuration as it was written, less what has been erased from it since; None if there is none."""
        row = self._row("configuration", configuration=configuration)
        if row is None:
            return None
        adapter = [vector_of(each["row"]) for each in self._rows("adapter", configuration=configuration)]
        return Configuration(
            RetrievalParameters.from_json(row["parameters"]),
            tuple(
                MemoryRow(
                    each["query"],
                    vector_of(each["embedding"]),
                    each["chunk_id"],
                    each["attractiveness"],
                    each["examinations"],
                    tuple(each["event_ids"]),
                )
                for each in self._rows("memory", configuration=configuration)
            ),
            np.array(adapter) if adapter else None,
            tuple(
                Expansion(**{**each, "adds": tuple(each["adds"]), "event_ids": tuple(each["event_ids"])})
                for each in self._rows("expansions", configuration=configuration)
            ),
            row["chunking"],
            row["model"],
        )

    def moved(self, configuration: str) -> dict[str, Vector]:
        """Chunk id to the vector the configuration searches it by, of those it moved."""
        rows = self._rows("shifts", configuration=configuration)
        return {row["chunk_id"]: vector_of(row["embedding"]) for row in rows}


def _placed(configuration: str, rows: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    return ({"configuration": configuration, "position": at, **row} for at, row in enumerate(rows))


def _memory(row: MemoryRow) -> dict[str, Any]:
    return {
        "query": row.query,
        "embedding": literal_of(row.embedding),
        "chunk_id": row.chunk_id,
        "attractiveness": row.attractiveness,
        "examinations": row.effective_examinations,
        "event_ids": list(row.event_ids),
    }


def vector_of(text: str) -> Vector:
    """What a vector column holds."""
    return np.fromstring(text[1:-1], dtype=np.float64, sep=",")


def literal_of(vector: NDArray[np.floating[Any]]) -> str:
    """A vector as a column takes it."""
    # Nine digits: all of a single-precision number, which is what a vector column keeps.
    return "[" + ",".join(f"{float(value):.9g}" for value in vector) + "]"
