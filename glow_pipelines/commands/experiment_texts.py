"""Experiments and rollouts as text on a terminal.

Belongs here: tables and sentences of what was read. Does not: reading it, options (experiments, rollouts).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from glow_pipelines.commands.prompts import plain

if TYPE_CHECKING:
    from glow_pipelines.learning.experiments import ExperimentPlan, Look, MetricLook, Traffic
    from glow_pipelines.store.noun import Row

MILLION = 1_000_000
SHORT = 12
"""Characters of a version that are shown: enough to name it."""


def print_plan(console: Console, agent: str, plan: "ExperimentPlan", traffic: "Traffic") -> None:
    """What an experiment would show, how long it takes, and what would show more."""
    about, written = plan.primary.about, _written(plan)
    facts = _facts()
    each = f"{traffic.rated_per_user:,.1f} {about.denominator} each"
    facts.add_row("users", f"{traffic.population or 0:,} in four weeks, {each}")
    facts.add_row("metric", f"{about.words}, {_level(plan)} before")
    alike = f"those of one user correlate by {traffic.intra_user_correlation:.2f}"
    facts.add_row("alike", f"{alike}, so {plan.design_effect:.1f} are worth one independent one")
    facts.add_row("unit", plan.unit)
    facts.add_row("wanted", f"a difference of {written(plan.effect)}")
    facts.add_row("time", f"{plan.planned_days} days, extensions up to day {plan.maximum_days}")
    shown = "no difference that is possible" if plan.detectable is None else written(plan.detectable)
    facts.add_row("detectable", f"{shown} in {plan.planned_days} days, with {100 * plan.power:.0f} % power")
    facts.add_row("guardrails", ", ".join(each.about.words for each in plan.guardrails))
    console.print(cell(f"{agent}: {plan.summary}."))
    console.print(facts)
    if plan.options:
        console.print()
        console.print(_options(plan, written))
    print_list(console, "Warnings", plan.warnings)


def print_list(console: Console, title: str, lines: Sequence[str]) -> None:
    """Sentences under a title; nothing where there are none."""
    if lines:
        console.print()
        console.print(f"{title}:")
        for line in lines:
            console.print(cell(f"- {line}"))


def print_experiments(console: Console, rows: "Sequence[Row]") -> None:
    """A line each."""
    table = _table("experiment", "agent", "varies", "state", "day", "users", "rollout", "said last")
    for row in rows:
        ended = f"{row['state']}: {row['decision']}" if row["decision"] else row["state"]
        units = f"{sum(row['units'] or ()):,}"
        cells = (row["experiment_id"], row["agent_name"], row["kind"], ended, f"{row['day']:.1f}", units)
        table.add_row(*map(cell, (*cells, row["rollout"] or "", row["said"] or "")))
    console.print(table if rows else "no experiment yet; glow experiment plan AGENT tells what one would show")


def print_experiment(console: Console, row: "Row", sentence: str, look: "Look | None", plan: "ExperimentPlan") -> None:
    """One experiment: what it tries, where it is, and every metric at the newest look."""
    facts = _facts()
    for name in ("experiment_id", "agent_name", "hypothesis", "kind", "control", "treatment", "unit", "layer", "phase"):
        facts.add_row(name.partition("_")[0], cell(str(row[name])))
    facts.add_row("shares", f"{_share(row['treatment_ppm'])} treatment of {_share(row['enroll_ppm'])} enrolled")
    facts.add_row("days", f"{row['day']:.1f} of {plan.planned_days}, at most {plan.maximum_days}")
    facts.add_row("plan", cell(plan.summary))
    console.print(facts)
    console.print()
    console.print(cell(sentence))
    if look is not None:
        console.print()
        console.print(_metrics(plan, look))
        print_list(console, "Not yet", look.missing)
        print_list(console, "Alarms", look.alarms)
    print_list(console, "Warnings of the plan", plan.warnings)


def print_looks(console: Console, rows: "Sequence[Row]") -> None:
    """A line for every look; those of rollouts have no boundary."""
    table = _table("look", "kind", "phase", "day", "row", "decision", "z", "boundary", "why")
    for row in rows:
        result: Mapping[str, Any] = row["result"]
        first = (result.get("metrics") or [{}])[0]
        seen = (result.get("row"), row["decision"], _number(first.get("z")), _number(first.get("edge")))
        cells = (row["look_id"], row["kind"], row["phase"], f"{row['day']:.2f}", *seen, row["reason"])
        table.add_row(*(cell("" if each is None else str(each)) for each in cells))
    console.print(table if rows else "no look yet: the first comes with the next tick of the schedule")


def print_rollouts(console: Console, rows: "Sequence[Row]") -> None:
    """A line each."""
    table = _table("experiment", "agent", "varies", "state", "stage", "treatment", "waits for", "why")
    for row in rows:
        waits = "" if row["awaiting_stage"] is None else f"approval of stage {row['awaiting_stage']}"
        stage = f"{row['stage']} of 0…{row['stages'] - 1}"
        cells = (row["experiment_id"], row["agent_name"], row["kind"], row["state"], stage)
        table.add_row(*map(cell, (*cells, _share(row["treatment_ppm"]), waits, row["reason"])))
    console.print(table if rows else "no rollout yet; one begins when an experiment ships, or by glow rollout start")


def print_rollout(console: Console, row: "Row", moves: "Sequence[Row]") -> None:
    """The stages of a rollout, where it is, and every move."""
    waits = "" if row["awaiting_stage"] is None else f", waits for approval of stage {row['awaiting_stage']}"
    console.print(cell(f"{row['experiment_id']}: {row['state']}{waits}. {row['reason']}"))
    table = _table("", "stage", "treatment", "control", "at least", "units", "approval")
    unseen = []
    for n, stage in enumerate(row["plan"]["stages"]):
        here = "→" if n == row["stage"] else ""
        shares = (_share(stage["treatment_ppm"]), _share(stage["control_ppm"]))
        blind = stage.get("blind", "")
        approval = "a person" if stage.get("approval") else "a person before the next" if blind else ""
        unseen += [f"stage {n}: {blind}"] if blind else []
        table.add_row(here, str(n), *shares, f"{stage['hours']:g} h", f"{stage['units']:,}", approval)
    console.print(table)
    print_list(console, "Where harm will not be seen, and so does not go on by itself", unseen)
    console.print()
    history = _table("when", "move", "experiment", "rollout", "stage", "treatment", "by", "why")
    for move in reversed(moves):
        said = (move["move"].replace("_", " "), move["state"], move["rollout"] or "", str(move["stage"] or 0))
        cells = (f"{move['moved_at']:%Y-%m-%d %H:%M}", *said, _share(move["treatment_ppm"]), move["moved_by"])
        history.add_row(*map(cell, (*cells, move["reason"])))
    console.print(history)


def told(receipt: Mapping[str, Any]) -> str:
    """What a move did, in a sentence."""
    where = receipt["state"]
    if "rollout" in receipt:
        where += f", rollout {receipt['rollout']} at stage {receipt['stage']} of 0…{receipt['stages'] - 1}"
    if receipt.get("decision"):
        where += f", decision {receipt['decision']}"
    status = str(receipt["status"]).replace("_", " ")
    return f"{receipt['experiment_id']}: {status} ({where})"


def asked(receipt: Mapping[str, Any]) -> None:
    """Say that a request was written, and who acts on it."""
    click.echo(f"request {receipt['request_id']} is {receipt['status']}: a run starts it within a minute of `glow up`")


def cell(text: str) -> Text:
    """Text that cannot steer the terminal."""
    return Text(plain(text))


def _facts() -> Table:
    return Table(box=None, show_header=False, pad_edge=False)


def _table(*columns: str) -> Table:
    return Table(*columns, box=None, pad_edge=False)


def _options(plan: "ExperimentPlan", written: Callable[[float], str]) -> Table:
    table = _table("instead", "standard error", "detectable", f"days for {written(plan.effect)}")
    for option in plan.options:
        shown = "nothing" if option.detectable is None else written(option.detectable)
        days = "never: too few users" if option.days is None else f"{option.days:,}"
        table.add_row(option.name, f"{100 * option.error_ratio:.0f} %", shown, days)
    return table


def _metrics(plan: "ExperimentPlan", look: "Look") -> Table:
    table = _table("metric", "role", "control", "treatment", "difference", "low", "high", "")
    for metric, seen in zip(plan.metrics, look.metrics, strict=True):
        levels = (_value(seen, seen.control), _value(seen, seen.treatment))
        sides = [_difference(seen, each) for each in (seen.difference, seen.low, seen.high)]
        table.add_row(metric.about.words, metric.role, *levels, *sides, _says(seen))
    return table


def _says(seen: "MetricLook") -> str:
    if seen.low is not None and seen.high is not None and seen.low > seen.high:
        return "has drifted"
    return {True: "within its margin", False: "not yet shown to be within its margin", None: ""}[seen.non_inferior]


def _value(seen: "MetricLook", value: float | None) -> str:
    from glow_pipelines.learning.experiments.metrics import METRICS, written_level

    return "–" if value is None else written_level(METRICS[seen.metric], value)


def _difference(seen: "MetricLook", value: float | None) -> str:
    from glow_pipelines.learning.experiments.metrics import METRICS, written_difference

    return "–" if value is None else written_difference(METRICS[seen.metric], value)


def _written(plan: "ExperimentPlan") -> Callable[[float], str]:
    from glow_pipelines.learning.experiments.metrics import written_difference

    return lambda effect: written_difference(plan.primary.about, effect).lstrip("+")


def _level(plan: "ExperimentPlan") -> str:
    from glow_pipelines.learning.experiments.metrics import written_level

    return written_level(plan.primary.about, plan.primary.baseline)


def _share(ppm: int) -> str:
    return f"{100 * ppm / MILLION:g} %"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"
