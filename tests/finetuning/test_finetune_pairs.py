"""Exported pairs as training reads them, with no torch in sight."""

import json
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from glow_pipelines.finetuning.pairs import CannotTrain, Texts, overlap, read_pairs

ROW = {"anchor": "a", "positive": "p\u2028", "negative_1": "m", "negative_2": "n", "weight": 0.5, "split": "train"}


def written(path: Path, *rows: object) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    return path


def test_both_formats_are_read_alike(tmp_path: Path) -> None:
    lines = written(tmp_path / "a.jsonl", ROW, {"anchor": "b", "positive": "p", "negative": "n"})
    assert read_pairs(lines) == [Texts("a", "p\u2028", ("m", "n"), 0.5), Texts("b", "p", ("n",))]
    pq.write_table(pa.Table.from_pylist([ROW]), tmp_path / "a.parquet")
    assert read_pairs(tmp_path / "a.parquet") == [Texts("a", "p\u2028", ("m", "n"), 0.5)]


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ({**ROW, "split": "test"}, "must not be trained on"),
        ({**ROW, "weight": 0}, "weight=0"),
        ({"anchor": "a"}, "positive=None"),
        ([1], "an object"),
    ],
)
def test_what_cannot_be_trained_on_is_refused(tmp_path: Path, row: object, why: str) -> None:
    with pytest.raises(CannotTrain, match=why):
        read_pairs(written(tmp_path / "a.jsonl", row))


def test_test_rows_may_be_measured_with_but_not_beside_their_own(tmp_path: Path) -> None:
    (row,) = read_pairs(written(tmp_path / "a.jsonl", {**ROW, "split": "test"}), held_out=True)
    assert overlap([Texts(" A?", "x", ())], [row]) == {"a"}
    with pytest.raises(CannotTrain, match="is not there"):
        read_pairs(tmp_path / "c.jsonl")
    with pytest.raises(CannotTrain, match="no rows"):
        read_pairs(written(tmp_path / "b.jsonl"))


def test_nothing_of_ours_loads_torch() -> None:
    """Two seconds of every command, and most who install us have none."""
    code = "import sys, glow_pipelines.cli, glow_pipelines.finetuning.train; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
