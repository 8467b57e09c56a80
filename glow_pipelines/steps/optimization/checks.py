"""What must be none, looked up in what was written.

Belongs here: leaks, parts without a source, evaluations of what lint rejected. Does not: how a check is shown (defs).
"""

from glow_pipelines.learning.prompts.types import Gate
from glow_pipelines.steps.optimization.work import Optimization


def leaks(work: Optimization) -> list[str]:
    """Groups of examples that stand in more than one split."""
    splits: dict[str, set[str]] = {}
    for example in work.examples:
        splits.setdefault(example.group, set()).add(example.split)
    return sorted(group for group, found in splits.items() if len(found) > 1)


def spent_elsewhere(work: Optimization, gate: Gate) -> list[str]:
    """Gates of other finalists that spent the group of a test item of this gate."""
    groups = {example.group for example in work.examples if example.id in set(gate.spent)}
    with work.services.store.transaction() as t:
        rows = [t.optimizations.gate(each) for each in set(t.optimizations.spent(work.agent, groups).values())]
    return [row["gate_id"] for row in rows if row is not None and row["finalist"] != gate.finalist_sha256]


def untraced(work: Optimization) -> list[str]:
    """Rules and demonstrations of the candidates without a source row."""
    with work.services.store.transaction() as t:
        return [
            f"{each['operator']}: {part['id']}"
            for each in t.optimizations.get(work.id)["candidates"] or []
            for part in t.prompts.untraced(work.agent, each["version"])
        ]


def rejected_and_evaluated(work: Optimization) -> list[str]:
    """Candidates that lint rejected and that were asked all the same."""
    with work.services.store.transaction() as t:
        listed = t.optimizations.get(work.id)["candidates"] or []
        rejected = [each["version"] for each in listed if each["findings"]]
        return t.optimizations.evaluated(work.agent, rejected)
