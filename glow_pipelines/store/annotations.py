"""Annotations, comparisons and demonstrations in the database.

Belongs here: reading what experts wrote. Does not: writing it (glow_api), the queue (reviews), agreement (learning).
"""

from dataclasses import dataclass

from glow_pipelines.learning.annotations import AnnotationRow, ComparisonRow, GoldReview
from glow_pipelines.learning.datasets import DemonstrationRow
from glow_pipelines.store.noun import Noun


@dataclass(frozen=True)
class AnnotationCounts:
    """Current judgements of an agent, by how many experts, how many of them approve; whether users were heard."""

    agent: str
    annotations: int
    reviewers: int
    approved: int
    heard: bool


class Annotations(Noun):
    queries = "annotations"

    def counts(self) -> list[AnnotationCounts]:
        """One for each agent."""
        return [AnnotationCounts(**row) for row in self._rows("annotation_counts")]

    def annotations_of_agent(self, agent: str) -> list[AnnotationRow]:
        """Current annotations, without reviews of gold."""
        return [AnnotationRow(**row) for row in self._rows("annotations_of_agent", agent=agent)]

    def comparisons_of_agent(self, agent: str) -> list[ComparisonRow]:
        """Current comparisons."""
        return [ComparisonRow(**row) for row in self._rows("comparisons_of_agent", agent=agent)]

    def gold_reviews(self, agent: str) -> list[GoldReview]:
        """Reviews of executions whose answer is known."""
        return [GoldReview(**row) for row in self._rows("gold_reviews", agent=agent)]

    def demonstrations_of_agent(self, agent: str) -> list[DemonstrationRow]:
        return [DemonstrationRow(**row) for row in self._rows("demonstrations_of_agent", agent=agent)]
