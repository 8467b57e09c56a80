"""What the figures of a collection must hold, each with its verdict.

Belongs here: the claims of the benchmark, read from kept figures. Does not: measuring, words around the table.
"""

from collections.abc import Iterator, Mapping
from typing import Any

FULL, DENSE, HYBRID, PRODUCT = "full", "against dense", "against best untuned hybrid", "against product, untuned"
SIGNIFICANT = 0.05
Bar = tuple[str, str, str, bool]


def bars(parts: Mapping[str, Any]) -> Iterator[Bar]:
    """(claim, wanted, measured, held) of every part that was run."""
    side = parts.get("methods") or parts.get("full")
    if side:
        yield from _gains(side)
    for name, figures in parts.get("logging", {}).items():
        if isinstance(figures, Mapping):
            yield from _never_worse(figures, name)
    for name, figures in parts.get("amount", {}).items():
        if isinstance(figures, Mapping):
            yield from _never_worse(figures, name)
    for name, title in (("random", "random clicks"), ("shuffled", "shuffled feedback")):
        if name in parts:
            told = f"{parts[name]['shipped']} of {parts[name]['trainings']} shipped"
            yield f"{title}: nothing goes out", parts[name]["bar"], told, parts[name]["held"]
    for name, figures in parts.get("rank1", {}).items():
        if isinstance(figures, Mapping):
            told = f"worst seed {min(figures['as shipped, by seed %']):+.2f} %, {figures['shipped']} shipped"
            yield f"{name}: held-out quality does not fall", "≥ 0 % as shipped", told, figures["held"]
    if "loud" in parts:
        yield "one user's 1000 thumbs", parts["loud"]["bar"], f"{parts['loud']['worst']} ranks", parts["loud"]["held"]


def _gains(side: Mapping[str, Any]) -> Iterator[Bar]:
    full = side["methods"][FULL]
    for where, base, least in (
        ("unseen", DENSE, 12.0),
        ("unseen", HYBRID, 2.5),
        ("unseen-clean", DENSE, 12.0),
        ("unseen-clean", HYBRID, 2.5),
        ("repeated", HYBRID, 25.0),
        ("unseen", PRODUCT, 0.0),
        ("repeated", PRODUCT, 0.0),
    ):
        gain = full[base][where]
        claim = f"{where} questions, {base}"
        held = gain["gain %"] >= least and gain["p"] < SIGNIFICANT
        yield (
            claim,
            f"{'≥' if least else '>'} +{least:g} %, p < .05",
            f"{gain['gain %']:+.2f} %, p={gain['p']:.4f}",
            held,
        )
    yield from _never_worse(side, "interleaved logs")


def _never_worse(side: Mapping[str, Any], name: str) -> Iterator[Bar]:
    for where in ("unseen", "repeated"):
        for base in (HYBRID, PRODUCT):
            by_seed = side["methods"][FULL][base][f"by seed, {where} %"]
            told = ", ".join(f"{gain:+.2f}" for gain in by_seed)
            yield f"{name}, {where}, {base}: no seed is worse", "≥ 0 %", told, min(by_seed) >= 0
