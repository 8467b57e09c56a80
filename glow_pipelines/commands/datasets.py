"""`glow dataset`: versions of datasets, from the rule to the files.

Belongs here: verbs, options and what they print. Does not: what the verbs do (steps/datasets, exporting).
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from glow_pipelines.commands.dataset_texts import instant, print_built, print_counts, rule_of, why_changed
from glow_pipelines.project import open_services

if TYPE_CHECKING:
    from glow_pipelines.store.store import Store

KINDS = ("sft", "preference", "evaluation", "retrieval")
SOURCES = ("annotation", "correction", "demonstration", "vote")
SPLITS = ("train", "val", "test")
FORMATS = ("jsonl", "parquet", "csv")


class _Group(click.Group):
    """A rule that cannot be read and an id that is not known are one line, not a traceback."""

    def invoke(self, ctx: click.Context) -> object:
        from glow_pipelines.learning.datasets import RuleProblem
        from glow_pipelines.store.datasets import NoSuchDataset

        try:
            return super().invoke(ctx)
        except (RuleProblem, NoSuchDataset) as error:
            raise click.ClickException(str(error)) from error


@click.group("dataset", cls=_Group)
def dataset() -> None:
    """Immutable versions of an agent's approved examples."""


def _store() -> "Store":
    return open_services().store


@dataset.command("list")
@click.argument("agent", required=False)
@click.option("--most", default=20, show_default=True, type=click.IntRange(1, 1000), help="how many, the newest first")
def list_versions(agent: str | None, most: int) -> None:
    """The versions of AGENT, or of all agents."""
    with _store().transaction() as t:
        rows = t.datasets.versions(agent, most)
    table = Table("dataset", "rows", "as of", "state", box=None, pad_edge=False)
    for row in rows:
        state = "in force" if row["in_force"] else ""
        if row["revoked_at"] is not None:
            state = f"revoked; use {row['successor'] or 'a new one'}"
        table.add_row(row["dataset_id"], f"{row['rows']:,}", f"{row['as_of']:%Y-%m-%d %H:%M}", state)
    Console().print(table if rows else "no dataset yet; build one with: glow dataset build AGENT")


@dataset.command()
@click.argument("agent")
@click.option("--kind", type=click.Choice(KINDS), help="default: sft")
@click.option("--domain", metavar="NAME", help="only examples of this domain")
@click.option("--since", metavar="INSTANT", help="only what was first learned from then on, e.g. 2026-01-01")
@click.option("--until", metavar="INSTANT", help="only what was first learned before")
@click.option("--minimum-quality", type=float, metavar="NUMBER", help="from 0 to 1")
@click.option("--source", "sources", multiple=True, type=click.Choice(SOURCES), help="may be given several times")
@click.option("--language", "languages", multiple=True, metavar="CODE", help="may be given several times")
@click.option("--from", "agents", multiple=True, metavar="AGENT", help="whose examples; default: AGENT's own")
@click.option("--least", type=int, metavar="ROWS", help="fewer rows fail the build")
@click.option(
    "--rule",
    "rule_file",
    metavar="JSON",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="file with these fields; options win",
)
@click.option("--as-of", metavar="INSTANT", help="as things stood then; default: now")
def build(agent: str, rule_file: Path | None, as_of: str | None, **options: Any) -> None:
    """Build a version of AGENT's approved examples, check it, and freeze it.

    The same rows under the same rule are the same version. Without options it takes all of AGENT's examples and is the
    version in force.
    """
    from glow_pipelines.steps.datasets import agent_rule, build_dataset

    given = rule_of(rule_file) | {name: value for name, value in options.items() if value not in (None, ())}
    store, console = _store(), Console()
    with store.transaction() as t:
        rule = agent_rule(t, agent, given)
    with console.status("choose") as status:
        built = build_dataset(
            store, rule, instant(as_of), told=lambda doing, rows: status.update(f"{doing}: {rows:,} rows")
        )
    print_built(console, built)
    if built.refused:
        raise click.ClickException(
            "refused: " + ", ".join(each.name for each in built.refused) + "; nothing was written"
        )


@dataset.command()
@click.argument("dataset_id", metavar="DATASET")
def show(dataset_id: str) -> None:
    """What a version is made of. DATASET may be the beginning of its id."""
    with _store().transaction() as t:
        version = t.datasets.version(dataset_id)
        files = t.exports.files(version.dataset_id)
    console = Console()
    whose = version.agent if version.agents == (version.agent,) else f"{version.agent}: {', '.join(version.agents)}"
    facts = Table(box=None, show_header=False, pad_edge=False)
    for name, value in (
        ("dataset", version.dataset_id),
        ("agent", whose),
        ("as of", version.as_of.isoformat()),
        ("frozen", version.created_at.isoformat()),
        ("rows", f"{version.rows:,}"),
        ("in force", "yes" if version.in_force else "no"),
        ("version before", version.parent or "none"),
        ("content", version.content_hash),
    ):
        facts.add_row(name, value)
    if version.revoked_at is not None:
        told = f"{version.revoked_at:%Y-%m-%d}: {version.revoked_because}; use {version.successor or 'a new one'}"
        facts.add_row("revoked", escape(told))
    console.print(facts)
    console.print_json(json.dumps({"rule": version.rule.to_json()}))
    statistics = version.statistics
    for name in ("splits", "drops", "sources", "languages", "domains", "agents", "balance"):
        print_counts(console, name, statistics.get(name) or {})
    for check in statistics.get("checks", ()):
        if not check["passed"]:
            console.print(f"[yellow]warning[/] {check['name']}: {escape(check['detail'])}")
    for file in files:
        console.print(
            f"{escape(file.path)}  {file.state}  {file.rows or 0:,} rows  {file.sha256 or ''}", soft_wrap=True
        )


@dataset.command()
@click.argument("a")
@click.argument("b")
@click.option("--most", default=20, show_default=True, type=click.IntRange(1, 10_000), help="examples of each change")
def diff(a: str, b: str, most: int) -> None:
    """What version B has otherwise than version A: rows added, removed, changed; none may move between splits."""
    with _store().transaction() as t:
        first, second = t.datasets.version(a), t.datasets.version(b)
        rows = t.datasets.difference(first.dataset_id, second.dataset_id, most)
    console = Console()
    console.print(f"{first.dataset_id} ({first.rows:,} rows) -> {second.dataset_id} ({second.rows:,} rows)")
    totals = {change: next((r["of"] for r in rows if r["change"] == change), 0) for change in _CHANGES}
    console.print(", ".join(f"{count:,} {change}" for change, count in totals.items()))
    table = Table("change", "example", "split", "why", box=None, pad_edge=False)
    for row in rows:
        table.add_row(row["change"], row["example_id"][:16], row["split"], escape(why_changed(row)))
    if rows:
        console.print(table)
    if totals["moved"]:
        raise click.ClickException("rows moved between splits: that must never be; please report it")


_CHANGES = ("added", "removed", "changed", "moved")


@dataset.command()
@click.argument("dataset_id", metavar="DATASET")
def verify(dataset_id: str) -> None:
    """Build a version anew from its rule and instant and compare, row by row where it differs. Writes nothing."""
    from glow_pipelines.steps.datasets import verify_dataset

    store, console = _store(), Console()
    with console.status("choose") as status:
        found = verify_dataset(store, dataset_id, told=lambda doing, rows: status.update(f"{doing}: {rows:,} rows"))
    if found.holds:
        console.print(f"{found.dataset_id} holds: {found.rows:,} rows, content {found.rebuilt}", soft_wrap=True)
        return
    table = Table("example", "frozen", "rebuilt", "", box=None, pad_edge=False)
    for row in found.differences:
        table.add_row(
            row["example_id"][:16], row["frozen"] or "–", row["rebuilt"] or "–", "erased" if row["erased"] else ""
        )
    console.print(table)
    if found.differs_by_erasure:
        console.print(f"{found.dataset_id} holds but for what was erased since")
        return
    raise click.ClickException(
        f"{found.dataset_id} does not hold: frozen {found.frozen}, rebuilt {found.rebuilt}"
        + ("" if found.differences else "; the rows are the same, their contents or order are not")
    )


@dataset.command()
@click.argument("dataset_id", metavar="DATASET")
@click.option("--format", "format_", type=click.Choice(FORMATS), default="jsonl", show_default=True)
@click.option("--split", "splits", multiple=True, type=click.Choice(SPLITS), help="may be given several times")
@click.option(
    "--system",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="text of the system message before every chat line",
)
@click.option("--raw", is_flag=True, help="cells of CSV as they are, also those a spreadsheet would run as a formula")
def export(dataset_id: str, format_: Any, splits: tuple[Any, ...], system: Path | None, raw: bool) -> None:
    """Write a version to files under GLOW_HOME/exports. Interrupted, the same command goes on where it was."""
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    from glow_pipelines.exporting.run import ExportRequest, export_dataset

    services, console = open_services(), Console()
    with services.store.transaction() as t:
        version = t.datasets.version(dataset_id)
    text = "" if system is None else system.read_text("utf-8").strip()
    request = ExportRequest(version.dataset_id, format_, splits or SPLITS, text, raw)
    bar = Progress(
        TextColumn("{task.description:<6}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.completed:,.0f} rows"),
        TimeElapsedColumn(),
        console=console,
    )
    with bar:
        totals = version.statistics.get("splits", {})
        tasks = {split: bar.add_task(split, total=totals.get(split) or None) for split in request.splits}
        written = export_dataset(
            services.store,
            services.settings.home,
            request,
            told=lambda split, rows: bar.update(tasks[split], completed=rows),
        )
    for file in written:
        console.print(f"{file.sha256}  {escape(str(file.path))}", soft_wrap=True)


@dataset.command()
@click.argument("dataset_id", metavar="DATASET")
@click.argument("example")
def why(dataset_id: str, example: str) -> None:
    """Why EXAMPLE is in a version: the rule that admitted it, its split, and every source row with what it says."""
    with _store().transaction() as t:
        version = t.datasets.version(dataset_id)
        rows = t.datasets.why(version.dataset_id, example)
    if not rows:
        raise click.ClickException(f"example {example[:80]!r} is not in {version.dataset_id}; see: glow dataset show")
    first, console = rows[0], Console()
    console.print(
        f"{first['example_id']} in {first['split']}: {first['source']} of quality {first['quality']:.2f}, "
        f"admitted by {first['rule_version']}: {escape(first['reason'])}",
        soft_wrap=True,
    )
    table = Table("source", "id", "role", "says", box=None, pad_edge=False)
    for row in rows:
        said = json.dumps(row["said"], ensure_ascii=False, default=str) if row["said"] else "gone"
        table.add_row(row["kind"] or "–", row["source_id"] or "–", row["role"] or "–", escape(said[:200]))
    console.print(table)
