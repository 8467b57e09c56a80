"""Keeping one embedded model server alive for all processes of a home.

Belongs here: starting it on demand, finding the running one, stopping it. Does not: what it serves (server).
"""

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from glow_pipelines.files import exclusive
from glow_pipelines.providers.local import alive
from glow_pipelines.providers.local.home import Home, Wanted
from glow_pipelines.providers.local.weights import EMBEDDING_NAME, ModelUnavailable, check_weights, find_weights

_START_S = 120.0
_ANSWER_S = 20.0  # a server that listens but does not answer for so long hangs, even on a busy machine
_STOP_S = 10.0
_LONGEST_LOG = 1 << 20
# Kept, and looked at now and then, so that a server that died does not stay a zombie of whoever started it.
_children: list[subprocess.Popen[bytes]] = []


@dataclass(frozen=True)
class LocalEndpoint:
    """Where the server listens and what it serves."""

    base_url: str
    chat_model: str
    embedding_model: str
    api_key: str = field(repr=False)


@dataclass(frozen=True)
class LocalStatus:
    """Whether the server answers, and its process; `pid` alone is set while it loads."""

    running: bool
    pid: int | None
    port: int | None
    chat_model: str | None


class LocalModels:
    """The server of one home folder. Several processes may hold one of these: they share the server.

    It outlives them: `stop` ends it. After a kill -9 of it, the next `start` brings a new one. A `start` with another
    configuration replaces it. `trainer`: the command line that trains adapters in a folder, None for our own.
    """

    def __init__(
        self,
        home: Path,
        chat_model: Path | None = None,
        threads: int = 1,
        workers: int = 2,
        trainer: str | None = None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._home, self._sleep, self._clock = Home(home.resolve()), sleep, clock
        self._wanted = Wanted.of(chat_model, threads, workers, trainer)

    def start(self) -> LocalEndpoint:
        """Attach to the running server, or start one. Raises ModelUnavailable with the remedy."""
        weights = find_weights(self._wanted.chat_path)
        fingerprint = self._wanted.fingerprint()
        self._home.make()
        with exclusive(self._home.lock):
            address = self._running()
            if address is None or address["wanted"] != fingerprint:
                self._end()
                check_weights(weights, self._wanted.chat_model is not None, self._home.remembered)
                address = self._launch()
        base_url = f"http://127.0.0.1:{address['port']}/v1"
        return LocalEndpoint(base_url, address["chat_name"], EMBEDDING_NAME, self._home.api_key())

    def stop(self) -> None:
        """End the server whoever started it; nothing happens when none runs."""
        if self._home.alive.exists():
            with exclusive(self._home.lock):
                self._end()

    def status(self) -> LocalStatus:
        """What is there now; starts nothing."""
        pid, address = alive.holder(self._home.alive), self._address()
        if pid is None or address is None:
            return LocalStatus(False, pid, None, None)
        return LocalStatus(self._answers(address), pid, address["port"], address["chat_name"])

    def _address(self) -> dict[str, Any] | None:
        """Of the living server; None while it loads or when there is none."""
        pid, address = alive.holder(self._home.alive), self._home.read_address()
        return address if pid is not None and address is not None and address["pid"] == pid else None

    def _running(self) -> dict[str, Any] | None:
        """The living server, waited for while it loads (its starter was killed); None when none lives or it hangs."""
        began = self._clock()
        while alive.holder(self._home.alive) is not None:
            address = self._address()
            if address is not None and self._answers(address):
                return address
            if self._clock() - began > (_START_S if address is None else _ANSWER_S):
                return None
            self._sleep(0.1)
        return None

    def _launch(self) -> dict[str, Any]:
        log = self._home.log
        if log.exists() and log.stat().st_size > _LONGEST_LOG:
            log.replace(log.with_suffix(".log.1"))
        self._home.api_key()
        wanted = self._wanted
        arguments = [
            "--home",
            str(self._home.folder),
            "--threads",
            str(wanted.threads),
            "--workers",
            str(wanted.workers),
        ]
        if wanted.chat_model is not None:
            arguments += ["--chat-model", wanted.chat_model]
        if wanted.trainer is not None:
            arguments += ["--trainer", wanted.trainer]
        with log.open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "glow_pipelines.providers.local", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # neither Ctrl-C nor the end of whoever started it ends it
            )
        _children.append(process)
        deadline = self._clock() + _START_S
        while self._clock() < deadline and process.poll() is None:
            address = self._address()
            if address is not None and address["pid"] == process.pid and self._answers(address):
                return address
            self._sleep(0.05)
        process.kill()
        process.wait()
        tail = log.read_text(encoding="utf-8", errors="replace")[-1500:]
        raise ModelUnavailable(f"the embedded model server did not start; the end of {log}:\n{tail}")

    def _end(self) -> None:
        began = self._clock()
        while (pid := alive.holder(self._home.alive)) is not None:
            if pid:  # 0: it is just beginning, and its number not yet known
                _signal(pid, signal.SIGTERM if self._clock() - began < _STOP_S else signal.SIGKILL)
            self._sleep(0.1)
        _children[:] = [child for child in _children if child.poll() is None]

    def _answers(self, address: dict[str, Any]) -> bool:
        request = urllib.request.Request(
            f"http://127.0.0.1:{address['port']}/health", headers={"Authorization": f"Bearer {self._home.api_key()}"}
        )
        try:
            # A proxy from the environment must not be asked for loopback.
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=5) as answer:
                return bool(answer.status == 200)
        except (OSError, urllib.error.URLError):
            return False


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return
