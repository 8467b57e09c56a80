"""The successor of a revoked dataset version: the same rule at the same instant, without what was erased.

Belongs here: building it and putting it in the place of the revoked one. Does not: what a rule admits (learning).
"""

from glow_pipelines.learning.datasets import BehaviorLearner, DatasetRule
from glow_pipelines.services import Services


def rebuild(services: Services, dataset_id: str, *, in_force: bool) -> str | None:
    """Write the successor of a revoked version and return its id; None when no row is left. Safe to repeat."""
    with services.store.transaction() as t:
        t.curation.lock()
        old = t.erasures.revoked(dataset_id)
        if old["successor"] is not None:
            return str(old["successor"])
        rule = old["rule"]
        sources = rule["sources"]
        found = t.datasets.examples_as_of(old["agent"], old["as_of"])
        version = BehaviorLearner().generate_training_dataset(
            DatasetRule(
                old["agent"],
                old["kind"],
                minimum_quality=rule["minimum_quality"],
                sources=None if sources is None else tuple(sources),
                shares=tuple(rule["shares"]),
            ),
            (example for _, example, _ in found),
            t.datasets.splits(old["agent"]),
            old["as_of"],
        )
        if not version.rows:
            return None
        statistics = {"splits": version.splits, "drops": version.drops, "balance": {}}
        rows = {example.id: row for row, example, _ in found}
        successor = t.datasets.freeze(
            f"{old['agent']}-{old['kind']}-{version.content_hash[:12]}", version, statistics, rows
        )
        t.erasures.name_successor(dataset_id, successor)
        # A turn that ran meanwhile has put a newer one in force.
        if in_force and t.datasets.in_force(old["agent"], old["kind"]) is None:
            t.datasets.put_in_force(old["agent"], old["kind"], successor)
        return successor
