"""V6: the charter's rule read literally against ours, on the same A/A experiments.

The literal rule: a z-test over executions at day 7, once there are 1,000 executions; while it is not significant,
extend by a week and test again, until day 28. A win or a loss it declares is false: the arms are equal.
"""

from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks.experimenting.chances import share
from benchmarks.experimenting.clusters import planned_error
from benchmarks.experimenting.rules import (
    Z95,
    always_valid,
    clustered,
    ever,
    gated,
    group_sequential,
    normal,
    per_execution_z,
)
from benchmarks.experimenting.worlds import Users, batches
from glow_pipelines.learning.experiments.always_valid import mixture_tau

MINIMUM = 1000
BUSY = Users(users=800, days=28, looks=4, per_day=2.0, heavy=1.0)
QUIET = replace(BUSY, per_day=0.5)
EVEN = replace(BUSY, heavy=0.0)
WORLDS = (
    *(replace(world, icc=icc) for world in (BUSY, QUIET, EVEN) for icc in (0.05, 0.1, 0.3)),
    replace(EVEN, icc=0.3, arrival="day 0"),
)


def rule(reps: int, seed: int, worlds: tuple[Users, ...] = WORLDS) -> dict[str, Any]:
    """Shares of A/A experiments that a rule calls."""
    result = {}
    for at, world in enumerate(worlds):
        error = planned_error(world, seed)
        tau = mixture_tau(error)
        counts = dict.fromkeys(("ours", "av", "literal", "without", "day 7", "peeking", "normal"), 0)
        for batch in batches(world, reps, seed + 1000 * at, 20):
            found, z = clustered(batch), np.abs(per_execution_z(batch)) > Z95
            enough = batch.total("rated").sum(axis=1) >= MINIMUM
            open_ = gated(found, batch)
            counts["ours"] += ever(group_sequential(found, 1 / error**2, open_))
            counts["normal"] += ever(group_sequential(normal(found), 1 / error**2, open_))
            counts["av"] += ever(always_valid(found, tau) & open_)
            counts["literal"] += ever(z & enough)
            counts["without"] += ever(z)
            counts["day 7"] += int(z[:, 0].sum())
            counts["peeking"] += ever(np.abs(found.difference) > Z95 * found.standard_error)
        result[f"{world.per_day:g} executions a day, {world.named()}"] = {
            "ours, planned looks over users": share(counts["ours"], reps, most=0.05),
            "the same, z taken as normal": share(counts["normal"], reps),
            "ours, always-valid": share(counts["av"], reps, most=0.05),
            "the charter's rule, literally": share(counts["literal"], reps),
            "the same without its minimum": share(counts["without"], reps),
            "z over executions, day 7 alone": share(counts["day 7"], reps),
            "z over users at the four looks": share(counts["peeking"], reps),
        }
    return result
