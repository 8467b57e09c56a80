"""Watermarks, the response cache, success metrics and the upkeep of storage in the database.

Belongs here: what the pipeline remembers about itself, and keeping tables in months. Does not: what the figures mean
(learning/operations), when upkeep is due (defs).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import date

import psycopg

from glow_pipelines.learning.operations import Measurement
from glow_pipelines.providers.cache import CachedResponse
from glow_pipelines.store.noun import Noun, Row

EVERYTHING = "0"
"""The watermark of a consumer that has read nothing yet."""
LOCK_WAIT = "500ms"
"""Below deadlock_timeout: upkeep gives way before the server looks for somebody to end."""


class TablesBusy(Exception):
    """Somebody works with a table that upkeep wanted for itself."""


@dataclass(frozen=True)
class MonthlyTable:
    """A table in months. `ahead`: months made after this one, -1 when this month is missing. `rows` is an estimate.

    `outside_rows` came in a month that nobody had made, the oldest `outside_seconds` ago.
    """

    name: str
    months: int
    oldest: date | None
    newest: date | None
    rows: int
    bytes: int
    ahead: int
    outside_rows: int
    outside_seconds: float | None


@dataclass(frozen=True)
class Horizon:
    """What holds incremental readers back. `open_seconds`: how long the oldest open write transaction is open, 0 when
    none is, None when this login may not know. `held_seconds`: how long the oldest row has been held back by it."""

    open_seconds: float | None
    held_seconds: float
    holder: str | None


class Operations(Noun):
    queries = "operations"

    def watermark(self, consumer: str, agent: str = "") -> str:
        row = self._row("watermark", consumer=consumer, agent=agent)
        return EVERYTHING if row is None else str(row["xid"])

    def set_watermark(self, consumer: str, xid: str, agent: str = "") -> None:
        """Moves forward only."""
        self._run("set_watermark", consumer=consumer, agent=agent, xid=xid)

    def cached_responses(self, keys: Sequence[str]) -> list[Row]:
        return self._rows("cached_responses", keys=list(keys))

    def cache_response(self, key: str, response: CachedResponse) -> None:
        self._run(
            "insert_response",
            key=key,
            model=response.model,
            text=response.text,
            prompt_tokens=response.prompt_tokens,
            completion_tokens=response.completion_tokens,
            seconds=response.seconds,
            cost_usd=response.cost_usd,
        )

    def success_counts(self) -> Row:
        row = self._row("success_counts")
        assert row is not None
        return row

    def prompt_difference(self) -> Row | None:
        """The accuracy difference (estimate, low, high) of the newest gate that promoted."""
        row = self._row("latest_prompt_difference")
        return None if row is None else row["difference"]

    def retrieval_gain(self) -> Row | None:
        """The relative nDCG@10 gain (estimate, low, high) of the newest retrieval configuration that shipped."""
        return self._row("latest_retrieval_gain")

    def record_measurement(self, measurement: Measurement) -> None:
        self._run("insert_measurement", **asdict(measurement))

    def latest_measurements(self) -> list[Row]:
        return self._rows("latest_measurements")

    def ensure_partitions(self) -> list[str]:
        """Make the months ahead; returns the new partitions. Raises TablesBusy."""
        with self._impatient():
            return [row["name"] for row in self._rows("ensure_partitions")]

    def partitioned_tables(self) -> list[str]:
        return [row["name"] for row in self._rows("partitioned_tables")]

    def kept_months(self, months: int | None) -> dict[str, int | None]:
        """Table → how many months it is kept by its policy, else `months`; None: for ever."""
        return {row["relation"]: row["months"] for row in self._rows("kept_months", months=months)}

    def prune(self, table: str, most: int) -> int:
        """Delete at most `most` rows of a table that are older than its policy; returns how many. Never a month."""
        row = self._row("prune", table=table, most=most)
        assert row is not None
        return int(row["deleted"])

    def drop_partitions(self, table: str, months: int | None) -> list[str]:
        """Drop the months of a table that ended more than `months` months ago, or as long ago as its policy says.

        Returns them; None keeps what has no policy. Raises TablesBusy.

        A transaction of its own for each table, please: it locks the whole table until it ends.
        """
        with self._impatient():
            return [row["name"] for row in self._rows("drop_partitions", table=table, months=months)]

    def expire(self, months: int | None) -> None:
        """Remove what belonged to dropped months, when all tables have dropped them. Raises TablesBusy."""
        with self._impatient():
            self._rows("expire", months=months)

    def forget_calls(self) -> int:
        """Delete samples of calls that no limit looks at; returns how many."""
        row = self._row("forget_calls")
        assert row is not None
        return int(row["deleted"])

    def forget_staged_rows(self) -> int:
        """Delete rows that imports have left behind; returns how many."""
        return self._run("forget_staged_rows")

    def monthly_tables(self) -> list[MonthlyTable]:
        return [MonthlyTable(**row) for row in self._rows("partition_summary")]

    def horizon_age(self) -> Horizon:
        """How long incremental reads are held back, and by whom. In a transaction that has written nothing."""
        holder = self._row("horizon_holder")
        if holder is None:
            return Horizon(0.0, 0.0, None)
        held = self._row("held_back", horizon=holder["horizon"])
        assert held is not None
        named = ", ".join(f"{key} {holder[key]}" for key in ("login", "database", "application", "pid") if holder[key])
        return Horizon(holder["seconds"], held["seconds"], named)

    @contextmanager
    def _impatient(self) -> Iterator[None]:
        self._row("limit_lock_wait", wait=LOCK_WAIT)
        try:
            yield
        except psycopg.errors.LockNotAvailable as error:
            raise TablesBusy(str(error)) from error

    def learning_stats(self) -> Row:
        row = self._row("learning_stats")
        assert row is not None
        stats: Row = row["stats"]
        return stats
