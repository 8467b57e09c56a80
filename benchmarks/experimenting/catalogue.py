"""Which simulation shows what: V1–V18 of the specification, each a function of repetitions and seed.

Sizes are repetitions: `small` for a look, `full` for the committed results. V13 walks 300 to 400 hours of 34,000 users
one by one, V17 calls the whole engine some fifty times an experiment: theirs are smaller, and the results say so.
"""

import importlib
from dataclasses import dataclass
from typing import Any

SEED = 20261122
FULL = 10_000


@dataclass(frozen=True)
class Simulation:
    """`function` of module benchmarks.experimenting.`module`; its claim in a line."""

    module: str
    function: str
    claim: str
    small: int = 1000
    full: int = FULL


SIMULATIONS: dict[str, Simulation] = {
    "V1": Simulation("peeking", "absolute", "A/A, a look after every user: always-valid on differences ≤ 5 %"),
    "V2": Simulation("peeking", "log_ratio", "A/A, a look after every user: always-valid on log ratios ≤ 5 %"),
    "V3": Simulation("clusters", "always", "A/A, users vote alike, 168 looks: always-valid ≤ 5 %"),
    "V4": Simulation("clusters", "planned", "A/A, users vote alike, 14 planned looks: 5 % ± 1"),
    "V5": Simulation("clusters", "coverage", "intervals over users cover 94–96 %"),
    "V6": Simulation("charter", "rule", "the charter's rule against ours in A/A: ≤ 5 %"),
    "V7": Simulation("looks", "maximum", "planned looks: largest sample ≤ 1.10 × fixed"),
    "V8": Simulation("looks", "mean_sample", "planned looks: mean sample at the effect ≤ 0.80 × fixed"),
    "V9": Simulation("looks", "extended", "planned looks with twice the sample bought: power ≥ .95, mean ≤ 1.1 ×"),
    "V10": Simulation("looks", "anytime", "always-valid: ≤ 1.75 × fixed for 80 % power"),
    "V11": Simulation("clusters", "simultaneous", "the confidence sequence holds the truth at all looks ≥ 95 %"),
    "V12": Simulation("arrivals", "sample_ratio", "sample ratio: false alarms ≤ α, 55/45 by 1,600 and 2,100 users"),
    "V13": Simulation("ramps", "rollouts", "ramp: false rollback ≤ 5 %, doubled error rate caught ≥ 99 %", 300, 2000),
    "V14": Simulation("units", "executions", "executions as units: 5 % ± 1, error at most half at ICC .3"),
    "V15": Simulation("arrivals", "hashes", "the hash is even and its draws independent"),
    "V16": Simulation("oracles", "agreement", "errors and boundaries agree with independent computations"),
    "V17": Simulation("table", "decisions", "whole decision table: P(ship | A/A) ≤ 2.5 %", 600),
    "V18": Simulation("replay", "identical", "merge order, row order and replay change nothing"),
}


def simulate(name: str, full: bool, seed: int = SEED) -> dict[str, Any]:
    """Run one; the figures say at what size."""
    each = SIMULATIONS[name]
    reps = each.full if full else each.small
    function = getattr(importlib.import_module(f"benchmarks.experimenting.{each.module}"), each.function)
    return {"claim": each.claim, "repetitions": reps, "seed": seed, "figures": function(reps, seed)}
