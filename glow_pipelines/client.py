"""What a Python app uses: the functions of glow_api with types.

Belongs here: one method per SQL function, a pool, one exception per SQLSTATE. Does not: validation (the functions
refuse what they do not accept, the same for every language), SQL beyond the call itself.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from decimal import Decimal
from types import TracebackType
from typing import Any, Self

import psycopg
from psycopg import sql
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb
from psycopg_pool import ConnectionPool

from glow_pipelines.database import urls

Result = dict[str, Any]


class GlowError(Exception):
    """A refusal by the database: `message` names field and value, `remedy` the accepted form."""

    def __init__(self, message: str, remedy: str | None = None) -> None:
        super().__init__(f"{message}; accepted: {remedy}" if remedy else message)
        self.message, self.remedy = message, remedy


class InvalidValue(GlowError):
    """PT422: a value is not of the accepted form."""


class NotFound(GlowError):
    """PT404: an agent, execution or prompt version is not known."""


class Conflict(GlowError):
    """PT409: the id or key was used for something else."""


class TooLarge(GlowError):
    """PT413: a text is longer than accepted."""


_ERRORS: Mapping[str, type[GlowError]] = {
    "PT422": InvalidValue,
    "PT404": NotFound,
    "PT409": Conflict,
    "PT413": TooLarge,
}


class GlowClient(AbstractContextManager["GlowClient"]):
    """Calls glow_api, each call in a transaction of its own. Safe to share between threads; close it or use `with`."""

    def __init__(self, url: str, pool_size: int = 4) -> None:
        self._pool: ConnectionPool[psycopg.Connection[Result]] = ConnectionPool(
            urls.for_libpq(url),
            connection_class=psycopg.Connection[Result],
            kwargs={"row_factory": dict_row, "autocommit": True},
            min_size=0,
            max_size=pool_size,
            open=True,
            name="glow-client",
        )

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __enter__(self) -> Self:
        return self

    def close(self) -> None:
        self._pool.close()

    def register_agent(
        self,
        agent: str,
        description: str = "",
        evaluation: Mapping[str, Any] | None = None,
        prompt: Mapping[str, Any] | None = None,
        split_shares: Sequence[float] | None = None,
    ) -> Result:
        """Make an agent known, with its first prompt. Safe to call again."""
        shares = None if split_shares is None else [str(share) for share in split_shares]
        return self._one(
            "register_agent",
            agent=agent,
            description=description,
            evaluation=_json(evaluation),
            prompt=_json(prompt),
            split_shares=shares,
        )

    def resolve_prompt(self, agent: str, unit: str | None = None) -> Result:
        """The prompt for a unit; in an experiment its exposure is written before this returns."""
        return self._one("resolve_prompt", agent=agent, unit=unit)

    def log_execution(
        self,
        execution_id: str,
        agent: str,
        input: str,
        output: str,
        *,
        user_id: str | None = None,
        conversation_id: str | None = None,
        channel: str | None = None,
        prompt_version: str | None = None,
        model: str | None = None,
        latency_ms: int | None = None,
        prompt_tokens: int | None = None,
        completion_tokens: int | None = None,
        cost_usd: float | None = None,
        started_at: datetime | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> Result:
        """Record one run of an agent."""
        return self._one(
            "log_execution",
            execution_id=execution_id,
            agent=agent,
            input=input,
            output=output,
            user_id=user_id,
            conversation_id=conversation_id,
            channel=channel,
            prompt_version=prompt_version,
            model=model,
            latency_ms=latency_ms,
            prompt_tokens=prompt_tokens,
            completion_tokens=completion_tokens,
            cost_usd=None if cost_usd is None else Decimal(str(cost_usd)),  # the function takes numeric, not float8
            started_at=started_at,
            metadata=_json(metadata),
        )

    def log_retrieval(
        self,
        event_id: str,
        agent: str,
        query: str,
        hits: Sequence[Mapping[str, Any]],
        *,
        execution_id: str | None = None,
        policy: str | None = None,
        configuration: str | None = None,
        user_id: str | None = None,
        conversation_id: str | None = None,
        occurred_at: datetime | None = None,
    ) -> Result:
        """Record a search; again with the same id, add what the user did with its hits."""
        return self._one(
            "log_retrieval",
            event_id=event_id,
            agent=agent,
            query=query,
            hits=Jsonb([dict(hit) for hit in hits]),
            execution_id=execution_id,
            policy=policy,
            configuration=configuration,
            user_id=user_id,
            conversation_id=conversation_id,
            occurred_at=occurred_at,
        )

    def submit_feedback(
        self,
        agent: str,
        execution_id: str,
        user_id: str,
        *,
        thumbs: int | None = None,
        rating: int | None = None,
        dimensions: Mapping[str, float] | None = None,
        issues: Sequence[str] = (),
        comment: str | None = None,
        correction: str | None = None,
        channel: str | None = None,
        conversation_id: str | None = None,
        idempotency_key: str | None = None,
        occurred_at: datetime | None = None,
    ) -> Result:
        """Record what a user said of an execution."""
        return self._one(
            "submit_feedback",
            agent=agent,
            execution_id=execution_id,
            user_id=user_id,
            thumbs=thumbs,
            rating=rating,
            dimensions=_json(dimensions),
            issues=list(issues),
            comment=comment,
            correction=correction,
            channel=channel,
            conversation_id=conversation_id,
            idempotency_key=idempotency_key,
            occurred_at=occurred_at,
        )

    def submit_annotation(
        self,
        execution_id: str,
        reviewer: str,
        verdict: str,
        *,
        output: str | None = None,
        dimensions: Mapping[str, float] | None = None,
        notes: str | None = None,
        idempotency_key: str | None = None,
    ) -> Result:
        """Record an expert's judgement."""
        return self._one(
            "submit_annotation",
            execution_id=execution_id,
            reviewer=reviewer,
            verdict=verdict,
            output=output,
            dimensions=_json(dimensions),
            notes=notes,
            idempotency_key=idempotency_key,
        )

    def submit_demonstration(
        self,
        agent: str,
        expert: str,
        input: str,
        output: str,
        *,
        notes: str | None = None,
        idempotency_key: str | None = None,
    ) -> Result:
        """Record an expert's own example."""
        return self._one(
            "submit_demonstration",
            agent=agent,
            expert=expert,
            input=input,
            output=output,
            notes=notes,
            idempotency_key=idempotency_key,
        )

    def feedback_stats(self, agent: str, since: datetime | None = None) -> Result:
        """Counts of an agent's current feedback."""
        return self._one("feedback_stats", agent=agent, since=since)

    def common_issues(self, agent: str, since: datetime | None = None, most: int | None = None) -> list[Result]:
        """What users complain about, most frequent first."""
        return self._call("common_issues", agent=agent, since=since, most=most)

    def learning_stats(self) -> Result:
        """Counts over the whole loop."""
        return self._one("learning_stats")

    def _one(self, function: str, **arguments: object) -> Result:
        (row,) = self._call(function, **arguments)
        result: Result = row[function]
        return result

    def _call(self, function: str, **arguments: object) -> list[Result]:
        """Pass the arguments that are given by name, so that the defaults are the database's."""
        given = {name: value for name, value in arguments.items() if value is not None}
        query = sql.SQL("select * from glow_api.{}({})").format(
            sql.Identifier(function),
            sql.SQL(", ").join(
                sql.SQL("{} => {}").format(sql.Identifier(name), sql.Placeholder(name)) for name in given
            ),
        )
        try:
            with self._pool.connection() as connection:
                return connection.execute(query, given).fetchall()
        except UnicodeEncodeError as error:
            raise InvalidValue(f"a text holds {error.object[error.start : error.end]!r}", "valid Unicode") from error
        except psycopg.Error as error:
            if error.sqlstate is None and isinstance(error, psycopg.DataError):  # NUL: refused before it is sent
                raise InvalidValue(str(error), "text without NUL characters") from error
            refused = _ERRORS.get(error.sqlstate or "")
            if refused is None:
                raise
            raise refused(error.diag.message_primary or str(error), error.diag.message_hint) from error


def _json(value: Mapping[str, Any] | None) -> Jsonb | None:
    return None if value is None else Jsonb(dict(value))
