"""`glow experiment`: what a test would show, starting one, reading it, and ending it.

Belongs here: verbs, options and what they do in which order. Does not: what they print (experiment_texts), planning and
looking (steps/experiments), moves (store/rollouts).
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console

from glow_pipelines.commands.experiment_options import (
    APPROVAL,
    CONTROL,
    CUPED,
    DAYS,
    EFFECT,
    EXPERIMENT,
    HASH,
    KINDS,
    METRIC,
    MOST,
    REASON,
    SCORE_KEY,
    UNIT,
)
from glow_pipelines.commands.experiment_texts import (
    asked,
    print_experiment,
    print_experiments,
    print_list,
    print_looks,
    print_plan,
    told,
)
from glow_pipelines.commands.prompts import plain, who
from glow_pipelines.project import open_services

if TYPE_CHECKING:
    from glow_pipelines.store.experiment_views import Change
    from glow_pipelines.store.store import Store


class MoveGroup(click.Group):
    """What cannot be meant or must not be done is one line, not a traceback."""

    def invoke(self, ctx: click.Context) -> object:
        from glow_pipelines.store.prompts import MoveRefused, NoSuchPrompt

        try:
            return super().invoke(ctx)
        except (MoveRefused, NoSuchPrompt) as error:
            raise click.ClickException(plain(str(error))) from error


@click.group("experiment", cls=MoveGroup)
def experiment() -> None:
    """Tests of a change on users: planned, looked at, decided. EXPERIMENT is an id that `list` shows."""


def _store() -> "Store":
    return open_services().store


@experiment.command()
@click.argument("agent")
@EFFECT
@UNIT
@METRIC
@SCORE_KEY
@CUPED
@DAYS
def plan(agent: str, effect: float, unit: str, metric: str, score_key: str | None, cuped: bool, days: int) -> None:
    """What an experiment on AGENT would show, from its own last four weeks. Starts nothing."""
    from glow_pipelines.learning.experiments import METRICS
    from glow_pipelines.steps.experiments.freezing import freeze

    if metric not in METRICS:
        raise click.BadParameter(f"one of {', '.join(METRICS)} is accepted", param_hint="'--metric'")
    if (metric == "score") != (score_key is not None):
        raise click.BadParameter("goes with --metric score, which needs it", param_hint="'--score-key'")
    services = open_services()
    with services.store.transaction() as t:
        names = [each.name for each in t.feedback.agents()]
        if agent not in names:
            raise click.BadParameter(f"known are {', '.join(names) or 'none yet'}", param_hint="'AGENT'")
        wanted = {
            "effect": effect,
            "unit": unit,
            "metric": metric,
            "days": days,
            "score_key": score_key,
            "cuped": cuped,
        }
        found, traffic = freeze(t, services.settings, agent, f"{agent}-plan", wanted)
    print_plan(Console(), agent, found, traffic)


@experiment.command()
@click.argument("agent")
@click.argument("version", required=False, metavar="[VERSION]")
@click.option("--kind", type=click.Choice(KINDS), default="prompt", show_default=True, help="what VERSION is of")
@click.option(
    "--config",
    metavar="JSON",
    type=click.Path(dir_okay=False, path_type=Path),
    help="a file with the settings to try, instead of VERSION; makes it --kind config",
)
@CONTROL
@EFFECT
@UNIT
@METRIC
@SCORE_KEY
@CUPED
@HASH
@APPROVAL
@DAYS
@click.option("--hypothesis", default="", metavar="TEXT", help="what you expect, and why")
@click.option(
    "--objective",
    type=click.Choice(("superiority", "non_inferiority")),
    default="superiority",
    show_default=True,
    help="non_inferiority: the same for less money",
)
@click.option("--reason", default="", metavar="TEXT", help="kept with the request")
def create(
    agent: str,
    version: str | None,
    kind: str,
    config: Path | None,
    control: str | None,
    effect: float,
    unit: str,
    metric: str,
    days: int,
    hypothesis: str,
    objective: str,
    reason: str,
    **more: Any,
) -> None:
    """Ask for an experiment of VERSION against what AGENT uses now.

    VERSION is, of a prompt, an alias or the beginning of a version (default: candidate); else the name of a model or
    of a retrieval configuration.
    """
    from glow_pipelines.steps.experiments.freezing import freeze

    change = change_of(agent, version, kind, config, control)
    wanted = {"effect": effect, "unit": unit, "metric": metric, "days": days, "objective": objective, **more}
    services = open_services()
    with services.store.transaction() as t:
        receipt = t.experiment_views.ask_experiment(change, hypothesis, wanted, reason or f"asked for by {who()}")
        # What `plan` would tell, with the settings that the run has; where nothing can be planned, nothing is asked.
        planned, _ = freeze(t, services.settings, agent, f"{agent}-plan", wanted)
    asked(receipt)
    print_list(Console(), "Warnings", planned.warnings)


@experiment.command("list")
@click.argument("agent", required=False)
@MOST
def list_experiments(agent: str | None, most: int) -> None:
    """The experiments of AGENT, or of all agents."""
    with _store().transaction() as t:
        rows = t.experiment_views.experiments(agent, most)
    print_experiments(Console(), rows)


@experiment.command()
@EXPERIMENT
@click.option("--json", "as_json", is_flag=True, help="the newest look as it is stored")
def show(experiment_id: str, as_json: bool) -> None:
    """Where an experiment stands: the sentence, and every metric at the newest look."""
    from glow_pipelines.learning.experiments import ExperimentPlan, Look

    with _store().transaction() as t:
        stands = t.experiment_views.decision(experiment_id)
        rows = t.experiment_views.experiments(stands["agent"], 10_000)
        # Looks of a rollout are of its own kind: `glow rollout show` has them.
        made = [each for each in t.experiment_views.looks(experiment_id, 1000) if each["kind"] != "ramp"]
    row = next(each for each in rows if each["experiment_id"] == experiment_id)
    if row["begun_at"] != row["started_at"]:  # what was seen before a restart counts no more
        made = [each for each in made if each["as_of"] >= row["begun_at"]]
    if as_json:
        click.echo(json.dumps(made[0]["result"] if made else None, indent=2))
        return
    look = Look.from_json(made[0]["result"]) if made else None
    print_experiment(Console(), row, stands["sentence"], look, ExperimentPlan.from_json(row["plan"]))


@experiment.command()
@EXPERIMENT
@MOST
def looks(experiment_id: str, most: int) -> None:
    """Every look at an experiment: what it saw, which row of the decision table held, and why."""
    with _store().transaction() as t:
        rows = t.experiment_views.looks(experiment_id, most)
    print_looks(Console(), rows)


@experiment.command()
@EXPERIMENT
@REASON
def stop(experiment_id: str, reason: str) -> None:
    """End an experiment and keep what is in force: its numbers stand as they are."""
    with _store().transaction() as t:
        click.echo(told(t.rollouts.stop_experiment(experiment_id, "keep", who(), given(reason))))


@experiment.command()
@EXPERIMENT
@REASON
def abandon(experiment_id: str, reason: str) -> None:
    """End an experiment that went wrong: as stop, and its numbers count as no result."""
    with _store().transaction() as t:
        click.echo(told(t.rollouts.stop_experiment(experiment_id, "abandoned", who(), given(reason))))


@experiment.command()
@EXPERIMENT
@REASON
def pause(experiment_id: str, reason: str) -> None:
    """Let nobody new in; who is in keeps the arm."""
    with _store().transaction() as t:
        click.echo(told(t.rollouts.pause_experiment(experiment_id, who(), given(reason))))


@experiment.command()
@EXPERIMENT
@REASON
def resume(experiment_id: str, reason: str) -> None:
    """Let new users into a paused experiment again."""
    with _store().transaction() as t:
        click.echo(told(t.rollouts.resume_experiment(experiment_id, who(), given(reason))))


@experiment.command()
@EXPERIMENT
@REASON
@click.option("--until-day", type=click.IntRange(1, 365), metavar="DAY", help="default: the planned days once more")
def extend(experiment_id: str, reason: str, until_day: int | None) -> None:
    """Let an experiment run longer, up to the last day that its plan bought."""
    with _store().transaction() as t:
        receipt = t.rollouts.extend_experiment(experiment_id, until_day, who(), given(reason))
    click.echo(f"{told(receipt)}, until {receipt['planned_end'][:16].replace('T', ' ')}")


@experiment.command()
@EXPERIMENT
@REASON
@click.option("--treatment-ppm", type=click.IntRange(1, 999_999), metavar="N", help="of a million; default: as before")
@click.option("--enroll-ppm", type=click.IntRange(1, 1_000_000), metavar="N", help="of a million; default: as before")
def restart(experiment_id: str, reason: str, treatment_ppm: int | None, enroll_ppm: int | None) -> None:
    """Begin a test anew, once what was wrong with it is mended: everybody is drawn again, and day 0 is now."""
    with _store().transaction() as t:
        receipt = t.rollouts.restart_experiment(experiment_id, who(), given(reason), treatment_ppm, enroll_ppm)
    click.echo(f"{told(receipt)}, phase {receipt['phase']}, until {receipt['planned_end'][:16].replace('T', ' ')}")


def given(reason: str) -> str:
    """A reason that says something."""
    if not reason.strip():
        raise click.BadParameter("must say why: it is kept in the history", param_hint="'--reason'")
    return reason


def change_of(agent: str, version: str | None, kind: str, config: Path | None, control: str | None) -> "Change":
    """What is to be tried instead of what."""
    from glow_pipelines.store.experiment_views import Change

    if config is not None:
        if version is not None:
            raise click.BadParameter("takes the place of VERSION: one of the two", param_hint="'--config'")
        before = None if control is None else _settings(Path(control), "'--control'")
        return Change(agent, "config", config=_settings(config, "'--config'"), control_config=before)
    if kind == "config":
        raise click.BadParameter("kind config takes its settings from --config", param_hint="'--kind'")
    if kind == "prompt":
        with _store().transaction() as t:
            version = t.prompts.find(agent, version or "candidate")["prompt_version"]
    if version is None:
        raise click.BadParameter(f"name the {kind} to try", param_hint="'VERSION'")
    return Change(agent, kind, version, control)


def _settings(path: Path, hint: str) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise click.BadParameter(f"{path} is no JSON: {error}", param_hint=hint) from error
    if not isinstance(found, dict):
        raise click.BadParameter(f"{path} must hold an object, as {{...}}", param_hint=hint)
    return found
