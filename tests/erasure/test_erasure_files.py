"""What becomes of each kind of file that quotes an erased text, and of Dagster's SQLite files."""

import json
from pathlib import Path

import dagster as dg
import pytest

from glow_pipelines.erasure.files import delete_exports, scrub_files, sqlite_files
from glow_pipelines.erasure.leaves import text_without_traces
from glow_pipelines.erasure.traces import Traces
from glow_pipelines.store.foreign import ForeignTexts

TEXT = "the neighbour of number nine plays the trumpet\nat four in the morning"
TRACES = Traces(["person-77"], [TEXT])
ONE_LINE = TEXT.replace("\n", " ")


def write(home: Path, name: str, content: str | bytes) -> Path:
    path = home / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_a_log_keeps_its_length_and_its_other_lines(tmp_path: Path) -> None:
    before = f"one\nasked: {TEXT}\nlast of person-77\nkept\n"
    log = write(tmp_path, "storage/run/x.err", before)
    with log.open("ab") as appending:  # by somebody who had opened it before
        assert scrub_files(tmp_path, None, TRACES) == {"mended": 1}
        appending.write(b"appended\n")
    after = log.read_text()
    assert len(after) == len(before) + len("appended\n")
    assert [line.strip() for line in after.split("\n")] == ["one", *["[erased]"] * 3, "kept", "appended", ""]
    assert scrub_files(tmp_path, None, TRACES) == {}


def test_rows_of_an_export_are_left_out(tmp_path: Path) -> None:
    lines = [json.dumps({"input": text}) for text in ("kept", TEXT, "also kept")]
    path = write(tmp_path, "exports/training/a.jsonl", "\n".join(lines) + "\n")
    assert scrub_files(tmp_path, None, TRACES) == {"mended": 1}
    assert [json.loads(line)["input"] for line in path.read_text().splitlines()] == ["kept", "also kept"]


@pytest.mark.parametrize(
    ("name", "content"),
    [("exports/x/a.csv", f"id,input\n1,{ONE_LINE}\n"), ("exports/x/a.parquet", b"PAR1\0\1\2"),
     ("report.html", "<p>the neighbour of <b>number</b> nine plays the trumpet</p>")],
)  # fmt: skip
def test_what_cannot_be_mended_is_deleted(tmp_path: Path, name: str, content: str | bytes) -> None:
    path = write(tmp_path, name, content)
    assert scrub_files(tmp_path, None, TRACES) == {"deleted": 1}
    assert not path.exists()


def test_files_of_others_are_as_they_were(tmp_path: Path) -> None:
    kept = [
        write(tmp_path, "exports/x/a.csv", "id,input\n1,the neighbour\n"),
        write(tmp_path, "models.gguf", b"\0\1" + ONE_LINE.encode()),
        write(tmp_path, "report.html", "<p title='x'>a &amp; b</p>"),
        write(tmp_path, "models.json", '{"pid":  1}'),
    ]
    stamps = [path.stat().st_mtime_ns for path in kept]
    assert scrub_files(tmp_path, tmp_path, TRACES) == {}
    assert [path.stat().st_mtime_ns for path in kept] == stamps


def test_the_cluster_is_left_alone_but_for_its_log(tmp_path: Path) -> None:
    heap = write(tmp_path, "postgres/data/base/1", ONE_LINE)
    log = write(tmp_path, "postgres/data/server.log", f"STATEMENT:  select '{ONE_LINE}'\n")
    assert scrub_files(tmp_path, None, TRACES) == {"mended": 1}
    assert heap.read_text() == ONE_LINE
    assert "trumpet" not in log.read_text()


def test_a_revoked_version_loses_all_its_files(tmp_path: Path) -> None:
    for name in ("train.jsonl", "train.jsonl.part", "deep/card.md"):
        write(tmp_path, f"exports/d-1/{name}", "x")
    write(tmp_path, "exports/d-2/train.jsonl", "x")
    assert delete_exports(tmp_path, "d-1", ["exports/d-1/train.jsonl", "exports/d-1/gone.csv"]) == 3
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["train.jsonl"]


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_dagster_in_sqlite_too(tmp_path: Path) -> None:
    @dg.asset
    def told() -> dg.MaterializeResult:
        return dg.MaterializeResult(metadata={"sample": dg.MetadataValue.md(f"| {ONE_LINE} |\n| kept |"), "n": 3})

    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        assert dg.materialize([told], instance=instance).success
    assert any(ONE_LINE.encode() in path.read_bytes() for path in sqlite_files(tmp_path))
    for path in sqlite_files(tmp_path):
        ForeignTexts(f"sqlite:///{path}").change(lambda text: text_without_traces(text, TRACES))
        assert ForeignTexts(f"sqlite:///{path}").change(lambda text: text_without_traces(text, TRACES)) == {}
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        event = instance.get_latest_materialization_event(dg.AssetKey("told"))
        assert event is not None
        assert event.asset_materialization is not None
        metadata = event.asset_materialization.metadata
        assert (metadata["sample"].value, metadata["n"].value) == ("| [erased] |\n| kept |", 3)


def test_a_database_that_is_not_there_has_no_texts(postgres: object) -> None:
    foreign = ForeignTexts(f"{postgres.url('not_there')}".replace("postgresql://", "postgresql+psycopg2://"))  # type: ignore[attr-defined]
    assert foreign.change(str.upper) == {}
