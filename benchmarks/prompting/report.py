"""The results as a Markdown table, made from the JSON file alone.

Belongs here: words and columns. Does not: any figure that is not in the file.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

HEAD = "<!-- Made by benchmarks/prompts.py from prompts.json; do not edit. -->\n# Prompt optimizer: results\n"
CELLS = ("contestant", "accuracy on sealed rows", "gain", "claimed", "Glow's gain over it", "calls", "prompt tokens")
EXPLAINED = """Accuracy and gains in percent, with 95 % intervals. A gain is over the prompt to begin with, on rows \
that no contestant saw; *claimed* is the gain a contestant reports itself. Calls are counted by the harness, those \
that write prompts included. *Glow without its gate* is the winner of the same run's race, which Glow does not hand \
over unless the gate passes; only the gate sees the gate rows."""


def markdown(results: Mapping[str, Any]) -> str:
    """The whole document."""
    parts = [HEAD]
    if tasks := results.get("tasks"):
        parts += [f"## Real tasks\n\n{EXPLAINED}\n"]
        parts += ["\n".join(_task(name, figures)) + "\n" for name, figures in sorted(tasks.items())]
    if simulators := results.get("simulators"):
        parts += ["## Simulators\n"]
        parts += ["\n".join(_simulator(name, figures)) + "\n" for name, figures in sorted(simulators.items())]
    parts += [f"Machine: {results.get('machine', 'not stated')}.\n"]
    return "\n".join(parts)


def _task(name: str, figures: Mapping[str, Any]) -> Iterator[str]:
    rows = figures["rows"]
    yield f"### {_cell(name)}\n"
    yield (
        f"{_cell(figures['model'])}, prompts written by {_cell(figures['writer'])}; metric {figures['metric']}; "
        f"{figures['calls']} calls each, {figures['seeds']} seed(s); rows: "
        f"{', '.join(f'{part} {count}' for part, count in rows.items())}; {figures['date']}, "
        f"{figures['seconds']} s, load {figures['load']:.1f}."
    )
    for each in figures["notes"]:
        yield f"Note: {_cell(each)}."
    yield ""
    before = figures["before"]
    yield from _table(
        CELLS,
        [
            ("prompt to begin with", _interval(before["accuracy"]), "", "", "", "0", str(before["prompt tokens"])),
            *(_contestant(who, each) for who, each in figures["contestants"].items()),
        ],
    )
    yield ""
    for who, each in figures["contestants"].items():
        states = ", ".join(f"{row['state']} ({_points(row['gain']['estimate'])})" for row in each["by seed"])
        yield f"- {who}, by seed: {states}"


def _contestant(name: str, figures: Mapping[str, Any]) -> tuple[str, ...]:
    over = figures["Glow's gain over it"]
    return (
        name,
        _interval(figures["accuracy"]),
        _interval(figures["gain"], signed=True),
        "" if figures["claimed gain"] is None else _points(figures["claimed gain"]),
        "" if over is None else _interval(over, signed=True),
        f"{figures['calls']:.0f}, {figures['of them to write']:.0f} to write",
        f"{figures['prompt tokens']:.0f}",
    )


def _simulator(name: str, figures: Mapping[str, Any]) -> Iterator[str]:
    yield f"### {_cell(name)}\n"
    yield from _table(("figure", "value"), [(key, value) for key, value in _flat(figures)])


def _flat(figures: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    """A row for each innermost group of figures, and one for each figure that stands alone."""
    groups = {key: value for key, value in figures.items() if isinstance(value, Mapping)}
    alone = {key: value for key, value in figures.items() if key not in groups}
    if above and alone:
        yield above, "; ".join(f"{key} {_figure(value)}" for key, value in alone.items())
    else:
        yield from ((key, _figure(value)) for key, value in alone.items())
    for key, value in groups.items():
        yield from _flat(value, f"{above} / {key}" if above else key)


def _figure(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(_figure(each) for each in value)
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(_cell(each) for each in row)} |"


def _cell(text: str) -> str:
    """Names come from folders and from simulators: nothing of theirs may end a cell or a line."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def _interval(figures: Mapping[str, Any], signed: bool = False) -> str:
    show = _points if signed else _percent
    return f"{show(figures['estimate'])} [{show(figures['low'])}, {show(figures['high'])}]"


def _points(value: float) -> str:
    return f"{100 * value:+.1f}"


def _percent(value: float) -> str:
    return f"{100 * value:.1f}"
