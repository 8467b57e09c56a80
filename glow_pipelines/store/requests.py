"""Requests in the database: taking them, and writing how they went.

Belongs here: compare-and-set on the state of a request. Does not: making requests (glow_api), runs (defs).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from glow_pipelines.store.noun import Noun, Row, json

Kind = Literal["prompt_optimization", "dataset", "training_run", "experiment"]
Ended = Literal["succeeded", "failed", "cancelled"]


@dataclass(frozen=True)
class Request:
    """A request that was taken, `tries` times so far. `run_id` is None until its run is seen."""

    request_id: int
    kind: Kind
    agent: str
    parameters: Mapping[str, Any]
    requested_at: datetime
    run_id: str | None
    tries: int


class Requests(Noun):
    queries = "requests"

    def claim(self, most: int) -> list[Request]:
        """Take up to `most` queued requests, the oldest first; nobody else takes them."""
        return sorted((_request(row) for row in self._rows("claim_requests", most=most)), key=lambda r: r.request_id)

    def started(self) -> list[Request]:
        """Requests taken and not ended."""
        return [_request(row) for row in self._rows("started_requests")]

    def release(self, request_id: int, patience: timedelta) -> bool:
        """Put back a request without a run that was taken longer than `patience` ago; False when it was not."""
        return self._row("release_request", request_id=request_id, patience=patience) is not None

    def assign_run(self, request_id: int, run_id: str) -> None:
        self._run("assign_run", request_id=request_id, run_id=run_id)

    def finish(self, request_id: int, state: Ended, outcome: Mapping[str, object], run_id: str | None = None) -> bool:
        """End a request; False when it had ended."""
        row = self._row("finish_request", request_id=request_id, state=state, outcome=json(outcome), run_id=run_id)
        return row is not None

    def parameters(self, request_id: int) -> dict[str, Any]:
        """What was asked for; nothing when there is no such request."""
        row = self._row("request_parameters", request_id=request_id)
        return {} if row is None else dict(row["parameters"])


def _request(row: Row) -> Request:
    return Request(**row)
