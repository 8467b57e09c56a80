"""Records: the same value back after JSON, bit for bit, and clear words for what is not one."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glow_pipelines.learning.experiments.estimates import ArmMoments, CrossedMoments
from glow_pipelines.learning.experiments.moments import Moments
from glow_pipelines.learning.experiments.types import Look, MetricLook, Statistics, Traffic

FLOATS = st.floats(allow_nan=False, allow_infinity=False)
ROWS = st.lists(st.tuples(FLOATS.filter(lambda x: abs(x) < 1e9), st.floats(0, 1e6)), max_size=6)


def through_json(record: Any) -> Any:
    return type(record).from_json(json.loads(json.dumps(record.to_json())))


@given(ROWS, ROWS, FLOATS, st.tuples(st.integers(0, 10**9), st.integers(0, 10**9)))
def test_statistics_come_back_bit_for_bit(a: Any, b: Any, day: float, units: tuple[int, int]) -> None:
    arms = ArmMoments(Moments.of(("s", "n"), a), Moments.of(("s", "n"), b))
    crossed = CrossedMoments(Moments.of(("sc", "nc", "st", "nt"), [(*x, *x) for x in a]), 3, 4)
    given_ = Statistics(day + 0.0, units, metrics={"thumbs_up_rate": arms, "cost_mean": crossed})
    again = through_json(given_)
    assert again == given_
    assert isinstance(again.metrics["cost_mean"], CrossedMoments)
    assert json.dumps(again.to_json()) == json.dumps(given_.to_json())


def test_looks_come_back() -> None:
    metric = MetricLook("thumbs_up_rate", "primary", 0.1, 0.3, 0.2, 0.01, effective=(10.0, 12.5))
    look = Look("decision", 7.5, (10, 11), 0.0, None, 1.0, (metric,), 4, "continue", "too early", alarms=("drift",))
    assert through_json(look) == look
    assert look.metric("thumbs_up_rate") == look.primary


def test_numbers_that_jsonb_rewrites_are_read_as_what_they_were() -> None:
    written = Traffic(1e22, 1.0, 0.5, 0.0).to_json() | {"users_per_day": 10**22, "rated_per_user": 1, "population": 5.0}
    assert Traffic.from_json(written) == Traffic(1e22, 1.0, 0.5, 0.0, population=5)
    assert math.copysign(1, Traffic(-0.0, 1.0, 0.5, 0.0).to_json()["users_per_day"]) == 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"day": "today"}, "Statistics.day: a float"),
        ({"units": [1]}, "Statistics.units: 2 values"),
        ({"units": [True, 1]}, r"Statistics.units\[0\]: a int"),
        ({"metrics": []}, "Statistics.metrics: an object"),
        ({"salt": 1}, "unknown salt"),
    ],
)
def test_what_is_no_record_is_refused_with_its_place(change: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Statistics.from_json({"day": 1.0, "units": [1, 2]} | change)


def test_missing_fields_are_named() -> None:
    with pytest.raises(ValueError, match="units"):
        Statistics.from_json({"day": 1.0})


def test_json_has_no_infinity() -> None:
    with pytest.raises(ValueError, match="JSON has no inf"):
        Statistics(math.inf, (1, 1)).to_json()
