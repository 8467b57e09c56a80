"""How sure a simulated share is, and whether it holds its bar.

Belongs here: the arithmetic of Monte-Carlo error. Does not: what is simulated.
"""

from typing import Any

from glow_pipelines.learning.intervals import wilson

VERDICTS = ("held", "held, within chance", "open", "missed")  # from best to worst


def share(count: int, reps: int, *, least: float | None = None, most: float | None = None) -> dict[str, Any]:
    """A simulated share with its 99 % interval, against a bar it must not exceed (`most`), fall below (`least`), both.

    Verdicts: "held" (the whole interval is on the right side), "held, within chance" (the share itself is),
    "open" (the share is not, but the bar is inside its interval), "missed" (the whole interval is on the wrong side).
    """
    interval = wilson(count, reps, confidence=0.99)
    found: dict[str, Any] = {"share": round(count / reps, 5), "99 %": [round(interval.low, 5), round(interval.high, 5)]}
    found["of"] = reps
    bars = []
    if least is not None:  # mirrored, a lower bar is an upper one
        bars.append((f"≥ {least:g}", _verdict(-count / reps, -interval.high, -interval.low, -least)))
    if most is not None:
        bars.append((f"≤ {most:g}", _verdict(count / reps, interval.low, interval.high, most)))
    if bars:
        found["bar"] = ", ".join(text for text, _ in bars)
        found["verdict"] = max((verdict for _, verdict in bars), key=VERDICTS.index)
    return found


def within(value: float, *, low: float | None = None, high: float | None = None, error: float = 0.0) -> dict[str, Any]:
    """A figure that is no share, against its bar; `error` is its Monte-Carlo standard error."""
    found: dict[str, Any] = {"value": _short(value)}
    if error:
        found["±99 %"] = _short(2.576 * error)
    ends = ([f"≥ {low:g}"] if low is not None else []) + ([f"≤ {high:g}"] if high is not None else [])
    missing = max(0.0, (low - value) if low is not None else 0.0, (value - high) if high is not None else 0.0)
    if ends:
        found["bar"] = ", ".join(ends)
        found["verdict"] = "held" if not missing else "open" if missing <= 2.576 * error else "missed"
    return found


def verdicts(figures: Any) -> list[str]:
    """All verdicts in nested figures."""
    if not isinstance(figures, dict):
        return []
    own = [figures["verdict"]] if "verdict" in figures else []
    return own + [each for value in figures.values() for each in verdicts(value)]


def _verdict(value: float, low: float, high: float, bar: float) -> str:
    if high <= bar:
        return "held"
    return "held, within chance" if value <= bar else "open" if low <= bar else "missed"


def _short(value: float) -> float:
    return float(f"{float(value):.5g}")
