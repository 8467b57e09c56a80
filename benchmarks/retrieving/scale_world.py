"""An index of made-up chunks at any size: clustered vectors, Zipf words, questions near chunks.

Belongs here: making the world and writing it into the tables of one agent. Does not: measuring (`scale`).
"""

import struct
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray

from glow_pipelines.learning.retrieval.types import unit

AGENT = "scale"
MODEL = "made-up"
K1, B = 1.2, 0.75
VOCABULARY, TOPIC_WORDS = 50_000, 200

Floats = NDArray[np.float32]
Words = NDArray[np.int64]


@dataclass(frozen=True)
class World:
    """`vectors`: (chunks, dimensions), of length 1; `words`: the word numbers of each chunk. Questions likewise."""

    vectors: Floats
    words: list[Words]
    questions: Floats
    asked: list[Words]


def make_world(chunks: int, questions: int, seed: int, dimensions: int = 384) -> World:
    """Clusters of a hundred chunks with topic words of their own beside common ones; a question is near one chunk."""
    rng = np.random.default_rng(seed)
    clusters = max(chunks // 100, 1)
    centres = unit(rng.standard_normal((clusters, dimensions)))
    cluster = rng.integers(clusters, size=chunks)
    noise = rng.standard_normal((chunks, dimensions), dtype=np.float32) / np.float32(np.sqrt(dimensions))
    vectors = unit(centres[cluster] + 0.8 * noise).astype(np.float32)
    chance = 1 / np.arange(1, VOCABULARY + 1) ** 1.07
    chance /= chance.sum()
    topics = rng.integers(500, VOCABULARY, size=(clusters, TOPIC_WORDS))
    words = []
    for start in range(0, chunks, 10_000):
        part = cluster[start : start + 10_000]
        common = rng.choice(VOCABULARY, size=(len(part), 40), p=chance)
        own = topics[part[:, None], rng.integers(TOPIC_WORDS, size=(len(part), 20))]
        words.extend(np.concatenate([common, own], axis=1))
    near = rng.integers(chunks, size=questions)
    shaken = vectors[near] + 0.5 * rng.standard_normal((questions, dimensions)) / np.sqrt(dimensions)
    asked = [np.concatenate([rng.choice(words[i][:40], 3), rng.choice(words[i][40:], 4)]) for i in near]
    return World(vectors, words, unit(shaken).astype(np.float32), asked)


def text_of(words: Iterable[int]) -> str:
    """Words as text that glow.terms leaves as it is."""
    return " ".join(f"w{word}" for word in words)


def write_world(connection: psycopg.Connection, world: World) -> int:
    """Writes the chunks, their index and a configuration in force, in bulk; answers the index number."""
    connection.execute("insert into glow.agents (agent) values (%s)", (AGENT,))
    connection.execute(
        "insert into glow.chunkings (chunking, agent, parameters) values ('whole', %s, '{\"kind\": \"whole\"}')",
        (AGENT,),
    )
    row = connection.execute(
        "insert into glow.retrieval_indexes (agent, chunking, model, dimensions) values (%s, 'whole', %s, %s)"
        " returning index_number",
        (AGENT, MODEL, world.vectors.shape[1]),
    ).fetchone()
    assert row is not None
    number = int(row[0])
    connection.execute("select glow.open_index(%s)", (number,))
    lengths = np.array([len(words) for words in world.words], dtype=float)
    average = float(lengths.mean())
    ids = [f"c{i:06d}" for i in range(len(world.words))]
    _copy(
        connection,
        "glow.documents (agent, document_id, title, body, content_hash)",
        ((AGENT, id_, f"title {id_}", text_of(words), "0") for id_, words in zip(ids, world.words, strict=True)),
    )
    _copy(
        connection,
        "glow.chunks (agent, chunk_id, chunking, document_id, document_hash, position, starts, ends, text,"
        " content_hash, words)",
        (
            (
                AGENT,
                id_,
                "whole",
                id_,
                "0",
                0,
                0,
                len(text_of(words)),
                f"title {id_}\n{text_of(words)}",
                "0",
                len(words),
            )
            for id_, words in zip(ids, world.words, strict=True)
        ),
    )
    _copy(
        connection,
        "glow.live_chunks (agent, chunking, document_id, position, chunk_id, document_hash, starts, ends)",
        (
            (AGENT, "whole", id_, 0, id_, "0", 0, len(text_of(words)))
            for id_, words in zip(ids, world.words, strict=True)
        ),
    )
    holding: Counter[int] = Counter()
    postings: list[tuple[Words, Floats]] = []
    for words in world.words:
        terms, times = np.unique(words, return_counts=True)
        norm = K1 * (1 - B + B * len(words) / average)
        postings.append((terms, (times * (K1 + 1) / (times + norm)).astype(np.float32)))
        holding.update(terms.tolist())
    with connection.cursor().copy(
        f"copy glow.index_entries_{number} (index_number, entry, chunk_id, embedding, lexical, words)"
        " from stdin (format binary)"
    ) as copy:
        copy.write(b"PGCOPY\n\xff\r\n\0" + struct.pack(">ii", 0, 0))
        for i, (terms, weights) in enumerate(postings):
            copy.write(
                _binary(
                    number,
                    i + 1,
                    ids[i].encode(),
                    _vector(world.vectors[i]),
                    _sparse(terms, weights),
                    len(world.words[i]),
                )
            )
        copy.write(struct.pack(">h", -1))
    _copy(
        connection,
        f"glow.index_terms_{number} (index_number, term, term_number, chunks)",
        ((number, f"w{word}", word + 1, count) for word, count in sorted(holding.items())),
    )
    _copy(
        connection,
        f"glow.index_postings_{number} (index_number, term_number, weight, entry)",
        (
            (number, int(term) + 1, float(weight), i + 1)
            for i, (terms, weights) in enumerate(postings)
            for term, weight in zip(terms, weights, strict=True)
        ),
    )
    connection.execute("select glow.close_index(%s, %s)", (number, average))
    connection.execute(
        "insert into glow.retrieval_configurations (configuration, agent, parameters, chunking, model)"
        " values ('untuned', %s, '{}', 'whole', %s)",
        (AGENT, MODEL),
    )
    connection.execute("select glow.move_retrieval_alias(%s, 'untuned', 'benchmark', 'the first')", (AGENT,))
    return number


def _copy(connection: psycopg.Connection, target: str, rows: Iterable[tuple[Any, ...]]) -> None:
    with connection.cursor().copy(f"copy {target} from stdin") as copy:
        for row in rows:
            copy.write_row(row)


def _binary(*fields: int | bytes) -> bytes:
    """A row in PostgreSQL's binary format."""
    parts = [struct.pack(">h", len(fields))]
    for field in fields:
        data = struct.pack(">i", field) if isinstance(field, int) else field
        parts += [struct.pack(">i", len(data)), data]
    return b"".join(parts)


def _vector(values: Floats) -> bytes:
    return struct.pack(">hh", len(values), 0) + values.astype(">f4").tobytes()


def _sparse(terms: Words, weights: Floats) -> bytes:
    head = struct.pack(">iii", 1_000_000_000, len(terms), 0)
    return head + terms.astype(">i4").tobytes() + weights.astype(">f4").tobytes()
