"""Documents, the ways they are cut, and their chunks.

Belongs here: which documents changed, immutable chunks, which of them are live, and what took the place of what. Does
not: writing documents (sql/api/documents.sql, for everybody), cutting (learning/retrieval), indexes (retrieval_index).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import Any

from glow_pipelines.learning.datasets import canonical_json
from glow_pipelines.learning.retrieval.chunking import CutChunk, Successor, check_parameters
from glow_pipelines.store.noun import Noun, Row, json


@dataclass(frozen=True)
class CutDocument:
    """A version of a document with its chunks."""

    document_id: str
    document_hash: str
    chunks: tuple[CutChunk, ...]


class Documents(Noun):
    queries = "documents"

    def add_chunking(
        self, agent: str, parameters: Mapping[str, Any], parent: str | None = None, evidence: Row | None = None
    ) -> str:
        """Write a way of cutting and return its address; the same one is written once.

        `evidence`: why it was proposed and what it measured. Raises ValueError for parameters that cut nothing.
        """
        check_parameters(parameters)
        chunking = sha256(canonical_json([agent, dict(parameters), parent]).encode()).hexdigest()
        self._run(
            "insert_chunking",
            chunking=chunking,
            agent=agent,
            parameters=json(dict(parameters)),
            parent=parent,
            evidence=None if evidence is None else json(evidence),
        )
        return chunking

    def chunking(self, agent: str, chunking: str) -> Row | None:
        """chunking, parameters, parent, evidence, created_at."""
        return self._row("chunking", agent=agent, chunking=chunking)

    def current_chunking(self, agent: str) -> str | None:
        """How documents are cut: as the configuration in force says, else the way that was written first."""
        row = self._row("current_chunking", agent=agent)
        return None if row is None else row["chunking"]

    def proposed(self, agent: str) -> tuple[int, timedelta | None]:
        """How many ways of cutting were proposed and indexed, and how long ago the newest was."""
        row = self._row("proposed_chunkings", agent=agent)
        assert row is not None
        return int(row["proposals"]), row["ago"]

    def was_proposed(self, agent: str, parameters: Mapping[str, Any]) -> bool:
        row = self._row("was_proposed", agent=agent, parameters=json(dict(parameters)))
        return row is not None and bool(row["known"])

    def any(self, agent: str) -> bool:
        """Whether an agent ever had a document."""
        row = self._row("any_document", agent=agent)
        assert row is not None
        return bool(row["found"])

    def changed(self, agent: str, chunking: str) -> list[tuple[str, int]]:
        """Ids and characters of documents whose present version is not live under a chunking."""
        rows = self._rows("changed_documents", agent=agent, chunking=chunking)
        return [(row["document_id"], row["characters"]) for row in rows]

    def by_id(self, agent: str, ids: Sequence[str]) -> list[Row]:
        """document_id, title, body, content_hash; retired ones are left out."""
        return self._rows("documents_by_id", agent=agent, ids=list(ids))

    def add_chunks(self, agent: str, chunking: str, documents: Sequence[CutDocument]) -> int:
        """Write the chunks that are new. Nobody searches them before they are live and in an index."""
        rows = [(document, chunk) for document in documents for chunk in document.chunks]
        return self._run(
            "insert_chunks",
            agent=agent,
            chunking=chunking,
            chunk_ids=[chunk.chunk_id for _, chunk in rows],
            document_ids=[document.document_id for document, _ in rows],
            document_hashes=[document.document_hash for document, _ in rows],
            positions=[chunk.position for _, chunk in rows],
            starts=[chunk.span.starts for _, chunk in rows],
            ends=[chunk.span.ends for _, chunk in rows],
            texts=[chunk.text for _, chunk in rows],
            content_hashes=[chunk.content_hash for _, chunk in rows],
            words=[chunk.words for _, chunk in rows],
        )

    def drop_retired(self, agent: str, chunking: str) -> list[str]:
        """Take chunks of retired documents out of what is live; returns their ids."""
        return [row["chunk_id"] for row in self._rows("drop_stale_documents", agent=agent, chunking=chunking)]

    def drop_live(self, agent: str, chunking: str, document_ids: Sequence[str]) -> list[Row]:
        """Take documents out of what is live; returns document_id, chunk_id, starts, ends, text of each chunk."""
        return self._rows("drop_live_chunks", agent=agent, chunking=chunking, document_ids=list(document_ids))

    def add_live(self, agent: str, chunking: str, cuts: Sequence[tuple[str, str, int, str, int, int]]) -> list[str]:
        """Make cuts live: (document_id, document_hash, position, chunk_id, starts, ends) each.

        A document that has changed since it was cut is cut again the next time; of one that was retired meanwhile
        nothing is made live. Returns the ids of what is.
        """
        rows = self._rows(
            "insert_live_chunks",
            agent=agent,
            chunking=chunking,
            document_ids=[cut[0] for cut in cuts],
            document_hashes=[cut[1] for cut in cuts],
            positions=[cut[2] for cut in cuts],
            chunk_ids=[cut[3] for cut in cuts],
            starts=[cut[4] for cut in cuts],
            ends=[cut[5] for cut in cuts],
        )
        return [row["chunk_id"] for row in rows]

    def live_passages(self, agent: str, chunking: str, document_ids: Sequence[str]) -> list[Row]:
        """document_id, chunk_id, document_hash, starts, ends, text (without title) of live chunks."""
        return self._rows("live_passages", agent=agent, chunking=chunking, document_ids=list(document_ids))

    def add_successors(self, agent: str, successors: Sequence[Successor]) -> None:
        """Write which chunk took the place of which."""
        self._run(
            "insert_successors",
            agent=agent,
            chunk_ids=[each.chunk_id for each in successors],
            successors=[each.successor for each in successors],
            jaccards=[each.jaccard for each in successors],
            overlaps=[each.overlap for each in successors],
        )

    def heirs(self, agent: str, chunking: str) -> dict[str, list[str]]:
        """Chunk that is live no more -> the live chunks of a chunking that feedback on it is carried over to."""
        found: dict[str, list[str]] = {}
        for row in self._rows("heirs", agent=agent, chunking=chunking):
            found.setdefault(row["chunk_id"], []).append(row["heir"])
        return found
