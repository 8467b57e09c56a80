"""What a search log shows, as sums.

Belongs here: reading sums, counts and histories of searches of one agent in one period. Does not: what they mean
(learning/retrieval), writing anything.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from glow_pipelines.learning.retrieval.co_retrieval import PairCount
from glow_pipelines.learning.retrieval.counterfactual import QueryLog
from glow_pipelines.learning.retrieval.figures import Tally
from glow_pipelines.learning.retrieval.missing import QueryOutcome
from glow_pipelines.learning.retrieval.types import Judgement, Vector
from glow_pipelines.store.noun import Noun, Row


class NoSuchConfiguration(LookupError):
    """No retrieval configuration is meant by a name, or more than one."""


@dataclass(frozen=True)
class Period:
    """Searches of one agent from `since` up to, not including, `until`."""

    agent: str
    since: datetime
    until: datetime


@dataclass(frozen=True)
class Exposures:
    """Lists that chunks were in, before and from an instant on, and in how many they were liked; all by chunk id."""

    before: Mapping[str, int]
    after: Mapping[str, int]
    liked: Mapping[str, int]
    lists: tuple[int, int]


@dataclass(frozen=True)
class CoRetrieval:
    """Pairs of chunks in one list, of how many `conversations`, and in how many of them each chunk was."""

    conversations: int
    pairs: list[PairCount]
    shown_in: Mapping[str, int]
    cited_in: Mapping[str, int]


class RetrievalAnalytics(Noun):
    queries = "retrieval_analytics"

    def totals(self, period: Period) -> Row:
        """events, users, conversations, latency_p50, latency_p95 (milliseconds, None where nobody logged it), first_at,
        last_at."""
        self._rows("tune_analytics")
        row = self._row("totals", **_named(period))
        assert row is not None
        return row

    def tallies(self, period: Period, low_score: float) -> list[Tally]:
        """Sums by week, configuration and policy in buckets of conversations."""
        self._rows("tune_analytics")
        return [
            Tally(
                {"week": row.pop("week"), "configuration": row.pop("configuration"), "policy": row.pop("policy")},
                str(row.pop("bucket")),
                {name: float(value) for name, value in row.items()},
            )
            for row in self._rows("tallies", **_named(period), low=low_score)
        ]

    def query_tallies(self, period: Period, low_score: float, most: int) -> dict[str, Mapping[str, float]]:
        """The sums of the `most` most asked query texts."""
        self._rows("tune_analytics")
        rows = self._rows("query_tallies", **_named(period), low=low_score, most=most)
        return {row.pop("query"): {name: float(value) for name, value in row.items()} for row in rows}

    def query_outcomes(
        self, period: Period, model: str, low_score: float, alike: float, most: int
    ) -> tuple[list[QueryOutcome], dict[str, Vector]]:
        """What became of the `most` most asked query texts, and the embeddings of those that `model` embedded.

        `alike`: cosine from which the next question of a conversation is the same one in other words.
        """
        self._rows("tune_analytics")
        rows = self._rows("query_outcomes", **_named(period), model=model, low=low_score, alike=alike, most=most)
        vectors = {row["query"]: row.pop("embedding") for row in rows}
        return (
            [QueryOutcome(**row) for row in rows],
            {
                query: np.fromstring(text[1:-1], dtype=np.float64, sep=",")
                for query, text in vectors.items()
                if text is not None
            },
        )

    def query_logs(self, period: Period, most: int) -> list[QueryLog]:
        """Clicks and looks of the `most` most asked query texts; each its own group."""
        self._rows("tune_analytics")
        return [
            QueryLog(
                query=row["query"],
                group=row["query"],
                events=row["events"],
                looks={chunk: float(cell[0]) for chunk, cell in row["cells"].items()},
                clicks={chunk: float(cell[1]) for chunk, cell in row["cells"].items()},
                shows={chunk: int(cell[2]) for chunk, cell in row["cells"].items()},
            )
            for row in self._rows("query_log", **_named(period), most=most)
        ]

    def exposures(self, period: Period, turn: datetime) -> Exposures:
        """Top 10 places, split at `turn`."""
        self._rows("tune_analytics")
        rows = self._rows("exposures", **_named(period), turn=turn)
        lists = self._row("lists", **_named(period), turn=turn)
        assert lists is not None
        return Exposures(
            before={row["chunk_id"]: row["before"] for row in rows if row["before"]},
            after={row["chunk_id"]: row["after"] for row in rows if row["after"]},
            liked={row["chunk_id"]: row["liked"] for row in rows},
            lists=(lists["before"], lists["after"]),
        )

    def score_bins(self, period: Period, turn: datetime) -> tuple[list[int], list[int]]:
        """Best similarities before and from `turn` on, in the tenths of those before."""
        rows = {row["bin"]: row for row in self._rows("score_bins", **_named(period), turn=turn)}
        return (
            [rows[i]["before"] if i in rows else 0 for i in range(10)],
            [rows[i]["after"] if i in rows else 0 for i in range(10)],
        )

    def co_retrieval(self, period: Period, model: str, least: int, share: float = 1.0) -> CoRetrieval:
        """Pairs that met in at least `least` conversations, with how alike they are to `model`.

        `share`: of the conversations, always the same ones, whole.
        """
        self._rows("tune_analytics")
        rows = self._rows("pair_counts", **_named(period), least=least, share=share)
        facts = {
            (row["first"], row["second"]): row
            for row in self._rows(
                "pair_facts",
                agent=period.agent,
                model=model,
                first=[row["first"] for row in rows],
                second=[row["second"] for row in rows],
            )
        }
        pairs, shown, cited = [], {}, {}
        for row in rows:
            first, second = row["first"], row["second"]
            known = facts.get((first, second), {})
            pairs.append(
                PairCount(
                    first,
                    second,
                    row["together"],
                    row["cited_together"],
                    known.get("cosine"),
                    bool(known.get("adjacent")),
                )
            )
            shown.update({first: row["first_shown"], second: row["second_shown"]})
            cited.update({first: row["first_cited"], second: row["second_cited"]})
        return CoRetrieval(rows[0]["conversations"] if rows else 0, pairs, shown, cited)

    def live_chunks(self, agent: str) -> list[str]:
        """Ids of all chunks that could be listed now."""
        return [row["chunk_id"] for row in self._rows("live_chunks", agent=agent)]

    def judgements(self, period: Period) -> list[Judgement]:
        """Experts' verdicts, the newest of each query and chunk."""
        return [
            Judgement(row["query"], row["chunk_id"], row["grade"]) for row in self._rows("judgements", **_named(period))
        ]

    def verdicts(self, agent: str) -> list[Judgement]:
        """The same of all times."""
        return [Judgement(row["query"], row["chunk_id"], row["grade"]) for row in self._rows("verdicts", agent=agent)]

    def configuration(self, agent: str, name: str) -> Row:
        """A configuration by alias or by the beginning of its name, with how much it learned.

        Raises NoSuchConfiguration.
        """
        rows = self._rows("configuration_facts", agent=agent, which=name)
        if len(rows) == 1:
            return rows[0]
        what = "more than one configuration begins like that" if rows else "it has no such configuration"
        raise NoSuchConfiguration(
            f"{agent} {name[:80]!r}: {what}; give an alias (production, previous) or more of its name"
        )

    def why(self, configuration: str, chunk_id: str, most: int) -> list[Row]:
        """What a configuration remembers of a chunk: query, attractiveness, examinations, event_ids."""
        return self._rows("why_chunk", configuration=configuration, chunk_id=chunk_id, most=most)


def _named(period: Period) -> dict[str, Any]:
    return {"agent": period.agent, "since": period.since, "until": period.until}
