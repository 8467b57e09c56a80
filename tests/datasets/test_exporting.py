"""Files are what Python would have written, whole or not there, and go on where they were."""

import csv
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from glow_pipelines.exporting import run
from glow_pipelines.exporting.ledger import CannotExport
from glow_pipelines.exporting.part import Part
from glow_pipelines.exporting.run import ExportRequest, export_dataset
from glow_pipelines.learning.datasets import DatasetRule, Kind, build_version, export_lines, validate_line
from glow_pipelines.learning.datasets.export import LINE_KINDS
from glow_pipelines.steps.datasets import build_dataset
from glow_pipelines.store import Store
from tests.datasets.seeding import AGENT, Seed, in_force, learn, seeds

NASTY = [
    'quotes " \\ slash \n newline \t tab \r return \x08 \x0c \x1f unit \x7f delete',
    "line separators \u2028 \u2029 \x85 end",
    "=1+1",
    "+7 of them",
    "-5",
    "@SUM(A1)",
    "＝1+1",
    "\tcell",
    "decomposed e\u0301 and \ufb01 ligature and \u0344",
    "\u0301 begins with a mark",
    "\n\u0301 after an escape",
    "漢字 😀 \U0001f468\u200d\U0001f469\u200d\U0001f467 नमस्ते",
    "a, b; 'c' | d",
    "\\.",
    "</script><b>*bold*",
    "\u00a0not blank",
    " 　 wide space first",
    '{"messages": []}',
]


@pytest.fixture
def make(store: Store, connection: psycopg.Connection) -> Callable[..., str]:
    """Builds a version of examples and gives its id."""

    def build(examples: list[Seed], kind: Kind = "sft") -> str:
        learn(connection, examples)
        built = build_dataset(store, DatasetRule(AGENT, kind))
        assert built.dataset_id is not None, built.refused
        return built.dataset_id

    return build


def nasty(split: str = "train") -> list[Seed]:
    found = [
        Seed(f"{text} {n}", text if text.strip() else "x", rejected=f"not {text}", group=f"n{n}", split=split)
        for n, text in enumerate(NASTY)
    ]
    return found


def test_outputs_that_differ_in_code_points_alone_are_no_pair(
    store: Store, connection: psycopg.Connection, make: Callable[..., str], tmp_path: Path
) -> None:
    same = Seed("which word is it", "caf\u00e9", rejected="cafe\u0301", group="n", split="train")
    dataset = make([same, *seeds(3, split="train", group="g", rejected="no")], "retrieval")
    (train, *_) = export_dataset(store, tmp_path, ExportRequest(dataset))
    assert train.path.read_bytes() == in_python(connection, "retrieval", "", "train")
    assert train.path.read_bytes().count(b'"negative"') == 3
    built = build_dataset(store, DatasetRule(AGENT, "preference"))
    assert [(each.name, each.examples) for each in built.refused] == [("schema", (same.id,))]


def in_python(connection: psycopg.Connection, kind: Kind, system: str, split: str) -> bytes:
    examples, splits = in_force(connection)
    version = build_version(DatasetRule(AGENT, kind), examples, splits, run_at(connection))
    return "".join(f"{line}\n" for line in export_lines(version, system, split)).encode()  # type: ignore[arg-type]


def run_at(connection: psycopg.Connection):  # type: ignore[no-untyped-def]
    row = connection.execute("select clock_timestamp()").fetchone()
    connection.commit()
    assert row is not None
    return row[0]


@pytest.mark.parametrize("kind", ["sft", "preference", "evaluation", "retrieval"])
@pytest.mark.parametrize("system", ["", 'Which account?\n"now" e\u0301'])
def test_lines_are_the_bytes_that_python_writes(
    store: Store, connection: psycopg.Connection, make: Callable[..., str], tmp_path: Path, kind: Kind, system: str
) -> None:
    dataset = make([*nasty(), *seeds(4, split="test", group="t", rejected="no")], kind)
    written = export_dataset(store, tmp_path, ExportRequest(dataset, system=system))
    train, test = written[:2]
    assert train.path == tmp_path / "exports" / dataset / "train.jsonl"
    content = train.path.read_bytes()
    assert content == in_python(connection, kind, system, "train")
    assert test.path.read_bytes() == in_python(connection, kind, system, "test")
    assert (train.rows, train.bytes, train.sha256) == (
        content.count(b"\n"),
        len(content),
        hashlib.sha256(content).hexdigest(),
    )
    for line in content.decode().split("\n")[:-1]:
        assert validate_line(line, LINE_KINDS[kind]) == []
    with store.transaction() as t:
        files = {file.path: file for file in t.exports.files(dataset)}
    done = files[f"exports/{dataset}/train.jsonl"]
    assert (done.state, done.sha256, done.rows, done.split) == ("done", train.sha256, train.rows, "train")
    assert {Path(path).name for path in files} == {"train.jsonl", "test.jsonl", "README.md", "croissant.json"}
    assert all(oct(path.stat().st_mode & 0o777) == "0o600" for path in (train.path, test.path))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), min_size=1).filter(str.strip))
def test_the_database_writes_a_text_as_python_does(connection: psycopg.Connection, text: str) -> None:
    from glow_pipelines.learning.datasets import canonical_json

    assert connection.execute("select glow.json_text(%s)", (text,)).fetchone() == (canonical_json(text),)


def test_a_table_is_read_back_and_formulas_are_harmless(store: Store, make: Callable[..., str], tmp_path: Path) -> None:
    dataset = make(nasty())
    (file, *_) = export_dataset(store, tmp_path, ExportRequest(dataset, "csv"))
    with store.transaction() as t:
        examples = [row.example for row in t.datasets.rows(dataset)]
    with file.path.open(encoding="utf-8", newline="") as text:
        rows = list(csv.DictReader(text))
    assert [row["id"] for row in rows] == [example.id for example in examples]
    for row, example in zip(rows, examples, strict=True):
        for name in ("input", "target", "rejected_target"):
            value = getattr(example, name)
            harmful = value[0] in "=+-@\t\r\n＝＋－＠"
            assert row[name] == ("'" if harmful else "") + value
    (file, *_) = export_dataset(store, tmp_path, ExportRequest(dataset, "csv", raw=True))
    with file.path.open(encoding="utf-8", newline="") as text:
        assert [row["target"] for row in csv.DictReader(text)] == [example.target for example in examples]


def test_parquet_comes_in_parts_and_keeps_those_that_are_there(
    store: Store, make: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pyarrow.parquet as pq

    from glow_pipelines.exporting import parquet

    monkeypatch.setattr(parquet, "PART", 10)
    dataset = make(seeds(25, split="train", group="g"))
    request = ExportRequest(dataset, "parquet", ("train",))
    written = [file for file in export_dataset(store, tmp_path, request) if file.path.suffix == ".parquet"]
    assert [(file.path.name, file.rows) for file in written] == [
        ("train-00001.parquet", 10),
        ("train-00002.parquet", 10),
        ("train-00003.parquet", 5),
    ]
    with store.transaction() as t:
        examples = [row.example for row in t.datasets.rows(dataset)]
    rows = [row for file in written for row in pq.read_table(file.path).to_pylist()]
    assert [(row["id"], row["input"], row["target"], row["split"]) for row in rows] == [
        (example.id, example.input, example.target, "train") for example in examples
    ]
    before = [file.path.stat().st_mtime_ns for file in written]
    written[1].path.write_bytes(b"broken")
    export_dataset(store, tmp_path, request)
    after = [file.path.stat().st_mtime_ns for file in written]
    assert (before[0], before[2]) == (after[0], after[2])
    assert pq.read_table(written[1].path).num_rows == 10


def interrupted(store: Store, home: Path, request: ExportRequest, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An export that died half way, with its mark; the folder."""
    monkeypatch.setattr(run, "_BLOCK", 2000)
    monkeypatch.setattr("glow_pipelines.exporting.part._MARK_EVERY", 4000)

    class Killed(BaseException):
        pass

    def told(split: str, rows: int) -> None:
        if rows > 30:
            raise Killed

    with pytest.raises(Killed):
        export_dataset(store, home, request, told)
    return home / "exports" / request.dataset_id


@pytest.mark.parametrize("format", ["jsonl", "csv"])
def test_a_killed_export_goes_on_where_it_was(
    store: Store, make: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, format: run.Format
) -> None:
    dataset = make(seeds(100, split="train", group="g"))
    request = ExportRequest(dataset, format, ("train",))
    whole = export_dataset(store, tmp_path / "other", request)[0]
    folder = interrupted(store, tmp_path, request, monkeypatch)
    assert not (folder / f"train.{format}").exists()
    marked = json.loads((folder / f"train.{format}.part.json").read_text())["rows"]
    assert marked > 0
    began: list[int] = []
    resumed = export_dataset(store, tmp_path, request, lambda split, rows: began.append(rows))[0]
    assert began[0] > marked
    assert (resumed.rows, resumed.sha256) == (whole.rows, whole.sha256)
    assert resumed.path.read_bytes() == whole.path.read_bytes()
    assert not list(folder.glob("*.part*"))


@pytest.mark.parametrize("harm", ["byte", "short", "system", "mark"])
def test_a_part_that_is_not_what_its_mark_says_is_begun_anew(
    store: Store, make: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, harm: str
) -> None:
    dataset = make(seeds(100, split="train", group="g"))
    request = ExportRequest(dataset, splits=("train",), system="new" if harm == "system" else "old")
    folder = interrupted(store, tmp_path, ExportRequest(dataset, splits=("train",), system="old"), monkeypatch)
    part, mark = folder / "train.jsonl.part", folder / "train.jsonl.part.json"
    content = part.read_bytes()
    if harm == "byte":
        part.write_bytes(b"?" + content[1:])
    elif harm == "short":
        part.write_bytes(content[:1000])
    elif harm == "mark":
        mark.write_text("{")
    resumed = export_dataset(store, tmp_path, request)[0]
    whole = export_dataset(store, tmp_path / "other", request)[0]
    assert resumed.path.read_bytes() == whole.path.read_bytes()


def test_kill_9_leaves_no_file_and_the_next_one_is_whole(
    store: Store, make: Callable[..., str], tmp_path: Path, database_url: str
) -> None:
    dataset = make(seeds(400, split="train", group="g"))
    script = (
        "import sys, time; from pathlib import Path; from glow_pipelines.store import Store\n"
        "from glow_pipelines.exporting import run, part\n"
        "run._BLOCK, part._MARK_EVERY = 1000, 2000\n"
        "def told(split, rows):\n    print(rows, flush=True); time.sleep(0.02)\n"
        "run.export_dataset(Store(sys.argv[1]), Path(sys.argv[2]),"
        " run.ExportRequest(sys.argv[3], splits=('train',)), told)"
    )
    command = [sys.executable, "-c", script, database_url, str(tmp_path), dataset]
    killed = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": os.getcwd()})
    assert killed.stdout is not None
    while int(killed.stdout.readline() or 10**9) < 100:
        pass
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    killed.stdout.close()
    folder = tmp_path / "exports" / dataset
    assert not (folder / "train.jsonl").exists()
    assert (folder / "train.jsonl.part.json").exists()
    resumed = export_dataset(store, tmp_path, ExportRequest(dataset, splits=("train",)))[0]
    whole = export_dataset(store, tmp_path / "other", ExportRequest(dataset, splits=("train",)))[0]
    assert resumed.sha256 == whole.sha256 == hashlib.sha256(resumed.path.read_bytes()).hexdigest()


def test_nothing_is_published_of_which_a_line_is_refused(
    store: Store, connection: psycopg.Connection, make: Callable[..., str], tmp_path: Path
) -> None:
    dataset = make(seeds(20, split="train", group="g"))
    connection.execute("update glow.learning_examples set target = ' ' where target = 'answer 3'")
    connection.commit()
    with pytest.raises(CannotExport, match=r"messages\[1\]\.content: ' ': give text that is not blank") as refused:
        export_dataset(store, tmp_path, ExportRequest(dataset))
    assert "nothing was published" in str(refused.value)
    assert not list((tmp_path / "exports" / dataset).glob("train*"))


def revoke(connection: psycopg.Connection, dataset: str, successor: str | None) -> None:
    """As erasure does, which alone may."""
    connection.execute("alter table glow.training_datasets disable trigger immutable")
    connection.execute(
        "update glow.training_datasets set revoked_at = now(), revoked_because = 'erasure 7', successor = %s"
        " where dataset_id = %s",
        (successor, dataset),
    )
    connection.execute("alter table glow.training_datasets enable trigger immutable")
    connection.commit()


def test_a_revoked_version_is_not_exported_and_names_its_successor(
    store: Store, connection: psycopg.Connection, make: Callable[..., str], tmp_path: Path
) -> None:
    first = make(seeds(5))
    second = make(seeds(7))
    revoke(connection, first, second)
    with pytest.raises(CannotExport, match=rf"was revoked .*\(erasure 7\): use {second}"):
        export_dataset(store, tmp_path, ExportRequest(first))
    revoke(connection, second, None)
    with pytest.raises(CannotExport, match="build a new one"):
        export_dataset(store, tmp_path, ExportRequest(second))
    assert not (tmp_path / "exports").exists()


def test_a_version_revoked_while_it_is_written_leaves_no_file(
    store: Store, connection: psycopg.Connection, make: Callable[..., str], tmp_path: Path
) -> None:
    dataset = make(seeds(5, split="train", group="g"))
    revoked: list[str] = []

    def told(split: str, rows: int) -> None:
        revoke(connection, dataset, None)
        revoked.append(split)

    with pytest.raises(CannotExport, match="was revoked"):
        export_dataset(store, tmp_path, ExportRequest(dataset), told)
    assert revoked == ["train"]
    assert not (tmp_path / "exports" / dataset / "train.jsonl").exists()


def test_a_part_knows_what_it_is_of(tmp_path: Path) -> None:
    with Part(tmp_path / "a", "one") as part:
        part.write(b"x\n", 1)
        part._note()
    with Part(tmp_path / "a", "two") as part:
        assert part.rows == 0
    with Part(tmp_path / "a", "two") as part:
        part.write(b"y\n", 1)
        assert part.finish().sha256 == hashlib.sha256(b"y\n").hexdigest()
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_two_exports_at_once_take_turns(store: Store, make: Callable[..., str], tmp_path: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    dataset = make(seeds(50))
    began = time.monotonic()
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(lambda _: export_dataset(store, tmp_path, ExportRequest(dataset)), range(3)))
    assert len({tuple(file.sha256 for file in files if file.path.suffix == ".jsonl") for files in found}) == 1
    assert time.monotonic() - began < 30
