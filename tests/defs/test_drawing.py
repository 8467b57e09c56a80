"""Axes tell the truth: what is written beside a tick is where the tick is."""

from hypothesis import assume, given
from hypothesis import strategies as st

from glow_pipelines.defs.drawing import round_numbers

ends = st.floats(-1e6, 1e6)


@given(ends, ends)
def test_ticks_are_what_is_written_beside_them(one: float, other: float) -> None:
    """Quarters of the axis were written as whole numbers: day 6.75 stood there as day 7."""
    low, high = sorted((one, other))
    assume(high - low > 1e-6)
    ticks = round_numbers(low, high)
    assert 3 <= len(ticks) <= 11
    room = 1e-6 * (high - low)
    for value, told in ticks:
        assert abs(float(told) - value) <= room
        assert low - room <= value <= high + room
