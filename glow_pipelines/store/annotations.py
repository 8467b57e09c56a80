"""Annotations and demonstrations in the database.

Belongs here: reading what experts wrote. Does not: writing it (glow_api), agreement and consensus (learning).
"""

from glow_pipelines.learning.annotations import AnnotationRow
from glow_pipelines.learning.datasets import DemonstrationRow
from glow_pipelines.store.noun import Noun


class Annotations(Noun):
    queries = "annotations"

    def annotations_of_agent(self, agent: str) -> list[AnnotationRow]:
        """Current annotations."""
        return [AnnotationRow(**row) for row in self._rows("annotations_of_agent", agent=agent)]

    def demonstrations_of_agent(self, agent: str) -> list[DemonstrationRow]:
        return [DemonstrationRow(**row) for row in self._rows("demonstrations_of_agent", agent=agent)]
