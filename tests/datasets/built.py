"""What was built, as tests ask about it.

Belongs here: ids and failed checks of a version. Does not: making examples (seeding).
"""

from glow_pipelines.steps.datasets import Built
from glow_pipelines.store import Store


def ids_of(store: Store, built: Built) -> list[str]:
    assert built.dataset_id is not None, built.verdicts
    with store.transaction() as t:
        return [row.example.id for row in t.datasets.rows(built.dataset_id)]


def failed(built: Built) -> set[str]:
    return {each.name for each in built.verdicts if not each.passed}
