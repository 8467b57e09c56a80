"""The proxy that does it: between a client and a server, at the socket, where a real network breaks.

Belongs here: forwarding, breaking. Does not: choosing (catalog), rewriting. A client library cannot tell it from a bad
service, which is what makes a test with it worth something: patched transports were passed by, unnoticed.
"""

import http.client
import json
import select
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from glow_pipelines.providers.faults import rewriting
from glow_pipelines.providers.faults.catalog import FAULTS, Fault, Script, strikes

_HOP = {"connection", "host", "content-length", "transfer-encoding", "accept-encoding", "keep-alive", "expect"}
_GARBAGE = b"<html><body>502 Bad Gateway</body></html>"
_TIMEOUT_S = 600.0


@dataclass(frozen=True)
class Passed:
    """A request that came: what it was, the fault that struck it, and the service's status, None where it never saw it
    or did not answer."""

    method: str
    path: str
    fault: str | None
    status: int | None


class FaultyProvider:
    """`with FaultyProvider(url, Script([...])) as proxy:` serves on `proxy.url` what `url` serves, but for the faults.

    `url` is a base URL as clients are given it, its path included. Answers are passed on whole, never as a stream.
    """

    def __init__(
        self,
        upstream: str,
        script: Script,
        port: int = 0,
        on_request: Callable[[Passed], None] = lambda passed: None,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        parts = urlsplit(upstream)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"upstream: {upstream!r}; give a base URL, e.g. http://127.0.0.1:8000/v1")
        self.script, self.passed = script, list[Passed]()
        self._upstream, self._on_request, self._clock, self._now = parts, on_request, clock, now
        self._made: dict[str, float] = {}
        self.stopping = threading.Event()
        self._server = _Server(("127.0.0.1", port), self)
        self.url = f"http://127.0.0.1:{self._server.server_port}{parts.path.rstrip('/')}"

    def __enter__(self) -> "FaultyProvider":
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()

    def note(self, passed: Passed) -> None:
        self.passed.append(passed)
        self._on_request(passed)

    def forward(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, str, bytes]:
        """Status, content type and body of the service's answer. Raises OSError, HTTPException where it gives none."""
        parts = self._upstream
        assert parts.hostname is not None
        connection = (
            http.client.HTTPSConnection(
                parts.hostname, parts.port, timeout=_TIMEOUT_S, context=ssl.create_default_context()
            )
            if parts.scheme == "https"
            else http.client.HTTPConnection(parts.hostname, parts.port, timeout=_TIMEOUT_S)
        )
        try:
            connection.request(method, path, body or None, headers)
            answer = connection.getresponse()
            found = answer.status, answer.headers.get("content-type", "application/json"), answer.read()
        finally:
            connection.close()
        if found[0] < 300 and strikes(FAULTS["500"], method, path.partition("?")[0]):
            self._remember(found[2])
        return found

    def late(self, body: bytes) -> bytes:
        """A list of jobs without those that are too young for it."""
        young = {id for id, made in self._made.items() if self._clock() - made < self.script.lag}
        return rewriting.without(body, young) if young else body

    def rewritten(self, fault: Fault, body: bytes) -> bytes:
        return rewriting.rewrite(fault.name, body, self._now())

    def _remember(self, body: bytes) -> None:
        try:
            self._made[json.loads(body)["id"]] = self._clock()
        except (ValueError, TypeError, LookupError):
            return


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], proxy: FaultyProvider) -> None:
        self.proxy = proxy
        super().__init__(address, _Handler)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet: requests are noted."""

    def _serve(self) -> None:
        body = self._body()
        fault = self.server.proxy.script.take(self.command, self.path.partition("?")[0])
        status = None
        try:
            status = self._serve_with(fault, body)
        finally:
            self.server.proxy.note(Passed(self.command, self.path, fault.name if fault else None, status))

    def _serve_with(self, fault: Fault | None, body: bytes) -> int | None:
        """The service's status, None where it never answered."""
        proxy, kind = self.server.proxy, fault.kind if fault else None
        if fault is not None and kind == "refuse":
            self._refuse(fault)
            return None
        if kind == "break":
            self._reset()
            return None
        if fault is not None and kind == "delay":
            proxy.stopping.wait(fault.seconds or 0)
        headers = {key: value for key, value in self.headers.items() if key.lower() not in _HOP}
        try:
            if kind == "twice":
                proxy.forward(self.command, self.path, headers, body)
            status, content_type, answer = proxy.forward(self.command, self.path, headers, body)
        except (OSError, http.client.HTTPException):
            self._reset()  # the service is not there: neither are we
            return None
        if fault is not None and kind == "after":
            self._break_after(fault)
            return status
        if fault is not None and kind == "rewrite" and status < 300:
            answer = proxy.rewritten(fault, answer)
        if strikes(FAULTS["list-lag"], self.command, self.path.partition("?")[0]):
            answer = proxy.late(answer)
        self._answer(status, content_type, answer)
        return status

    do_GET = do_POST = do_DELETE = do_PUT = do_PATCH = _serve  # noqa: N815

    def _refuse(self, fault: Fault) -> None:
        if fault.name == "429":
            wait = {"retry-after-ms": str(int(1000 * (fault.seconds or 0)))}
            self._error(429, "too many requests", "rate_limit_exceeded", wait)
        elif fault.name == "403":
            self._error(403, "fine-tuning is not available to this organization", "training_not_available")
        elif fault.name == "model-404":
            self._error(404, "the model does not exist or you do not have access to it", "model_not_found")
        elif fault.name == "garbage":
            self._answer(200, "application/json", _GARBAGE)
        else:
            self._error(500, "the server had an error", None)

    def _break_after(self, fault: Fault) -> None:
        if fault.name.endswith("drop"):
            self._reset()
        elif fault.name.endswith("garbage"):
            self._answer(200, "application/json", _GARBAGE)
        elif fault.name.endswith("hang"):
            self._hang(fault.seconds or 0)
        else:
            self._error(500, "the server had an error", None)

    def _answer(self, status: int, kind: str, body: bytes, headers: dict[str, str] | None = None) -> None:
        try:
            self.send_response(status)
            for name, value in {"content-type": kind, "content-length": str(len(body)), **(headers or {})}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)
        except OSError:
            self.close_connection = True

    def _error(self, status: int, message: str, code: str | None, headers: dict[str, str] | None = None) -> None:
        error = {"error": {"message": message, "type": "injected_fault", "param": None, "code": code}}
        self._answer(status, "application/json", json.dumps(error).encode(), headers)

    def _reset(self) -> None:
        """Not a close in good order, which some clients take for the end of an answer."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def _hang(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not self.server.proxy.stopping.is_set():
            readable, _, _ = select.select([self.connection], [], [], 0.05)
            if readable and not self.connection.recv(1, socket.MSG_PEEK):
                break  # the client has given up
        self.close_connection = True

    def _body(self) -> bytes:
        """However it comes: with its length, or in chunks."""
        if "chunked" not in self.headers.get("transfer-encoding", ""):
            return self.rfile.read(int(self.headers.get("content-length") or 0))
        parts = []
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)
