"""The report in a terminal.

Belongs here: blocks as rich shows them, short. Does not: what is said (sections), the page (html).

Everything goes through rich's Text, never through a string: text of users must not become markup or escape codes.
"""

from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.table import Table as Grid
from rich.text import Text as Line

from glow_pipelines.demo.blocks import Block, Diff, Items, Mark, Plot, Section, Table, Text, Whisker, clean
from glow_pipelines.demo.html import write_html
from glow_pipelines.demo.sections import sections

__all__ = ["print_report", "write_html"]

_STYLES = {"good": "bold green", "bad": "bold red", "plain": "bold"}
_DIFF_STYLES = {"+": "green", "-": "red"}
_DOTS = {"in force": "○", "tried": "◆", "other": "●"}
_WIDE = 96
_NAME = 24
_DIFF_LINES = 4
_DIFF_WIDTH = 92
_ARMS = 3
_WIDTH = 34


def print_report(figures: dict[str, Any], console: Console) -> None:
    """The whole report, cut where report.html says more."""
    console.print()
    console.rule(Line("One turn of the loop", style="bold"), align="left", style="dim")
    for section in sections(figures):
        _section(section, console)


def _section(section: Section, console: Console) -> None:
    if section.level == 2:
        console.print()
    title = _line(section.title, console, style="bold cyan" if section.level == 2 else "bold")
    first, *rest = section.blocks
    runs_in = isinstance(first, Text)
    head = Line("  ").join([title, _shown(first, console)]) if runs_in else title
    console.print(Padding(head, (0, 0, 0, 0 if section.level == 2 else 2)))
    for block in rest if runs_in else section.blocks:
        if not (isinstance(block, Plot) and block.page_only):
            console.print(Padding(_shown(block, console), (0, 0, 0, 2)))


def _shown(block: Block, console: Console) -> Any:
    match block:
        case Text():
            lead = [] if block.lead is None else [_line(f"{block.lead.text}. ", console, _STYLES[block.lead.tone])]
            return Line().join([*lead, _line(block.text, console)])
        case Items():
            if max(len(name) for name, _ in block.rows) > _NAME:
                return Line("\n").join(
                    Line("  ").join([_line(name, console, "bold"), _line(said, console)]) for name, said in block.rows
                )
            grid = Grid.grid(padding=(0, 2, 0, 0))
            for name, said in block.rows:
                grid.add_row(_line(name, console, "bold"), _line(said, console))
            return grid
        case Table():
            return _table(block, console)
        case Diff():
            return _diff(block, console)
        case Plot():
            return _plot(block, console)


def _table(block: Table, console: Console) -> Grid:
    columns = len(block.head) - block.page_only
    grid = Grid(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for place, name in enumerate(block.head[:columns]):
        # Numbers torn over two lines cannot be compared; numbers cut off where it is too narrow would be wrong.
        whole = console.width >= _WIDE and place < columns - 1
        grid.add_column(_line(name, console), no_wrap=whole, overflow="fold")
    for row in block.rows:
        grid.add_row(*(_cell(cell, console) for cell in row[:columns]))
    return grid


def _cell(cell: str | Mark, console: Console) -> Line:
    return _line(cell.text, console, _STYLES[cell.tone]) if isinstance(cell, Mark) else _line(cell, console)


def _diff(block: Diff, console: Console) -> Line:
    shown = [
        _line(clean(line, _DIFF_WIDTH), console, _DIFF_STYLES.get(line[:1], ""))
        for line in block.lines
        if line.strip(" +-")
    ]
    if all(line.plain.startswith(" ") for line in shown):
        text = clean(" ".join(line.plain.strip() for line in shown), _DIFF_WIDTH - len(block.caption))
        return Line.assemble(_line(f"{block.caption}: ", console, "dim"), _line(text, console))
    rest = len(shown) - _DIFF_LINES
    more = [_line(f"… {rest} more lines in report.html", console, "dim")] if rest > 0 else []
    return Line("\n").join([_line(f"{block.caption}:", console, "dim"), *shown[:_DIFF_LINES], *more])


def _plot(block: Plot, console: Console) -> Line:
    rest = len(block.whiskers) - _ARMS
    rows = [_line(f"{block.caption}", console, "dim")]
    for each in block.whiskers[:_ARMS]:
        rows.append(_line(f"{clean(each.label, 28):<28} {_whisker(each)} {each.shown}", console))
    if rest > 0:
        rows.append(_line(f"… {rest} more in report.html", console, "dim"))
    return Line("\n").join(rows)


def _whisker(whisker: Whisker) -> str:
    places = ["·"] * _WIDTH
    low, dot, high = (round(each * (_WIDTH - 1)) for each in (whisker.low, whisker.value, whisker.high))
    places[low : high + 1] = "─" * (high - low + 1)
    places[dot] = _DOTS[whisker.kind]
    return "".join(places)


def _line(text: str, console: Console, style: str = "") -> Line:
    """Harmless text that the terminal's encoding can show."""
    known = clean(text).encode(console.encoding, "replace").decode(console.encoding)
    return Line(known, style=style)
