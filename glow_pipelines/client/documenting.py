"""The calls about an agent's knowledge base: its documents, and going back to the retrieval that was.

Belongs here: names, arguments and results of these functions. Does not: searching it, or logging what was searched
(`writing.log_retrieval`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from glow_pipelines.client.batches import reads_each
from glow_pipelines.client.call import Call, given, one, table
from glow_pipelines.client.results import Refusal
from glow_pipelines.client.wire import plain


@dataclass(frozen=True, slots=True)
class DocumentReceipt:
    """`status`: accepted, unchanged, retired."""

    document_id: str
    status: str
    content_hash: str | None = None


@dataclass(frozen=True, slots=True)
class Document:
    """A document without its text. `chunks`: how many of it are in the searches; `indexed`: they show it as it is."""

    document_id: str
    title: str
    characters: int
    content_hash: str
    chunks: int
    indexed: bool
    updated_at: datetime
    retired_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class RetrievalRollback:
    """The retrieval configuration that is in force again, and the one that was taken back."""

    agent: str
    configuration: str
    rolled_back: str
    revision: int
    status: str


@dataclass(frozen=True, slots=True)
class RetrievalMove:
    """A move of an alias. `move`: move, rollback; without `configuration` the alias was taken back."""

    move_id: int
    alias: str
    revision: int
    move: str
    moved_by: str
    reason: str
    moved_at: datetime
    configuration: str | None = None
    previous: str | None = None
    gate_id: str | None = None
    experiment_id: str | None = None


def put_document(
    agent: str, document_id: str, title: str, body: str, *, tenant: str | None = None
) -> Call[DocumentReceipt]:
    """Write a document of an agent's knowledge base, in place of the one with this id; searched once it is indexed."""
    return Call("put_document", given(locals()), one(DocumentReceipt))


def put_documents(
    agent: str, documents: Sequence[Mapping[str, Any]], *, tenant: str | None = None
) -> Call[tuple[DocumentReceipt | Refusal, ...]]:
    """Write up to 1000 documents (document_id, title, body), one receipt for each; a refused one stops no other."""
    sent = [{name: plain(value) for name, value in document.items()} for document in documents]
    arguments = given({"agent": agent, "documents": sent, "tenant": tenant})
    return Call("put_documents", arguments, reads_each(DocumentReceipt, sent))


def retire_document(agent: str, document_id: str, *, tenant: str | None = None) -> Call[DocumentReceipt]:
    """Take a document out of an agent's knowledge base; `put_document` brings it back."""
    return Call("retire_document", given(locals()), one(DocumentReceipt))


def documents(
    agent: str, most: int | None = None, after: str | None = None, *, tenant: str | None = None
) -> Call[tuple[Document, ...]]:
    """An agent's knowledge base by id, from the id `after` on."""
    return Call("documents", given(locals()), table(Document))


def rollback_retrieval(agent: str, reason: str, configuration: str | None = None) -> Call[RetrievalRollback]:
    """Put the retrieval configuration in force again that was before, or another that once was. A second time it is
    refused."""
    return Call("rollback_retrieval", given(locals()), one(RetrievalRollback), repeatable=False)


def retrieval_history(agent: str, most: int | None = None) -> Call[tuple[RetrievalMove, ...]]:
    """Every move of an agent's retrieval configurations, the newest first."""
    return Call("retrieval_history", given(locals()), table(RetrievalMove))
