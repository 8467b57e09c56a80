"""Votes a second until they are durable: ours, MLflow's and Phoenix's, each through its own Python client.

Eight client processes each; the products' servers store in the same PostgreSQL as ours does. Belongs here: starting
servers and clients, counting. Does not: the clients themselves (peer_*.py, which run in the peers' own environment).
Fairness: the peers' clients speak HTTP to a server of theirs, ours speaks to PostgreSQL; what is compared is what an
app waits for.
"""

import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from benchmarks.ingest.world import CLIENTS, World
from glow_pipelines.database import urls

HERE = Path(__file__).parent
SECONDS = 15


def compare(world: World, python: Path | None) -> dict[str, Any]:
    """Rows a second and latencies of all three, and ours over theirs."""
    ours = _clients([sys.executable, str(HERE / "peer_glow.py"), world.app], {})
    if python is None:
        return {"glow": ours, "skipped": "name a Python with mlflow and arize-phoenix by --peers to compare with them"}
    found: dict[str, Any] = {"glow_before": ours}
    with _mlflow(world, python) as address:
        found["mlflow"] = _clients(
            [str(python), str(HERE / "peer_mlflow.py"), address], {"MLFLOW_TRACKING_URI": address}
        )
    with _phoenix(world, python) as address:
        found["phoenix"] = _clients([str(python), str(HERE / "peer_phoenix.py"), address], {})
    found["glow_after"] = _clients([sys.executable, str(HERE / "peer_glow.py"), world.app], {})
    mine = statistics.mean([found["glow_before"]["per_second"], found["glow_after"]["per_second"]])
    found["ratio"] = {name: mine / found[name]["per_second"] for name in ("mlflow", "phoenix")}
    return found


def _clients(command: Sequence[str], environ: dict[str, str]) -> dict[str, float]:
    """Start all, let them say that they are ready, let them go together, collect the times of their calls."""
    started = [
        subprocess.Popen(
            [*command, str(number), str(SECONDS)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | environ,
        )
        for number in range(CLIENTS)
    ]
    for each in started:
        assert each.stdout is not None
        if each.stdout.readline().strip() != "ready":
            raise RuntimeError(f"{command[1]} did not get ready")
    for each in started:
        assert each.stdin is not None
        each.stdin.write("go\n")
        each.stdin.flush()
    times: list[float] = []
    for each in started:
        assert each.stdout is not None
        times += json.loads(each.stdout.readline())
        each.wait(timeout=60)
    cuts = statistics.quantiles(times, n=100)
    return {"per_second": len(times) / SECONDS, "p50_ms": cuts[49] * 1000, "p95_ms": cuts[94] * 1000}


@contextmanager
def _mlflow(world: World, python: Path) -> Iterator[str]:
    port = _free_port()
    store = (
        urls.parse(world.database("mlflow")).set(drivername="postgresql+psycopg2").render_as_string(hide_password=False)
    )
    with tempfile.TemporaryDirectory() as folder:
        command = [str(python), "-m", "mlflow", "server", "--backend-store-uri", store, "--workers", "1"]
        command += ["--default-artifact-root", folder, "--host", "127.0.0.1", "--port", str(port)]
        with _server(command, f"http://127.0.0.1:{port}", "/health", {}):
            yield f"http://127.0.0.1:{port}"


@contextmanager
def _phoenix(world: World, python: Path) -> Iterator[str]:
    port = _free_port()
    with tempfile.TemporaryDirectory() as folder:
        environ = {
            "PHOENIX_SQL_DATABASE_URL": world.database("phoenix"),
            "PHOENIX_PORT": str(port),
            "PHOENIX_GRPC_PORT": str(_free_port()),
            "PHOENIX_HOST": "127.0.0.1",
            "PHOENIX_WORKING_DIR": folder,
            "PHOENIX_TELEMETRY_ENABLED": "false",
        }
        with _server(
            [str(python), "-m", "phoenix.server.main", "serve"], f"http://127.0.0.1:{port}", "/healthz", environ
        ):
            yield f"http://127.0.0.1:{port}"


@contextmanager
def _server(command: Sequence[str], address: str, path: str, environ: dict[str, str]) -> Iterator[None]:
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=os.environ | environ, start_new_session=True)
        try:
            deadline = time.monotonic() + 180
            while not _answers(address + path):
                if process.poll() is not None or time.monotonic() > deadline:
                    log.seek(0)
                    raise RuntimeError(f"{command[2]} does not start: {log.read()[-3000:].decode(errors='replace')}")
                time.sleep(0.5)
            yield
        finally:
            os.killpg(process.pid, 15)
            process.wait(timeout=60)


def _answers(address: str) -> bool:
    assert urlsplit(address).hostname == "127.0.0.1"
    try:
        with urllib.request.urlopen(address, timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
