"""The examples do what they say, against a real database.

Belongs here: examples/. Does not: documents (test_docs), attacks on what the examples use.
"""

import json
import os
import re
import shutil
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

from glow_pipelines.database import DatabaseUnavailable, connect
from glow_pipelines.database.binaries import find_binaries
from tests.rpc_gateway import gateway, sign

EXAMPLES = Path(__file__).parents[1] / "examples"
SECRET = b"a secret of at least 32 characters"
NO_NETWORK = ("ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ETIMEDOUT", "ENETUNREACH")
VOTE = {"agent": "expense-coder", "execution_id": "run-1", "user_id": "u-17", "thumbs": 1}
# supabase-js wants one as soon as it is made, which Node has from 22 on; rpc never opens it.
NO_SOCKET = ("--import", "data:text/javascript,globalThis.WebSocket||=class{}")


@pytest.fixture
def glow(database_url: str) -> Iterator[psycopg.Connection]:
    """The database with its agent."""
    with connect(database_url, autocommit=True) as connection:
        connection.execute(
            "select glow_api.register_agent('expense-coder', prompt => '{\"instruction\": \"Which account?\"}')"
        )
        yield connection


@pytest.fixture
def login(glow: psycopg.Connection, database_url: str) -> Iterator[Callable[..., str]]:
    """Makes a login of some roles and gives its URL."""
    names = []

    def make(*roles: str) -> str:
        names.append(f"glow_test_{uuid4().hex[:12]}")
        name, members = sql.Identifier(names[-1]), sql.SQL(", ").join(map(sql.Identifier, roles))
        kind = sql.SQL("inherit" if len(roles) == 1 else "noinherit")  # a gateway's login is what its tokens say it is
        create = sql.SQL("create role {} login {} password 'secret' in role {}")
        glow.execute(create.format(name, kind, members))
        url = urlsplit(database_url)
        return url._replace(netloc=f"{names[-1]}:secret@{url.netloc.rpartition('@')[2]}").geturl()

    yield make
    for name in names:
        glow.execute(sql.SQL("drop role {}").format(sql.Identifier(name)))


def run(*command: str, folder: Path = EXAMPLES, **environ: str) -> str:
    """What a program says, with nothing of the caller's settings but its path and home."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    answer = subprocess.run(
        command, cwd=folder, env={**kept, **environ}, capture_output=True, text=True, check=False, timeout=300
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return answer.stdout + answer.stderr


def wanted(*programs: str) -> None:
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(f"there is no {program} on this machine")


def installed(name: str, folder: Path) -> Path:
    """A copy of an example with its dependencies."""
    wanted("node", "npm")
    place = shutil.copytree(EXAMPLES / name, folder / name, ignore=shutil.ignore_patterns("node_modules"))
    command = ["npm", "install", "--no-audit", "--no-fund", "--no-package-lock"]
    answer = subprocess.run(command, cwd=place, capture_output=True, text=True, check=False, timeout=300)
    if answer.returncode != 0 and any(code in answer.stderr for code in NO_NETWORK):
        pytest.skip("npm cannot reach its registry")
    assert answer.returncode == 0, answer.stderr
    return place


def psql() -> str:
    try:
        found: str | None = find_binaries(os.environ).program("psql")
    except DatabaseUnavailable:
        found = None
    if found is None or not Path(found).exists():
        found = shutil.which("psql")
    if found is None:
        pytest.skip("there is no psql, neither with the embedded PostgreSQL nor on this machine")
    return found


def votes(connection: psycopg.Connection) -> list[tuple[Any, ...]]:
    return connection.execute(
        "select execution_id, thumbs, issues, correction from glow.agent_feedback where superseded_by is null"
    ).fetchall()


def test_psql(login: Callable[..., str], glow: psycopg.Connection) -> None:
    said = run(psql(), "--no-psqlrc", "--file", "psql.sql", login("glow_app"))
    assert [said.count(word) for word in ('"accepted"', '"replayed"')] == [2, 1]
    assert "PT422 rating: '6' is not accepted" in said
    assert votes(glow) == [("run-psql", -1, [], "travel")]


def test_node(login: Callable[..., str], glow: psycopg.Connection, tmp_path: Path) -> None:
    said = run("node", "feedback.mjs", folder=installed("node", tmp_path), DATABASE_URL=login("glow_app"))
    assert "code: 'PT422'" in said
    assert "hint: 'whole stars from 1 to 5'" in said
    assert votes(glow) == [("run-node", -1, ["wrong_answer"], None)]


def test_supabase(login: Callable[..., str], glow: psycopg.Connection, tmp_path: Path) -> None:
    place = installed("supabase", tmp_path)
    answer = glow.execute("select glow_api.issue_feedback_token('expense-coder', 'run-1', 'u-17')").fetchone()
    assert answer is not None
    with gateway(login("glow_app", "glow_browser"), SECRET) as address:
        environ = {"SUPABASE_URL": address, "SUPABASE_KEY": sign({"role": "glow_browser"}, SECRET)}
        said = run("node", *NO_SOCKET, "feedback.mjs", folder=place, **environ, FEEDBACK_TOKEN=answer[0]["token"])
    first, second = (json.loads(line) for line in said.splitlines() if line.startswith("{"))
    assert (first["status"], first["data"]["status"], first["error"]) == (200, "accepted", None)
    assert (second["status"], second["data"]) == (422, None)
    assert second["error"] | {"details": None} == {
        "code": "PT422",
        "message": "rating: '6' is not accepted",
        "details": None,
        "hint": "whole stars from 1 to 5",
    }
    assert votes(glow) == [("run-1", -1, ["wrong_answer"], None)]


@pytest.fixture
def bound(login: Callable[..., str], glow: psycopg.Connection) -> str:
    """A gateway's login, bound to the claims as docs/security.md says."""
    url = login("glow_app", "glow_browser")
    glow.execute(
        "select glow_api.bind_login(%s, tenant_claim => '{app_metadata,tenant}', person_claim => '{sub}')",
        (urlsplit(url).username,),
    )
    return url


CLAIMS = {"role": "glow_app", "sub": "u-17", "app_metadata": {"tenant": "acme"}}


def test_postgrest(bound: str, glow: psycopg.Connection) -> None:
    wanted("sh", "curl")
    with gateway(bound, SECRET) as address:
        environ = {"POSTGREST_URL": address, "JWT": sign(CLAIMS, SECRET)}
        said = [json.loads(run("./postgrest.sh", **environ))["status"] for _ in range(2)]
    assert said == ["accepted", "replayed"]
    assert votes(glow) == [("run-4711", -1, [], "travel")]
    assert glow.execute("select tenant from glow.agent_feedback").fetchall() == [("acme",)]


def post(url: str, token: str, body: Mapping[str, Any]) -> tuple[int, str | None]:
    """Status and code of a vote through the gateway."""
    headers = {"Authorization": f"Bearer {token}", "Content-Profile": "glow_api", "Content-Type": "application/json"}
    request = urllib.request.Request(f"{url}/rpc/submit_feedback", json.dumps(body).encode(), headers)
    try:
        with urllib.request.urlopen(request) as response:
            return response.status, None
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)["code"]


@pytest.mark.parametrize(
    ("token", "body", "answer"),
    [
        (sign(CLAIMS, SECRET), VOTE, (200, None)),
        (sign(CLAIMS, b"another secret"), VOTE, (401, "PGRST301")),
        (sign({"role": "glow_app", "sub": "u-17"}, SECRET), VOTE, (401, "PT401")),
        (sign({**CLAIMS, "sub": "u-18"}, SECRET), VOTE, (403, "PT403")),
        (sign(CLAIMS, SECRET), {**VOTE, "tenant": "globex"}, (403, "PT403")),
        (sign({**CLAIMS, "role": "glow_browser"}, SECRET), VOTE, (403, "42501")),
        (sign(CLAIMS, SECRET), {**VOTE, "stars": 5}, (404, "PGRST202")),
    ],
    ids=["right", "forged", "without tenant", "of another person", "for another tenant", "of a browser", "misspelt"],
)
def test_a_gateway_speaks_for_whom_the_token_says(
    bound: str, token: str, body: Mapping[str, Any], answer: tuple[int, str | None]
) -> None:
    with gateway(bound, SECRET) as address:
        assert post(address, token, body) == answer


@pytest.mark.parametrize(
    ("example", "function", "argument"),
    [
        ("supabase/feedback.mjs", r"rpc\('(\w+)'", r"\b(\w+): (?!\{|SUPABASE|'glow_api')"),
        ("postgrest.sh", r"/rpc/(\w+)", r'"(\w+)":'),
    ],
)
def test_names_are_in_the_catalog(example: str, function: str, argument: str, glow: psycopg.Connection) -> None:
    """Also where there is no node and no curl."""
    text = (EXAMPLES / example).read_text("utf-8")
    (name,), given = re.findall(function, text), set(re.findall(argument, text))
    known = glow.execute("select proargnames from pg_proc where oid = ('glow_api.' || %s)::regproc", (name,)).fetchone()
    assert known is not None
    assert len(given) > 3
    assert given - set(known[0]) == set()
