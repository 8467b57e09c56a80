"""Together's and Fireworks' fine-tuning over real HTTP on loopback, in memory, with faults for the next create.

Shapes are those of their references; what a client of theirs would not send is refused as they refuse it.
"""

import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar, TypeVar
from urllib.parse import parse_qs, unquote, urlsplit

KEY = "secret-key"
AFTER_THE_JOB_EXISTS = ("500", "dropped", "hangs", "garbage", "no id")
UNKNOWN_OUTCOMES = ("500", "dropped", "garbage", *(f"created then {fault}" for fault in AFTER_THE_JOB_EXISTS))


S = TypeVar("S", bound=ThreadingHTTPServer)


class Refused(Exception):
    """An HTTP answer that is none of success."""

    def __init__(self, status: int, body: dict[str, Any], headers: dict[str, str] | None = None) -> None:
        super().__init__(status)
        self.status, self.body, self.headers = status, body, headers or {}


class Handler(BaseHTTPRequestHandler):
    server: "TuningServer"

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""

    def answer(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def handle_any(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        url = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        self.server.asked.append(f"{self.command} {url.path}")
        if self.headers.get("Authorization") != f"Bearer {KEY}":
            self.answer(401, {"error": {"message": "no such key", "code": "unauthorized"}})
            return
        creates = self.command == "POST" and self.server.creates_job(url.path)
        fault = ""
        if creates:
            self.server.posts += 1
            fault, self.server.fault = self.server.fault, ""
        try:
            early = self.server.before(fault)
            if early is not None:
                self.answer(200, early)
                return
            body = self.server.route(self.command, unquote(url.path), query, raw, self.headers)
            late = fault.removeprefix("created then ") if fault.startswith("created then ") else ""
            if late == "500":
                raise Refused(500, {"error": {"message": "boom"}})
            if late == "hangs":
                time.sleep(1.2)
            if late == "dropped":
                raise ConnectionAbortedError
            self.answer(200, {"garbage": b"<html>", "no id": {}}.get(late, body))
        except Refused as refused:
            self.answer(refused.status, refused.body, refused.headers)
        except ConnectionAbortedError:
            self.close_connection = True

    do_GET = do_POST = do_DELETE = handle_any  # noqa: N815 -- names of the standard library


class TuningServer(ThreadingHTTPServer):
    daemon_threads = True
    prefix: ClassVar[str]

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.jobs: dict[str, dict[str, Any]] = {}
        self.files: dict[str, dict[str, Any]] = {}
        self.contents: dict[str, bytes] = {}
        self.models: dict[str, dict[str, Any]] = {}
        self.asked: list[str] = []
        self.posts = 0
        self.fault = ""
        self.lag = 0  # lists of jobs still to come that do not show the newest

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away in the middle is what some tests are about."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}{self.prefix}"

    def before(self, fault: str) -> bytes | None:
        """What strikes before anything is created; bytes are the body of a 200."""
        if fault == "429":
            raise Refused(429, {"error": {"message": "slow down"}}, {"retry-after-ms": "1500"})
        if fault == "500":
            raise Refused(500, {"error": {"message": "boom"}})
        if fault == "403":
            raise Refused(403, {"error": {"message": "closed to you", "code": "training_not_available"}})
        if fault == "400":
            raise Refused(400, {"error": {"message": "bad suffix", "code": "invalid"}})
        if fault == "redirect":
            raise Refused(307, {}, {"Location": "http://127.0.0.1:9/elsewhere"})
        if fault == "dropped":
            raise ConnectionAbortedError
        return b"not json" if fault == "garbage" else None

    def creates_job(self, path: str) -> bool:
        raise NotImplementedError

    def paid(self) -> list[dict[str, Any]]:
        raise NotImplementedError

    def route(self, method: str, path: str, query: dict[str, str], raw: bytes, headers: Any) -> Any:
        raise NotImplementedError

    def multipart(self, raw: bytes, headers: Any) -> tuple[dict[str, str], bytes]:
        """The fields of a form and the bytes of its file."""
        boundary = headers["Content-Type"].split("boundary=")[1].encode()
        fields, content = {}, b""
        for part in raw.split(b"--" + boundary)[1:-1]:
            head, _, body = part.partition(b"\r\n\r\n")
            name = re.search(rb'name="([^"]+)"', head)
            assert name
            if b"filename=" in head:
                content = body.removesuffix(b"\r\n")
            else:
                fields[name[1].decode()] = body.removesuffix(b"\r\n").decode()
        return fields, content

    def visible(self) -> list[dict[str, Any]]:
        jobs = list(self.jobs.values())
        if self.lag:
            self.lag -= 1
            return jobs[:-1]
        return jobs


class Together(TuningServer):
    prefix = "/v1"
    _FIELDS: ClassVar = {
        "model", "training_file", "validation_file", "suffix", "n_epochs", "n_evals", "n_checkpoints", "batch_size",
        "learning_rate", "training_method", "training_type", "random_seed",
    }  # fmt: skip

    def creates_job(self, path: str) -> bool:
        return path == "/v1/fine-tunes"

    def route(self, method: str, path: str, query: dict[str, str], raw: bytes, headers: Any) -> Any:
        parts = path.removeprefix("/v1/").split("/")
        match method, parts:
            case "GET", ["files"]:
                return {"data": list(self.files.values())}
            case "POST", ["files", "upload"]:
                fields, content = self.multipart(raw, headers)
                assert fields["purpose"] == "fine-tune"
                identity = f"file-{len(self.files)}"
                self.contents[identity] = content
                self.files[identity] = {
                    "id": identity, "object": "file", "created_at": 1_790_000_000, "filename": fields["file_name"],
                    "bytes": len(content), "purpose": "fine-tune", "Processed": True, "FileType": "jsonl",
                }  # fmt: skip
                return self.files[identity]
            case "DELETE", ["files", identity]:
                return {"id": self.files.pop(self._known(self.files, identity))["id"], "deleted": True}
            case "GET", ["fine-tunes"]:
                return {"data": self.visible()}
            case "POST", ["fine-tunes"]:
                return self._create(json.loads(raw))
            case "GET", ["fine-tunes", identity]:
                return self.jobs[self._known(self.jobs, identity)]
            case "POST", ["fine-tunes", identity, "cancel"]:
                self.jobs[self._known(self.jobs, identity)]["status"] = "cancel_requested"
                return self.jobs[identity]
            case "GET", ["fine-tunes", identity, "events"]:
                return {"data": self.jobs[self._known(self.jobs, identity)]["events"]}
            case "GET", ["fine-tunes", identity, "checkpoints"]:
                return {"data": self.jobs[self._known(self.jobs, identity)].get("checkpoints", [])}
            case "GET", ["models"]:
                return list(self.models.values())  # a bare list, as the service answers
        raise Refused(404, {"error": {"message": f"no such path {path}"}})

    def _create(self, body: dict[str, Any]) -> dict[str, Any]:
        if unknown := body.keys() - self._FIELDS:
            raise Refused(400, {"error": {"message": f"unknown fields {sorted(unknown)}"}})
        if body["training_file"] not in self.files or len(body.get("suffix", "")) > 40:
            raise Refused(400, {"error": {"message": "unknown file or long suffix"}})
        number = len(self.jobs)
        base = body["model"].rsplit("/", 1)[-1]
        job = {
            "id": f"ft-{number:08x}", "status": "pending", "created_at": f"2026-11-2{number % 9}T10:00:00.000Z",
            "updated_at": f"2026-11-2{number % 9}T10:00:00.000Z", "user_id": "u", "owner_address": "o",
            "model": body["model"], "model_output_name": f"acme/{base}-{body['suffix']}-{number:08x}",
            "training_file": body["training_file"], "token_count": 850, "total_price": 1500, "events": [],
            "n_epochs": body.get("n_epochs", 1), "sent": body,
        }  # fmt: skip
        self.jobs[job["id"]] = job
        return {name: value for name, value in job.items() if name != "sent"}

    def _known(self, table: dict[str, Any], identity: str) -> str:
        if identity not in table:
            raise Refused(404, {"error": {"message": f"no such thing {identity}"}})
        return identity

    def paid(self) -> list[dict[str, Any]]:
        return [job for job in self.jobs.values() if job["status"] not in ("cancelled", "cancel_requested")]


class Fireworks(TuningServer):
    prefix = "/v1"
    account = "acme"
    page = 2

    def creates_job(self, path: str) -> bool:
        return path.endswith(("/supervisedFineTuningJobs", "/dpoJobs"))

    def route(self, method: str, path: str, query: dict[str, str], raw: bytes, headers: Any) -> Any:
        if not path.startswith(f"/v1/accounts/{self.account}/"):
            raise Refused(403, {"code": 7, "message": "not your account"})
        parts = path.removeprefix(f"/v1/accounts/{self.account}/").split("/")
        match method, parts:
            case "POST", ["datasets"]:
                body = json.loads(raw)
                return self._new(self.files, f"datasets/{body['datasetId']}", {**body["dataset"], "state": "UPLOADING"})
            case "POST", ["datasets", called] if called.endswith(":upload"):
                name = f"datasets/{called.removesuffix(':upload')}"
                self._known(self.files, name)["state"] = "READY"
                self.contents[name] = self.multipart(raw, headers)[1]
                return {}
            case "GET", ["datasets", identity]:
                return self._known(self.files, f"datasets/{identity}")
            case "GET", ["datasets"]:
                return self._page(list(self.files.values()), "datasets", query)
            case "DELETE", ["datasets", identity]:
                self._known(self.files, f"datasets/{identity}")
                del self.files[f"datasets/{identity}"]
                return {}
            case "POST", [kind]:
                return self._create(kind, query.get(f"{kind[:-1]}Id", "random"), json.loads(raw))
            case "GET", [("supervisedFineTuningJobs" | "dpoJobs") as kind]:
                jobs = [job for job in self.visible() if f"/{kind}/" in job["name"]]
                return self._page(jobs, kind, query)
            case "POST", [kind, called] if called.endswith(":resume"):
                job = self._known(self.jobs, f"{kind}/{called.removesuffix(':resume')}")
                job["state"] = "JOB_STATE_RUNNING"
                return job
            case "GET", [("supervisedFineTuningJobs" | "dpoJobs") as kind, identity]:
                return self._known(self.jobs, f"{kind}/{identity}")
            case "DELETE", [kind, identity]:
                self._known(self.jobs, f"{kind}/{identity}")
                del self.jobs[f"{kind}/{identity}"]
                return {}
            case "GET", ["models", identity]:
                return self._known(self.models, f"models/{identity}")
        raise Refused(404, {"code": 5, "message": f"no such path {path}"})

    def _create(self, kind: str, identity: str, body: dict[str, Any]) -> dict[str, Any]:
        if not re.fullmatch(r"[a-z0-9-]{1,63}", identity):
            raise Refused(400, {"code": 3, "message": f"invalid id {identity}"})
        if body["dataset"].removeprefix(f"accounts/{self.account}/") not in self.files:
            raise Refused(400, {"code": 3, "message": f"unknown dataset {body['dataset']}"})
        about = {"state": "JOB_STATE_CREATING", "status": {"code": "OK", "message": ""}, **body}
        return self._new(self.jobs, f"{kind}/{identity}", about)

    def _new(self, table: dict[str, Any], name: str, about: dict[str, Any]) -> dict[str, Any]:
        if name in table:
            raise Refused(409, {"code": 6, "message": f"{name} exists already"})
        created = f"2026-11-2{len(table) % 9}T10:00:00Z"
        table[name] = {"name": f"accounts/{self.account}/{name}", "createTime": created, **about}
        return dict(table[name])

    def _known(self, table: dict[str, Any], name: str) -> dict[str, Any]:
        if name not in table:
            raise Refused(404, {"code": 5, "message": f"{name} not found"})
        found: dict[str, Any] = table[name]
        return found

    def _page(self, rows: list[dict[str, Any]], name: str, query: dict[str, str]) -> dict[str, Any]:
        start = int(query.get("pageToken", "0"))
        more = start + self.page < len(rows)
        return {name: rows[start : start + self.page], **({"nextPageToken": str(start + self.page)} if more else {})}

    def paid(self) -> list[dict[str, Any]]:
        return list(self.jobs.values())


@contextmanager
def running(server: S) -> Iterator[S]:
    """The server, answering until the end of the block."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
