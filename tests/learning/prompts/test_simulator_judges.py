"""S6, small: a judge's errors are taken out of its claims, and one that errs by prompt is caught."""

import pytest

from benchmarks.prompting.judges import GAIN, simulate


def test_corrected_claims_are_true_and_poor_judges_stay_outside() -> None:
    worlds = simulate(full=False)["worlds"]
    for name in ("good judge", "fair judge", "lenient judge"):
        real = worlds[name][str(GAIN)]
        assert real["corrected"]["gain"] == pytest.approx(GAIN, abs=0.02), name
        assert real["corrected"]["coverage"] >= 0.88, name
        assert real["raw"]["gain"] < real["corrected"]["gain"], name
    assert worlds["good judge"]["0.0"]["may_gate"] >= 0.95
    assert worlds["poor judge"]["0.0"]["may_gate"] == 0.0
    style = worlds["judge that likes the finalist's style"]["0.0"]
    assert style["raw"]["gain"] > 0.05  # a gain that is not there
    assert style["errs_differently"] >= 0.5  # seen in most runs, not in all
    assert style["by_arm"]["coverage"] >= 0.9  # and with each prompt's own errors it is gone
    assert style["by_arm"]["gain"] == pytest.approx(0.0, abs=0.05)
