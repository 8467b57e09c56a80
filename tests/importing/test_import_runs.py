"""Whole imports against a database: counts, repetition, interruption, refusals."""

import gzip
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner
from rich.console import Console

from glow_pipelines.cli import main as glow
from glow_pipelines.client import GlowClient
from glow_pipelines.importing.records import Options
from glow_pipelines.importing.run import ImportRequest, Outcome, run_import
from glow_pipelines.importing.sources import ImportFailed, Source, import_id
from glow_pipelines.services import Services
from glow_pipelines.settings import Settings
from glow_pipelines.store.imports import lock_import

DATA = Path(__file__).parent / "data"
WROTE = """
select (select count(*) from glow.executions), (select count(*) from glow.agent_feedback),
       (select count(*) from glow.retrieval_events), (select count(*) from glow.expert_annotations),
       (select count(*) from glow.demonstrations), (select count(*) from glow.current_feedback)
"""
# What an import leaves behind, less ids and the times of arrival.
STATE = """
select md5(string_agg(said, '|' order by said)) from (
  select row(e.execution_id, e.agent, e.input, e.output, e.user_id, e.started_at)::text from glow.executions e
  union all
  select row(f.execution_id, f.user_id, f.kind, f.thumbs, f.rating, f.comment, f.correction, f.occurred_at)::text
    from glow.agent_feedback f join glow.current_feedback c using (feedback_id)) as state(said)
"""


@pytest.fixture
def services(database_url: str) -> Iterator[Services]:
    services = Services(Settings.from_environment({"DATABASE_URL": database_url}))
    with GlowClient(database_url) as client:
        client.register_agent("desk")
    yield services
    services.store.close()


@pytest.fixture
def console() -> Console:
    return Console(file=None, record=True, width=200, quiet=False, stderr=True)


def ask(services: Services, query: str) -> tuple[Any, ...]:
    with psycopg.connect(services.database_url) as connection:
        row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return row


def feedback(number: int) -> dict[str, Any]:
    return {
        "execution_id": f"e{number}",
        "user_id": f"u{number % 7}",
        "rating": number % 5 + 1,
        "comment": f"comment {number} \\ with a \t tab, a \n line and 👍",
        "occurred_at": f"2026-03-01T10:{number // 60 % 60:02}:{number % 60:02}Z",
    }


def write(path: Path, records: list[Any]) -> Path:
    text = "\n".join(each if isinstance(each, str) else json.dumps(each) for each in records)
    path.write_text(text + "\n", "utf-8")
    return path


def run(services: Services, console: Console, *files: Path, **request: Any) -> list[Outcome]:
    given = {"format": "jsonl", "options": Options("desk")} | request
    return run_import(services, ImportRequest(files=files, **given), console)


def test_a_file_is_imported_and_a_second_time_says_so(services: Services, console: Console, tmp_path: Path) -> None:
    path = write(tmp_path / "f.jsonl", [feedback(number) for number in range(5000)])
    (outcome,) = run(services, console, path)
    assert (outcome.accepted, outcome.replayed, outcome.refused) == (5000, 0, 0)
    assert ask(services, WROTE) == (0, 5000, 0, 0, 0, 5000)
    assert ask(services, "select count(*) from glow.import_batches") == (0,)
    state = ask(services, STATE)
    (again,) = run(services, console, path)
    assert again.finished_before is not None
    assert ask(services, STATE) == state
    assert not (tmp_path / "f.jsonl.rejected.jsonl").exists()
    said = console.export_text()
    assert "5000 accepted, 0 already there, 0 refused" in said
    assert "5000 votes in the database wait for their execution" in said
    assert "imported already" in said
    (outcome,) = run(services, console, path, again=True)
    assert (outcome.accepted, outcome.replayed, outcome.refused) == (0, 5000, 0)
    assert ask(services, STATE) == state


def test_the_same_rows_in_another_file_order_and_spelling_change_nothing(
    services: Services, console: Console, tmp_path: Path
) -> None:
    records: list[Any] = [feedback(number) for number in range(200)]
    records += [
        {"input": f"question {number}", "output": "answer", "thumbs": 1, "user_id": "u"} for number in range(200)
    ]
    run(services, console, write(tmp_path / "a.jsonl", records))
    wrote, state = ask(services, WROTE), ask(services, STATE)
    assert wrote == (200, 400, 0, 0, 0, 400)
    random.Random(1).shuffle(records)
    shuffled = [
        json.dumps(dict(reversed(each.items())), ensure_ascii=False, separators=(", ", " : ")) for each in records
    ]
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress("\n".join(shuffled).encode()))
    (outcome,) = run(services, console, tmp_path / "b.jsonl.gz")
    assert (outcome.accepted, outcome.replayed, outcome.refused) == (0, 600, 0)
    assert (ask(services, WROTE), ask(services, STATE)) == (wrote, state)


def test_refused_rows_stand_in_a_file_with_their_line_and_reason(
    services: Services, console: Console, tmp_path: Path
) -> None:
    bad: list[Any] = [
        feedback(1),
        feedback(2) | {"rating": 6},
        "{not json",
        feedback(3) | {"comment": "a\0b"},
        feedback(4) | {"agent": "nobody"},
        {"input": "x" * 1_000_001, "output": "y", "execution_id": "long"},
        feedback(5),
    ]
    path = write(tmp_path / "f.jsonl", bad)
    (outcome,) = run(services, console, path)
    assert (outcome.accepted, outcome.replayed, outcome.refused) == (2, 0, 5)
    lines = [json.loads(line) for line in (tmp_path / "f.jsonl.rejected.jsonl").read_text("utf-8").splitlines()]
    assert [(each["line"], each["kind"]) for each in lines] == [
        (2, "feedback"),
        (3, ""),
        (4, "feedback"),
        (5, "feedback"),
        (6, "execution"),
    ]
    assert lines[0]["reason"]["field"] == "rating"
    assert lines[0]["reason"]["hint"]
    assert lines[0]["row"]["rating"] == 6
    assert lines[1]["row"] == "{not json"
    assert "not valid JSON" in lines[1]["reason"]["message"]
    assert "agent" in lines[3]["reason"]["message"]
    assert all(each["file"] == str(path) for each in lines)
    (tmp_path / "f.jsonl.rejected.jsonl").unlink()
    run(
        services, console, path, rejected=tmp_path / "elsewhere.jsonl"
    )  # nothing is done, but the reasons are told again
    assert len((tmp_path / "elsewhere.jsonl").read_text("utf-8").splitlines()) == 5
    # "desk" votes from the file of another: what was wrong is mended, and the file imported anew.
    with GlowClient(services.database_url) as client:
        client.register_agent("nobody")
    (outcome,) = run(services, console, path, again=True)
    assert (outcome.accepted, outcome.replayed, outcome.refused) == (1, 2, 4)


def test_a_dry_run_tells_what_would_happen_and_changes_nothing(
    services: Services, console: Console, tmp_path: Path
) -> None:
    records: list[Any] = [feedback(1), feedback(1), "{not json", feedback(2) | {"rating": 9}]
    records += [{"execution_id": "x", "input": "i", "output": "o"}]
    records += [{"execution_id": "x", "reviewer": "r", "verdict": "approve"}]  # needs the execution above
    path = write(tmp_path / "f.jsonl", records)
    tables = "select (select count(*) from glow.imports), (select count(*) from glow.import_batches), "
    tables += "(select count(*) from glow.import_refusals)"
    (rehearsed,) = run(services, console, path, dry_run=True)
    assert ask(services, tables) == (0, 0, 0)
    assert ask(services, WROTE) == (0, 0, 0, 0, 0, 0)
    assert os.listdir(tmp_path) == ["f.jsonl"]
    assert [(each.line, each.field) for each in rehearsed.first_refusals] == [(3, "line"), (4, "rating")]
    (done,) = run(services, console, path)
    for outcome in (rehearsed, done):
        assert (outcome.accepted, outcome.replayed, outcome.refused) == (3, 1, 2)
    (rehearsed,) = run(services, console, path, dry_run=True, rejected=tmp_path / "r.jsonl")
    assert (rehearsed.accepted, rehearsed.replayed) == (0, 4)
    assert len((tmp_path / "r.jsonl").read_text("utf-8").splitlines()) == 2


def killed_import(services: Services, path: Path, least: int) -> int:
    """Start `glow import` as a process and kill it when `least` lines are applied; returns how many were."""
    command = [sys.executable, "-m", "glow_pipelines.cli", "import", "jsonl", str(path), "--agent", "desk"]
    process = subprocess.Popen(
        command, env=os.environ | {"DATABASE_URL": services.database_url}, stderr=subprocess.PIPE
    )
    named = import_id(Source(path), "jsonl", Options("desk"), "")
    applied = 0
    try:
        for _ in range(600):
            with services.store.transaction() as t:
                try:
                    applied = t.imports.state(named).line
                except KeyError:
                    applied = 0
            if applied >= least or process.poll() is not None:
                break
            time.sleep(0.05)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        if process.stderr:
            process.stderr.close()
    with services.store.transaction() as t:
        return t.imports.state(named).line


def test_a_killed_import_goes_on_and_writes_each_row_once(services: Services, console: Console, tmp_path: Path) -> None:
    count = 60_000
    records: list[Any] = []
    for number in range(count):
        records.append(feedback(number))
        if number % 1000 == 500:
            records.append("{broken")
        if number % 1000 == 700:
            records.append(feedback(number) | {"rating": 6})
    path = write(tmp_path / "f.jsonl", records)
    for least in (1, 25_000):
        applied = killed_import(services, path, least)
        assert least <= applied < len(records)
        wrote, waits = ask(
            services, "select (select count(*) from glow.agent_feedback), count(*) from glow.import_batches"
        )
        assert 0 < wrote <= applied
        assert waits >= 0
    (outcome,) = run(services, console, path)
    assert "going on after line" in console.export_text()
    assert (outcome.accepted, outcome.replayed, outcome.refused) == (count, 0, 120)
    assert ask(services, WROTE) == (0, count, 0, 0, 0, count)
    assert ask(services, "select count(*) from glow.import_batches") == (0,)
    lines = [json.loads(line)["line"] for line in (tmp_path / "f.jsonl.rejected.jsonl").read_text("utf-8").splitlines()]
    assert len(lines) == len(set(lines)) == 120
    assert [records[line - 1] == "{broken" for line in lines] == [True, False] * 60


def test_one_file_is_imported_by_one_process_at_a_time(services: Services, console: Console, tmp_path: Path) -> None:
    path = write(tmp_path / "f.jsonl", [feedback(1)])
    named = import_id(Source(path), "jsonl", Options("desk"), "")
    with lock_import(services.database_url, named) as held:
        assert held
        with pytest.raises(ImportFailed, match="another glow import"):
            run(services, console, path)
    (outcome,) = run(services, console, path)
    assert outcome.accepted == 1


def test_a_row_the_database_fails_over_is_set_aside(services: Services, console: Console, tmp_path: Path) -> None:
    """With its whole record, and nothing beside: whichever of the record's rows it is, wherever it stands."""
    with psycopg.connect(services.database_url) as connection:
        connection.execute("""
            create function glow.trip() returns trigger language plpgsql as $$
            begin
              if new.comment like '%trip%' then perform 1 / 0; end if;
              return new;
            end $$;
            create trigger trip before insert on glow.agent_feedback for each row execute function glow.trip()""")
    records = [feedback(number) | {"input": "question", "output": "answer"} for number in range(300)]
    for number in (0, 150, 151, 299):
        records[number]["comment"] = "trip"
    path = write(tmp_path / "f.jsonl", [*records, "", "{broken"])
    (outcome,) = run(services, console, path)
    assert (outcome.accepted, outcome.refused) == (296 * 2, 4 * 2 + 1)
    refused = [json.loads(line) for line in (tmp_path / "f.jsonl.rejected.jsonl").read_text("utf-8").splitlines()]
    assert [each["line"] for each in refused] == [1, 1, 151, 151, 152, 152, 300, 300, 302]
    assert [each["kind"] for each in refused] == ["execution", "feedback"] * 4 + [""]
    assert {each["reason"]["code"] for each in refused[:-1]} == {"22012"}
    assert ask(services, "select count(*), count(distinct execution_id) from glow.agent_feedback") == (296, 296)


def test_a_database_that_goes_away_is_said_and_the_import_goes_on_later(
    services: Services, console: Console, tmp_path: Path
) -> None:
    with psycopg.connect(services.database_url) as connection:
        connection.execute("""
            create function glow.leave() returns trigger language plpgsql security definer as $$
            begin
              if new.comment like '%leave%' then perform pg_terminate_backend(pg_backend_pid()); end if;
              return new;
            end $$;
            create trigger leave before insert on glow.agent_feedback for each row execute function glow.leave()""")
    records = [feedback(number) for number in range(16_000)]
    records[15_000]["comment"] = "leave"
    path = write(tmp_path / "f.jsonl", records)
    with pytest.raises(ImportFailed, match=r"the database failed \(AdminShutdown\); what is applied stays"):
        run(services, console, path)
    with psycopg.connect(services.database_url) as connection:
        connection.execute("drop trigger leave on glow.agent_feedback")
    (outcome,) = run(services, console, path)
    assert (outcome.accepted, outcome.replayed, outcome.refused) == (16_000, 0, 0)
    assert "going on after line" in console.export_text()


def test_a_refused_value_says_nothing_to_the_terminal(services: Services, console: Console, tmp_path: Path) -> None:
    path = write(tmp_path / "f.jsonl", [feedback(1) | {"user_id": "\x1b[2J\u202e[red]evil[/red]"}])
    run(services, console, path, dry_run=True)
    said = console.export_text()
    assert "\x1b" not in said
    assert "\u202e" not in said
    assert r"\x1b[2J\u202e[red]evil[/red]" in said


def test_what_cannot_work_is_said_before_the_first_row(services: Services, console: Console, tmp_path: Path) -> None:
    path = write(tmp_path / "f.jsonl", [feedback(1)])
    with pytest.raises(ImportFailed, match="--agent other: not registered; known: desk"):
        run(services, console, path, options=Options("other"))
    with pytest.raises(ImportFailed, match="is a file to import"):
        run(services, console, path, rejected=path)
    with pytest.raises(ImportFailed, match="--mapping is for"):
        run(services, console, path, format="otel", mapping=DATA / "mapping.toml")
    with pytest.raises(ImportFailed, match="cannot read"):
        run(services, console, tmp_path / "none.jsonl")
    viewer = Services(
        Settings.from_environment({"DATABASE_URL": services.database_url + "?options=-crole%3Dglow_viewer"})
    )
    with pytest.raises(ImportFailed, match="grant it glow_pipeline"):
        run(viewer, console, path)
    assert ask(services, WROTE) == (0, 0, 0, 0, 0, 0)


@pytest.mark.parametrize(
    ("name", "format", "accepted", "refused"),
    [
        ("plain.jsonl", "jsonl", 9, 1),
        ("plain.csv", "csv", 3, 1),
        ("openai.jsonl", "openai", 10, 1),
        ("langfuse_api.json", "langfuse", 3, 1),
        ("langfuse_blob.jsonl", "langfuse", 5, 0),
        ("mlflow.jsonl", "mlflow", 7, 1),
        ("phoenix.jsonl", "phoenix", 6, 0),
        ("otel.jsonl", "otel", 8, 0),
    ],
)
def test_the_database_takes_what_the_parsers_make(
    services: Services, console: Console, tmp_path: Path, name: str, format: str, accepted: int, refused: int
) -> None:
    path = tmp_path / name
    path.write_bytes((DATA / name).read_bytes())
    (outcome,) = run(services, console, path, format=format)
    told = list(tmp_path.glob("*.rejected.jsonl"))
    assert (outcome.accepted, outcome.replayed, outcome.refused) == (accepted, 0, refused), [
        p.read_text() for p in told
    ]


def test_parquet_gives_the_same_rows_as_json(services: Services, console: Console, tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    records = [feedback(number) for number in range(100)]
    pq.write_table(pa.Table.from_pylist(records), tmp_path / "f.parquet")
    (outcome,) = run(services, console, tmp_path / "f.parquet", format="parquet")
    assert outcome.accepted == 100
    (outcome,) = run(services, console, write(tmp_path / "f.jsonl", records))
    assert outcome.replayed == 100


def test_the_command_reads_standard_input_and_a_mapping(
    services: Services, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DATABASE_URL", services.database_url)
    monkeypatch.chdir(tmp_path)
    arguments = ["import", "jsonl", "-", "--agent", "desk", "--mapping", str(DATA / "mapping.toml")]
    result = CliRunner().invoke(glow, arguments, input=(DATA / "mapped.jsonl").read_bytes())
    assert result.exit_code == 0, result.output
    assert "cannot be read twice" in result.output
    assert "-: 3 accepted, 0 already there, 3 refused" in result.output
    assert (tmp_path / "stdin.rejected.jsonl").exists()
    result = CliRunner().invoke(glow, ["import", "csv", str(DATA / "mapping.toml"), "--agent", "x"])
    assert result.exit_code == 1
    assert "Error: --agent x: not registered; known: desk" in result.output
    assert CliRunner().invoke(glow, ["import", "jsonl", "-", "--scale", "1:1"]).exit_code == 2


def test_several_files_are_imported_one_by_one_with_one_file_of_refusals(
    services: Services, console: Console, tmp_path: Path
) -> None:
    files = [write(tmp_path / f"{number}.jsonl", [feedback(number), "{broken"]) for number in range(3)]
    outcomes = run(services, console, *files)
    assert [(each.accepted, each.refused) for each in outcomes] == [(1, 1)] * 3
    lines = [json.loads(line) for line in (tmp_path / "0.jsonl.rejected.jsonl").read_text("utf-8").splitlines()]
    assert [each["file"] for each in lines] == [str(path) for path in files]
    assert replace(outcomes[0], seconds=0.0).rows == 2


def test_rows_that_vanish_from_staging_are_said_to_be_gone(
    services: Services, console: Console, tmp_path: Path
) -> None:
    """An unlogged table is empty after a crash, and behind a pooler nobody tells."""
    path = write(tmp_path / "votes.jsonl", [feedback(n) for n in range(50)])
    with psycopg.connect(services.database_url, autocommit=True) as connection:
        connection.execute("create function public.lose() returns trigger language plpgsql as 'begin return null; end'")
        connection.execute(
            "create trigger lose before insert on glow.import_batches for each row execute function lose()"
        )
        with pytest.raises(ImportFailed, match="staged rows are gone"):
            run(services, console, path)
        connection.execute("drop trigger lose on glow.import_batches")
    run(services, console, path)
    assert ask(services, "select count(*) from glow.agent_feedback") == (50,)
