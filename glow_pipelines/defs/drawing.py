"""Plots for the UI: an SVG as a data URI in a Markdown image, which Dagster's page shows and a script cannot live in.

Belongs here: axes, lines, labels. Does not: what is drawn (a module beside the assets it is for). No user text:
names of ours and numbers only.
"""

import base64
import math
from collections.abc import Sequence
from html import escape

import dagster as dg

WIDTH, HEIGHT = 640, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 48, 150, 16, 40
_LINE = 13  # between two labels, so that both can be read
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")  # told apart by colour-blind people too

Point = tuple[float, float]


class Frame:
    """A plot with its axes: `x` and `y` are what they span, `percent` shows y as a percentage."""

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
            _LEFT + across * (WIDTH - _LEFT - _RIGHT),
            HEIGHT - _BOTTOM - up * (HEIGHT - _TOP - _BOTTOM),
        )

    def path(self, points: Sequence[Point], colour: str, width: float, dashed: bool = False) -> str:
        placed = " ".join(f"{x:.1f},{y:.1f}" for x, y in map(self.at, points))
        dash = ' stroke-dasharray="5 4"' if dashed else ""
        dots = self.dot(points[0], colour) if len(points) == 1 else ""
        return f'<polyline points="{placed}" fill="none" stroke="{colour}" stroke-width="{width}"{dash}/>{dots}'

    def band(self, low: Sequence[Point], high: Sequence[Point], colour: str) -> str:
        """The area between two lines over the same x."""
        placed = " ".join(f"{x:.1f},{y:.1f}" for x, y in map(self.at, (*low, *reversed(high))))
        return f'<polygon points="{placed}" fill="{colour}" fill-opacity="0.16"/>'

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
        scale, unit = (100, " %") if self._percent else (1, "")
        for y, told in round_numbers(scale * self.y[0], scale * self.y[1]):
            up = self.at((self.x[0], y / scale))[1]
            ticks.append(
                f'<line x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{up:.1f}" y2="{up:.1f}" stroke="#e4e4e4"/>'
                f'<text x="{_LEFT - 6}" y="{up + 4:.1f}" text-anchor="end">{told}{unit}</text>'
            )
        for x, told in round_numbers(*self.x):
            across = self.at((x, self.y[0]))[0]
            ticks.append(f'<text x="{across:.1f}" y="{HEIGHT - _BOTTOM + 16}" text-anchor="middle">{told}</text>')
        names = (
            f'<text x="{(_LEFT + WIDTH - _RIGHT) / 2}" y="{HEIGHT - 6}" text-anchor="middle">{self._names[0]}</text>'
            f'<text x="{_LEFT}" y="11">{self._names[1]}</text>'
        )
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" font-family="sans-serif" '
            f'font-size="12" fill="#333"><rect width="100%" height="100%" fill="#ffffff"/>'
            f"{''.join(ticks)}{names}{''.join(drawn)}</svg>"
        )


def round_numbers(low: float, high: float) -> list[tuple[float, str]]:
    """Numbers for an axis between two ends, each exactly what is written beside it: four to ten multiples of 1, 2 or 5
    times a power of ten."""
    span = high - low or 1.0
    power = 10.0 ** math.floor(math.log10(span / 4))
    step = next(size * power for size in (5, 2, 1) if size * power <= span / 4)
    digits = max(0, -math.floor(math.log10(step)))
    first = math.ceil(low / step - 1e-9)
    many = math.floor((low + span) / step + 1e-9) - first + 1
    return [(n * step, f"{n * step:.{digits}f}") for n in range(first, first + many)]


def around(values: Sequence[float], within: tuple[float, float] = (-math.inf, math.inf)) -> tuple[float, float]:
    low, high = min(values), max(values)
    room = 0.08 * (high - low) or 0.05
    return max(low - room, within[0]), min(high + room, within[1])


def image(svg: str, told: str) -> dg.MarkdownMetadataValue:
    encoded = base64.b64encode(svg.encode()).decode()
    return dg.MetadataValue.md(f"![{told}](data:image/svg+xml;base64,{encoded})")
