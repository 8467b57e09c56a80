"""A small company in which one person has left a mark in every place where somebody can write.

Belongs here: the company, a turn over it by Dagster with its tables in PostgreSQL, and looking for the mark in dumps of
both databases and in all files. Does not: what is asserted.
"""
# ruff: noqa: E501 -- SQL is read best unbroken, and the names in it are ours

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import psycopg
import yaml  # type: ignore[import-untyped]
from psycopg import sql
from rich.console import Console

from glow_pipelines.client import GlowClient
from glow_pipelines.database import connect
from glow_pipelines.database.binaries import find_binaries
from glow_pipelines.demo.company import CODER, Case, cases
from glow_pipelines.exporting.run import ExportRequest, Format, export_dataset
from glow_pipelines.importing.run import ImportRequest, run_import
from glow_pipelines.services import Services
from glow_pipelines.settings import Settings
from glow_pipelines.store.retrieval import text_hash
from tests.api.calling import call
from tests.erasure.reviewing import review
from tests.openai_server import ScriptedModel

MARK = "zqxmark7f3a"
"""Letters and digits only: it is the same in every spelling that anything here makes of it."""
SUBJECT = f"person-{MARK}"
TENANTS = ("default", "other")
AGENT = CODER
OTHERS = 12
MINE = 60


@dataclass(frozen=True)
class World:
    """The databases, GLOW_HOME and the project of one test."""

    url: str
    dagster_url: str
    home: Path
    project: Path
    environment: Mapping[str, str]

    def services(self) -> Services:
        return Services(Settings.from_environment(dict(self.environment)))

    def instance(self) -> dg.DagsterInstance:
        return dg.DagsterInstance.from_config(str(self.project))

    def dump(self) -> dict[str, bytes]:
        """Both databases as pg_dump writes them, and every file below GLOW_HOME and the project, by name."""
        program = find_binaries(os.environ).program("pg_dump")
        found = {
            name: subprocess.run([program, "--data-only", url], check=True, capture_output=True).stdout
            for name, url in (("glow", self.url), ("dagster", self.dagster_url))
        }
        for folder in (self.home, self.project):
            found |= {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        return found

    def marked(self) -> dict[str, int]:
        """Where the mark is, and how often; lines of the dump by their table."""
        found: dict[str, int] = {}
        for name, content in self.dump().items():
            table = name
            for line in content.lower().split(b"\n"):
                if line.startswith(b"copy "):
                    table = f"{name}:{line.split()[1].decode()}"
                if MARK.encode() in line:
                    found[table] = found.get(table, 0) + 1
        return found

    def statistics(self) -> int:
        """Sample values of the planner that hold the mark."""
        count = 0
        for url in (self.url, self.dagster_url):
            with connect(url) as connection:
                row = connection.execute(
                    "select count(*) from pg_stats where most_common_vals::text || histogram_bounds::text like %s",
                    (f"%{MARK}%",),
                ).fetchone()
                assert row is not None
                count += row[0]
        return count

    def turn(self, tag: str = SUBJECT) -> None:
        """One turn of the loop as a real run, which somebody tagged."""
        program = Path(__file__).with_name("run_turn.py")
        done = subprocess.run(
            [sys.executable, str(program), str(self.project), AGENT, tag],
            env={**os.environ, **self.environment}, capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-4000:]

    def erase(self, subject: str = SUBJECT, **arguments: Any) -> dict[str, Any]:
        """A dry run and the erasure itself; the receipt."""
        with connect(self.url, autocommit=True) as connection:
            seen = call(connection, "erase_subject", subject=subject, **arguments)
            receipt: dict[str, Any] = call(
                connection, "erase_subject", subject=subject, dry_run=False, confirm=seen["confirm"], **arguments
            )
        assert {key: receipt[key] for key in ("tables", "rows", "revoked")} == {
            key: seen[key] for key in ("tables", "rows", "revoked")
        }
        return receipt


def make_instance(project: Path, home: Path, dagster_url: str) -> None:
    """dagster.yaml as the project has it: everything in PostgreSQL, files below GLOW_HOME."""
    storage = {"module": "dagster._core.storage.root", "class": "LocalArtifactStorage"}
    logs = {
        "module": "dagster._core.storage.local_compute_log_manager",
        "class": "LocalComputeLogManager",
        "config": {"base_dir": str(home)},
    }
    content = {
        "storage": {"postgres": {"postgres_url": dagster_url.replace("postgresql://", "postgresql+psycopg2://")}},
        "local_artifact_storage": {**storage, "config": {"base_dir": str(home)}},
        "compute_logs": logs,
        "telemetry": {"enabled": False},
    }
    project.mkdir()
    (project / "dagster.yaml").write_text(yaml.safe_dump(content))
    (project / "workspace.yaml").write_text("load_from: []\n")


class KnowingModel(ScriptedModel):
    """Knows the right answer to the subject's questions too."""

    def __init__(self, mine: list[Case]) -> None:
        super().__init__()
        self._right |= {case.input: case.right[0] for case in mine}


def my_cases() -> list[Case]:
    """The subject's questions: other people's, with a mark in the middle."""
    taken = cases(CODER)[-MINE:]
    return [Case(f"run-{MARK}-{n}", _marked(case.input), case.right) for n, case in enumerate(taken)]


def _marked(text: str) -> str:
    head, _, rest = text.partition(" ")
    return f"{head} {MARK} {rest}"


def fill(world: World) -> None:
    """What apps, users and reviewers wrote before the turn."""
    from glow_pipelines.demo.company import AGENTS

    spec = next(each for each in AGENTS if each.name == AGENT)
    with GlowClient(world.url) as client:
        client.register_agent(AGENT, spec.description, spec.evaluation, spec.prompt.content(), spec.shares)
        version = client.resolve_prompt(AGENT).prompt_version
        for n, case in enumerate(cases(CODER)[:-MINE]):
            said = case.right[0] if n % 2 else "travel"
            client.log_execution(
                case.id, AGENT, case.input, said, user_id=f"u{n % OTHERS}", prompt_version=version,
                conversation_id=f"talk-{n}",
            )  # fmt: skip
            client.submit_feedback(AGENT, case.id, f"u{n % OTHERS}", thumbs=1 if n % 2 else -1)
            client.submit_annotation(case.id, "expert", "correct", output=case.right[0])
    with connect(world.url, autocommit=True) as connection:
        _documents(connection)
        for n, case in enumerate(my_cases()):
            _mine(connection, case, n, version)
        _as_reviewer(connection)
        _personal(connection, version)
        review(connection, MARK, SUBJECT)
        _elsewhere(connection)
    _imported(world)


def _mine(connection: psycopg.Connection, case: Case, n: int, version: str) -> None:
    """One execution of the subject, with everything said of it."""
    call(
        connection, "log_execution", execution_id=case.id, agent=AGENT, input=case.input, output="travel",
        user_id=SUBJECT if n % 3 else None, conversation_id=f"talk-{MARK}-{n // 3}", channel=f"app-{MARK}",
        prompt_version=version, metadata={MARK: f"seen {MARK}", "deep": {"list": [f"{MARK} again and again, quite long"]}},
    )  # fmt: skip
    call(
        connection, "submit_feedback", agent=AGENT, execution_id=case.id, user_id=SUBJECT, thumbs=-1,
        comment=f"No! I am {MARK}", correction=case.right[0], issues=["format", f"issue {MARK}"],
        conversation_id=f"talk-{MARK}-{n // 3}", channel=f"app-{MARK}", idempotency_key=f"key-{MARK}-{n}",
    )  # fmt: skip
    call(connection, "submit_annotation", execution_id=case.id, reviewer="expert", verdict="correct",
         output=case.right[0], notes=f"about {MARK}")  # fmt: skip
    if n < 6:  # said twice, withdrawn, and of others
        call(connection, "submit_feedback", agent=AGENT, execution_id=case.id, user_id=SUBJECT, rating=2,
             comment=f"changed by {MARK}", idempotency_key=f"key-{MARK}-again-{n}")  # fmt: skip
        call(connection, "submit_feedback", agent=AGENT, execution_id=case.id, user_id="u3", thumbs=1,
             comment=f"{MARK} is right", idempotency_key=f"u3-on-{case.id}")  # fmt: skip
    if n == 6:
        call(connection, "withdraw_feedback", agent=AGENT, execution_id=case.id, user_id=SUBJECT)


def _documents(connection: psycopg.Connection) -> None:
    connection.execute(
        "insert into glow.chunkings (chunking, agent, parameters) values ('whole', %s, '{\"kind\": \"whole\"}')",
        (AGENT,),
    )
    for n in range(20):
        words = f"Passage {n} about topic{n} and deadline{n % 5} for forms of kind{n % 3}."
        connection.execute(
            "insert into glow.documents values (%s, %s, %s, %s, %s)", (AGENT, f"d{n}", f"D {n}", words, "h")
        )
        connection.execute(
            "insert into glow.chunks (agent, chunk_id, chunking, document_id, document_hash, position, starts, ends, text,"
            " content_hash, words) values (%s, %s, 'whole', %s, 'h', 0, 0, %s, %s, %s, 9)",
            (AGENT, f"c{n}", f"d{n}", len(words), words, text_hash(words)),
        )
        connection.execute(
            "insert into glow.live_chunks values (%s, 'whole', %s, 0, %s, 'h', 0, %s)",
            (AGENT, f"d{n}", f"c{n}", len(words)),
        )
    for n in range(120):
        mine = n % 4 == 0
        topic = n % 20
        query = f"when is deadline{topic % 5} of topic{topic}" + (f" for {MARK}" if n % 8 == 0 else f" please {n % 6}")
        shown = [(topic + (place + n) % 6 * 3) % 20 for place in range(6)]  # the answer anywhere: people agree on it
        hits = [{"rank": rank, "chunk_id": f"c{c}", "clicked": c == topic} for rank, c in enumerate(shown, 1)]
        call(
            connection, "log_retrieval", event_id=f"s-{MARK}-{n}" if mine else f"s-{n}", agent=AGENT, query=query,
            hits=psycopg.types.json.Jsonb(hits), user_id=SUBJECT if mine else f"u{n % OTHERS}",
            conversation_id=f"talk-{MARK}-0" if mine else None, execution_id=f"run-{MARK}-0" if mine else None,
        )  # fmt: skip

    # What a configuration remembers of a question the subject asked, alone and with another person.
    connection.execute(
        "insert into glow.retrieval_configurations (configuration, agent, parameters, chunking, model)"
        " values ('remembering', %s, '{}', 'whole', 'any')",
        (AGENT,),
    )
    for position, events in enumerate(([f"s-{MARK}-0"], [f"s-{MARK}-4", "s-5"])):
        connection.execute(
            "insert into glow.retrieval_memory values ('remembering', %s, %s, '[1,0]', 'c0', 0.9, 3, %s)",
            (position, f"asked by {MARK} {position}" if position == 0 else "asked by two", events),
        )


def _as_reviewer(connection: psycopg.Connection) -> None:
    """The subject judges others, too, and votes on others' executions."""
    theirs = [case.id for case in cases(CODER)[:8]]
    for n, execution in enumerate(theirs):
        call(connection, "submit_annotation", execution_id=execution, reviewer=SUBJECT,
             verdict=("correct", "approve", "reject")[n % 3], output=f"right says {MARK} {n}" if n % 3 == 0 else None,
             notes=f"notes of {MARK}", dimensions={MARK: 3, "tone": 2}, idempotency_key=f"a-{MARK}-{n}")  # fmt: skip
        call(connection, "submit_feedback", agent=AGENT, execution_id=execution, user_id=SUBJECT,
             thumbs=1 if n % 2 else None, correction=f"better: {MARK} number {n}")  # fmt: skip
    for case in cases(CODER)[12:18:2]:  # the same change again and again: a pattern
        call(
            connection, "submit_feedback", agent=AGENT, execution_id=case.id, user_id=SUBJECT, correction=f"{MARK} rail"
        )
    call(connection, "submit_annotation", execution_id=theirs[0], reviewer="expert", verdict="correct", output="travel",
         dimensions={"tone": 4})  # fmt: skip
    for n in range(4):
        call(connection, "submit_demonstration", agent=AGENT, expert=SUBJECT, input=f"Shown by {MARK}: a tram to {n}",
             output="travel", notes=f"see {MARK}", idempotency_key=f"d-{MARK}-{n}")  # fmt: skip
    call(connection, "submit_feedback", agent=AGENT, execution_id=f"lost-{MARK}", user_id=SUBJECT, thumbs=1)


def _personal(connection: psycopg.Connection, version: str) -> None:
    """Questions with an address beside the mark, which the screens put a placeholder in for; one that all ask."""
    for n in range(4):
        call(connection, "log_execution", execution_id=f"mail-{MARK}-{n}", agent=AGENT, user_id=SUBJECT, output="travel",
             input=f"A tram to {MARK} {n}; the receipt goes to {MARK}.{n}@post.at", prompt_version=version)  # fmt: skip
        call(connection, "submit_annotation", execution_id=f"mail-{MARK}-{n}", reviewer="expert", verdict="approve")
    for id, user in ((f"all-{MARK}", SUBJECT), ("all-1", "u1")):
        call(connection, "log_execution", execution_id=id, agent=AGENT, input="What everybody asks, tram or bus?",
             output="travel", user_id=user, conversation_id=f"talk-{MARK}-all" if user == SUBJECT else None)  # fmt: skip
        call(connection, "submit_annotation", execution_id=id, reviewer="expert", verdict="approve")


def _elsewhere(connection: psycopg.Connection) -> None:
    """The same id in another tenant; a login and a request of the subject."""
    call(connection, "log_execution", execution_id="run-1", agent=AGENT, input="a bus", output="travel", user_id=SUBJECT,
         tenant="other")  # fmt: skip
    call(connection, "submit_feedback", agent=AGENT, execution_id="run-1", user_id=SUBJECT, thumbs=1, comment="thanks",
         tenant="other")  # fmt: skip
    connection.execute(
        "insert into glow.requests (kind, agent, reason, requested_by, state, finished_at, outcome)"
        " values ('dataset', %s, %s, %s, 'failed', now(), %s)",
        (AGENT, f"{SUBJECT} asks", SUBJECT, json.dumps({"cancelled_by": SUBJECT})),
    )


def _imported(world: World) -> None:
    """A file of which two rows are refused, with the subject's words in them."""
    path = world.project / "old.jsonl"
    rows = [
        {"execution_id": f"old-{MARK}", "agent": "nobody", "input": f"old {MARK}", "output": "x", "user_id": SUBJECT},
        {"execution_id": "old-2", "agent": AGENT, "input": f"older words of {MARK}", "output": "x", "user_id": SUBJECT, MARK: 1},
        {"execution_id": "old-3", "agent": AGENT, "input": "a ferry", "output": "travel", "user_id": "u1"},
    ]  # fmt: skip
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    services = world.services()
    run_import(services, ImportRequest("jsonl", (path,)), Console(quiet=True))
    services.store.close()
    for made in world.project.glob("*.jsonl"):  # the person's own file and the refused rows beside it: not ours
        made.unlink()


def expose(world: World) -> None:
    """The subject meets the experiment."""
    with connect(world.url, autocommit=True) as connection:
        call(connection, "resolve_prompt", agent=AGENT, unit=SUBJECT)
        call(connection, "resolve_prompt", agent=AGENT, unit=f"talk-{MARK}-1")
        call(connection, "resolve_prompt", agent=AGENT, unit="u1")


def plant_files(world: World) -> None:
    """Logs, reports and exports as others write them."""
    forms: tuple[Format, ...] = ("jsonl", "csv", "parquet")
    services = world.services()
    with services.store.transaction() as t:
        dataset = t.datasets.in_force(AGENT)
        assert dataset is not None
    for form in forms:
        export_dataset(services.store, world.home, ExportRequest(dataset["dataset_id"], form))
    services.store.close()
    logs = world.home / "storage" / "run" / "compute_logs"
    logs.mkdir(parents=True, exist_ok=True)
    asked = my_cases()[1].input
    (logs / "x.err").write_text(f"kept line\nfailed on {asked}\nkept too\nseen from {SUBJECT}\n")
    (world.project / "report.json").write_text(json.dumps({"sample": [asked, "a taxi"], "user": SUBJECT}))
    (world.project / "report.html").write_text(f'<p>kept</p><p title="{SUBJECT}">{asked.replace(" ", " &nbsp;")}</p>')


def others(url: str) -> list[tuple[Any, ...]]:
    """Everything others wrote, in an order of its own."""
    found: list[tuple[Any, ...]] = []
    queries = (
        "select tenant, execution_id, input, output, user_id, metadata::text from glow.executions"
        " where (user_id <> {0} or tenant = 'other') order by 1, 2",
        "select f.tenant, f.feedback_id, f.execution_id, f.user_id, f.thumbs, f.comment from glow.agent_feedback f"
        " where (user_id <> {0} or tenant = 'other') and user_id not like 'erased-%%'"
        " and execution_id not like {1} and execution_id not like 'erased-%%' order by 1, 2",
        "select annotation_id, reviewer, verdict, output, dimensions::text from glow.expert_annotations"
        " where reviewer = 'expert' and execution_id not like {1} and execution_id not like 'erased-%%' order by 1",
        "select event_id, query, user_id from glow.retrieval_events where user_id <> {0} order by 1",
    )
    with connect(url) as connection:
        for query in queries:
            statement = sql.SQL(query.replace("%%", "%")).format(sql.Literal(SUBJECT), sql.Literal(f"%{MARK}%"))
            found += connection.execute(statement).fetchall()
    return found
