"""Watermarks, the response cache and success metrics in the database.

Belongs here: what the pipeline remembers about itself. Does not: what the figures mean (learning/operations).
"""

from collections.abc import Sequence
from dataclasses import asdict

from glow_pipelines.learning.operations import Measurement
from glow_pipelines.providers.cache import CachedResponse
from glow_pipelines.store.noun import Noun, Row

EVERYTHING = "0"
"""The watermark of a consumer that has read nothing yet."""


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

    def learning_stats(self) -> Row:
        row = self._row("learning_stats")
        assert row is not None
        stats: Row = row["stats"]
        return stats
