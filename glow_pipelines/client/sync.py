"""GlowClient: the calls that the modules beside it define as methods, each in its own transaction.

Belongs here: running a call over a pool, with retries. Does not: any call's own definition.
"""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar
from uuid import uuid4

from psycopg_pool import ConnectionPool

from glow_pipelines.client import (
    batches,
    curating,
    documenting,
    experimenting,
    prompting,
    reading,
    reviewing,
    rolling,
    searching,
    writing,
)
from glow_pipelines.client.call import Call, Rows, statement
from glow_pipelines.client.connections import Connection, options
from glow_pipelines.client.errors import Unavailable, translated
from glow_pipelines.client.methods import look_like
from glow_pipelines.client.retries import Retries

_P = ParamSpec("_P")
_T = TypeVar("_T")


def _runs(build: Callable[_P, Call[_T]]) -> Callable[Concatenate["GlowClient", _P], _T]:
    """The method that runs what `build` builds."""

    def method(self: "GlowClient", /, *args: _P.args, **kwargs: _P.kwargs) -> _T:
        return self.run(build(*args, **kwargs))

    look_like(method, build)
    return method


class GlowClient(AbstractContextManager["GlowClient"]):
    """Calls glow_api. Safe to share between threads, not across a fork; close it or use `with`.

    `timeout`: seconds to wait for a connection. `prepare_threshold`: calls after which a statement is prepared; None
    behind a PgBouncer older than 1.21, which does not know prepared statements. What fails for a passing reason is
    tried again as `retries` says, where it cannot count twice. `embed`: texts to vectors, for searches that bring none;
    `model`: the name of what makes them, default: `embed.name` if it has one.
    Methods raise what `errors` defines, not psycopg's.
    """

    def __init__(
        self,
        url: str,
        pool_size: int = 4,
        *,
        timeout: float = 10.0,
        prepare_threshold: int | None = 5,
        retries: Retries | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        sleep: Callable[[float], None] = time.sleep,
        new_key: Callable[[], str] = lambda: str(uuid4()),
        embed: searching.Embed | None = None,
        model: str | None = None,
    ) -> None:
        self._embed, self._model = embed, searching.model_of(embed, model)
        self._retries, self._clock, self._sleep, self._new_key = retries or Retries(), clock, sleep, new_key
        self.timeout = timeout
        self._failures: dict[str, Exception] = {}
        self._pool: ConnectionPool[Connection] = ConnectionPool(
            connection_class=Connection,
            open=True,
            **options(url, pool_size, timeout, prepare_threshold, self._failures),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections. Calls fail from now on."""
        self._pool.close()

    def run(self, call: Call[_T], timeout: float | None = None) -> _T:
        """What a call answers; the methods are this with one of the definitions. `timeout`: as of the client."""
        call, attempt = call.with_key(self._new_key), 1
        if self._embed is not None and searching.needs_embedding(call):
            call = searching.with_embedding(call, self._embed([str(call.arguments["query"])])[0], self._model)
        while True:
            try:
                return call.answer(self._rows(call, timeout))
            except Unavailable as error:
                wait = self._retries.wait(call, error, attempt)
                if wait is None:
                    raise
            self._sleep(wait)
            self._pool.check()  # the others of the pool were lost with this one
            attempt += 1

    def _rows(self, call: Call[Any], timeout: float | None) -> Rows:
        with translated(self._failures):
            query, arguments = statement(call.at(self._clock()), call.function)
            with self._pool.connection(timeout) as connection:
                return connection.execute(query, arguments).fetchall()

    register_agent = _runs(writing.register_agent)
    log_execution = _runs(writing.log_execution)
    submit_feedback = _runs(writing.submit_feedback)
    withdraw_feedback = _runs(writing.withdraw_feedback)
    log_retrieval = _runs(writing.log_retrieval)
    submit_annotation = _runs(writing.submit_annotation)
    submit_demonstration = _runs(writing.submit_demonstration)
    issue_feedback_token = _runs(writing.issue_feedback_token)
    submit_feedback_with_token = _runs(writing.submit_feedback_with_token)
    log_execution_batch = _runs(batches.log_execution_batch)
    submit_feedback_batch = _runs(batches.submit_feedback_batch)
    log_retrieval_batch = _runs(batches.log_retrieval_batch)
    submit_annotation_batch = _runs(batches.submit_annotation_batch)
    submit_demonstration_batch = _runs(batches.submit_demonstration_batch)
    resolve_prompt = _runs(reading.resolve_prompt)
    search = _runs(searching.search)
    feedback_stats = _runs(reading.feedback_stats)
    common_issues = _runs(reading.common_issues)
    learning_stats = _runs(reading.learning_stats)
    success_metrics = _runs(reading.success_metrics)
    datasets = _runs(reading.datasets)
    why = _runs(reading.why)
    effect_of = _runs(reading.effect_of)
    set_curation_policy = _runs(curating.set_curation_policy)
    curation_policy = _runs(curating.curation_policy)
    correction_patterns = _runs(curating.correction_patterns)
    put_document = _runs(documenting.put_document)
    put_documents = _runs(documenting.put_documents)
    retire_document = _runs(documenting.retire_document)
    documents = _runs(documenting.documents)
    rollback_retrieval = _runs(documenting.rollback_retrieval)
    retrieval_history = _runs(documenting.retrieval_history)
    prompts = _runs(prompting.prompts)
    prompt_history = _runs(prompting.prompt_history)
    prompt_lineage = _runs(prompting.prompt_lineage)
    rollback_prompt = _runs(prompting.rollback_prompt)
    notifications = _runs(prompting.notifications)
    request_prompt_optimization = _runs(reading.request_prompt_optimization)
    request_dataset = _runs(reading.request_dataset)
    request_training_run = _runs(reading.request_training_run)
    request_status = _runs(reading.request_status)
    cancel_request = _runs(reading.cancel_request)
    plan_experiment = _runs(experimenting.plan_experiment)
    create_experiment = _runs(experimenting.create_experiment)
    experiments = _runs(experimenting.experiments)
    experiment_looks = _runs(experimenting.experiment_looks)
    experiment_decision = _runs(experimenting.experiment_decision)
    stop_experiment = _runs(experimenting.stop_experiment)
    abandon_experiment = _runs(experimenting.abandon_experiment)
    pause_experiment = _runs(experimenting.pause_experiment)
    resume_experiment = _runs(experimenting.resume_experiment)
    extend_experiment = _runs(experimenting.extend_experiment)
    restart_experiment = _runs(experimenting.restart_experiment)
    create_holdout = _runs(experimenting.create_holdout)
    end_holdout = _runs(experimenting.end_holdout)
    holdouts = _runs(experimenting.holdouts)
    start_rollout = _runs(rolling.start_rollout)
    rollouts = _runs(rolling.rollouts)
    rollout_history = _runs(rolling.rollout_history)
    approve_rollout = _runs(rolling.approve_rollout)
    pause_rollout = _runs(rolling.pause_rollout)
    resume_rollout = _runs(rolling.resume_rollout)
    roll_back = _runs(rolling.roll_back)
    annotation_queue = _runs(reviewing.annotation_queue)
    claim_annotation = _runs(reviewing.claim_annotation)
    skip = _runs(reviewing.skip)
    decline = _runs(reviewing.decline)
    release = _runs(reviewing.release)
    extend_lease = _runs(reviewing.extend_lease)
    submit_comparison = _runs(reviewing.submit_comparison)
    adjudicate = _runs(reviewing.adjudicate)
    set_review_policy = _runs(reviewing.set_review_policy)
    request_review = _runs(reviewing.request_review)
    request_comparison = _runs(reviewing.request_comparison)
    set_gold = _runs(reviewing.set_gold)
    unset_gold = _runs(reviewing.unset_gold)
