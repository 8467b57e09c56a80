"""Corrections and their patterns in the database.

Belongs here: reading what was corrected, replacing an agent's snapshot. Does not: finding patterns (learning).
"""

from collections.abc import Sequence

from glow_pipelines.learning.datasets import Correction, CorrectionPattern
from glow_pipelines.store.noun import Noun, Row


class Patterns(Noun):
    queries = "patterns"

    def lock(self) -> None:
        self._rows("lock_patterns")

    def agents_with_news(self, since: str, horizon: str) -> list[str]:
        """Agents whose corrections changed between two watermarks, and those whose snapshot was declared stale."""
        return [row["agent"] for row in self._rows("agents_with_news", since=since, horizon=horizon)]

    def corrections(self, agent: str, most: int) -> list[Correction]:
        """The newest corrections of users and experts."""
        return [Correction(**row) for row in self._rows("corrections", agent=agent, most=most)]

    def uncorrected_outputs(self, agent: str, most: int) -> list[str]:
        """The newest outputs that nobody corrected or rejected."""
        return [row["output"] for row in self._rows("uncorrected_outputs", agent=agent, most=most)]

    def replace(self, agent: str, patterns: Sequence[CorrectionPattern], corrections: int, outputs: int) -> None:
        """Put a snapshot in the place of the last one."""
        self._run("forget_patterns", agent=agent)
        self._run("record_snapshot", agent=agent, corrections=corrections, outputs=outputs)
        self._run_many("insert_pattern", (_values(at, pattern) for at, pattern in enumerate(patterns, start=1)))

    def snapshots(self) -> list[Row]:
        return self._rows("snapshots")

    def shown(self, most: int) -> list[Row]:
        return self._rows("shown", most=most)

    def rising(self) -> list[Row]:
        """Named patterns whose share grows."""
        return self._rows("rising")


def _values(position: int, pattern: CorrectionPattern) -> Row:
    trend = pattern.trend
    return {
        "position": position,
        **{
            name: getattr(pattern, name)
            for name in ("agent", "kind", "about", "detail", "standing", "count", "experts")
        },
        **{
            name: getattr(pattern, name) for name in ("people", "conversations", "lift", "q", "first_seen", "last_seen")
        },
        "share": pattern.share.value,
        "share_low": pattern.share.low,
        "share_high": pattern.share.high,
        "trend": None if trend is None else trend.slope,
        "trend_low": None if trend is None else trend.low,
        "trend_high": None if trend is None else trend.high,
        "feedback": list(pattern.feedback),
        "annotations": list(pattern.annotations),
    }
