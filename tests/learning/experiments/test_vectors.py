"""Every reference vector holds, further ones of the same kinds are read, and what cannot be computed fails by name."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.experimenting.vectors import Readings, World, check, differences, failure
from benchmarks.experimenting.vectors_report import folders, show
from glow_pipelines.database import connect

SHARED = Path(__file__).resolve().parents[4] / "shared"
FILE = SHARED / "specs" / "experiments_vectors.json"
needs_file = pytest.mark.skipif(not FILE.exists(), reason="the reference vectors are not here: ../shared/specs")
needs_asos = pytest.mark.skipif(not (SHARED / "data" / "asos").exists(), reason="ASOS is not here: ../shared/data")


def holds(name: str, given: Any, expected: Any, tolerance: float, world: World | None = None) -> None:
    vector = {"id": name, "input": given, "expected": expected, "tolerance": tolerance}
    assert failure(vector, world or World({}, [SHARED / "data"])) is None


@needs_file
def test_all_shared_vectors_hold(database_url: str) -> None:
    with connect(database_url, autocommit=True) as connection:
        failures, total = check(FILE, World(json.loads(FILE.read_text())["data"], folders(FILE), lambda: connection))
    assert failures == []
    assert total >= 132


@needs_file
def test_further_numbers_of_the_clustered_data_hold(database_url: str) -> None:
    with connect(database_url, autocommit=True) as connection:
        world = World(json.loads(FILE.read_text())["data"], [], lambda: connection)
        cuped = {"theta": 0.4902038362, "diff": 0.0919607850, "se": 0.0480250549}
        holds("clustered.cuped_ratio", "data.clustered", cuped, 1e-9, world)
        holds("clustered.fieller_lift", "data.clustered", {"ci": [-0.0076, 0.4644]}, 1e-4, world)
        holds("clustered.ratio_delta", "data.clustered", {"se_one_vector": 0.0567094}, 1e-7, world)
        one_sided = [
            {"tau": 0.1, "alpha": 0.05, "diff": 0.10722839, "log_e": log_half_normal(0.10722839, 0.0569482, 0.1)}
        ]
        holds("clustered.always_valid_one_sided", "data.clustered", one_sided, 1e-4, world)
        log_ratio = {"log_ratio": math.log(0.6343042071 / 0.5270758123), "se": 0.0984741435}
        holds("clustered.log_ratio", "data.clustered", log_ratio, 1e-8, world)
        assert "nothing computes" in str(
            failure({"id": "clustered.ratio_delta", "input": "", "expected": {"unheard_of": 1.0}}, world)
        )


def log_half_normal(d: float, se: float, tau: float) -> float:
    """ln of the one-sided mixture by numerical integration over the effect, not by its closed form."""
    from scipy.integrate import quad
    from scipy.stats import norm

    def weighed(m: float) -> float:
        return float(norm.pdf(d, m, se) / norm.pdf(d, 0, se) * 2 * norm.pdf(m, 0, tau))

    return math.log(quad(weighed, 0, 12 * tau, points=[d])[0])


# Constants of GrowthBook's own tests (packages/stats/tests/frequentist/test_tests.py, MIT).
RATIO = """
m_post_sum 485.112236689623 514.7757826608777
m_post_sum_squares 2715.484666118136 2994.897482705013
d_post_sum 679.9093275844917 705.4090874383759
d_post_sum_squares 4939.424001640236 5291.36604146392
m_pre_sum 192.59138069991536 206.94157227402536
m_pre_sum_squares 460.076026390857 514.2903702246757
d_pre_sum 290.1398399750233 302.54389139107326
d_pre_sum_squares 920.9461385038898 994.4506208125663
m_post_m_pre_sum_of_products 1113.6215759318352 1237.0953021125997
d_post_d_pre_sum_of_products 2130.9404074446747 2292.081739775257
m_pre_d_pre_sum_of_products 634.239482353647 698.4173425817908
m_post_d_post_sum_of_products 3602.146836776702 3918.1561431600717
m_post_d_pre_sum_of_products 1559.2878434944676 1701.0287270040265
m_pre_d_post_sum_of_products 1460.3181079276983 1604.0759503266522
"""
MEAN_A = {"sum": 1396.87, "sum_squares": 52377.9767, "n": 3000}
MEAN_B = {"sum": 2422.7, "sum_squares": 134698.29, "n": 3461}


def test_other_tests_of_growthbook_hold() -> None:
    rows = [line.split() for line in RATIO.split("\n") if line]
    a, b = ({"n": 100, **{row[0]: float(row[side]) for row in rows}} for side in (1, 2))
    ratio = {"a": a, "b": b, "scale": "relative_delta"}
    fixed = {"effect": -0.0007, "ci": [-0.00841, 0.00700], "se": 0.00391, "p": 0.85771}
    holds("gb.cuped.ratio", ratio, fixed, 1e-5)
    holds("gb.seq.cuped.ratio", {**ratio, "tuning_N": 5000}, {"ci": [-0.02063, 0.01923], "p": 1.0}, 1e-5)
    props = {"a": {"sum": 1396, "n": 3000}, "b": {"sum": 2422, "n": 3461}, "scale": "relative", "tuning_N": 5000}
    holds("gb.seq.prop", props, {"effect": 0.50386, "ci": [0.40098, 0.60675], "se": 0.03386, "p": 0.0}, 1e-5)
    before = [{"sum": 16.87, "sum_squares": 527.9767}, {"sum": 22.7, "sum_squares": 1348.29}]
    adjusted = {
        side: {"n": post["n"], "post": {k: post[k] for k in ("sum", "sum_squares")}, "pre": pre, "post_pre_products": 1}
        for side, post, pre in zip("ab", (MEAN_A, MEAN_B), before, strict=True)
    }
    expected = {"effect": 0.50338, "ci": [-0.50969, 1.51646], "se": 0.33341, "p": 1}
    holds("gb.seq.cuped.mean", {**adjusted, "scale": "relative", "tuning_N": 5000}, expected, 1e-5)
    larger = {"a": MEAN_A, "b": MEAN_B, "scale": "absolute", "side": "greater"}
    holds("gb.welch.one_sided", larger, {"p": 0.03554272489873023, "lower": 0.020791480063255735}, 1e-9)


# Constants of confseq's own tests (test/uniform_boundaries_unittest.cpp, MIT).
@pytest.mark.parametrize(
    ("name", "more", "expected"),
    [
        ("normal_mixture.one_sided", {}, {"log_mixture": -0.06502391, "bound": 27.66071}),
        ("gamma_exponential", {"c": 2}, {"log_mixture": -0.2490165, "bound": 33.02017}),
        ("gamma_poisson", {"c": 2}, {"log_mixture": -0.06991219, "bound": 30.1949}),
        ("beta_binomial.one_sided", {"g": 0.2, "h": 0.8}, {"log_mixture": -0.07134019, "bound": 28.41238}),
        ("poly_stitching", {"v_min": 10, "c": 3, "s": 1.4, "eta": 2}, {"bound": 64.48755}),
        ("poly_stitching", {"v_min": 10, "c": -1, "s": 1.4, "eta": 2}, {"bound": 28.99389}),
        ("empirical_process_lil", {"t": 1000, "v": 1000, "t_min": 100, "A": 0.85}, {"bound": 0.08204769}),
    ],
)
def test_other_mixtures_of_confseq_hold(name: str, more: dict[str, Any], expected: dict[str, float]) -> None:
    common = {"v": 100, "v_opt": 100, "alpha": 0.05, "alpha_opt": 0.05, "s": 10}
    holds(f"confseq.{name}", common | more, expected, 1e-5)


def test_published_boundaries_hold() -> None:
    fifths = [0.2, 0.4, 0.6, 0.8, 1.0]
    total = {"info_fractions": fifths, "alpha": 0.05, "spending": "total: 2-2Phi(z_{1-alpha/2}/sqrt t)"}
    holds("gst.LD_OBF_K5_total", total, {"z": [4.383, 3.100, 2.553, 2.254, 2.064]}, 5e-4)
    holds("gst.inflation", {"looks": 14, "spending": "alpha*t^2"}, {"R": 1.087, "mean_over_fixed": 0.755}, 1e-3)
    holds("gst.linear", {"info_fractions": [1.0], "spending": "alpha*t"}, {"z": [1.959964]}, 1e-6)
    holds("gst.classical_constants", {"rule": "Pocock", "alpha": 0.05}, {"Pocock": {"3": 2.289, "4": 2.361}}, 1e-3)


def test_cookie_cats_holds() -> None:
    kept = {"n_c": 44700, "x_c": 8502, "n_t": 45489, "x_t": 8279}
    holds("real.cookie_cats.retention_7", kept, {"z": -3.164, "p": 0.001554}, 1e-3)
    holds("real.cookie_cats.srm", {"observed": [44700, 45489]}, {"p": 0.0086}, 1e-4)
    nested = {
        "gate_30": {"users": 44700, "retained": 8502},
        "gate_40": {"users": 45489, "retained": 8279},
        "tau": 0.005,
    }
    holds("real.cookie_cats", nested, {"z_pooled": -3.164, "srm_p": 0.0086}, 1e-3)


@needs_asos
def test_asos_holds() -> None:
    counts = {
        "streams": 361,
        "significant_any": 225,
        "significant_end": 105,
        "flipped_back": 120,
        "both_directions": 13,
    }
    holds("real.asos", "shared/data/asos", counts, 0)
    one = {"experiment_id": "036afc", "variant_id": 2, "metric_id": 1}
    said = str(failure({"id": "real.asos.one", "input": one, "expected": {"z": [9.0]}}, World({}, [SHARED / "data"])))
    assert "z: expected 1 values, computed [0.0" in said


def test_what_is_not_known_fails_with_its_name() -> None:
    world = World({})
    assert "nothing computes this kind" in str(failure({"id": "tarot.cards", "expected": {}}, world))
    srm = {"id": "srm.x", "input": {"observed": [1, 2], "weights": [1, 1]}, "tolerance": 1e-6}
    assert "mood: nothing computes this key" in str(failure({**srm, "expected": {"mood": 1.0}}, world))
    assert "chi2: expected 9.0" in str(failure({**srm, "expected": {"chi2": 9.0}}, world))
    assert "ValueError" in str(failure({**srm, "input": {"observed": [1], "weights": []}, "expected": {"p": 1}}, world))


def test_tolerance_is_absolute_up_to_one_and_relative_beyond() -> None:
    assert differences(0.5, 0.5009, 1e-3) == []
    assert differences(0.5, 0.5011, 1e-3)
    assert differences(1000.0, 1000.9, 1e-3) == []
    assert differences(1000.0, 1001.1, 1e-3)
    assert differences(7, 7.0000001, 0)
    assert differences([1.0, 2.0], [1.0], 1.0)
    assert differences(1.0, float("nan"), 1.0)
    assert differences(True, 1, 1e-9)
    assert differences(2.0, Readings([1.0, 2.0]), 1e-9) == []
    assert differences(3.0, Readings([1.0, 2.0]), 1e-9)


@given(st.floats(-1e6, 1e6), st.floats(1e-9, 1e-2))
def test_a_value_off_by_twice_its_tolerance_never_holds(value: float, tolerance: float) -> None:
    assert differences(value, value + 2.001 * tolerance * max(1.0, abs(value)), tolerance)
    assert differences(value, value + 0.5 * tolerance * max(1.0, abs(value)), tolerance) == []


def test_a_file_that_is_none_ends_with_two(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "no.json").write_text("[]")
    assert show(tmp_path / "no.json") == 2
    assert "not a file of vectors" in capsys.readouterr().err


def test_the_same_numbers_are_found_under_other_names() -> None:
    arms = {
        "control": {"n": 44700, "ret7": 8502, "ret1": 20034},
        "treatment": {"n": 45489, "ret7": 8279, "ret1": 20119},
    }
    expected = {"ret7": {"z": -3.164, "p_value": 0.001554}, "ret1": {"p": 0.0744}, "p_srm": 0.0086}
    holds("real.cookie_cats", arms, expected, 1e-3)
    holds("srm.phases", {"phases": [{"observed": [5000, 5400], "weights": [1, 1]}] * 2}, {"log_e": 11.60513150}, 1e-8)
    holds("power.prop", {"p1": 0.6, "p2": 0.65, "alpha": 0.05, "power": 0.8}, {"n_per_arm": 1467}, 1e-2)
    holds("gst.pocock_K5", {"K": 5, "rule": "Pocock z_k=c"}, {"c": 2.413}, 1e-3)
    holds("multitest.e_bh", {"e": [100.0, 1.0, 30.0, 50.0], "alpha": 0.05}, {"reject": [True, False, True, True]}, 0)
