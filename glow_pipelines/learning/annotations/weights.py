"""What each reviewer's word counts when several speak of one item.

Belongs here: reviewers' weights from the aggregator that gold chose. Does not belong here: the choice (choice), what
the weights are applied to (datasets).
"""

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from statistics import median

from glow_pipelines.learning.annotations.choice import AggregatorChoice
from glow_pipelines.learning.annotations.consensus import Label

PRIOR = (4.0, 1.0)
"""Of the reliability: a new reviewer is believed right in four of five cases."""
LEAST, MOST = 0.25, 4.0


def reviewer_weights(labels: Sequence[Label], choice: AggregatorChoice) -> dict[str, float]:
    """1 for all where the majority is believed. With Dawid-Skene the log-odds of each one's reliability, relative to
    the median reviewer's and within [0.25, 4]: the word of the median reviewer counts 1. To two decimals: what was
    judged is curated anew when a weight changes, and the last digits change with every judgement.

    Reliability is the expected share of right labels with a Beta(4, 1) prior, on items that others judged too: on an
    item judged once the only label is right by definition. log((k - 1) p / (1 - p)) for k classes is the weight in the
    best weighted majority (Nitzan and Paroush 1982, for two). Where the median reviewer only guesses, those who do not
    are the measure; where all guess, nobody is told apart.
    """
    reviewers = sorted({label.annotator for label in labels})
    if choice.name == "majority" or choice.model is None:
        return dict.fromkeys(reviewers, 1.0)
    place = {name: index for index, name in enumerate(choice.model.classes)}
    times = Counter(label.item for label in labels)
    right: dict[str, float] = defaultdict(float)
    judged: Counter[str] = Counter()
    for label in labels:
        if times[label.item] >= 2:
            right[label.annotator] += choice.model.posterior[label.item][place[label.value]]
            judged[label.annotator] += 1
    guesses = math.log(max(1, len(choice.model.classes) - 1))
    odds = {
        name: math.log((right[name] + PRIOR[0]) / (max(0.0, judged[name] - right[name]) + PRIOR[1])) + guesses
        for name in reviewers
    }
    middle = median(odds.values())
    better = [value for value in odds.values() if value > 0]
    if middle <= 0 and better:
        middle = median(better)
    if middle <= 0:
        return dict.fromkeys(reviewers, 1.0)
    return {name: round(min(MOST, max(LEAST, value / middle)), 2) for name, value in odds.items()}
