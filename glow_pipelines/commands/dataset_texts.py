"""What the verbs of `glow dataset` share: reading options, and saying what was built or changed.

Belongs here: texts in, texts out. Does not: the verbs (datasets), what they do (steps/datasets).
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from glow_pipelines.steps.datasets import Built


def rule_of(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        read = json.loads(path.read_text("utf-8"))
    except (ValueError, UnicodeDecodeError) as error:
        raise click.ClickException(f"{path}: not JSON: {error}") from error
    if not isinstance(read, dict):
        raise click.ClickException(f'{path}: an object is wanted, such as {{"domain": "travel"}}')
    return read


def instant(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(
            f"{text!r}: a date or an instant such as 2026-11-22T14:00:00Z", param_hint="--as-of"
        ) from None
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant


def print_built(console: Console, built: "Built") -> None:
    table = Table("check", "", "", box=None, pad_edge=False)
    for each in built.verdicts:
        mark = (
            "[green]passed[/]"
            if each.passed
            else "[red]failed[/]"
            if each.severity == "error"
            else "[yellow]warning[/]"
        )
        table.add_row(each.name, mark, escape(each.detail))
    console.print(table)
    print_counts(console, "splits", built.statistics["splits"])
    print_counts(console, "left out", built.statistics["drops"])
    if built.dataset_id is not None:
        state = "new" if built.new else "as before"
        console.print(f"{built.dataset_id}: {built.rows:,} rows, {state}", soft_wrap=True)
    elif not built.refused:
        console.print("the rule admits no example: there is nothing to freeze")


def print_counts(console: Console, name: str, counted: Mapping[str, int]) -> None:
    if counted:
        console.print(
            f"{name}: " + ", ".join(f"{escape(str(key) or 'none')} {count:,}" for key, count in counted.items()),
            soft_wrap=True,
        )


def why_changed(row: Mapping[str, Any]) -> str:
    if row["change"] == "changed":
        return "the same example in other words"
    if row["erased"]:
        return "erased"
    if row["status"] is None:
        return "no longer an example"
    return f"{row['source']}, {row['status']} today" + (f": {row['reason']}" if row["reason"] else "")
