"""Looking again and again at the same held-out questions must not let noise through."""

import math

from glow_pipelines.learning.retrieval.gate import SIGNIFICANT, significance_at


def test_all_looks_together_ship_noise_with_at_most_five_percent() -> None:
    # Only gains ship, so a two-sided level costs half of itself.
    first, later = significance_at(1), [significance_at(look) for look in range(2, 100_000)]
    assert first == SIGNIFICANT
    assert sum(later) <= SIGNIFICANT
    assert (first + sum(later)) / 2 <= 0.05
    assert math.isclose(sum(later), SIGNIFICANT, rel_tol=1e-3), "a budget that is not spent costs power"


def test_each_later_look_is_harder() -> None:
    levels = [significance_at(look) for look in range(1, 20)]
    assert levels == sorted(levels, reverse=True)
    assert len(set(levels)) == len(levels)
