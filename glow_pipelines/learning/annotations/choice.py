"""Which consensus to believe, decided by items whose answer is known.

Belongs here: the choice and its reason. Does not belong here: the aggregators themselves (consensus).
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

from glow_pipelines.learning.annotations.consensus import Consensus, DawidSkene, Label, dawid_skene, majority
from glow_pipelines.learning.feedback.rates import Rate, rate_of


@dataclass(frozen=True, slots=True)
class AggregatorChoice:
    """The aggregator, the consensus it gives, each one's accuracy on gold (unresolved counts as wrong), and why.

    `model` is Dawid-Skene's, where it was estimated.
    """

    name: Literal["majority", "dawid_skene"]
    reason: str
    consensus: Mapping[str, Consensus]
    majority: Rate
    dawid_skene: Rate | None
    labels_per_cell: float
    model: DawidSkene | None = None


def choose_aggregator(
    labels: Sequence[Label], gold: Mapping[str, str], *, least_per_cell: float = 5.0, least_gold: int = 20
) -> AggregatorChoice:
    """Dawid-Skene only where it was seen to be better, else majority.

    It won 4.3 points on one public set and lost 1.5 to 2.7 on another with 825 people of few labels each; below about
    five labels per person and class its confusion matrices are noise. The median person decides, not the mean: a few
    busy people hide a long tail.
    """
    plain = majority(labels)
    on_gold = _accuracy(plain, gold)
    classes = len({label.value for label in labels})
    loads = Counter(label.annotator for label in labels).values()
    per_cell = median(loads) / classes if labels else 0.0

    def keep(reason: str, other: Rate | None = None, model: DawidSkene | None = None) -> AggregatorChoice:
        return AggregatorChoice("majority", reason, plain, on_gold, other, per_cell, model)

    if per_cell < least_per_cell:
        return keep(f"{per_cell:.1f} labels per person and class, fewer than {least_per_cell:g}")
    if on_gold.n < least_gold:
        return keep(f"{on_gold.n} gold items, fewer than {least_gold}")
    model = dawid_skene(labels)
    rival = _accuracy(model.consensus, gold)
    if rival.successes <= on_gold.successes:
        reason = f"right on {on_gold.successes} of {on_gold.n} gold items, Dawid-Skene on {rival.successes}"
        return keep(reason, rival, model)
    reason = f"right on {rival.successes} of {rival.n} gold items, majority on {on_gold.successes}"
    return AggregatorChoice("dawid_skene", reason, model.consensus, on_gold, rival, per_cell, model)


def _accuracy(found: Mapping[str, Consensus], gold: Mapping[str, str]) -> Rate:
    asked = [item for item in gold if item in found]
    return rate_of(sum(found[item].value == gold[item] for item in asked), len(asked))
