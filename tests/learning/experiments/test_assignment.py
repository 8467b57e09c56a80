"""Assignment: the specified numbers, independence of the draws, and that raising a share moves nobody back."""

import hashlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glow_pipelines.learning.experiments.assignment import MILLION, assign, enrolled, exp_bucket, variant

VECTORS = Path(__file__).parents[3].parent / "shared" / "specs" / "experiments_vectors.json"
SALT = "exp-tax-agent-prompt-v2#1"
UNITS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x1f\0"), max_size=20)
SHARES = st.integers(0, MILLION)


@pytest.mark.parametrize(
    ("unit", "bucket"), [("user-1", 437684), ("user-2", 596229), ("Zoë", 697363), ("李雷", 843543), ("😀", 259150)]
)
def test_specified_buckets(unit: str, bucket: int) -> None:
    assert exp_bucket(SALT, "layer", unit) == bucket


def test_specified_bulk() -> None:
    buckets = [exp_bucket("bulk", "variant", f"u{i}") for i in range(1, 100_001)]
    digest = hashlib.sha256(",".join(map(str, buckets)).encode()).hexdigest()
    assert sum(bucket < 500_000 for bucket in buckets) == 50_024
    assert (digest[:8], digest[-4:]) == ("9075770c", "34c5")


@pytest.mark.skipif(not VECTORS.exists(), reason="shared reference vectors are not beside this checkout")
def test_reference_vectors() -> None:
    vectors = [v for v in json.loads(VECTORS.read_text())["vectors"] if v["id"][:-3] == "hash.sha256."]
    assert len(vectors) >= 72
    for vector in vectors:
        assert exp_bucket(**vector["input"]) == vector["expected"]["bucket"], vector["id"]


@pytest.mark.parametrize("part", ["a\x1fb", "a\0b"])
def test_parts_that_could_meet_are_refused(part: str) -> None:
    for arguments in ((part, "variant", "u"), ("s", part, "u"), ("s", "variant", part)):
        with pytest.raises(ValueError, match=r"U\+001F or NUL"):
            exp_bucket(*arguments)


@given(UNITS, SHARES, SHARES)
def test_raising_a_share_moves_units_one_way_only(unit: str, one: int, other: int) -> None:
    low, high = sorted((one, other))
    assert enrolled("s", unit, high) or not enrolled("s", unit, low)
    assert variant("s", unit, high) == "treatment" or variant("s", unit, low) == "control"


@given(UNITS)
def test_assignment_is_the_two_draws(unit: str) -> None:
    assert assign("s", unit, enrolled_ppm=0, treatment_ppm=500_000) is None
    found = assign("s", unit, enrolled_ppm=MILLION, treatment_ppm=200_000)
    assert found is not None
    assert (found.variant == "treatment") == (found.bucket >= 800_000)
    assert found.propensity == (0.2 if found.variant == "treatment" else 0.8)


def test_enrolment_and_variant_are_independent() -> None:
    units = [f"u{i}" for i in range(20_000)]
    inside = [unit for unit in units if enrolled(SALT, unit, 300_000)]
    treated = sum(variant(SALT, unit, 500_000) == "treatment" for unit in inside)
    assert abs(treated / len(inside) - 0.5) < 4 * 0.5 / len(inside) ** 0.5  # four standard errors
