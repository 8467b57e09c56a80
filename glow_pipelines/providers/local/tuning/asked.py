"""The body that asks for a job, checked before anything is made of it.

Belongs here: parameters of POST /v1/fine_tuning/jobs, their limits as OpenAI has them. Does not: files, running.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

METHODS = ("supervised", "dpo")
_LARGEST_SEED = 2**31 - 1
# name: type, smallest, largest, may it be "auto". The last two are ours: what a trainer of adapters also wants to know.
_HYPERPARAMETERS: Mapping[str, tuple[type, float, float, bool]] = {
    "n_epochs": (int, 1, 50, True),
    "batch_size": (int, 1, 256, True),
    "learning_rate_multiplier": (float, 1e-6, 1e3, True),
    "beta": (float, 1e-6, 2, True),
    "rank": (int, 1, 256, False),
    "checkpoint_every": (int, 1, 10**6, False),
}


class BadRequest(ValueError):
    """What was asked cannot be done; `parameter` is the one to change."""

    def __init__(self, parameter: str, message: str) -> None:
        super().__init__(f"{parameter}: {message}")
        self.parameter = parameter


@dataclass(frozen=True)
class Asked:
    """A job as it was asked for. File ids are not looked up yet."""

    training_file: str
    validation_file: str | None
    method: str
    hyperparameters: Mapping[str, Any]
    suffix: str | None
    seed: int
    metadata: Mapping[str, str] | None


def read_request(body: Mapping[str, Any], chat_name: str) -> Asked:
    """Raises BadRequest for what is missing, out of its limits or not offered."""
    if body.get("model") != chat_name:
        raise BadRequest("model", f"{str(body.get('model'))[:100]!r} cannot be trained here; use {chat_name!r}")
    training, validation = body.get("training_file"), body.get("validation_file")
    if not isinstance(training, str):
        raise BadRequest("training_file", "the id of an uploaded file is needed")
    if validation is not None and not isinstance(validation, str):
        raise BadRequest("validation_file", "the id of an uploaded file is needed, or none")
    if body.get("integrations"):
        raise BadRequest("integrations", "not offered")
    kind, hyperparameters = _method(body)
    suffix = body.get("suffix")
    if suffix is not None and not (isinstance(suffix, str) and 1 <= len(suffix) <= 64):
        raise BadRequest("suffix", "give 1 to 64 characters")
    seed = body.get("seed")
    if seed is None:
        seed = secrets.randbelow(_LARGEST_SEED + 1)
    if type(seed) is not int or not 0 <= seed <= _LARGEST_SEED:
        raise BadRequest("seed", f"give a whole number from 0 to {_LARGEST_SEED}")
    return Asked(training, validation, kind, hyperparameters, suffix, seed, _metadata(body.get("metadata")))


def _method(body: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    method = body.get("method") or {"type": "supervised"}
    kind = method.get("type") if isinstance(method, dict) else None
    if kind not in METHODS:
        raise BadRequest("method.type", f"{str(kind)[:40]!r} is not offered; use {' or '.join(METHODS)}")
    options = method.get(kind) or {}
    given = options.get("hyperparameters") if isinstance(options, dict) else None
    given = given or body.get("hyperparameters") or {}
    if not isinstance(given, dict):
        raise BadRequest("hyperparameters", "an object is needed")
    for name, value in given.items():
        if name not in _HYPERPARAMETERS or (name == "beta" and kind != "dpo"):
            raise BadRequest(f"hyperparameters.{str(name)[:40]}", f"not known for {kind}")
        type_, low, high, auto = _HYPERPARAMETERS[name]
        if auto and value == "auto":
            continue
        if type(value) not in {type_, int} or not low <= value <= high:
            number = "whole number" if type_ is int else "number"
            raise BadRequest(f"hyperparameters.{name}", f"give a {number} from {low:g} to {high:g}")
    return kind, dict(given)


def _metadata(given: Any) -> dict[str, str] | None:
    if given is None:
        return None
    right = isinstance(given, dict) and len(given) <= 16
    if not right or not all(len(key) <= 64 and isinstance(v, str) and len(v) <= 512 for key, v in given.items()):
        raise BadRequest("metadata", "at most 16 texts, keys of at most 64 characters, values of at most 512")
    return dict(given)
