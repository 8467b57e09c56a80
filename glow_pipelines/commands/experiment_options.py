"""Options that commands of experiments and rollouts share.

Belongs here: names, types, defaults, help. Does not: what a command does with them.
"""

import click

KINDS = ("prompt", "model", "retrieval", "config")
UNITS = ("user", "org", "session", "execution")
MOST = click.option(
    "--most", default=20, show_default=True, type=click.IntRange(1, 1000), help="how many, the newest first"
)
REASON = click.option("--reason", required=True, metavar="TEXT", help="kept in the history")
CONTROL = click.option(
    "--control",
    metavar="NAME",
    help="what the app uses now, where nothing of the kind is in production; of settings a file, as of --config",
)
EXPERIMENT = click.argument("experiment_id", metavar="EXPERIMENT")
UNIT = click.option(
    "--unit",
    type=click.Choice(UNITS),
    default="user",
    show_default=True,
    help="what gets an arm; finer than user only where an answer does not rest on earlier ones",
)
EFFECT = click.option(
    "--effect",
    type=click.FloatRange(0.001, 1_000_000),
    default=0.05,
    show_default=True,
    metavar="X",
    help="the smallest difference worth finding; 0.05 is five points",
)
METRIC = click.option(
    "--metric", default="thumbs_up_rate", show_default=True, metavar="NAME", help="see docs/experiments.md"
)
DAYS = click.option(
    "--days", type=click.IntRange(7, 28), default=7, show_default=True, help="at least; whole weeks are best"
)
SCORE_KEY = click.option("--score-key", metavar="NAME", help="the score in the executions' metadata, of --metric score")
CUPED = click.option("--cuped", is_flag=True, help="take off what users said before: fewer users are needed")
HASH = click.option(
    "--hash", type=click.Choice(("pg1", "gb2")), default="pg1", show_default=True, help="gb2: as GrowthBook's SDKs draw"
)
APPROVAL = click.option("--approval", is_flag=True, help="after a win a person lets each stage of the rollout begin")
