"""The job of one turn.

Belongs here: which assets a run spans. Does not: when it runs (schedules, sensors).
"""

import dagster as dg

turn = dg.define_asset_job(
    "turn",
    description="One whole turn of the loop for one agent: curate, check, optimize, gate, experiment, measure.",
    selection=dg.AssetSelection.all(),
)
