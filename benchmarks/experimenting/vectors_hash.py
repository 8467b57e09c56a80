"""Vectors of hashes: SQL and Python compute each, both must agree."""

import hashlib
from collections.abc import Callable
from typing import Any

from benchmarks.experimenting.vectors import World
from glow_pipelines.learning.experiments import hashing


def answer(name: str, given: Any, expected: Any, world: World) -> Any:
    """Bucket, GrowthBook's hash or membership of its namespace, by the keys of the input."""
    if "units" in given or "count" in given or "n" in given:
        return _bulk(given, world)
    if "namespace" in given:
        return _namespace(given, expected, world)
    if "purpose" in given:
        salt, purpose, unit = given["salt"], given["purpose"], given["unit"]
        statement = "select glow.exp_bucket(%s, %s, %s)"
        found = _both(world, statement, (salt, purpose, unit), lambda: hashing.exp_bucket(salt, purpose, unit))
        return {"bucket": found, "micro_bucket": found}
    seed, value = given.get("seed", ""), given.get("value", given.get("unit", given.get("userId")))
    version = int(given.get("version", given.get("hashVersion", 1)))
    statement = "select glow.gb_hash(%s, %s, %s)"
    found = _both(world, statement, (seed, value, version), lambda: hashing.gb_hash(seed, value, version))
    return {"hash": found, "n": found, "value": found, "fnv32a": lambda: hashing.fnv32a(value)}


def _namespace(given: Any, expected: Any, world: World) -> Any:
    space, unit = given["namespace"], given.get("userId", given.get("value", given.get("unit")))
    space_id, low, high = (
        space
        if isinstance(space, list)
        else (space, given.get("low", given.get("start")), given.get("high", given.get("end")))
    )
    statement = "select glow.in_namespace(%s, %s, %s, %s)"
    inside = _both(
        world,
        statement,
        (space_id, unit, float(low), float(high)),
        lambda: hashing.in_namespace(space_id, unit, low, high),
    )
    bucket = hashing.gb_hash(f"__{space_id}", unit, 1)
    if not isinstance(expected, dict):
        return inside
    # Named differently by everybody; all of them mean whether the unit is in.
    return {key: bucket if key in ("hash", "n") else inside for key in expected if key in _MEMBERSHIP}


_MEMBERSHIP = ("in", "inside", "in_namespace", "inNamespace", "result", "expected", "member", "hash", "n")


def _bulk(given: Any, world: World) -> Any:
    """A run of units prefix1 … prefixN: how many fall below a bound, and the digest of all buckets joined by commas."""
    salt, purpose, units = given["salt"], given["purpose"], given.get("units", "u1..u100000")
    if isinstance(units, str):
        first, _, last = units.replace("…", "..").partition("..")
        prefix = first.rstrip("0123456789")
        names = [f"{prefix}{i}" for i in range(int(first[len(prefix) :]), int(last[len(prefix) :]) + 1)]
    else:
        names = units if isinstance(units, list) else [f"u{i}" for i in range(1, int(units) + 1)]
    rows = world.database.execute(
        "select glow.exp_bucket(%s, %s, unit) from unnest(%s::text[]) with ordinality t(unit, at) order by at",
        (salt, purpose, names),
    ).fetchall()
    buckets = [row[0] for row in rows]
    if buckets != [hashing.exp_bucket(salt, purpose, unit) for unit in names]:
        raise ValueError("SQL and Python give different buckets")
    digest, below = hashlib.sha256(",".join(map(str, buckets)).encode()).hexdigest(), sum(b < 500_000 for b in buckets)
    return {
        "buckets": buckets,
        "bucket": buckets,
        **dict.fromkeys(("sha256", "sha256_of_list", "digest", "sha256_joined", "sha256_csv"), digest),
        **dict.fromkeys(("below_500000", "below", "count_below_500000", "lt_500000", "control"), below),
        "first": buckets[:10],
        "sum": sum(buckets),
    }


def _both(world: World, statement: str, values: tuple[Any, ...], python: Callable[[], Any]) -> Any:
    row = world.database.execute(statement, values).fetchone()
    in_sql, here = row[0] if row else None, python()
    if in_sql != here:
        raise ValueError(f"SQL gives {in_sql!r}, Python {here!r}")
    return in_sql


KINDS = {"hash": answer}
