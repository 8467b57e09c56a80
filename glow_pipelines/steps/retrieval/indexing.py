"""From documents to indexes that are searched: cut, embed, put in place.

Belongs here: the order of the steps and what each commits. Does not: cutting (learning/retrieval/chunking), SQL
(store), Dagster (defs).

What takes long is committed as it goes and searched by nobody: chunks, embeddings. What is searched changes in one
transaction for each chunking. A process that is killed anywhere leaves the old index in force, and the next run goes on
where it was, embedding nothing twice.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from glow_pipelines.learning.retrieval import Configuration, RetrievalIndex
from glow_pipelines.learning.retrieval.chunking import DEFAULT, Passage, Span, Successor, cut_document, succession
from glow_pipelines.services import Services
from glow_pipelines.store import Transaction
from glow_pipelines.store.documents import CutDocument
from glow_pipelines.store.noun import Row

DOCUMENTS, TEXTS, CUTS = 50, 256, 5000
"""Documents in a transaction, texts in a call of the model, chunks in a statement."""
CHARACTERS = 5_000_000
"""Of these documents together, unless one alone has more: fifty of the largest would be 500 MB before they are cut."""
_T = TypeVar("_T")
Cut = tuple[str, str, int, str, int, int]
"""document_id, document_hash, position, chunk_id, starts, ends."""


@dataclass(frozen=True)
class IndexReport:
    """What an indexing did. `documents`: cut, because new or changed; `built`: numbers of indexes that came ready.

    `unserved`: models that indexes need and the provider does not serve: new texts are found there by words only.
    """

    agent: str
    documents: int = 0
    added: int = 0
    removed: int = 0
    embedded: int = 0
    built: tuple[int, ...] = ()
    unserved: tuple[str, ...] = ()


def index_agent(services: Services, agent: str) -> IndexReport:
    """Bring the indexes of an agent to its documents as they are now.

    An agent with documents gets its first chunking and configuration here: the untuned hybrid. Raises ProviderError
    when texts cannot be embedded; what was embedded until then is kept.
    """
    with services.store.transaction() as turn:
        turn.retrieval_index.lock(agent)  # for as long as this transaction is open; the work is done in others
        report = IndexReport(agent)
        model = services.embeddings
        for chunking in _begin(services, agent):
            cuts, successors = _cut(services, agent, chunking)
            embedded = _embed(services, agent, chunking, [cut[3] for cut in cuts])
            with services.store.transaction() as t:
                done = _put_in_place(t, agent, chunking, model.name, cuts, successors)
            report = replace(
                report,
                documents=report.documents + done.documents,
                added=report.added + done.added,
                removed=report.removed + done.removed,
                embedded=report.embedded + embedded,
                built=(*report.built, *done.built),
            )
        with services.store.transaction() as t:
            _first_configuration(t, agent, model.name)
            t.retrieval_index.sweep(agent)
            used = {index.model for index in t.retrieval_index.all(agent)} - {model.name}
        return replace(report, unserved=tuple(sorted(used)))


def _begin(services: Services, agent: str) -> list[str]:
    """The chunkings that have an index to keep; asks for the indexes that are missing."""
    model = services.embeddings
    with services.store.transaction() as t:
        if not t.documents.any(agent):
            return []
        current = t.documents.current_chunking(agent) or t.documents.add_chunking(agent, DEFAULT)
        wanted = t.retrieval_index.wanted(agent) | {(current, model.name)}
        for chunking, name in sorted(wanted):
            if name == model.name:
                t.retrieval_index.begin(agent, chunking, name, model.dimensions)
        return sorted({index.chunking for index in t.retrieval_index.all(agent)})


def _cut(services: Services, agent: str, chunking: str) -> tuple[list[Cut], list[Successor]]:
    """Cut what changed and write the chunks. Returns the cuts that are to be live, and what takes whose place."""
    with services.store.transaction() as t:
        row = t.documents.chunking(agent, chunking)
        assert row is not None
        origin = row["parent"] or t.documents.current_chunking(agent) or chunking
        waiting = t.documents.changed(agent, chunking)
    cuts: list[Cut] = []
    successors: list[Successor] = []
    for ids in _packed(waiting):
        with services.store.transaction() as t:
            documents = [
                _cut_document(document, chunking, row["parameters"]) for document in t.documents.by_id(agent, ids)
            ]
            t.documents.add_chunks(agent, chunking, documents)
            before = t.documents.live_passages(agent, chunking, ids)
            if not before and origin != chunking:
                before = t.documents.live_passages(agent, origin, ids)
        for document in documents:
            hash_ = document.document_hash
            cuts.extend(
                (document.document_id, hash_, chunk.position, chunk.chunk_id, chunk.span.starts, chunk.span.ends)
                for chunk in document.chunks
            )
            successors.extend(
                _succession(document, [row for row in before if row["document_id"] == document.document_id])
            )
    return cuts, successors


def _cut_document(document: Row, chunking: str, parameters: Row) -> CutDocument:
    chunks = cut_document(document["document_id"], document["title"], document["body"], chunking, parameters)
    return CutDocument(document["document_id"], document["content_hash"], chunks)


def _succession(document: CutDocument, before: Sequence[Row]) -> list[Successor]:
    if not before:
        return []
    old = [Passage(row["chunk_id"], Span(row["starts"], row["ends"]), row["text"]) for row in before]
    new = [
        Passage(chunk.chunk_id, chunk.span, chunk.text[len(chunk.text) - (chunk.span.ends - chunk.span.starts) :])
        for chunk in document.chunks
    ]
    return succession(old, new, same_version=before[0]["document_hash"] == document.document_hash)


def _embed(services: Services, agent: str, chunking: str, cut: Sequence[str]) -> int:
    """Embed the texts that the provider's model has not embedded; each batch is kept as it comes."""
    model = services.embeddings
    with services.store.transaction() as t:
        if not any(index.model == model.name for index in t.retrieval_index.all(agent) if index.chunking == chunking):
            return 0
        waiting = set(t.retrieval_index.unembedded_live(agent, chunking, model.name))
        for ids in _parts(cut, CUTS):
            waiting.update(t.retrieval_index.unembedded(agent, model.name, ids))
    for ids in _parts(sorted(waiting), TEXTS):
        with services.store.transaction() as t:
            texts = t.retrieval_index.texts(agent, ids)
        model.embed(texts)  # keeps what it embeds: StoredEmbeddings
    return len(waiting)


def _put_in_place(
    t: Transaction, agent: str, chunking: str, model: str, cuts: Sequence[Cut], successors: Sequence[Successor]
) -> IndexReport:
    """What is live under a chunking, and every index of it, changed together."""
    indexes = t.retrieval_index.of_chunking(agent, chunking)
    gone = t.documents.drop_retired(agent, chunking)
    before, now = set(gone), set[str]()
    for ids in _parts(sorted({cut[0] for cut in cuts}), CUTS):
        before.update(row["chunk_id"] for row in t.documents.drop_live(agent, chunking, ids))
    for part in _parts(cuts, CUTS):
        now.update(t.documents.add_live(agent, chunking, part))
    for told in _parts([each for each in successors if each.successor in now], CUTS):
        t.documents.add_successors(agent, told)
    added, removed = sorted(now - before), sorted(before - now)
    built = []
    for index in indexes:
        if index.state == "ready" and (added or removed):
            t.retrieval_index.change(agent, index, added, removed)
        elif index.state == "building" and index.model == model:
            t.retrieval_index.build(agent, index)
            built.append(index.index_number)
    return IndexReport(agent, len({cut[0] for cut in cuts}), len(added), len(removed), built=tuple(built))


def _first_configuration(t: Transaction, agent: str, model: str) -> None:
    """Until something is learned, an agent is searched with the untuned hybrid over its first index."""
    if t.retrieval.in_force(agent) is not None:
        return
    ready = [index for index in t.retrieval_index.all(agent) if index.state == "ready" and index.model == model]
    if ready:
        first = Configuration(chunking=ready[0].chunking, model=model)
        address = t.retrieval_configurations.write(agent, RetrievalIndex([], first), None)
        t.retrieval.move_alias(agent, address, "pipeline", "the first index of the agent is ready")


def _packed(waiting: Sequence[tuple[str, int]]) -> Iterator[list[str]]:
    """Ids of documents that are cut together, from ids with characters."""
    ids: list[str] = []
    characters = 0
    for document_id, length in waiting:
        if ids and (len(ids) == DOCUMENTS or characters + length > CHARACTERS):
            yield ids
            ids, characters = [], 0
        ids.append(document_id)
        characters += length
    if ids:
        yield ids


def _parts(items: Sequence[_T], most: int) -> Iterator[Sequence[_T]]:
    return (items[start : start + most] for start in range(0, len(items), most))
