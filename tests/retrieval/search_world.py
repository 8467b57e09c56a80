"""Small knowledge bases written straight into the tables, and asked through glow_api.search.

Belongs here: agent, documents, index and configuration as the pipeline would leave them, and the call. Does not: the
pipeline itself, any assertion.
"""
# ruff: noqa: E501, S608 -- SQL is read best unbroken, and the names in it are ours

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import psycopg
from psycopg.types.json import Jsonb

from glow_pipelines.learning.retrieval import Chunk, Configuration, RetrievalIndex
from glow_pipelines.learning.retrieval.text import terms

Vector = Any


def literal(vector: Vector) -> str:
    return "[" + ",".join(f"{float(x):.9g}" for x in vector) + "]"


def put_agent(connection: psycopg.Connection, agent: str, tenant: str = "default") -> None:
    connection.execute("insert into glow.agents (agent, tenant) values (%s, %s)", (agent, tenant))
    put_chunking(connection, agent)


def put_chunking(connection: psycopg.Connection, agent: str) -> None:
    connection.execute(
        "insert into glow.chunkings (chunking, agent, parameters) values (%s, %s, %s)",
        (f"whole of {agent}", agent, Jsonb({"kind": "whole"})),
    )


def put_index(
    connection: psycopg.Connection, agent: str, chunks: Sequence[Chunk], dimensions: int, model: str = "small"
) -> int:
    """Chunks with an index of theirs, ready; answers its number. A chunk is its own document, the id its title."""
    chunking = f"whole of {agent}"
    counts = [Counter(terms(chunk.text)) for chunk in chunks]
    lengths = [sum(count.values()) for count in counts]
    average = sum(lengths) / len(lengths) if any(lengths) else 1.0
    number = connection.execute(
        "insert into glow.retrieval_indexes (agent, chunking, model, dimensions) values (%s, %s, %s, %s)"
        " returning index_number",
        (agent, chunking, model, dimensions),
    ).fetchone()[0]  # type: ignore[index]
    connection.execute("select glow.open_index(%s)", (number,))
    numbers = {term: n for n, term in enumerate(sorted({term for count in counts for term in count}), 1)}
    with connection.cursor() as cursor:
        cursor.executemany(
            "insert into glow.documents (agent, document_id, title, body, content_hash) values (%s, %s, %s, %s, '')",
            [(agent, chunk.document_id, chunk.document_id, chunk.text) for chunk in chunks],
        )
        cursor.executemany(
            "insert into glow.chunks (agent, chunk_id, chunking, document_id, document_hash, position, starts, ends, text,"
            " content_hash, words) values (%s, %s, %s, %s, '', 0, 0, %s, %s, '', %s)",
            [
                (agent, chunk.id, chunking, chunk.document_id, len(chunk.text), chunk.text, length)
                for chunk, length in zip(chunks, lengths, strict=True)
            ],
        )
        cursor.executemany(
            "insert into glow.live_chunks (agent, chunking, document_id, position, chunk_id, document_hash, starts, ends)"
            " values (%s, %s, %s, 0, %s, '', 0, %s)",
            [(agent, chunking, chunk.document_id, chunk.id, len(chunk.text)) for chunk in chunks],
        )
        for entry, (chunk, count, length) in enumerate(zip(chunks, counts, lengths, strict=True), 1):
            norm = 1.2 * (1 - 0.75 + 0.75 * length / average)
            weights = sorted((numbers[t], np.float32(times * 2.2 / (times + norm))) for t, times in count.items())
            unit = None if chunk.embedding is None else np.asarray(chunk.embedding, float)
            if unit is not None and np.linalg.norm(unit) > 0:
                unit = unit / np.linalg.norm(unit)
            cursor.execute(
                f"insert into glow.index_entries_{number} (index_number, entry, chunk_id, embedding, lexical, words)"
                " values (%s, %s, %s, %s::vector, %s::sparsevec, %s)",
                (
                    number,
                    entry,
                    chunk.id,
                    None if unit is None else literal(unit),
                    "{" + ",".join(f"{n}:{w}" for n, w in weights) + "}/1000000000",
                    length,
                ),
            )
            cursor.executemany(
                f"insert into glow.index_postings_{number} (index_number, term_number, weight, entry) values (%s, %s, %s, %s)",
                [(number, n, float(w), entry) for n, w in weights],
            )
        cursor.executemany(
            f"insert into glow.index_terms_{number} (index_number, term, term_number, chunks) values (%s, %s, %s, %s)",
            [(number, t, n, sum(t in count for count in counts)) for t, n in numbers.items()],
        )
    connection.execute("select glow.close_index(%s, %s)", (number, average))
    return int(number)


def put_configuration(
    connection: psycopg.Connection,
    agent: str,
    configuration: Configuration,
    index: RetrievalIndex | None = None,
    name: str = "learned",
    model: str = "small",
) -> None:
    """Writes a configuration with what it learned; the shifted vectors are those of `index`."""
    connection.execute(
        "insert into glow.retrieval_configurations (configuration, agent, parameters, chunking, model)"
        " values (%s, %s, %s, %s, %s)",
        (name, agent, Jsonb(configuration.parameters.to_json()), f"whole of {agent}", model),
    )
    with connection.cursor() as cursor:
        cursor.executemany(
            "insert into glow.retrieval_memory (configuration, position, query, embedding, chunk_id, attractiveness,"
            " examinations, event_ids) values (%s, %s, %s, %s::vector, %s, %s, %s, %s)",
            [
                (name, n, r.query, literal(r.embedding), r.chunk_id, r.attractiveness, r.effective_examinations, ["e"])
                for n, r in enumerate(configuration.memory)
            ],
        )
        if configuration.adapter is not None:
            cursor.executemany(
                "insert into glow.retrieval_adapters (configuration, position, row) values (%s, %s, %s::vector)",
                [(name, n, literal(row)) for n, row in enumerate(configuration.adapter)],
            )
        cursor.executemany(
            "insert into glow.retrieval_expansions (configuration, position, phrase, adds, weight, queries, users, lift,"
            " gain, event_ids) values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            [
                (name, n, x.phrase, list(x.adds), x.weight, x.queries, x.users, x.lift, x.gain, ["e"])
                for n, x in enumerate(configuration.expansions)
            ],
        )
        if index is not None and configuration.parameters.shift > 0:
            cursor.executemany(
                "insert into glow.retrieval_shifts (configuration, chunk_id, embedding) values (%s, %s, %s::vector)",
                [
                    (name, chunk.id, literal(vector))
                    for chunk, vector in zip(index.chunks, index.shifted, strict=True)
                    if chunk.embedding is not None
                ],
            )
    connection.execute("select glow.move_retrieval_alias(%s, %s, 'test', 'it learned')", (agent, name))


def search(connection: psycopg.Connection, agent: str, query: str, **arguments: Any) -> dict[str, Any]:
    """What glow_api.search answers the connection's own login."""
    names = ["agent", "query", *arguments]
    call = f"select glow_api.search({', '.join(f'{name} => %({name})s' for name in names)})"
    row = connection.execute(call, {"agent": agent, "query": query, **arguments}).fetchone()
    assert row is not None
    answer: dict[str, Any] = row[0]
    return answer
