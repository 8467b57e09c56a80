"""A small JSON client for services without OpenAI's wire: one request, one answer, never a retry.

Belongs here: requests, multipart forms, and telling every failure as a TuningError. Does not: what the paths and fields
mean (together, fireworks). The standard library's client: it follows no redirect of a POST and repeats nothing.
"""

import http.client
import json
import secrets
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit

from glow_pipelines.providers.tuning.errors import OutcomeUnknownError, refusal

_LARGEST_ANSWER = 64 * 1024 * 1024
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}


@dataclass(frozen=True)
class Rest:
    """A service at `base_url`, asked with a bearer key. Raises TuningError subclasses, and nothing else."""

    base_url: str
    api_key: str = field(repr=False)
    timeout: float = 60.0

    def get(self, path: str, query: Mapping[str, str] | None = None) -> dict[str, Any]:
        return self._ask("GET", path, query, None, None)

    def post(self, path: str, body: Mapping[str, Any], query: Mapping[str, str] | None = None) -> dict[str, Any]:
        return self._ask("POST", path, query, json.dumps(body).encode(), "application/json")

    def delete(self, path: str) -> dict[str, Any]:
        return self._ask("DELETE", path, None, None, None)

    def post_form(self, path: str, fields: Mapping[str, str], file: tuple[str, bytes]) -> dict[str, Any]:
        """POST a multipart form with one file: (its name, its bytes)."""
        boundary = secrets.token_hex(16)
        parts = [
            f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
            for name, value in fields.items()
        ]
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{file[0]}"\r\n'
        parts += [head.encode(), b"Content-Type: application/octet-stream\r\n\r\n", file[1]]
        body = b"".join([*parts, f"\r\n--{boundary}--\r\n".encode()])
        return self._ask("POST", path, None, body, f"multipart/form-data; boundary={boundary}")

    def _ask(
        self, method: str, path: str, query: Mapping[str, str] | None, body: bytes | None, kind: str | None
    ) -> dict[str, Any]:
        url = f"{self.base_url}{path}" + (f"?{urlencode(query)}" if query else "")
        headers = {"Authorization": f"Bearer {self.api_key}", "Accept": "application/json", "User-Agent": "glow"}
        request = urllib.request.Request(url, body, headers | ({"Content-Type": kind} if kind else {}), method=method)
        try:
            with self._opener().open(request, timeout=self.timeout) as answer:
                raw = answer.read(_LARGEST_ANSWER + 1)
        except urllib.error.HTTPError as problem:
            with problem:
                raise _refused(problem, f"{method} {path}") from problem
        except (OSError, http.client.HTTPException, ValueError) as problem:
            raise OutcomeUnknownError(f"{method} {path}: {type(problem).__name__}: {problem}") from problem
        return _object(raw, f"{method} {path}")

    def _opener(self) -> urllib.request.OpenerDirector:
        # A proxy of the environment is no way to this machine itself.
        proxies: dict[str, str] | None = {} if urlsplit(self.base_url).hostname in _LOOPBACK else None
        return urllib.request.build_opener(urllib.request.ProxyHandler(proxies), _NoRedirect())


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect is an answer nobody asked for: following one would send the key to another host."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


def _refused(problem: urllib.error.HTTPError, what: str) -> Exception:
    try:
        raw = problem.read(_LARGEST_ANSWER)
    except (OSError, http.client.HTTPException):
        raw = b""
    try:
        error = json.loads(raw)
        error = error.get("error", error) if isinstance(error, dict) else error
    except (ValueError, RecursionError):
        error = raw.decode("utf-8", "replace")
    code = error.get("code") if isinstance(error, dict) else None
    message = error.get("message") if isinstance(error, dict) else error
    headers = {name.lower(): value for name, value in problem.headers.items()}
    if problem.code < 400:
        return OutcomeUnknownError(f"{what}: HTTP {problem.code}, a redirect that is not followed; check the base URL")
    return refusal(problem.code, str(code), f"{what}: HTTP {problem.code}: {str(message)[:300]}", headers)


def _object(raw: bytes, what: str) -> dict[str, Any]:
    try:
        found = json.loads(raw) if raw.strip() else {}
    except (ValueError, RecursionError) as problem:
        raise OutcomeUnknownError(f"{what}: the answer is no JSON: {raw[:80]!r}") from problem
    if isinstance(found, list):  # some list endpoints answer with the bare list
        return {"data": found}
    if not isinstance(found, dict):
        raise OutcomeUnknownError(f"{what}: the answer is no JSON object: {raw[:80]!r}")
    return found
