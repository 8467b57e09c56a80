"""Plots for the UI: an SVG as a data URI in a Markdown image, which Dagster's page shows and a script cannot live in.

Belongs here: drawing. Does not: what is drawn (the assets). No user text: operators and numbers only.
"""

import base64
import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

import dagster as dg

if TYPE_CHECKING:
    from glow_pipelines.learning.prompts.types import Race

_WIDTH, _HEIGHT = 640, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 48, 150, 16, 40
_LINE = 13  # between two labels, so that both can be read
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")  # told apart by colour-blind people too
_OUT, _INCUMBENT = "#b0b0b0", "#000000"

Point = tuple[float, float]


def race_plot(race: "Race", incumbent: str) -> dg.MarkdownMetadataValue:
    """Validation accuracy of every arm over the items it was asked; arms that left end where they left."""
    if not race.rounds:
        return dg.MetadataValue.md("*no race*")
    operators = {arm.prompt_sha256: arm.operator for arm in race.arms}
    paths: dict[str, list[Point]] = {}
    for each in race.rounds:
        for prompt, score in zip(each.prompts, each.scores, strict=True):
            paths.setdefault(prompt, []).append((each.items, score))
    scores = [score for path in paths.values() for _, score in path]
    frame = _Frame((0, race.rounds[-1].items), _around(scores, (0, 1)), "validation items", "share right", percent=True)
    kept = [prompt for prompt in dict.fromkeys((*race.survivors, incumbent)) if prompt in paths]
    drawn = [frame.path(path, _OUT, 1.5) for prompt, path in paths.items() if prompt not in kept]
    for place, prompt in enumerate(kept):
        colour = _INCUMBENT if prompt == incumbent else _COLOURS[place % len(_COLOURS)]
        drawn.append(frame.path(paths[prompt], colour, 3 if prompt == incumbent else 2.5))
        drawn.append(frame.label(paths[prompt][-1], f"{operators.get(prompt, '?')} {prompt[:6]}", colour))
    return _image(frame.svg(drawn), "race: share right over validation items")


def evidence_plot(nights: Sequence[Mapping[str, Any]]) -> dg.MarkdownMetadataValue:
    """The e-value of one finalist over the nights of its gate, with the bar it must reach."""
    if not nights:
        return dg.MetadataValue.md("*no gate*")
    ten = math.log(10)
    path = [(0.0, 0.0), *((float(row["evidence"]["n"]), row["evidence"]["log_e"] / ten) for row in nights)]
    bar = -math.log10(nights[-1]["evidence"]["level"])
    frame = _Frame((0, path[-1][0] or 1), _around([bar, 0.0, *(y for _, y in path)]), "test items", "log10 of E")
    drawn = [
        frame.path([(0, bar), (frame.x[1], bar)], _COLOURS[1], 1.5, dashed=True),
        frame.label((frame.x[1], bar), f"needed {10**bar:.3g}", _COLOURS[1]),
        frame.path(path, _COLOURS[0], 2.5),
        *(frame.dot(point, _COLOURS[0]) for point in path[1:]),
    ]
    return _image(frame.svg(drawn), "e-value over nights")


class _Frame:
    def __init__(
        self, x: tuple[float, float], y: tuple[float, float], x_name: str, y_name: str, percent: bool = False
    ) -> None:
        self.x, self.y, self._names, self._percent = x, y, (x_name, y_name), percent
        self._labelled: list[float] = []

    def at(self, point: Point) -> tuple[float, float]:
        (low_x, high_x), (low_y, high_y) = self.x, self.y
        across = (point[0] - low_x) / ((high_x - low_x) or 1)
        up = (point[1] - low_y) / ((high_y - low_y) or 1)
        return (
            _LEFT + across * (_WIDTH - _LEFT - _RIGHT),
            _HEIGHT - _BOTTOM - up * (_HEIGHT - _TOP - _BOTTOM),
        )

    def path(self, points: Sequence[Point], colour: str, width: float, dashed: bool = False) -> str:
        placed = " ".join(f"{x:.1f},{y:.1f}" for x, y in map(self.at, points))
        dash = ' stroke-dasharray="5 4"' if dashed else ""
        dots = self.dot(points[0], colour) if len(points) == 1 else ""
        return f'<polyline points="{placed}" fill="none" stroke="{colour}" stroke-width="{width}"{dash}/>{dots}'

    def dot(self, point: Point, colour: str) -> str:
        x, y = self.at(point)
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>'

    def label(self, point: Point, text: str, colour: str) -> str:
        x, y = self.at(point)
        while any(abs(y - other) < _LINE for other in self._labelled):
            y += 1
        self._labelled.append(y)
        return f'<text x="{x + 7:.1f}" y="{y + 4:.1f}" fill="{colour}">{escape(text[:24])}</text>'

    def svg(self, drawn: Sequence[str]) -> str:
        ticks = []
        for step in range(5):
            x = self.x[0] + step / 4 * (self.x[1] - self.x[0])
            y = self.y[0] + step / 4 * (self.y[1] - self.y[0])
            (across, _), (_, up) = self.at((x, self.y[0])), self.at((self.x[0], y))
            told = f"{100 * y:.0f} %" if self._percent else f"{y:.1f}"
            ticks.append(
                f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{up:.1f}" y2="{up:.1f}" stroke="#e4e4e4"/>'
                f'<text x="{_LEFT - 6}" y="{up + 4:.1f}" text-anchor="end">{told}</text>'
                f'<text x="{across:.1f}" y="{_HEIGHT - _BOTTOM + 16}" text-anchor="middle">{x:.0f}</text>'
            )
        names = (
            f'<text x="{(_LEFT + _WIDTH - _RIGHT) / 2}" y="{_HEIGHT - 6}" text-anchor="middle">{self._names[0]}</text>'
            f'<text x="{_LEFT}" y="11">{self._names[1]}</text>'
        )
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{_HEIGHT}" font-family="sans-serif" '
            f'font-size="12" fill="#333"><rect width="100%" height="100%" fill="#ffffff"/>'
            f"{''.join(ticks)}{names}{''.join(drawn)}</svg>"
        )


def _around(values: Sequence[float], within: tuple[float, float] = (-math.inf, math.inf)) -> tuple[float, float]:
    low, high = min(values), max(values)
    room = 0.08 * (high - low) or 0.05
    return max(low - room, within[0]), min(high + room, within[1])


def _image(svg: str, told: str) -> dg.MarkdownMetadataValue:
    encoded = base64.b64encode(svg.encode()).decode()
    return dg.MetadataValue.md(f"![{told}](data:image/svg+xml;base64,{encoded})")
