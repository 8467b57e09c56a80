"""The results as Markdown, made from the JSON file alone.

Belongs here: words and columns. Does not: any figure that is not in the file.
"""

from collections.abc import Iterator, Mapping
from typing import Any

HEAD = """<!-- Made by benchmarks/experiments.py from experiments.json; do not edit. -->
# Experiments: results

Shares in percent with their 99 % Monte-Carlo interval. *held*: the whole interval is on the right side of the bar; \
*held, within chance*: the share is, its interval reaches over; *open*: the bar is inside the interval, the share on \
the wrong side; *missed*: the whole interval is on the wrong side. Rows without a bar are baselines or context: rules \
that others use, on the same data.
"""


def markdown(results: Mapping[str, Any]) -> str:
    """The whole document."""
    parts = [HEAD]
    simulations = results.get("simulations", {})
    for name in sorted(simulations, key=lambda name: int(name[1:])):
        parts.append("\n".join(_simulation(name, simulations[name])) + "\n")
    for name, figures in sorted(results.get("real data", {}).items()):
        parts.append("\n".join(_real(name, figures)) + "\n")
    for name, figures in sorted(results.get("scale", {}).items()):
        parts.append("\n".join(_real(name, figures, "Scale")) + "\n")
    return "\n".join([*parts, f"Machine: {results.get('machine', 'not stated')}.\n"])


def _simulation(name: str, run: Mapping[str, Any]) -> Iterator[str]:
    yield f"## {name}: {_cell(run['claim'])}\n"
    yield f"{run['repetitions']:,} repetitions, seed {run['seed']}; {run['date']}, {run['seconds']} s."
    for note in run.get("notes", ()):
        yield f"{_cell(note)}."
    yield ""
    yield "| world | figure | value | bar | verdict |"
    yield "|---|---|---|---|---|"
    for path, figure in _leaves(run["figures"]):
        *world, what = path
        value, bar, verdict = _value(figure)
        if isinstance(figure, Mapping) and figure.get("of", run["repetitions"]) != run["repetitions"]:
            value += f" of {figure['of']:,}"
        yield f"| {_cell(', '.join(world))} | {_cell(what)} | {value} | {bar} | {verdict} |"


def _real(name: str, figures: Mapping[str, Any], kind: str = "Real data") -> Iterator[str]:
    yield f"## {kind}: {_cell(name)}\n"
    yield f"{figures['date']}.\n"
    yield "| figure | value |"
    yield "|---|---|"
    for key, value in figures.items():
        if key not in ("date", "load", "seconds"):
            yield f"| {_cell(key)} | {_cell(_plain(value))} |"


def _leaves(figures: Mapping[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, value in figures.items():
        path = (*above, str(key))
        if isinstance(value, Mapping) and not {"share", "value"} & value.keys():
            yield from _leaves(value, path)
        else:
            yield path, value


def _value(figure: Any) -> tuple[str, str, str]:
    if not isinstance(figure, Mapping):
        return _plain(figure), "", ""
    bar, verdict = figure.get("bar", ""), figure.get("verdict", "")
    if verdict in ("open", "missed"):
        verdict = f"**{verdict}**"
    if "share" in figure:
        low, high = figure["99 %"]
        return f"{100 * figure['share']:.2f} [{100 * low:.2f}, {100 * high:.2f}]", bar, verdict
    error = f" ± {figure['±99 %']:.3g}" if "±99 %" in figure else ""
    return f"{_plain(figure['value'])}{error}", bar, verdict


def _plain(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(_plain(each) for each in value)
    return f"{value:.5g}" if isinstance(value, float) else str(value)


def _cell(text: str) -> str:
    """Nothing in a name may end a cell or a line."""
    return " ".join(str(text).split()).replace("|", "\\|").replace("<", "&lt;")
