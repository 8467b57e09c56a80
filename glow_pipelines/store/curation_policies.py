"""Curation policies in the database.

Belongs here: reading what is in force, and who changed it. Does not: setting it (glow_api), applying it (learning).
"""

from glow_pipelines.learning.datasets import CurationPolicy
from glow_pipelines.store.noun import Noun


class CurationPolicies(Noun):
    queries = "curation_policies"

    def policy(self, agent: str) -> CurationPolicy:
        """The policy in force; the defaults where nobody set one."""
        row = self._row("policy", agent=agent)
        return CurationPolicy() if row is None else CurationPolicy.from_json(row)

    def changed_agents(self, since: str, horizon: str) -> list[str]:
        """Agents whose policy changed from watermark `since` up to `horizon`: all their examples are screened anew."""
        return [row["agent"] for row in self._rows("changed_agents", since=since, horizon=horizon)]
