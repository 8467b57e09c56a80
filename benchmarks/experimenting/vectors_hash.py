"""Vectors of hashes: SQL and Python compute each, both must agree."""

import hashlib
import re
from collections.abc import Callable
from typing import Any

from benchmarks.experimenting.vectors import World
from glow_pipelines.learning.experiments import hashing


def answer(name: str, given: Any, expected: Any, world: World) -> Any:
    """Bucket, GrowthBook's hash or membership of its namespace, by the keys of the input."""
    if "namespace" in given:
        return _namespace(given, expected, world)
    if "purpose" in given and "unit" not in given:
        return _bulk(given, expected, world)
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
    space, unit = given["namespace"], given.get("userId", given.get("value", given.get("unit", given.get("id"))))
    if not isinstance(space, list):
        space = [space, given.get("low", given.get("start")), given.get("high", given.get("end"))]
    part, low, high = str(space[0]), float(space[1]), float(space[2])
    statement = "select glow.in_namespace(%s, %s, %s, %s)"
    inside = _both(world, statement, (part, unit, low, high), lambda: hashing.in_namespace(part, unit, low, high))
    if not isinstance(expected, dict):
        return inside
    # Named differently by everybody: whatever is true or false there means whether the unit is in.
    hashed = hashing.gb_hash(f"__{part}", unit, 1)
    return {"hash": hashed, "n": hashed} | {key: inside for key, value in expected.items() if isinstance(value, bool)}


def _bulk(given: Any, expected: Any, world: World) -> Any:
    """A run of units prefix1 … prefixN: how many fall below a bound, and the digest of all buckets joined by commas."""
    salt, purpose, units = given["salt"], given["purpose"], given.get("units", given.get("count", given.get("n")))
    if units is None:  # written as "u{i}, i=1..100000"
        shape, _, ends = str(given["unit_format"]).partition(",")
        units = "-".join(shape.strip().replace("{i}", end) for end in re.findall(r"\d+", ends))
    if isinstance(units, str):
        first, last = re.split(r"\.\.+|…|-", units, maxsplit=1)
        prefix = first.rstrip("0123456789")
        names = [f"{prefix}{i}" for i in range(int(first[len(prefix) :]), int(last.removeprefix(prefix)) + 1)]
    elif isinstance(units, list):
        names = units
    else:
        start, prefix = int(given.get("from", given.get("start", 1))), str(given.get("prefix", "u"))
        names = [f"{prefix}{i}" for i in range(start, start + int(units))]
    rows = world.database.execute(
        "select glow.exp_bucket(%s, %s, unit) from unnest(%s::text[]) with ordinality t(unit, at) order by at",
        (salt, purpose, names),
    ).fetchall()
    buckets = [row[0] for row in rows]
    if buckets != [hashing.exp_bucket(salt, purpose, unit) for unit in names]:
        raise ValueError("SQL and Python give different buckets")
    digest = hashlib.sha256(",".join(map(str, buckets)).encode()).hexdigest()
    found: dict[str, Any] = {"buckets": buckets, "first": buckets[:10], "sum": sum(buckets), "count": len(buckets)}
    for key in expected:
        if bound := re.fullmatch(r"(?:count_|n_)?(?:below|lt|under|less_than)_?(\d+)?", key):
            found[key] = sum(b < int(bound[1] or 500_000) for b in buckets)
        elif key.startswith(("sha256", "digest")):
            found[key] = digest
    return found


def _both(world: World, statement: str, values: tuple[Any, ...], python: Callable[[], Any]) -> Any:
    row = world.database.execute(statement, values).fetchone()
    in_sql, here = row[0] if row else None, python()
    if in_sql != here:
        raise ValueError(f"SQL gives {in_sql!r}, Python {here!r}")
    return in_sql


KINDS = {"hash": answer}
