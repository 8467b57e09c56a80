"""Embedding pairs as files: what a loss reads, and what may never stand beside each other."""
# ruff: noqa: E501 -- SQL is read best unbroken

import json
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import psycopg
import pyarrow.parquet as pq
import pytest

from glow_pipelines.exporting import pairs as exporting
from glow_pipelines.exporting.ledger import CannotExport
from glow_pipelines.exporting.pairs import PairFormat, PairRequest, export_pairs
from glow_pipelines.store import Store
from tests.api.calling import AGENT, register


@pytest.fixture
def store(database_url: str, connection: psycopg.Connection) -> Iterator[Store]:
    register(connection)
    connection.execute(
        "insert into glow.chunkings (chunking, agent, parameters) values ('whole', %s, '{\"kind\":\"whole\"}')",
        (AGENT,),
    )
    connection.execute("insert into glow.documents values (%s, 'd', 't', 'b', 'h')", (AGENT,))
    for n in range(8):
        text = "text 0" if n == 7 else f"text {n}"  # chunk 7 says what chunk 0 says
        connection.execute(
            "insert into glow.chunks (agent, chunk_id, chunking, document_id, document_hash, position, starts, ends, text,"
            " content_hash, words) values (%s, %s, 'whole', 'd', 'h', %s, 0, 1, %s, md5(%s), 2)",
            (AGENT, f"c{n}", n, text, text),
        )
    connection.commit()
    store = Store(database_url)
    yield store
    store.close()


def pair(connection: psycopg.Connection, query: str, positive: int, *negatives: int, split: str = "train") -> None:
    group = f"g-{split}-{query}"
    connection.execute(
        "insert into glow.split_assignments (agent, group_key, split) values (%s, %s, %s) on conflict do nothing",
        (AGENT, group, split),
    )
    for n in negatives:
        connection.execute(
            "insert into glow.embedding_training_pairs (pair_id, agent, query, positive_chunk_id, negative_chunk_id, weight,"
            " negative_kind, event_ids, group_key, split) values (%s, %s, %s, %s, %s, %s, 'skipped', '{e}', %s, %s)",
            (f"{split}{query}{positive}-{n}", AGENT, query, f"c{positive}", f"c{n}", 1 / (n + 1), group, split),
        )
    connection.commit()


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text("utf-8").split("\n") if line]


def test_triplets_and_tuples_have_the_columns_a_loss_reads(
    store: Store, connection: psycopg.Connection, tmp_path: Path
) -> None:
    pair(connection, "q\u2028 «a»", 0, 1, 2, 3)
    pair(connection, "b", 1, 4)
    triplets = export_pairs(store, tmp_path, PairRequest(AGENT)).written
    assert lines(triplets.path)[0] == {"anchor": "b", "positive": "text 1", "negative": "text 4"}
    assert (triplets.rows, len(lines(triplets.path))) == (4, 4)
    assert triplets.path.stat().st_mode & 0o077 == 0
    asked = PairRequest(AGENT, negatives=2, weight=True, with_split=True)
    (row,) = lines(export_pairs(store, tmp_path, asked).written.path)  # b has one negative, and every row wants two
    assert list(row) == ["anchor", "positive", "negative_1", "negative_2", "weight", "split"]
    assert row == {
        "anchor": "q\u2028 «a»", "positive": "text 0", "negative_1": "text 1", "negative_2": "text 2",
        "weight": 0.5, "split": "train",
    }  # fmt: skip
    table = pq.read_table(export_pairs(store, tmp_path, PairRequest(AGENT, format="parquet", weight=True)).written.path)
    assert table.column_names == ["anchor", "positive", "negative", "weight"]
    assert table.to_pylist()[0] == {**lines(triplets.path)[0], "weight": 0.2}
    again = export_pairs(store, tmp_path, PairRequest(AGENT)).written
    assert again.sha256 == triplets.sha256


def test_no_query_stands_in_two_files(store: Store, connection: psycopg.Connection, tmp_path: Path) -> None:
    pair(connection, "shared", 0, 1, 2)
    pair(connection, "Shared ", 0, 3, split="test")
    pair(connection, "Is a taxi  travel?", 0, 1)
    pair(connection, "\uff29s a TAXI travel", 0, 3, split="val")
    pair(connection, "own", 1, 2)
    pair(connection, "other", 1, 2, split="test")
    train, test = (export_pairs(store, tmp_path, PairRequest(AGENT, split=split)) for split in ("train", "test"))
    assert [line["anchor"] for line in lines(train.written.path)] == ["own"]
    assert [line["anchor"] for line in lines(test.written.path)] == ["other"]
    assert train.left_out["query is in another split too"] == 3
    assert train.written.path != test.written.path


def test_a_negative_with_the_positives_text_is_left_out(
    store: Store, connection: psycopg.Connection, tmp_path: Path
) -> None:
    pair(connection, "q", 0, 7, 1)
    exported = export_pairs(store, tmp_path, PairRequest(AGENT))
    assert [line["negative"] for line in lines(exported.written.path)] == ["text 1"]
    assert exported.left_out["negative has the positive's text"] == 1


def test_what_was_erased_while_it_was_written_is_not_published(
    store: Store, connection: psycopg.Connection, tmp_path: Path
) -> None:
    pair(connection, "q", 0, 1, 2)

    def erase(rows: int) -> None:
        connection.execute("delete from glow.embedding_training_pairs where negative_chunk_id = 'c2'")
        connection.commit()

    for format in get_args(PairFormat):
        pair(connection, f"also {format}", 0, 2)
        with pytest.raises(CannotExport, match="erased while"):
            export_pairs(store, tmp_path, PairRequest(AGENT, format=format), erase)
        assert not list((tmp_path / "exports").rglob("train-*"))
    assert export_pairs(store, tmp_path, PairRequest(AGENT)).written.rows == 1


def test_an_export_goes_on_where_it_was_killed(
    store: Store, connection: psycopg.Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(6):
        pair(connection, f"q{n}", 0, 1, 2)
    whole = export_pairs(store, tmp_path / "a", PairRequest(AGENT)).written
    monkeypatch.setattr(exporting, "_BATCH", 4)
    monkeypatch.setattr("glow_pipelines.exporting.part._MARK_EVERY", 1)

    def die(rows: int) -> None:
        if rows == 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export_pairs(store, tmp_path / "b", PairRequest(AGENT), die)
    seen: list[int] = []
    assert export_pairs(store, tmp_path / "b", PairRequest(AGENT), seen.append).written.sha256 == whole.sha256
    assert seen == [12]


def test_nothing_to_export_and_impossible_requests_are_told(store: Store, tmp_path: Path) -> None:
    with pytest.raises(CannotExport, match="no embedding pairs in val"):
        export_pairs(store, tmp_path, PairRequest(AGENT, split="val"))
    with pytest.raises(ValueError, match="negatives=0"):
        PairRequest(AGENT, negatives=0)
