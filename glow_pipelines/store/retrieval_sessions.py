"""What people said by asking again, by correcting and by citing: the evidence for added words and for boundaries.

Belongs here: reading it. Does not: learning from it (learning/retrieval), signals of single chunks (retrieval_signals).
"""

from dataclasses import dataclass

from glow_pipelines.learning.retrieval.citations import CitedSpan, cited_spans, joined
from glow_pipelines.learning.retrieval.rechunking import Document
from glow_pipelines.learning.retrieval.reformulations import CorrectedAnswer, Reformulation
from glow_pipelines.learning.retrieval.span_metrics import Span
from glow_pipelines.learning.retrieval.text import normalised
from glow_pipelines.store.noun import Noun

MOST = 20_000
"""Successes, corrections and answers that are looked at, the newest."""


@dataclass(frozen=True)
class Library:
    """The documents of an agent as they are now, and how a chunking cuts them: chunk id -> span of the body."""

    documents: tuple[Document, ...]
    chunks: dict[str, Span]


@dataclass(frozen=True)
class Citations:
    """Spans that answers cite word for word, and which chunks were cited together: one entry per conversation."""

    spans: tuple[CitedSpan, ...]
    together: tuple[frozenset[str], ...]
    answers: int


class RetrievalSessions(Noun):
    queries = "retrieval_sessions"

    def reformulations(self, agent: str, horizon: str, most: int = MOST) -> list[Reformulation]:
        return [
            Reformulation(
                row["first"],
                row["then"],
                row["user_id"],
                row["conversation_id"],
                tuple(row["liked"]),
                (row["first_id"], row["then_id"]),
                row["day"],
            )
            for row in self._rows("reformulations", agent=agent, horizon=horizon, most=most)
            if normalised(row["first"]) != normalised(row["then"])
        ]

    def corrected_answers(self, agent: str, horizon: str, most: int = MOST) -> list[CorrectedAnswer]:
        return [
            CorrectedAnswer(**row) for row in self._rows("corrected_answers", agent=agent, horizon=horizon, most=most)
        ]

    def library(self, agent: str, chunking: str) -> Library:
        """All of it at once: what is cut anew is judged on every document."""
        documents, chunks = [], dict[str, Span]()
        for row in self._rows("present_documents", agent=agent, chunking=chunking):
            documents.append(Document(row["document_id"], row["title"], row["body"]))
            chunks.update({name: (row["document_id"], start, end) for name, start, end in row["chunks"] or ()})
        return Library(tuple(documents), chunks)

    def citations(self, agent: str, chunking: str, library: Library, horizon: str, most: int = MOST) -> Citations:
        """What the newest answers cite of the chunks of a chunking, in offsets of the documents of `library`."""
        body = {document.id: document.body for document in library.documents}
        spans: list[CitedSpan] = []
        together: dict[str, set[str]] = {}
        answers = set()
        for row in self._rows("cited_answers", agent=agent, chunking=chunking, horizon=horizon, most=most):
            together.setdefault(row["conversation_id"], set()).add(row["chunk_id"])
            answers.add(row["event_id"])
            start = row["starts"]
            # A document may have changed since `library` was read; then its chunks are not those any more.
            if library.chunks.get(row["chunk_id"]) != (row["document_id"], start, row["ends"]):
                continue
            spans.extend(
                CitedSpan(row["document_id"], start + a, start + b, row["query"], row["user_id"], row["event_id"])
                for a, b in cited_spans(body[row["document_id"]][start : row["ends"]], row["answer"])
            )
        found = tuple(frozenset(together[conversation]) for conversation in sorted(together))
        return Citations(tuple(joined(spans)), found, len(answers))
