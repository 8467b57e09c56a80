"""Whether people complain more than they did.

Belongs here: the test of this week against the weeks before. Does not belong here: counting votes (store), what is
sampled when they do (store).
"""

import math
from dataclasses import dataclass

from scipy.stats import norm

from glow_pipelines.learning.feedback.rates import Rate, rate_of

RISK = 0.01
LEAST_VOTES = 20


@dataclass(frozen=True, slots=True)
class Drift:
    """Shares of negative votes before and now; `p_value` of a rise like this by chance, None with too few votes."""

    before: Rate
    now: Rate
    p_value: float | None

    @property
    def found(self) -> bool:
        """Whether it is more than chance, at a risk of 1 %."""
        return self.p_value is not None and self.p_value < RISK


def negative_drift(negative_before: int, votes_before: int, negative_now: int, votes_now: int) -> Drift:
    """One-sided test of two proportions with the pooled variance: is the share of negative votes greater now?

    Below 20 votes on either side nothing is said. Raises ValueError when there are more negative votes than votes.
    """
    before, now = rate_of(negative_before, votes_before), rate_of(negative_now, votes_now)
    if min(votes_before, votes_now) < LEAST_VOTES:
        return Drift(before, now, None)
    pooled = (negative_before + negative_now) / (votes_before + votes_now)
    spread = math.sqrt(pooled * (1 - pooled) * (1 / votes_before + 1 / votes_now))
    if spread == 0:
        return Drift(before, now, 1.0)
    return Drift(before, now, float(norm.sf((negative_now / votes_now - negative_before / votes_before) / spread)))
