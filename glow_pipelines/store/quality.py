"""What experts' judgements are worth, in the database.

Belongs here: reading judgements and known answers, writing weights and reports. Does not: measuring (learning), the
annotations themselves (annotations).
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from glow_pipelines.learning.annotations import AgreementVerdict, Judgement
from glow_pipelines.store.noun import Noun, Row, json


@dataclass(frozen=True)
class StoredReport:
    """The newest report of an agent, as it was written."""

    agent: str
    week: date
    report: Row
    computed_at: datetime


class AnnotationQuality(Noun):
    queries = "quality"

    def judged_agents(self, since: str, horizon: str) -> list[str]:
        """Agents with new annotations from watermark `since` up to `horizon`."""
        return [row["agent"] for row in self._rows("judged_agents", since=since, horizon=horizon)]

    def judgements(self, agent: str, *, answers: bool, until: datetime | None = None) -> list[Judgement]:
        """Current reviews of an agent (before `until`); `answers` only where they come from a closed list."""
        rows = self._rows("judgements_of_agent", agent=agent, until=until, answers=answers)
        return [Judgement(**row | {"answer": _answer(row["answer"])}) for row in rows]

    def gold(self, agent: str, *, answers: bool) -> dict[str, str]:
        """Item → the label that is right, where that is known beforehand."""
        rows = self._rows("gold_answers", agent=agent, answers=answers)
        return {row["item"]: Judgement.label_of(row["verdict"], _answer(row["answer"])) for row in rows}

    def seconds(self, agent: str, until: datetime | None = None) -> dict[str, list[float]]:
        """Reviewer → seconds from claim to judgement, of each review that came through the queue."""
        taken: dict[str, list[float]] = defaultdict(list)
        for row in self._rows("review_seconds", agent=agent, until=until):
            taken[row["reviewer"]].append(row["seconds"])
        return taken

    def reliability(self, agent: str) -> dict[str, float]:
        """Reviewer → what their word counts; who is missing counts 1."""
        return {row["reviewer"]: row["weight"] for row in self._rows("reliability_of_agent", agent=agent)}

    def set_reliability(self, agent: str, weights: Mapping[str, float], aggregator: str) -> list[str]:
        """Make these the weights of an agent's reviewers; returns those whose word counts otherwise now."""
        before = self.reliability(agent)
        self._run("forget_reliability", agent=agent, reviewers=list(weights))
        self._run_many(
            "upsert_reliability",
            (
                {"agent": agent, "reviewer": reviewer, "weight": weight, "aggregator": aggregator}
                for reviewer, weight in sorted(weights.items())
            ),
        )
        everyone = sorted(before.keys() | weights.keys())
        return [name for name in everyone if before.get(name, 1.0) != weights.get(name, 1.0)]

    def write_report(self, agent: str, week: date, report: Mapping[str, object]) -> None:
        self._run("upsert_report", agent=agent, week=week, report=json(report))

    def latest_reports(self) -> list[StoredReport]:
        return [StoredReport(**row) for row in self._rows("latest_reports")]

    def agreement(self, agents: Sequence[str]) -> dict[str, AgreementVerdict]:
        """Of agents that were measured: the verdict of the newest report."""
        rows = self._rows("agreement_of_agents", agents=list(agents))
        return {row["agent"]: AgreementVerdict(row["status"], row["detail"]) for row in rows}

    def unreported(self, week: date, until: datetime) -> list[str]:
        """Agents judged before the end of a week, without a report of it."""
        return [row["agent"] for row in self._rows("unreported_agents", week=week, until=until)]


def _answer(text: str | None) -> str | None:
    """A label of a closed list; how it is spaced and capitalised is no difference."""
    return None if text is None else " ".join(text.split()).casefold()
