"""`glow prompt`: the versions of an agent's prompt, why each is as it is, and going back to the one before.

Belongs here: verbs, options and what they print. Does not: what the verbs do (store/prompts), asking for a better
prompt (`glow optimize`).
"""

import difflib
import getpass
import json
import os
import unicodedata
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from glow_pipelines.project import open_services

if TYPE_CHECKING:
    from glow_pipelines.store.noun import Row
    from glow_pipelines.store.store import Store

SHORT = 12
"""Characters of a version that are shown: enough to name it."""
HIDDEN = ("Cc", "Cf", "Co", "Cs")
"""Categories of characters that steer or hide."""
_VERSION = click.argument("version", default="production", metavar="[VERSION]")
_MOST = click.option(
    "--most", default=20, show_default=True, type=click.IntRange(1, 1000), help="how many, the newest first"
)


class _Group(click.Group):
    """What cannot be meant or must not be done is one line, not a traceback."""

    def invoke(self, ctx: click.Context) -> object:
        from glow_pipelines.store.prompts import MoveRefused, NoSuchPrompt

        try:
            return super().invoke(ctx)
        except (MoveRefused, NoSuchPrompt) as error:
            raise click.ClickException(plain(str(error))) from error


@click.group("prompt", cls=_Group)
def prompt() -> None:
    """Prompt versions. VERSION is production, candidate, previous or the beginning of a version."""


def _store() -> "Store":
    return open_services().store


def plain(text: str) -> str:
    """A text without what steers a terminal or hides: users' words are in prompts."""
    return "".join(
        "\N{REPLACEMENT CHARACTER}" if each != "\n" and unicodedata.category(each) in HIDDEN else each for each in text
    )


@prompt.command("list")
@click.argument("agent")
@_MOST
def list_versions(agent: str, most: int) -> None:
    """The versions of AGENT's prompt."""
    with _store().transaction() as t:
        rows = t.prompts.versions(agent, most)
    table = Table(_version("version"), "alias", "made by", "of", "tokens", "when", "why", box=None, pad_edge=False)
    for row in rows:
        aliases = ", ".join(row["aliases"]) + (" erased" if row["erased_at"] else "")
        made = row["operator"] + (f" ({row['operator_model']})" if row["operator_model"] else "")
        cells = (_short(row["prompt_version"]), aliases, made, _short(row["parent"]), str(row["tokens"] or ""))
        table.add_row(*map(_cell, (*cells, f"{row['created_at']:%Y-%m-%d %H:%M}", row["reason"])))
    Console().print(table if rows else f"{agent} has no prompt; register_agent gives it its first")


@prompt.command()
@click.argument("agent")
@_VERSION
@click.option("--json", "as_json", is_flag=True, help="the prompt as it is stored")
def show(agent: str, version: str, as_json: bool) -> None:
    """A version as a person reads it; by default that in production."""
    row = _find(agent, version)
    if as_json:
        click.echo(json.dumps(row["prompt"], indent=2))
        return
    console = Console()
    facts = Table(box=None, show_header=False, pad_edge=False)
    for name in ("prompt_version", "operator", "operator_model", "parent", "tokens", "created_at", "reason"):
        if row[name] not in (None, ""):
            facts.add_row(name.replace("_", " "), _cell(str(row[name])))
    if row["erased_at"] is not None:
        facts.add_row("erased", f"{row['erased_at']:%Y-%m-%d}: parts were taken out, it is not served any more")
    console.print(facts)
    console.print()
    console.print(_cell(_described(row)))


@prompt.command()
@click.argument("agent")
@click.argument("version", default="candidate", metavar="[VERSION]")
@click.argument("other", default="production", metavar="[OTHER]")
def diff(agent: str, version: str, other: str) -> None:
    """What VERSION (default: candidate) has that OTHER (default: production) has not."""
    after, before = _find(agent, version), _find(agent, other)
    names = (f"{other} {_short(before['prompt_version'])}", f"{version} {_short(after['prompt_version'])}")
    lines = list(
        difflib.unified_diff(_described(before).splitlines(), _described(after).splitlines(), *names, lineterm="")
    )
    styles = {"+": "green", "-": "red", "@": "cyan"}
    console = Console(soft_wrap=True)
    for line in lines:
        console.print(Text(plain(line), style=styles.get(line[:1], "")))
    if not lines:
        click.echo("no difference")


@prompt.command()
@click.argument("agent")
@_MOST
def history(agent: str, most: int) -> None:
    """Every move of AGENT's aliases: who, why, and what allowed it."""
    with _store().transaction() as t:
        rows = t.prompts.history(agent, most)
    table = Table(
        "when", "alias", _version("from"), _version("to"), "by", "why", "gate", "experiment", box=None, pad_edge=False
    )
    for row in rows:
        why = f"{row['kind']}: {row['reason']}" if row["kind"] != "move" else row["reason"]
        moved = (_short(row["previous"]), _short(row["prompt_version"]) or "taken back", row["moved_by"], why)
        behind = (_short(row["gate_id"]), row["experiment_id"] or "")
        table.add_row(*map(_cell, (f"{row['moved_at']:%Y-%m-%d %H:%M}", row["alias"], *moved, *behind)))
    Console().print(table if rows else f"no alias of {agent} was ever moved")


@prompt.command()
@click.argument("agent")
@_VERSION
@click.option("--part", metavar="ID", help="only this rule or demonstration")
def why(agent: str, version: str, part: str | None) -> None:
    """Why a version is as it is: every row behind each of its rules and demonstrations."""
    found = _find(agent, version)
    with _store().transaction() as t:
        rows = t.prompts.trace(agent, found["prompt_version"])
    table = Table("part", "origin", "role", "row", "said", box=None, pad_edge=False)
    for row in rows:
        if part is None or row["part_id"].startswith(part):
            origin = (row["origin"] or "unknown") + (
                f" in {_short(row['origin_version'])}" if row["origin"] not in (None, "learned") else ""
            )
            source = f"{row['kind']} {row['source_id']}" if row["kind"] else ""
            said = json.dumps(row["said"], ensure_ascii=False)[:200] if row["said"] else ""
            table.add_row(*map(_cell, (_part(row), origin, row["role"] or "", source, said)))
    Console().print(table)
    untraced = {(row["part"], row["part_id"]) for row in rows if not row["traced"]}
    parts = {(row["part"], row["part_id"]) for row in rows}
    click.echo(f"{len(parts) - len(untraced)} of {len(parts)} parts are traced to their sources")


@prompt.command()
@click.argument("agent")
@click.option("--reason", required=True, metavar="TEXT", help="kept in the history")
@click.option("--to", "target", metavar="VERSION", help="another that was in production; default: the one before")
def rollback(agent: str, reason: str, target: str | None) -> None:
    """Put the prompt that was in production before AGENT's present one in force again, at once."""
    if not reason.strip():
        raise click.BadParameter("must say why: it is kept in the history", param_hint="'--reason'")
    whole = None if target is None else _find(agent, target)["prompt_version"]
    with _store().transaction() as t:
        receipt = t.prompts.rollback(agent, who(), reason, whole)
    click.echo(
        f"{agent}: {_short(receipt['prompt_version'])} is in production again, "
        f"{_short(receipt['rolled_back'])} is not any more"
    )


def _find(agent: str, version: str) -> "Row":
    with _store().transaction() as t:
        return t.prompts.find(agent, version)


def who() -> str:
    """Whom a move by a command is written down for."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user has no name
        return f"user {os.getuid()}"


def _described(row: "Row") -> str:
    from glow_pipelines.learning.prompts.prompt import Prompt

    return Prompt.from_json(row["prompt"]).describe()


def _part(row: "Row") -> str:
    name = row["part"] if row["part"] == "instruction" else f"{row['part']} {row['part_id'][:SHORT]}"
    return f"{name}: {' '.join((row['content'] or '').split())[:60]}"


def _version(title: str) -> Column:
    """A column of versions, whole on any terminal: they are there to be copied."""
    return Column(title, no_wrap=True, min_width=SHORT)


def _short(value: Any) -> str:
    return str(value or "")[:SHORT]


def _cell(text: str) -> Text:
    return Text(plain(text))
