"""`glow retrieval`: what is in force and why, how it does, going back, and training the embedding model.

Belongs here: verbs, options and what they do in which order. Does not: what they print (retrieval_texts), figures
(steps/retrieval), files (exporting), training (finetuning).
"""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console

from glow_pipelines.commands.prompts import plain, who
from glow_pipelines.commands.retrieval_texts import (
    cell,
    print_configuration,
    print_expected,
    print_history,
    print_judged,
    print_memory,
    print_performance,
    short,
)
from glow_pipelines.project import open_services

if TYPE_CHECKING:
    from glow_pipelines.store.store import Store

SPLITS = ("train", "val", "test")
_AGENT = click.argument("agent")
_MOST = click.option(
    "--most", default=20, show_default=True, type=click.IntRange(1, 1000), help="how many, the newest first"
)
_FILE = click.Path(dir_okay=False, path_type=Path)
_FOLDER = click.Path(file_okay=False, path_type=Path)


class _Group(click.Group):
    """What cannot be meant or must not be done is one line, not a traceback."""

    def invoke(self, ctx: click.Context) -> object:
        from glow_pipelines.store.prompts import MoveRefused
        from glow_pipelines.store.retrieval_analytics import NoSuchConfiguration

        try:
            return super().invoke(ctx)
        except (MoveRefused, NoSuchConfiguration) as error:
            raise click.ClickException(plain(str(error))) from error


@click.group("retrieval", cls=_Group)
def retrieval() -> None:
    """Search: what is in force, how it does, what it learned. CONFIGURATION is an alias or the beginning of a name."""


def _store() -> "Store":
    return open_services().store


@retrieval.command()
@_AGENT
@click.argument("configuration", default="production", metavar="[CONFIGURATION]")
@click.option("--chunk", metavar="ID", help="why this chunk stands where it does: the questions and searches behind it")
@_MOST
def show(agent: str, configuration: str, chunk: str | None, most: int) -> None:
    """The configuration in force, or another: what it is made of and what allowed it."""
    with _store().transaction() as t:
        row = t.retrieval_analytics.configuration(agent, configuration)
        rows = [] if chunk is None else t.retrieval_analytics.why(row["configuration"], chunk, most)
    if chunk is None:
        print_configuration(Console(), row)
    else:
        print_memory(Console(), rows, chunk)


@retrieval.command()
@_AGENT
@_MOST
def history(agent: str, most: int) -> None:
    """Every move of AGENT's retrieval: who, why, and what allowed it."""
    with _store().transaction() as t:
        print_history(Console(), t.retrieval.history(agent, most))


@retrieval.command()
@_AGENT
@click.option("--reason", required=True, metavar="TEXT", help="kept in the history")
@click.option("--to", "target", metavar="CONFIGURATION", help="another that was in force; default: the one before")
def rollback(agent: str, reason: str, target: str | None) -> None:
    """Put the configuration that was in force before in force again, at once."""
    if not reason.strip():
        raise click.BadParameter("must say why: it is kept in the history", param_hint="'--reason'")
    with _store().transaction() as t:
        whole = None if target is None else t.retrieval_analytics.configuration(agent, target)["configuration"]
        receipt = t.retrieval.rollback(agent, who(), reason, whole)
    click.echo(
        f"{agent}: {short(receipt['configuration'])} is in force again, {short(receipt['rolled_back'])} is not any more"
    )


@retrieval.command()
@_AGENT
@click.option("--days", default=28, show_default=True, type=click.IntRange(1, 3650), help="up to now")
@click.option("--judged", is_flag=True, help="also the quality of what is in force on queries that experts judged")
@click.option("--expect", is_flag=True, help="also what the configuration in force would have got for past searches")
@click.option("--json", "as_json", is_flag=True, help="everything, as JSON")
def analyze(agent: str, days: int, judged: bool, expect: bool, as_json: bool) -> None:
    """How AGENT's searches do, what nothing answers, what belongs together, and whether it drifts.

    Indexes nothing and moves nothing; --judged and --expect embed the questions, and the cache keeps what was embedded.
    """
    from glow_pipelines.steps.retrieval import performance
    from glow_pipelines.store.retrieval_analytics import Period

    services, until = open_services(), datetime.now(UTC)
    period = Period(agent, until - timedelta(days=days), until)
    _require_agent(services.store, agent)
    with services.store.transaction() as t:
        in_force = t.retrieval.in_force(agent)
        model = in_force.model if in_force is not None else services.embeddings.name
        found = performance.analyze(t, period, model, until - timedelta(days=days / 2))
    quality: Any = None
    got: Any = {}
    if (judged or expect) and model != services.embeddings.name:
        raise click.ClickException(
            f"{agent} is searched with {plain(model)}, and the provider serves {services.embeddings.name}: questions "
            "cannot be embedded as they were; leave out --judged and --expect until the new model is in force"
        )
    if judged or expect:
        from glow_pipelines.learning.retrieval import RetrievalIndex
        from glow_pipelines.steps.knowledge import index_of

        with services.store.transaction() as t:
            index = RetrievalIndex([]) if in_force is None else index_of(t, agent, in_force.configuration)
            logs = t.retrieval_analytics.query_logs(period, 1000) if expect else []
            queries = [each.query for each in logs] + [each.query for each in t.retrieval_analytics.judgements(period)]
        distinct = list(dict.fromkeys(queries))
        vectors = dict(zip(distinct, services.embeddings.embed(distinct), strict=True)) if distinct else {}
        with services.store.transaction() as t:
            quality = performance.judged(t, period, index, vectors) if judged else None
        got = performance.expected(logs, index, vectors)
    if as_json:
        told = found.to_json() | ({"judged": quality and quality.to_json()} if judged else {})
        told |= {"expected": {name: each.to_json() for name, each in got.items()}} if expect else {}
        click.echo(json.dumps(told, indent=2))
        return
    console = Console()
    print_performance(console, found)
    if judged:
        print_judged(console, quality)
    print_expected(console, "in force", got)


@retrieval.group()
def pairs() -> None:
    """Question, answer and wrong answer, learned from what users clicked."""


@pairs.command()
@_AGENT
@click.option("--split", type=click.Choice(SPLITS), default="train", show_default=True, help="one file holds one split")
@click.option("--format", "format_", type=click.Choice(("jsonl", "parquet")), default="jsonl", show_default=True)
@click.option(
    "--negatives", type=click.IntRange(1, 100), metavar="N", help="so many in every row; default: one row a pair"
)
@click.option("--weight", is_flag=True, help="a column with the weight of each row")
@click.option("--with-split", is_flag=True, help="a column with the split")
def export(agent: str, split: Any, format_: Any, negatives: int | None, weight: bool, with_split: bool) -> None:
    """Write AGENT's pairs to a file under GLOW_HOME/exports that sentence-transformers reads as it is."""
    from glow_pipelines.exporting.pairs import PairRequest, export_pairs

    services, console = open_services(), Console()
    request = PairRequest(agent, split, format_, negatives, weight, with_split)
    _require_agent(services.store, agent)
    with console.status("write") as status:
        exported = export_pairs(
            services.store, services.settings.home, request, lambda rows: status.update(f"{rows:,} rows")
        )
    written = exported.written
    console.print(cell(f"{written.sha256}  {written.path}  {written.rows:,} rows"), soft_wrap=True)
    for reason, n in exported.left_out.items():
        if n:
            console.print(f"left out {n:,}: {reason}")


@retrieval.command()
@click.option("--pairs", "pairs_file", required=True, type=_FILE, help="as `glow retrieval pairs export` writes them")
@click.option("--model", required=True, type=_FOLDER, help="folder of the model to begin with")
@click.option("--out", required=True, type=_FOLDER, help="folder for the new one")
@click.option("--held-out", type=_FILE, help="pairs of split val or test, to measure with before and after")
@click.option("--epochs", default=1, show_default=True, type=click.IntRange(1, 100))
@click.option("--batch", default=32, show_default=True, type=click.IntRange(2, 4096), help="how many answers compete")
@click.option("--mini-batch", default=16, show_default=True, type=click.IntRange(1, 4096), help="what fits into memory")
@click.option("--rate", default=2e-5, show_default=True, type=click.FloatRange(0, 1, min_open=True, max_open=True))
@click.option("--no-guide", is_flag=True, help="do not mask what the model held for nearer than the answer before")
@click.option("--seed", default=7, show_default=True, type=click.IntRange(0))
def finetune(
    pairs_file: Path,
    model: Path,
    out: Path,
    held_out: Path | None,
    epochs: int,
    batch: int,
    mini_batch: int,
    rate: float,
    no_guide: bool,
    seed: int,
) -> None:
    """Train an embedding model on pairs, where it is served. Needs the extra `train`, and no database.

    Killed, the same command goes on. The new model changes no search by itself: name it in GLOW_EMBEDDING_MODEL, and a
    new index is built beside the one in force.
    """
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    from glow_pipelines.finetuning.pairs import read_pairs
    from glow_pipelines.finetuning.train import FinetuneSettings
    from glow_pipelines.finetuning.train import finetune as train

    settings = FinetuneSettings(
        epochs=epochs, batch=batch, mini_batch=mini_batch, rate=rate, guided=not no_guide, seed=seed
    )
    rows = read_pairs(pairs_file)
    measured = [] if held_out is None else read_pairs(held_out, held_out=True)
    console = Console()
    columns = (TextColumn("loss {task.fields[loss]:.4f}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("train", loss=float("nan"))
        found = train(
            rows,
            model,
            out,
            settings,
            measured,
            lambda step, steps, loss: bar.update(task, completed=step, total=steps, loss=loss),
        )
    console.print(f"{found.rows:,} rows, {found.steps:,} steps, loss {found.losses[0]:.4f} -> {found.losses[1]:.4f}")
    if found.mrr is not None:
        console.print(f"held-out MRR {found.mrr[0]:.3f} -> {found.mrr[1]:.3f}")
    console.print(cell(str(found.folder)), soft_wrap=True)


def _require_agent(store: "Store", agent: str) -> None:
    with store.transaction() as t:
        names = [each.name for each in t.feedback.agents()]
    if agent not in names:
        raise click.BadParameter(f"known are {', '.join(names) or 'none yet'}", param_hint="'AGENT'")
