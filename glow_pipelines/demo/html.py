"""The report as one page that needs nothing else.

Belongs here: blocks as HTML. Does not: what is said (sections), drawing (plots), how it looks (report.css).

Whatever comes from data goes through `_text`. The page's own policy forbids scripts and requests besides, should an
escape ever be missed.
"""

from html import escape
from pathlib import Path
from typing import Any

from glow_pipelines.demo.blocks import Block, Diff, Items, Mark, Plot, Section, Table, Text, clean
from glow_pipelines.demo.plots import whisker_plot
from glow_pipelines.demo.sections import sections

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
_LINES = {"+": "ins", "-": "del"}


def write_html(figures: dict[str, Any]) -> str:
    """The page as text."""
    title = "Glow: one turn of the loop"
    style = (Path(__file__).parent / "report.css").read_text(encoding="utf-8")
    models = [str(figures[key]) for key in ("model", "embedding_model") if figures.get(key)]
    with_what = f"Language and embedding model: {', '.join(models)}. " if models else ""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n<meta name="referrer" content="no-referrer">\n'
        f'<link rel="icon" href="data:,">\n<title>{title}</title>\n<style>\n{style}</style>\n</head>\n<body>\n<main>\n'
        f'<h1>{title}</h1>\n<p class="about">{_text(with_what)}Ranges are 95&nbsp;% intervals.</p>\n'
        f"{''.join(_section(each, number) for number, each in enumerate(sections(figures)))}</main>\n</body>\n</html>\n"
    )


def _section(section: Section, number: int) -> str:
    name = f"s{number}"
    blocks = "".join(_block(block, f"{name}-{place}") for place, block in enumerate(section.blocks))
    heading = f'<h{section.level} id="{name}">{_text(section.title)}</h{section.level}>'
    return f'<section class="level-{section.level}" aria-labelledby="{name}">\n{heading}\n{blocks}</section>\n'


def _block(block: Block, name: str) -> str:
    match block:
        case Text():
            lead = "" if block.lead is None else f"{_mark(Mark(f'{block.lead.text}.', block.lead.tone))} "
            return f"<p>{lead}{_text(block.text, 4000)}</p>\n"
        case Items():
            rows = "".join(f"<div><dt>{_text(name)}</dt><dd>{_text(said)}</dd></div>\n" for name, said in block.rows)
            return f"<dl>\n{rows}</dl>\n"
        case Table():
            return _table(block)
        case Diff():
            lines = "".join(_line(line) for line in block.lines)
            return f'<figure><figcaption>{_text(block.caption)}</figcaption><div class="diff">{lines}</div></figure>\n'
        case Plot():
            drawing = whisker_plot(block, name)
            return f"<figure><figcaption>{_text(block.caption)}</figcaption>{drawing}</figure>\n"


def _table(block: Table) -> str:
    # The roles are what the elements mean anyway; browsers forget it when a narrow page shows rows as blocks.
    head = "".join(f'<th role="columnheader" scope="col">{_text(name)}</th>' for name in block.head)
    rows = "".join(f'<tr role="row">{_cells(block, row)}</tr>\n' for row in block.rows)
    return (
        f'<table role="table"><caption>{_text(block.caption)}</caption>\n'
        f'<thead role="rowgroup"><tr role="row">{head}</tr></thead>\n<tbody role="rowgroup">\n{rows}</tbody></table>\n'
    )


def _cells(block: Table, row: tuple[str | Mark, ...]) -> str:
    shown = [_mark(cell) if isinstance(cell, Mark) else _text(cell) for cell in row]
    rest = "".join(
        f'<td role="cell" data-label="{_text(name)}"><span>{cell}</span></td>'
        for name, cell in zip(block.head[1:], shown[1:], strict=True)
    )
    return f'<th role="rowheader" scope="row">{shown[0]}</th>{rest}'


def _line(line: str) -> str:
    element = _LINES.get(line[:1], "span")
    sign = "−" if line[:1] == "-" else line[:1] or " "
    return f'<{element}><b aria-hidden="true">{_text(sign)}</b><code>{escape(clean(line[1:]))}</code></{element}>'


def _mark(mark: Mark) -> str:
    return f'<strong class="{mark.tone}">{_text(mark.text)}</strong>'


def _text(text: str, most: int = 1200) -> str:
    return escape(clean(text, most)).replace(" %", "&nbsp;%")
