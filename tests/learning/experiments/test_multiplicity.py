"""Several questions at once: the definitions by brute force, what is stricter than what, and e-BH under dependence."""

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glow_pipelines.learning.experiments import multiplicity as many

ps = st.lists(st.floats(1e-9, 1.0), min_size=1, max_size=7)
KNOWN = [0.001, 0.008, 0.039, 0.041, 0.042, 0.06, 0.074, 0.205]


def test_known_findings() -> None:
    assert many.benjamini_hochberg(KNOWN) == (True, True, False, False, False, False, False, False)
    assert many.holm(KNOWN) == (True, False, False, False, False, False, False, False)
    assert many.holm([0.01, 0.02, 0.03]) == (True, True, True)
    assert many.bonferroni([0.01, 0.02, 0.03]) == (True, False, False)


@given(ps, st.floats(0.001, 0.5))
def test_holm_finds_what_stepping_down_finds(p: list[float], alpha: float) -> None:
    found, left = [False] * len(p), len(p)
    for i in sorted(range(len(p)), key=p.__getitem__):
        if p[i] * left > alpha * (1 + 1e-12):
            break
        found[i], left = True, left - 1
    assert many.holm(p, alpha) == tuple(found)


@settings(max_examples=60)
@given(ps)
def test_hommel_is_closed_testing_with_simes(p: list[float]) -> None:
    def simes(family: tuple[int, ...]) -> float:
        ordered = sorted(p[i] for i in family)
        return min(len(family) * value / rank for rank, value in enumerate(ordered, 1))

    families = [f for size in range(1, len(p) + 1) for f in combinations(range(len(p)), size)]
    closed = [max(simes(f) for f in families if i in f) for i in range(len(p))]
    assert many.adjusted(p, "hommel") == pytest.approx(np.minimum(1, closed), rel=1e-9)


@given(ps, st.floats(0.001, 0.5))
def test_the_stricter_finds_no_more(p: list[float], alpha: float) -> None:
    found = {name: sum(many.rejected(p, alpha, name)) for name in many.METHODS}
    assert found["bonferroni"] <= found["holm"] <= found["hochberg"] <= found["hommel"]
    assert found["bonferroni"] <= found["sidak"] <= found["holm_sidak"]
    assert found["benjamini_yekutieli"] <= found["benjamini_hochberg"]
    assert found["hommel"] <= found["benjamini_hochberg"]


@given(ps, st.sampled_from(sorted(many.METHODS)), st.randoms(use_true_random=False))
def test_order_does_not_matter_and_adjusted_is_never_below(p: list[float], method: str, random) -> None:
    order = list(range(len(p)))
    random.shuffle(order)
    adjusted = many.adjusted(p, method)
    assert [adjusted[i] for i in order] == pytest.approx(many.adjusted([p[i] for i in order], method))
    assert all(a >= b * (1 - 1e-12) for a, b in zip(adjusted, p, strict=True))


@given(st.lists(st.floats(-5, 12), min_size=1, max_size=8), st.floats(0.001, 0.5))
def test_e_bh_is_bh_of_one_over_e(log_es: list[float], alpha: float) -> None:
    found = many.e_bh(log_es, alpha)
    k = sum(found)
    line = math.log(len(log_es) / alpha)
    assert all(e >= line - math.log(k) - 1e-9 for e, f in zip(log_es, found, strict=True) if f)
    more = sorted(log_es, reverse=True)
    assert all(more[j - 1] < line - math.log(j) + 1e-9 for j in range(k + 1, len(more) + 1))


def test_e_bh_holds_its_share_when_all_metrics_move_together() -> None:
    """Twenty metrics without effect, one shared noise: a false finding comes in at most α of the experiments."""
    rng, reps, x = np.random.default_rng(9), 3000, 8.2
    z = math.sqrt(0.9) * rng.normal(size=(reps, 1)) + math.sqrt(0.1) * rng.normal(size=(reps, 20))
    log_es = -0.5 * math.log1p(x) + 0.5 * z**2 * x / (1 + x)
    wrong = np.mean([any(many.e_bh(row.tolist(), 0.1)) for row in log_es])
    assert wrong <= 0.1


def test_nothing_asked_nothing_found() -> None:
    assert many.e_bh([]) == ()
    assert many.adjusted([], "hommel") == ()
    with pytest.raises(ValueError, match="method"):
        many.adjusted([0.5], "magic")
    with pytest.raises(ValueError, match="from 0 to 1"):
        many.adjusted([1.5], "holm")


def test_statsmodels_agrees() -> None:
    multitest = pytest.importorskip("statsmodels.stats.multitest", reason="statsmodels is not installed")
    names = {"holm_sidak": "holm-sidak", "hochberg": "simes-hochberg", "benjamini_hochberg": "fdr_bh"}
    names["benjamini_yekutieli"] = "fdr_by"
    for name in many.METHODS:
        theirs = multitest.multipletests(KNOWN, method=names.get(name, name))[1]
        assert many.adjusted(KNOWN, name) == pytest.approx(theirs, abs=1e-12)
