"""`glow rollout`: how far a change has come, letting it go on, and taking it back.

Belongs here: verbs and options. Does not: what they print (experiment_texts), the moves (store/rollouts), watching and
advancing, which the schedule does (steps/experiments).
"""

from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console

from glow_pipelines.commands.experiment_options import CONTROL, EXPERIMENT, KINDS, MOST, REASON, UNIT
from glow_pipelines.commands.experiment_texts import asked, print_rollout, print_rollouts, told
from glow_pipelines.commands.experiments import MoveGroup, change_of, given
from glow_pipelines.commands.prompts import who
from glow_pipelines.project import open_services

if TYPE_CHECKING:
    from glow_pipelines.store.store import Store


@click.group("rollout", cls=MoveGroup)
def rollout() -> None:
    """Gradual rollouts: stages, watched hourly, taken back when they do harm. EXPERIMENT is an id that `list` shows."""


def _store() -> "Store":
    return open_services().store


@rollout.command("list")
@click.argument("agent", required=False)
@MOST
def list_rollouts(agent: str | None, most: int) -> None:
    """The rollouts of AGENT, or of all agents."""
    with _store().transaction() as t:
        rows = t.experiment_views.rollouts(agent, most)
    print_rollouts(Console(), rows)


@rollout.command()
@EXPERIMENT
def show(experiment_id: str) -> None:
    """The stages of a rollout, where it is, and every move."""
    with _store().transaction() as t:
        agent = t.experiment_views.decision(experiment_id)["agent"]
        rows = t.experiment_views.rollouts(agent, 10_000)
        moves = t.experiment_views.moves(experiment_id, 1000)
    row = next((each for each in rows if each["experiment_id"] == experiment_id), None)
    if row is None:
        raise click.ClickException(f"{experiment_id} has no rollout; glow experiment show {experiment_id} tells more")
    print_rollout(Console(), row, moves)


@rollout.command()
@click.argument("agent")
@click.argument("version", required=False, metavar="[VERSION]")
@click.option("--kind", type=click.Choice(KINDS), default="prompt", show_default=True, help="what VERSION is of")
@click.option(
    "--config",
    metavar="JSON",
    type=click.Path(dir_okay=False, path_type=Path),
    help="a file with the settings to roll out, instead of VERSION; makes it --kind config",
)
@CONTROL
@UNIT
@click.option("--approval", is_flag=True, help="a person lets each stage begin")
@REASON
def start(
    agent: str,
    version: str | None,
    kind: str,
    config: Path | None,
    control: str | None,
    unit: str,
    approval: bool,
    reason: str,
) -> None:
    """Ask for a rollout of VERSION without a test before it: 5 % of the users first."""
    change = change_of(agent, version, kind, config, control)
    with _store().transaction() as t:
        receipt = t.experiment_views.ask_rollout(change, unit, approval, given(reason))
    asked(receipt)


@rollout.command()
@EXPERIMENT
@REASON
@click.option("--stage", type=click.IntRange(0, 100), metavar="N", help="one ahead, counted from 0")
def approve(experiment_id: str, reason: str, stage: int | None) -> None:
    """Let the stage begin that waits for a person."""
    with _store().transaction() as t:
        click.echo(told(t.rollouts.approve(experiment_id, who(), given(reason), stage)))


@rollout.command()
@EXPERIMENT
@REASON
def pause(experiment_id: str, reason: str) -> None:
    """Let nobody new in; who is in stays."""
    with _store().transaction() as t:
        click.echo(told(t.rollouts.pause(experiment_id, who(), given(reason))))


@rollout.command()
@EXPERIMENT
@REASON
def resume(experiment_id: str, reason: str) -> None:
    """Go on at the stage it was in; the pause does not count as its time."""
    with _store().transaction() as t:
        click.echo(told(t.rollouts.resume(experiment_id, who(), given(reason))))


@rollout.command()
@EXPERIMENT
@REASON
def rollback(experiment_id: str, reason: str) -> None:
    """Take a rollout back, at once: what was in force before is in force for everybody."""
    with _store().transaction() as t:
        click.echo(told(t.rollouts.roll_back(experiment_id, who(), given(reason), decision="abandoned")))
