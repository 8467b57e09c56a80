"""Intervals as dots with whiskers, in SVG.

Belongs here: drawing. Does not: what is drawn (sections), colours (report.css).

Places are percentages and sizes pixels, without a viewBox: the drawing is as wide as the page, its letters never
shrink. Roles differ in shape and fill, not in colour alone.
"""

from html import escape

from glow_pipelines.demo.blocks import Plot, Whisker, clean

_ROW = 40
_TOP = 8
_AXIS = 26
_MARGIN = 2.0  # percent on either side, so that a dot at 0 or 1 is whole
_TICKS = (0.0, 0.25, 0.5, 0.75, 1.0)
_LABEL = 30


def whisker_plot(plot: Plot, name: str) -> str:
    """The drawing as an SVG element; `name` makes its ids unique in the page."""
    height = _TOP + _ROW * len(plot.whiskers) + _AXIS
    rows = "".join(_row(each, _TOP + _ROW * place) for place, each in enumerate(plot.whiskers))
    told = "; ".join(f"{each.label} ({each.kind}): {each.shown}" for each in plot.whiskers)
    return (
        f'<svg class="plot" role="img" width="100%" height="{height}" aria-labelledby="{name}-title {name}-desc">'
        f'<title id="{name}-title">{escape(clean(plot.caption))}</title>'
        f'<desc id="{name}-desc">{escape(clean(told, 4000))}</desc>'
        f"{_axis(plot, height - _AXIS)}{rows}</svg>"
    )


def _axis(plot: Plot, bottom: int) -> str:
    drawn = []
    for tick in _TICKS:
        x, anchor = _place(tick), "start" if tick == 0 else "end" if tick == 1 else "middle"
        label = f"{100 * tick:.0f} %" if plot.percent else f"{tick:g}"
        at = "0%" if tick == 0 else "100%" if tick == 1 else x
        drawn.append(
            f'<line class="grid" x1="{x}" x2="{x}" y1="{_TOP}" y2="{bottom}"/>'
            f'<text class="tick" x="{at}" y="{bottom + 18}" text-anchor="{anchor}">{label}</text>'
        )
    return "".join(drawn)


def _row(whisker: Whisker, top: int) -> str:
    y = top + 28
    low, high, x = _place(whisker.low), _place(whisker.high), _place(whisker.value)
    role = whisker.kind.replace(" ", "-")
    ends = "".join(f'<line x1="{end}" x2="{end}" y1="{y - 5}" y2="{y + 5}"/>' for end in (low, high))
    return (
        f'<g class="{role}"><text x="0%" y="{top + 14}">{escape(clean(whisker.label, _LABEL))}</text>'
        f'<text class="value" x="100%" y="{top + 14}" text-anchor="end">{escape(clean(whisker.shown))}</text>'
        f'<line x1="{low}" x2="{high}" y1="{y}" y2="{y}"/>{ends}{_dot(whisker, x, y)}</g>'
    )


def _dot(whisker: Whisker, x: str, y: int) -> str:
    if whisker.kind == "tried":  # a nested svg moves by percent where a transform cannot
        return f'<svg x="{x}" y="{y}" overflow="visible"><rect x="-5" y="-5" width="10" height="10"/></svg>'
    return f'<circle cx="{x}" cy="{y}" r="{5 if whisker.kind == "in force" else 4}"/>'


def _place(value: float) -> str:
    return f"{_MARGIN + value * (100 - 2 * _MARGIN):.2f}%"
