"""Feedback tokens under attack: what a browser holds is good for one person's vote on one execution, and no more.

Belongs here: forging, changing, replaying and outliving tokens. Does not: tenants of logins, limits, roles.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from tests.api.calling import AGENT, Refused, attempt, call, one, register
from tests.api.logins import Logins


@pytest.fixture
def browser(logins: Logins) -> psycopg.Connection:
    return logins.connect("glow_browser")


@pytest.fixture
def token(app: psycopg.Connection) -> str:
    return issue(app, f"e-{uuid4().hex}")


@pytest.fixture
def keys(admin: psycopg.Connection) -> Iterator[psycopg.Connection]:
    """For tests that rotate or revoke: the database of the file is shared, a new key is there for the next test."""
    yield admin
    call(admin, "rotate_token_key")


def issue(connection: psycopg.Connection, execution_id: str, user_id: str = "u", **more: Any) -> str:
    answer = call(
        connection, "issue_feedback_token", **{"agent": AGENT, "execution_id": execution_id, "user_id": user_id, **more}
    )
    return str(answer["token"])


def encode(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def decode(text: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    return found


def vote(connection: psycopg.Connection, token: str | None, **said: Any) -> Any:
    return attempt(connection, "submit_feedback_with_token", token=token, **(said or {"thumbs": 1}))


def votes(admin: psycopg.Connection) -> int:
    return int(one(admin, "select count(*) from glow.agent_feedback"))


def assert_not_believed(browser: psycopg.Connection, admin: psycopg.Connection, token: str | None) -> None:
    before = votes(admin)
    answer = vote(browser, token)
    assert isinstance(answer, Refused), f"believed: {answer}"
    assert answer.code == "PT401"
    assert "token" in answer.message
    assert votes(admin) == before


def test_a_token_votes_for_its_person_on_its_execution(
    browser: psycopg.Connection, admin: psycopg.Connection, token: str
) -> None:
    claims = decode(token.split(".")[0])
    answer = vote(browser, token, rating=4, comment="good")
    assert answer["status"] == "accepted"
    row = admin.execute(
        "select tenant, execution_id, user_id, rating, comment from glow.agent_feedback where feedback_id = %s",
        (answer["feedback_id"],),
    ).fetchone()
    assert row == ("default", claims["execution_id"], "u", 4, "good")


def test_the_signature_is_hmac_sha256_of_the_payload(admin: psycopg.Connection, token: str) -> None:
    payload, signature = token.split(".")
    pads = admin.execute(
        "select inner_pad from glow.token_keys where key_id = %s", (decode(payload)["key"],)
    ).fetchone()
    assert pads is not None
    secret = bytes(byte ^ 0x36 for byte in pads[0])
    assert signature == encode(hmac.new(secret, payload.encode(), hashlib.sha256).digest())


FORGERIES: dict[str, Callable[[str, str], str]] = {
    "no signature": lambda payload, signature: payload,
    "empty signature": lambda payload, signature: f"{payload}.",
    "empty payload": lambda payload, signature: f".{signature}",
    "signature of zeros": lambda payload, signature: f"{payload}.{encode(bytes(32))}",
    "short signature": lambda payload, signature: f"{payload}.{signature[:-1]}",
    "long signature": lambda payload, signature: f"{payload}.{signature}A",
    "one bit of the signature": lambda payload, signature: (
        f"{payload}.{'B' if signature[0] == 'A' else 'A'}{signature[1:]}"
    ),
    "padded": lambda payload, signature: f"{payload}.{signature}=",
    "three parts": lambda payload, signature: f"{payload}.{signature}.{signature}",
    "as a JWT": lambda payload, signature: f"{encode(b'{}')}.{payload}.{signature}",
    "signature first": lambda payload, signature: f"{signature}.{payload}",
    "line break": lambda payload, signature: f"{payload}.{signature}\n",
    "leading blank": lambda payload, signature: f" {payload}.{signature}",
    "unsigned hash": lambda payload, signature: f"{payload}.{encode(hashlib.sha256(payload.encode()).digest())}",
    "HMAC with an empty key": lambda payload, signature: (
        f"{payload}.{encode(hmac.new(b'', payload.encode(), hashlib.sha256).digest())}"
    ),
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_changed_form_is_refused(
    browser: psycopg.Connection, admin: psycopg.Connection, token: str, forgery: str
) -> None:
    payload, signature = token.split(".")
    assert_not_believed(browser, admin, FORGERIES[forgery](payload, signature))


CHANGES: dict[str, dict[str, Any]] = {
    "another person": {"user_id": "victim"},
    "another execution": {"execution_id": "other"},
    "another agent": {"agent": "other"},
    "another tenant": {"tenant": "other"},
    "all tenants": {"tenant": "*"},
    "later": {"expires": 99999999999},
    "never": {"expires": None},
    "no such key": {"key": 2147483647},
    "key zero": {"key": 0},
    "negative key": {"key": -1},
    "null key": {"key": None},
    "a key that is no number": {"key": "1 or 1=1"},
    "a key beyond integers": {"key": 10**30},
    "NaN": {"expires": "NaN"},
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("signed", ["old signature", "own signature", "no signature"])
def test_a_changed_payload_is_refused(
    browser: psycopg.Connection, admin: psycopg.Connection, token: str, change: str, signed: str
) -> None:
    payload, signature = token.split(".")
    forged = encode(json.dumps({**decode(payload), **CHANGES[change]}).encode())
    ends = {
        "old signature": signature,
        "own signature": encode(hmac.new(b"guess", forged.encode(), hashlib.sha256).digest()),
        "no signature": "",
    }
    assert_not_believed(browser, admin, f"{forged}.{ends[signed]}")


def test_payload_and_signature_of_two_tokens_are_no_token(
    browser: psycopg.Connection, admin: psycopg.Connection, app: psycopg.Connection
) -> None:
    first, second = issue(app, "swap-1").split("."), issue(app, "swap-2").split(".")
    assert_not_believed(browser, admin, f"{first[0]}.{second[1]}")
    assert_not_believed(browser, admin, f"{second[0]}.{first[1]}")


GARBAGE = {
    "missing": None,
    "empty": "",
    "dot": ".",
    "dots": "....",
    "prose": "let me in",
    "unicode": "пароль.密码",
    "emoji": "🔑.🔓",
    "direction override": "\u202egpj.exe",
    "zero width": "\u200b.\u200b",
    "base64 of nothing": f"{encode(b'')}.{encode(b'')}",
    "base64 of garbage": f"{encode(bytes(range(256)))}.{encode(bytes(32))}",
    "base64 of a number": f"{encode(b'7')}.{encode(bytes(32))}",
    "base64 of null": f"{encode(b'null')}.",
    "base64 of a list": f"{encode(b'[]')}.",
    "base64 of an object": f"{encode(b'{}')}.",
    "base64 of deep JSON": f"{encode(b'[' * 2000 + b']' * 2000)}.",
    "NUL in JSON": f"{encode(json.dumps({'key': chr(0)}).encode())}.",
    "invalid UTF-8": f"{encode(bytes([0xFF, 0xFE]))}.",
    "SQL": "' or 1=1; drop table glow.agents; --.x",
    "one megabyte": "A" * 1_000_000 + "." + "B" * 43,
    "ten megabytes": "A" * 10_000_000,
}


@pytest.mark.parametrize("kind", GARBAGE)
def test_garbage_is_refused(browser: psycopg.Connection, admin: psycopg.Connection, kind: str) -> None:
    assert_not_believed(browser, admin, GARBAGE[kind])


def test_a_token_expires(browser: psycopg.Connection, admin: psycopg.Connection, app: psycopg.Connection) -> None:
    short = issue(app, "expires", valid_seconds=1)
    admin.execute("select pg_sleep(1.1)")
    assert_not_believed(browser, admin, short)


@pytest.mark.parametrize("seconds", [0, -1, 86401, 2147483647, None])
def test_a_token_lives_for_a_day_at_most(app: psycopg.Connection, seconds: int | None) -> None:
    answer = attempt(app, "issue_feedback_token", agent=AGENT, execution_id="e", user_id="u", valid_seconds=seconds)
    assert isinstance(answer, Refused)
    assert (answer.code, "valid_seconds" in answer.message) == ("PT422", True)


def test_a_token_of_a_rotated_key_stays_good_until_it_expires(
    browser: psycopg.Connection, app: psycopg.Connection, keys: psycopg.Connection, token: str
) -> None:
    call(keys, "rotate_token_key")
    assert vote(browser, token)["status"] == "accepted"
    assert decode(issue(app, "e").split(".")[0])["key"] != decode(token.split(".")[0])["key"]


def test_a_token_of_a_revoked_key_is_refused(
    browser: psycopg.Connection, app: psycopg.Connection, keys: psycopg.Connection, token: str
) -> None:
    call(keys, "revoke_token_keys")
    assert_not_believed(browser, keys, token)
    assert vote(browser, issue(app, f"e-{uuid4().hex}"))["status"] == "accepted"


def test_a_key_older_than_every_token_is_gone_after_rotation(keys: psycopg.Connection, token: str) -> None:
    keys.execute("update glow.token_keys set retired_at = now() - interval '26 hours' where retired_at is not null")
    call(keys, "rotate_token_key")
    call(keys, "rotate_token_key")
    assert one(keys, "select count(*) from glow.token_keys where retired_at < now() - interval '25 hours'") == 0
    assert one(keys, "select count(*) from glow.token_keys where retired_at is null") == 1


def test_a_replay_adds_no_vote(browser: psycopg.Connection, admin: psycopg.Connection, token: str) -> None:
    first = vote(browser, token, thumbs=1)
    before = votes(admin)
    again = [vote(browser, token, thumbs=1) for _ in range(3)]
    assert [answer["status"] for answer in again] == ["unchanged"] * 3
    assert {answer["feedback_id"] for answer in again} == {first["feedback_id"]}
    assert votes(admin) == before
    changed = vote(browser, token, thumbs=-1)
    assert changed["supersedes"] == first["feedback_id"]
    assert vote(browser, token, withdrawn=True)["status"] == "withdrawn"
    execution = decode(token.split(".")[0])["execution_id"]
    assert one(admin, "select count(*) from glow.current_feedback where execution_id = %s", execution) == 1
    current = "select count(*) from glow.agent_feedback where execution_id = %s and superseded_by is null"
    assert one(admin, current, execution) == 0


def test_a_browser_has_the_tenant_of_its_token_and_of_nothing_else(
    logins: Logins, admin: psycopg.Connection, fresh_tenant: Callable[[], str]
) -> None:
    """One gateway login serves the pages of all tenants."""
    tenants = [fresh_tenant(), fresh_tenant()]
    browser = logins.connect("glow_browser")
    for tenant in tenants:
        register(admin, f"agent-{tenant}", tenant)
        app = logins.connect("glow_app", tenant=tenant)
        token = issue(app, "same", "same", agent=f"agent-{tenant}")
        assert vote(browser, token, comment=tenant)["status"] == "accepted"
    rows = admin.execute(
        "select tenant, comment from glow.agent_feedback where tenant = any(%s) order by tenant", (tenants,)
    ).fetchall()
    assert rows == [(tenant, tenant) for tenant in sorted(tenants)]
    assert isinstance(
        attempt(browser, "submit_feedback", agent=AGENT, execution_id="e", user_id="u", thumbs=1), Refused
    )


def test_a_token_names_the_tenant_of_whoever_asked_for_it(
    logins: Logins, admin: psycopg.Connection, fresh_tenant: Callable[[], str]
) -> None:
    mine, theirs = fresh_tenant(), fresh_tenant()
    register(admin, f"agent-{theirs}", theirs)
    app = logins.connect("glow_app", tenant=mine)
    given = {"execution_id": "e", "user_id": "u"}
    assert attempt(app, "issue_feedback_token", agent=AGENT, tenant=theirs, **given).code == "PT403"
    assert attempt(app, "issue_feedback_token", agent=f"agent-{theirs}", **given).code == "PT404"
    assert decode(issue(app, "e").split(".")[0])["tenant"] == mine


def test_a_person_gets_tokens_in_its_own_name_only(logins: Logins) -> None:
    app = logins.connect("glow_app", tenant="default", person="ann")
    assert attempt(app, "issue_feedback_token", agent=AGENT, execution_id="e", user_id="bob").code == "PT403"
    assert issue(app, "e", "ann")


def test_the_longest_ids_fit_into_a_token(browser: psycopg.Connection, app: psycopg.Connection) -> None:
    for letter in ("\N{GRINNING FACE}", '"', "\\"):
        token = issue(app, letter * 200, letter * 200)
        answer = vote(browser, token)
        assert not isinstance(answer, Refused), f"{len(token)} characters: {answer}"


def test_a_token_that_says_nothing_is_refused_as_such(browser: psycopg.Connection, token: str) -> None:
    for withdrawn in (False, None):
        answer = vote(browser, token, withdrawn=withdrawn)
        assert isinstance(answer, Refused), answer
        assert answer.code == "PT422", answer
