"""A stand-in for the `POST /rpc/function` of PostgREST, and so of Supabase, in front of a real database.

Belongs here: what its documentation says of that one request: a verified token gives role and claims, the body the
named arguments of one call in one transaction, a SQLSTATE the HTTP status. Does not: anything else. It was written from
the documentation, not tried against PostgREST.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import psycopg
from psycopg import sql

ARGUMENTS = """
select u.name, format_type(u.type, null)
  from pg_proc p, unnest(p.proargnames, p.proargtypes::oid[]) as u(name, type)
 where p.pronamespace = %s::regnamespace and p.proname = %s
"""


def sign(claims: Mapping[str, Any], secret: bytes) -> str:
    """A JSON Web Token, HS256."""
    parts = [_encode(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, claims)]
    return ".".join([*parts, _encode(_signature(".".join(parts), secret))])


@contextmanager
def gateway(url: str, secret: bytes) -> Iterator[str]:
    """Serve schema glow_api as the login of `url`; gives the address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            token = self.headers.get("Authorization", "").removeprefix("Bearer ")
            status, answer = 406, {"code": "PGRST106", "message": "The schema must be glow_api"}
            if self.headers.get("Content-Profile") == "glow_api":
                status, answer = _respond(url, self.path.rpartition("/rpc/")[2], json.loads(body), token, secret)
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json; charset=utf-8")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def _respond(url: str, function: str, body: Mapping[str, Any], token: str, secret: bytes) -> tuple[int, Any]:
    content, _, signature = token.rpartition(".")
    if not hmac.compare_digest(signature, _encode(_signature(content, secret))):
        return 401, {"code": "PGRST301", "message": "JWT cryptographic operation failed"}
    claims = json.loads(_decode(content.partition(".")[2]))
    try:
        with psycopg.connect(url) as connection:
            types = dict(connection.execute(ARGUMENTS, ("glow_api", function)).fetchall())
            if body.keys() - types.keys():
                return 404, {"code": "PGRST202", "message": f"Could not find the function glow_api.{function}"}
            connection.execute(
                "select set_config('role', %s, true), set_config('request.jwt.claims', %s, true)",
                (claims["role"], json.dumps(claims)),
            )
            names = [(sql.Identifier(name), sql.SQL(types[name])) for name in body]
            call = sql.SQL("select glow_api.{}({}) from json_to_record(%s) as body({})").format(
                sql.Identifier(function),
                sql.SQL(", ").join(sql.SQL("{0} => body.{0}").format(name) for name, _ in names),
                sql.SQL(", ").join(sql.SQL("{} {}").format(name, type_) for name, type_ in names),
            )
            row = connection.execute(call, (json.dumps(body),)).fetchone()
            return 200, row and row[0]
    except psycopg.Error as error:
        code = error.sqlstate or ""
        status = int(code[2:]) if code.startswith("PT") else {"42501": 403}.get(code, 400)
        diag = error.diag
        return status, {
            "code": code,
            "message": diag.message_primary,
            "details": diag.message_detail,
            "hint": diag.message_hint,
        }


def _signature(content: str, secret: bytes) -> bytes:
    return hmac.digest(secret, content.encode(), hashlib.sha256)


def _encode(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _decode(content: str) -> bytes:
    return base64.urlsafe_b64decode(content + "=" * (-len(content) % 4))
