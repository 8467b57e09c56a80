"""Indexes: the searchable form of an agent's live chunks under one chunking and one embedding model.

Belongs here: writing entries and postings in bulk, states of an index, its completeness. Does not: documents and chunks
(documents), the order of the steps (steps/retrieval/indexing), search (sql/api/search.sql).
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from psycopg import sql

from glow_pipelines.learning.retrieval.text import terms
from glow_pipelines.learning.retrieval.types import Chunk
from glow_pipelines.store.noun import Noun, Row

BATCH = 1000
LONGEST_TERM = 200
MOST_TERMS = 16_000
"""A sparsevec holds no more; the most frequent terms of a longer text stay."""
DRIFT = 0.1
"""How far the average length may move before weights are made anew: a tenth moves a weight by 3 % at most."""
_SPARSE = 1_000_000_000


@dataclass(frozen=True)
class Index:
    """An index that is being built or ready."""

    index_number: int
    chunking: str
    model: str
    dimensions: int
    state: str
    chunks: int
    k1: float
    b: float
    average_words: float
    next_entry: int


class RetrievalIndexes(Noun):
    queries = "retrieval_index"

    def lock(self, agent: str) -> None:
        """Until the end of the transaction nobody else indexes this agent."""
        self._row("lock_indexing", agent=agent)

    def all(self, agent: str) -> list[Index]:
        """Indexes that are not retired."""
        return [_index(row) for row in self._rows("indexes", agent=agent)]

    def of_chunking(self, agent: str, chunking: str) -> list[Index]:
        """The same of a chunking, held until the end of the transaction."""
        return [_index(row) for row in self._rows("locked_indexes", agent=agent, chunking=chunking)]

    def wanted(self, agent: str) -> set[tuple[str, str]]:
        """(chunking, model) of what is in force, was before, or is shown by an experiment."""
        return {(row["chunking"], row["model"]) for row in self._rows("wanted_indexes", agent=agent)}

    def begin(self, agent: str, chunking: str, model: str, dimensions: int) -> None:
        """Ask for an index; the next indexing builds it. Nothing happens where there is one."""
        self._run("begin_index", agent=agent, chunking=chunking, model=model, dimensions=dimensions)

    def unembedded(self, agent: str, model: str, chunk_ids: Sequence[str]) -> list[str]:
        """One chunk for each text among those of the chunks that the model has not embedded."""
        rows = self._rows("unembedded", agent=agent, model=model, chunk_ids=list(chunk_ids))
        return [row["chunk_id"] for row in rows]

    def unembedded_live(self, agent: str, chunking: str, model: str) -> list[str]:
        """The same among the live chunks of a chunking."""
        return [row["chunk_id"] for row in self._rows("unembedded_live", agent=agent, chunking=chunking, model=model)]

    def texts(self, agent: str, chunk_ids: Sequence[str]) -> list[str]:
        return [row["text"] for row in self._rows("texts", agent=agent, chunk_ids=list(chunk_ids))]

    def build(self, agent: str, index: Index) -> int:
        """Fill an index with all live chunks of its chunking and make it ready; returns how many there are.

        All in the transaction at hand: nobody sees it before, and a death leaves it as it was, building.
        """
        row = self._row("average_words", agent=agent, chunking=index.chunking)
        assert row is not None
        self._row("open_index", index_number=index.index_number)
        numbers, holding = dict[str, int](), Counter[str]()

        def numbered(found: Counter[str]) -> dict[str, int]:
            holding.update(found)
            for term in found:
                numbers.setdefault(term, len(numbers) + 1)
            return numbers

        entry, parts = 1, self._stream("live_texts", BATCH, agent=agent, chunking=index.chunking)
        for chunks in parts:
            self._write(index, entry, chunks, row["average"], numbered, f"index_postings_{index.index_number}")
            entry += len(chunks)
        self._copy(
            f"index_terms_{index.index_number}",
            ("index_number", "term", "term_number", "chunks"),
            (f"{index.index_number}\t{term}\t{number}\t{holding[term]}\n" for term, number in numbers.items()),
        )
        self._row("close_index", index_number=index.index_number, average_words=row["average"])
        return entry - 1

    def change(self, agent: str, index: Index, added: Sequence[str], removed: Sequence[str]) -> None:
        """Bring a ready index to what is live now. Searches see it before or after, as the transaction commits."""
        if removed:
            self._row("drop_entries", index_number=index.index_number, chunk_ids=list(removed))

        def numbered(found: Counter[str]) -> dict[str, int]:
            rows = self._rows(
                "count_terms", index_number=index.index_number, terms=list(found), chunks=list(found.values())
            )
            return {row["term"]: row["term_number"] for row in rows}

        entry = index.next_entry
        for start in range(0, len(added), BATCH):
            rows = self._rows("added_texts", agent=agent, chunk_ids=list(added[start : start + BATCH]))
            chunks = [(row["chunk_id"], row["text"], row["words"]) for row in rows]
            self._write(index, entry, chunks, index.average_words, numbered, "index_postings")
            entry += len(chunks)
        row = self._row("count_index", index_number=index.index_number, next_entry=entry)
        assert row is not None
        if abs(row["drift"] - 1) > DRIFT and row["drift"] > 0:
            self.rebuild(agent, index)
        else:
            self._row("index_vectors", index_number=index.index_number)

    def rebuild(self, agent: str, index: Index) -> None:
        """Put a new index in the place of one, in the transaction at hand."""
        self.retire(index.index_number)
        self.begin(agent, index.chunking, index.model, index.dimensions)
        fresh = next(each for each in self.of_chunking(agent, index.chunking) if each.model == index.model)
        self.build(agent, fresh)

    def retire(self, index_number: int) -> None:
        """End an index. Its tables go an hour later (`sweep`): a search may be reading them."""
        self._run("retire_index", index_number=index_number)

    def sweep(self, agent: str, idle: str = "7 days") -> None:
        """Retire what nothing has searched for a while, and remove the tables of what was retired."""
        for row in self._rows("idle_indexes", agent=agent, idle=idle):
            self.retire(row["index_number"])
        for row in self._rows("retired_indexes", agent=agent):
            self._row("drop_index", index_number=row["index_number"])

    def incomplete(self, agent: str) -> list[Row]:
        """Ready indexes that are not exactly the live chunks: must be empty.

        index_number, chunking, model, chunks (as written down), missing, stray, unembedded, entries.
        """
        return self._rows("gaps", agent=agent)

    def behind(self, agent: str) -> int:
        """How many documents a ready index does not show as they are now: what the next indexing has to do."""
        row = self._row("behind", agent=agent)
        assert row is not None
        return int(row["documents"])

    def unindexed(self) -> list[Row]:
        """Agents whose documents are not searched as they are now: agent, documents, newest (when one changed)."""
        return self._rows("unindexed")

    def chunks(self, agent: str, configuration: str | None = None) -> list[Chunk]:
        """The chunks that a configuration, or the one in force, is searched with."""
        found = self._row("searched_index", agent=agent, configuration=configuration)
        if found is None:
            return []
        return self.held(found["index_number"])

    def held(self, index_number: int) -> list[Chunk]:
        """The chunks of a ready index."""
        return [
            Chunk(row["id"], row["document_id"], row["text"], row["embedding"] and _vector(row["embedding"]))
            for row in self._rows("indexed_chunks", index_number=index_number)
        ]

    def _write(
        self, index: Index, first: int, chunks: Sequence[tuple[Any, ...]], average: float, numbered: Any, postings: str
    ) -> None:
        """Entries and postings of chunks (chunk_id, text, words)."""
        counted = [_counted(text) for _, text, _ in chunks]
        numbers = numbered(Counter(term for count in counted for term in count))
        lexical, lines = list[str](), list[str]()
        known: dict[tuple[int, int], str] = {}
        for entry, ((_, _, words), count) in enumerate(zip(chunks, counted, strict=True), first):
            weights = []
            for term, times in count.items():
                weight = known.get((times, words))
                if weight is None:
                    norm = index.k1 * (1 - index.b + index.b * words / average)
                    weight = known[times, words] = str(np.float32(times * (index.k1 + 1) / (times + norm)))
                weights.append((numbers[term], weight))
            weights.sort()
            lexical.append("{" + ",".join(f"{number}:{weight}" for number, weight in weights) + f"}}/{_SPARSE}")
            lines.extend(f"{index.index_number}\t{number}\t{weight}\t{entry}\n" for number, weight in weights)
        self._row(
            "add_entries",
            index_number=index.index_number,
            first=first,
            chunk_ids=[chunk_id for chunk_id, _, _ in chunks],
            lexical=lexical,
            words=[words for _, _, words in chunks],
        )
        self._copy(postings, ("index_number", "term_number", "weight", "entry"), lines)

    def _copy(self, table: str, columns: Sequence[str], lines: Iterable[str]) -> None:
        """Lines in the text format of COPY. Terms are words: there is no tab, line end or backslash in one."""
        statement = sql.SQL("copy glow.{} ({}) from stdin").format(
            sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns))
        )
        with self._connection.cursor() as cursor, cursor.copy(statement) as copy:
            for block in _blocks(lines):
                copy.write(block)


def _blocks(lines: Iterable[str]) -> Iterator[str]:
    block: list[str] = []
    for line in lines:
        block.append(line)
        if len(block) == 10_000:
            yield "".join(block)
            block.clear()
    yield "".join(block)


def _counted(text: str) -> Counter[str]:
    count = Counter(term[:LONGEST_TERM] for term in terms(text))
    return count if len(count) <= MOST_TERMS else Counter(dict(count.most_common(MOST_TERMS)))


def _index(row: Row) -> Index:
    return Index(**{name: row[name] for name in Index.__dataclass_fields__})


def _vector(text: str) -> Any:
    return np.fromstring(text[1:-1], dtype=np.float64, sep=",")
