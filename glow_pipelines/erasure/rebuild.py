"""The successor of a revoked dataset version: the same rule at the same instant, without what was erased.

Belongs here: building it and putting it in the place of the revoked one. Does not: what a rule admits (learning), how a
version is built (steps/datasets).
"""

from glow_pipelines.services import Services
from glow_pipelines.steps.datasets import build_dataset


def rebuild(services: Services, dataset_id: str, *, in_force: bool) -> str | None:
    """Write the successor of a revoked version and return its id; None when no row is left, or too few. Safe to
    repeat."""
    with services.store.transaction() as t:
        old = t.datasets.version(dataset_id)
    if old.successor is not None:
        return old.successor
    successor = build_dataset(services.store, old.rule, old.as_of).dataset_id
    if successor is None:
        return None
    with services.store.transaction() as t:
        t.erasures.name_successor(dataset_id, successor)
        # A turn that ran meanwhile has put a newer one in force.
        if in_force and t.datasets.in_force(old.agent, old.kind) is None:
            t.datasets.put_in_force(old.agent, old.kind, successor)
    return successor
