"""`glow optimize`: a better prompt for an agent, now.

Belongs here: options, the plan, the progress bar, what came out. Does not: the optimization (steps/optimization).
"""

from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from glow_pipelines.learning.prompts.types import Plan, PowerRow
    from glow_pipelines.steps.optimization import Optimization
    from glow_pipelines.steps.optimization.whole import Outcome

EXITS = {"finalist": 0, "no_improvement": 3, "carry_over": 4, "insufficient_data": 5}
PAUSED = 6
GOALS = ("accuracy", "clarity", "brevity", "cost", "latency", "format")
_EPILOG = (
    "Exit status: 0 a prompt passed its gate and goes to users in an experiment; 1 nothing could be begun, the message "
    "says why; 2 wrong options; 3 no improvement; 4 undecided, carried over to fresh items; 5 too little data; "
    "6 paused by --budget-seconds."
)


@click.command(epilog=_EPILOG)
@click.argument("agent")
@click.option("--dry-run", is_flag=True, help="print the plan and what it may cost; ask no model, write nothing")
@click.option("--budget-calls", "calls", type=click.IntRange(1, 10_000_000), metavar="N", help="model calls at most")
@click.option("--budget-tokens", "tokens", type=click.IntRange(1), metavar="N", help="tokens at most, in and out")
@click.option("--budget-usd", "usd", type=click.FloatRange(0, 1_000_000), metavar="X", help="US dollars at most")
@click.option(
    "--budget-seconds", "seconds", type=click.FloatRange(0, 10_000_000), metavar="S", help="pause after so long"
)
@click.option("--goal", "goals", multiple=True, type=click.Choice(GOALS), help="may be given several times")
@click.pass_context
def optimize(context: click.Context, /, agent: str, dry_run: bool, goals: tuple[str, ...], **budget: Any) -> None:
    """Look for a better prompt for AGENT and test it on items nobody has looked at.

    The plan is printed first. Every answer is kept as it comes: interrupted, the same command goes on where it was,
    pays only for what is missing, and ends in the same candidates.
    """
    from glow_pipelines.project import open_services
    from glow_pipelines.steps.optimization import Paused, open_optimization

    services, console = open_services(), Console(soft_wrap=True)
    context.call_on_close(services.close)
    work = open_optimization(services, agent, goals, lambda usual: usual.but(**budget), begin=not dry_run)
    print_plan(console, work, work.plan)
    if dry_run:
        console.print("Nothing was asked: this was a dry run.")
        return
    try:
        outcome = _run(console, work)
    except (Paused, KeyboardInterrupt) as stopped:
        _print_stopped(console, work, str(stopped) or "interrupted")
        context.exit(PAUSED)
    print_outcome(console, work, outcome)
    context.exit(EXITS[outcome.state])


def _run(console: Console, work: "Optimization") -> "Outcome":
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    from glow_pipelines.steps.optimization.whole import optimize as run

    bar = Progress(
        TextColumn("{task.description:<10}"),
        BarColumn(),
        TextColumn("{task.completed:,.0f} answers, {task.fields[paid]:,} paid"),
        TimeElapsedColumn(),
        console=console,
    )
    task = bar.add_task("begin", total=sum(calls for _, calls in work.plan.stages) or 1, paid=0)
    work.asking.told = lambda answered, paid: bar.update(task, completed=answered, paid=paid)
    with bar:
        outcome = run(work, lambda stage: bar.update(task, description=stage))
        bar.update(task, total=max(1, work.asking.answered))
    return outcome


def print_plan(console: Console, work: "Optimization", plan: "Plan") -> None:
    """What it may ask for and cost, before anything is asked."""
    console.print(
        f"{escape(work.agent)}: {len(work.examples):,} examples, {len(work.corrections):,} corrections, "
        f"metric {work.metric.id}, model {escape(work.services.chat.name)}, goals {', '.join(work.goals.names)}"
    )
    table = Table("stage", "calls at most", box=None, pad_edge=False)
    for name, calls in plan.stages:
        table.add_row(name, f"{calls:,}")
    console.print(table)
    console.print(
        f"about {plan.tokens:,} tokens and {plan.cost_usd:,.4f} USD; never more than {plan.most_tokens:,} tokens and "
        f"{plan.most_usd:,.4f} USD at the configured prices"
    )
    for note in plan.notes:
        console.print(f"note: {escape(note)}")
    if plan.missing:
        console.print(f"[yellow]missing[/]: {escape('; '.join(plan.missing))}")
        print_power(console, plan.power)


def print_power(console: Console, power: "tuple[PowerRow, ...]") -> None:
    """How many test items which gain needs."""
    table = Table("a true gain of", "needs test items", box=None, pad_edge=False)
    for row in power:
        table.add_row(f"+{100 * row.gain:.0f} points", f"{row.pairs:,}")
    console.print(table)


def print_outcome(console: Console, work: "Optimization", outcome: "Outcome") -> None:
    """The final state as it is, also when nothing came of it."""
    colour = "green" if outcome.state == "finalist" else "yellow"
    console.print(f"[{colour}]{outcome.state}[/]: {escape(outcome.reason)}")
    if outcome.gate is not None:
        gate = outcome.gate
        console.print(
            f"E = {gate.e_value:.3g} of {1 / gate.level:.3g} needed; difference {100 * gate.difference.low:+.1f} to "
            f"{100 * gate.difference.high:+.1f} points on {gate.n} items; gain to expect {100 * gate.claimed_gain:+.1f}"
        )
        for note in gate.notes:
            console.print(f"note: {escape(note)}")
    total = next((outcome.spent[name] for name in ("gate", "race", "analysis") if name in outcome.spent), None)
    if total is not None:
        console.print(
            f"used {total['calls']:,} calls, {total['tokens']:,} tokens, {total['usd']:,.4f} USD; "
            f"this run paid {work.asking.paid:,} calls"
        )
    handed = outcome.handed
    if outcome.state == "finalist" and handed is not None:
        told = f"experiment {handed.experiment_id}: " if handed.experiment_id else "no experiment could start: "
        console.print(told + escape(handed.plan.summary))


def _print_stopped(console: Console, work: "Optimization", why: str) -> None:
    limits = work.limits
    given = [f"--goal {name}" for name in work.goals.names if work.goals.names != ("accuracy",)]
    usual = work.usual
    for option, value, unset in (
        ("--budget-calls", limits.calls, usual.calls),
        ("--budget-tokens", limits.tokens, usual.tokens),
        ("--budget-usd", limits.usd, usual.usd),
    ):
        if value != unset:
            given.append(f"{option} {value}")
    console.print(f"[yellow]paused[/]: {escape(why)}. {work.asking.answered:,} answers are kept.")
    console.print(f"Go on with: glow optimize {' '.join([escape(work.agent), *given])}")
