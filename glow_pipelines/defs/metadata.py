"""Values as Dagster metadata.

Belongs here: tables, diffs, names and JSON in the form the UI shows well, with user text made harmless. Does not:
choosing what to show (each asset does).
"""

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence

import dagster as dg

_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+!|<>~-])")
_INVISIBLE = re.compile("[\u0000-\u001f\u007f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]")


def line(text: object, most: int = 400) -> str:
    """Text as one line for a plain text field: control and direction characters shown as blanks, cut."""
    shown = _INVISIBLE.sub(" ", str(text))
    return shown if len(shown) <= most else shown[: most - 1] + "…"


def plain(text: object, most: int = 120) -> str:
    """User text as one harmless line of Markdown."""
    return _MARKDOWN.sub(r"\\\1", line(text, most))


def person(qualified: str) -> str:
    """Whom a name means across tenants (glow.qualified): "name", or "name (tenant)" where it is not the default one."""
    tenant, mark, name = qualified.partition("\x1f")
    return f"{name} ({tenant})" if mark else qualified


def table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], empty: str = "nothing yet"
) -> dg.MarkdownMetadataValue:
    """A Markdown table of user text and numbers."""
    lines = ["| " + " | ".join(plain(cell) for cell in row) + " |" for row in rows]
    if not lines:
        return dg.MetadataValue.md(f"*{empty}*")
    head = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    return dg.MetadataValue.md("\n".join([*head, *lines]))


def counts(values: Mapping[str, object]) -> dg.MarkdownMetadataValue:
    """Name and number, one a line."""
    return table(("what", "number"), values.items())


def diff(before: str, after: str) -> dg.MarkdownMetadataValue:
    """Two texts as a diff in a code block that no text can close."""
    lines = difflib.unified_diff(_lines(before), _lines(after), "in force", "candidate", lineterm="", n=3)
    body = "\n".join(lines) or "no difference"
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", body)), default=0))
    return dg.MetadataValue.md(f"{fence}diff\n{body}\n{fence}")


def _lines(text: str) -> list[str]:
    return [_INVISIBLE.sub(" ", line) for line in text.split("\n")]


def percent(value: float | None) -> str:
    """A share for people."""
    return "–" if value is None else f"{100 * value:.1f} %"


def sql(statement: str) -> dg.MarkdownMetadataValue:
    """A statement to copy; it must hold no text of users."""
    return dg.MetadataValue.md(f"```sql\n{statement}\n```")


def bullets(lines: Sequence[str], empty: str = "none") -> dg.MarkdownMetadataValue:
    """Lines of text, one each."""
    return dg.MetadataValue.md("\n".join(f"- {plain(each, 300)}" for each in lines) or f"*{empty}*")
