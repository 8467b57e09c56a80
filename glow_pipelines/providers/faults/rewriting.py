"""Right answers made into odd ones.

Belongs here: bodies in, bodies out. Does not: when (catalog), sending them (proxy).
"""

import csv
import io
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

NEW_STATUS = "reticulating"
NOTICE = timedelta(days=30)
_LACKING = ("train_accuracy", "valid_loss", "full_valid_loss", "full_valid_mean_token_accuracy")
_OTHERWISE = {"valid_mean_token_accuracy": "valid_accuracy"}


def rewrite(name: str, body: bytes, now: datetime) -> bytes:
    """The body as the fault `name` would have it; a body it knows nothing about stays as it is."""
    if name == "result-columns":
        return _columns(body)
    try:
        answer = json.loads(body)
    except ValueError:
        return body
    if not isinstance(answer, dict):
        return body
    objects = answer["data"] if isinstance(answer.get("data"), list) else [answer]
    if name == "events-disordered":  # the newest stays the last, as the cursor of the next page is made of that one
        objects[:-1] = objects[-2::-1]
    elif name == "events-doubled":
        objects[:] = [event for event in objects for _ in range(2)]
    else:
        for each in objects:
            if isinstance(each, dict):
                each |= _CHANGES[name](each, now)
    return json.dumps(answer).encode()


def without(body: bytes, ids: set[str]) -> bytes:
    """A list without some of its objects."""
    try:
        answer = json.loads(body)
        answer["data"] = [each for each in answer["data"] if each["id"] not in ids]
    except (ValueError, TypeError, LookupError):
        return body
    return json.dumps(answer).encode()


def _unknown(job: dict[str, Any], now: datetime) -> dict[str, Any]:
    return {"status": NEW_STATUS}


def _failed(job: dict[str, Any], now: datetime) -> dict[str, Any]:
    error = {"code": "exceeded_quota", "message": "the job ran out of its quota", "param": None}
    ended = {"fine_tuned_model": None, "finished_at": int(now.timestamp())}
    return {"status": "failed", "error": error, **ended}


def _file_error(file: dict[str, Any], now: datetime) -> dict[str, Any]:
    return {"status": "error", "status_details": "the file could not be read"}


def _shutdown(model: dict[str, Any], now: datetime) -> dict[str, Any]:
    return {"shutdown_date": (now + NOTICE).date().isoformat()}


_CHANGES: dict[str, Callable[[dict[str, Any], datetime], dict[str, Any]]] = {
    "unknown-status": _unknown,
    "job-failed": _failed,
    "file-error": _file_error,
    "shutdown-soon": _shutdown,
}


def _columns(body: bytes) -> bytes:
    rows = list(csv.DictReader(io.StringIO(body.decode("utf-8", "replace"))))
    if not rows:
        return body
    kept = [name for name in rows[0] if name not in _LACKING]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_OTHERWISE.get(name, name) for name in kept)
    writer.writerows([row[name] for name in kept] for row in rows)
    return text.getvalue().encode()
