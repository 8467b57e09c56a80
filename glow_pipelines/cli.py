"""The command `glow`.

Belongs here: verbs, options and what they print. Does not: what the verbs do.
"""

import shutil
from pathlib import Path

import click
from rich.console import Console

from glow_pipelines.commands.datasets import dataset
from glow_pipelines.commands.devtools import devtools
from glow_pipelines.commands.erasure import erase
from glow_pipelines.commands.experiments import experiment
from glow_pipelines.commands.optimize import optimize
from glow_pipelines.commands.prompts import prompt
from glow_pipelines.commands.retrieval import retrieval
from glow_pipelines.commands.rollouts import rollout
from glow_pipelines.commands.train import train
from glow_pipelines.errors import Actionable
from glow_pipelines.files import is_held
from glow_pipelines.importing.records import FORMATS, KINDS, Kind
from glow_pipelines.project import DEMO_LOCK, UP_LOCK, export, find_project, open_services


class _Group(click.Group):
    """Errors a person can act on are one line, not a traceback."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except (Actionable, OSError) as error:  # a folder that is a file, a disk that is full: the message says which
            raise click.ClickException(str(error)) from error


def _scale(context: click.Context, parameter: click.Parameter, value: str | None) -> tuple[float, float] | None:
    if value is None:
        return None
    try:
        low, high = (float(part) for part in value.split(":"))
    except ValueError:
        low = high = 0.0
    if low == high:
        raise click.BadParameter("two different numbers are accepted, worst and best, e.g. 0:1", context, parameter)
    return low, high


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="glow-pipelines")
def main() -> None:
    """Feedback in, better agents out."""


main.add_command(devtools)
main.add_command(erase)
main.add_command(dataset)
main.add_command(experiment)
main.add_command(optimize)
main.add_command(prompt)
main.add_command(retrieval)
main.add_command(rollout)
main.add_command(train)


@main.command()
@click.option("--seed", default=1, show_default=True, help="another seed: other people, other votes")
@click.option("--null", is_flag=True, help="everybody judges at random: nothing may be promoted")
def demo(seed: int, null: bool) -> None:
    """Replay some weeks of the sample company, run one turn, print and write the report."""
    from glow_pipelines.demo.replay import Weeks
    from glow_pipelines.demo.run import run_demo

    run_demo(open_services(), find_project(), Weeks(seed=seed, null=null), Console())


@main.command()
@click.option(
    "--port",
    default=3000,
    type=click.IntRange(0, 65535),
    show_default=True,
    help="of the Dagster UI; another one when it is taken",
)
def up(port: int) -> None:
    """Start everything: database, models, Dagster UI and daemon. Ctrl-C stops what was started."""
    from glow_pipelines.up import run_up

    run_up(open_services(), find_project(), port, Console())


@main.command("import", epilog="Formats, mapping files and what is left out: docs/import.md")
@click.argument("format", metavar="|".join(FORMATS), type=click.Choice(FORMATS))
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(dir_okay=False, allow_dash=True))
@click.option("--agent", metavar="NAME", help="of all rows; of jsonl, csv and parquet, of those that name none")
@click.option("--tenant", metavar="NAME", help="of all rows that name none")
@click.option(
    "--mapping",
    metavar="TOML",
    type=click.Path(dir_okay=False, path_type=Path),
    help="of jsonl, csv and parquet with names of their own: which column is what",
)
@click.option("--kind", type=click.Choice(KINDS), help="of the rows, where the columns do not tell")
@click.option("--scale", metavar="LOW:HIGH", callback=_scale, help="of the scores of other products, e.g. 0:1")
@click.option("--dry-run", is_flag=True, help="check every row against the database and change nothing")
@click.option(
    "--rejected",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="refused rows with the reason; default: first file + .rejected.jsonl",
)
@click.option("--again", is_flag=True, help="also files that were imported before, e.g. after an agent was registered")
def import_files(
    format: str,
    files: tuple[str, ...],
    agent: str | None,
    tenant: str | None,
    mapping: Path | None,
    kind: Kind | None,
    scale: tuple[float, float] | None,
    dry_run: bool,
    rejected: Path | None,
    again: bool,
) -> None:
    """Bring in executions, votes, searches and examples from files, or - for standard input.

    Safe to repeat, and to interrupt: every row is known by its content, and a file goes on where it was.
    """
    from glow_pipelines.importing.records import Options
    from glow_pipelines.importing.run import ImportRequest, run_import

    request = ImportRequest(
        format,
        tuple(None if name == "-" else Path(name) for name in files),
        Options(agent, tenant, kind, scale),
        mapping,
        rejected,
        dry_run,
        again,
    )
    run_import(open_services(), request, Console())


@main.command()
def status() -> None:
    """What runs, and how far the loop is."""
    from glow_pipelines.status import print_status

    print_status(open_services(), Console())


@main.command()
def migrate() -> None:
    """Bring the database to the schema of this version."""
    from glow_pipelines.database import ensure_database
    from glow_pipelines.database import migrate as apply

    services = open_services()
    ensure_database(services.database_url)
    report = apply(services.database_url)
    ensure_database(services.dagster_url)
    click.echo("\n".join(report.applied) or "nothing to apply")


@main.command()
def env() -> None:
    """Print the environment for Dagster's own commands: eval "$(glow env)"."""
    import shlex

    for name, value in export(open_services(), find_project()).items():
        click.echo(f"export {name}={shlex.quote(value)}")


@main.command()
def stop() -> None:
    """Stop the embedded database and models. Nothing is lost."""
    services = open_services()
    if services.uses_local_models:
        services.local_models.stop()
    if services.settings.database_url is None:
        services.embedded_server.stop()
    click.echo("stopped")


@main.command()
@click.confirmation_option(prompt="Delete the embedded databases, all feedback in them, and every run?")
def reset() -> None:
    """Delete the embedded databases and everything in them. A database of your own is never touched."""
    services, project = open_services(), find_project()
    home = services.settings.home
    if is_held(home / DEMO_LOCK) or is_held(home / UP_LOCK):
        raise click.ClickException("a demo or `glow up` is running: end it first")
    if services.settings.database_url is not None:
        raise click.ClickException("DATABASE_URL is set: drop that database yourself if you mean it")
    services.local_models.stop()
    services.embedded_server.remove()
    for entry in ("storage", "exports", "history", "schedules", "logs"):
        shutil.rmtree(home / entry, ignore_errors=True)
    for report in ("report.html", "report.json"):
        (project / report).unlink(missing_ok=True)
    click.echo("everything is gone; `glow demo` begins anew")


if __name__ == "__main__":
    main()
