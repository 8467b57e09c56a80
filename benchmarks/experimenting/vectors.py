"""Reference vectors: reads a file of them, computes every expected number by the engine, and tells which do not hold.

Belongs here: reading, comparing, reporting. How a kind of vector is computed belongs to the vectors_*.py beside it,
one kind per prefix of the id. A kind or a key that nobody computes fails with a line that says so.
"""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

ALIASES = {
    "diff": "delta difference effect estimate point point_estimate",
    "se": "standard_error stderr std_err",
    "p": "p_value pvalue p_two_sided",
    "z": "z_score z_stat zstat",
    "t": "t_stat tstat t_statistic",
    "df": "dof degrees_of_freedom",
    "ci": "interval conf_int ci95 ci_95 confidence_interval",
    "lo": "low lower ci_low ci_lower ci_lo",
    "hi": "high upper ci_high ci_upper ci_hi",
    "halfwidth": "half_width",
    "log_e": "ln_e loge log_evalue log_e_value ln_e_value",
    "e": "e_value evalue",
    "chi2": "chisq chi_square chi_squared",
    "reject": "rejected rejects significant",
    "p_adj": "p_adjusted adjusted adjusted_p pvals_corrected",
    "theta": "theta_pooled_within theta_pooled theta_within theta_hat",
    "ratio": "rate r",
    "var": "variance var_mean",
}
_CANONICAL = {other: name for name, others in ALIASES.items() for other in others.split()}
_SUFFIXES = ("_statsmodels", "_scipy", "_postgresql", "_spotify", "_growthbook", "_gbstats", "_numpy", "_ours")


class Readings(list[Any]):
    """Several legitimate meanings of one key (a p-value of one look or of all looks): one of them must hold."""


@dataclass
class World:
    """What vectors are computed with: the file's data, where data sets lie, and a migrated database when asked for."""

    data: Mapping[str, Any]
    folders: Sequence[Path] = ()
    connect: Callable[[], psycopg.Connection[Any]] | None = None
    kept: dict[str, Any] = field(default_factory=dict)

    @property
    def database(self) -> psycopg.Connection[Any]:
        """A connection as administrator, the same for all vectors."""
        if self.connect is None:
            raise LookupError("this vector is computed in SQL, and there is no database")
        if "connection" not in self.kept:
            self.kept["connection"] = self.connect()
        return self.kept["connection"]  # type: ignore[no-any-return]


Answer = Callable[[str, Any, Any, World], Any]


def check(path: Path, world: World) -> tuple[list[str], int]:
    """(a line per vector that does not hold, number of vectors) of a file."""
    vectors = json.loads(path.read_text("utf-8"))["vectors"]
    failures = [line for vector in vectors if (line := failure(vector, world))]
    return failures, len(vectors)


def failure(vector: Mapping[str, Any], world: World) -> str | None:
    """What of one vector does not hold, in one line, or None when all of it does."""
    name, expected = str(vector["id"]), vector["expected"]
    answer = kinds().get(name.split(".")[0])
    if answer is None:
        return f"{name}: nothing computes this kind of vector; there are {', '.join(sorted(kinds()))}"
    try:
        found = answer(name, vector.get("input", {}), expected, world)
    except Exception as error:  # one vector that cannot be computed must not hide the others
        return f"{name}: {type(error).__name__}: {error}".replace("\n", " ")
    wrong = differences(expected, found, float(vector.get("tolerance", 0)))
    return f"{name}: {'; '.join(wrong)}" if wrong else None


def kinds() -> dict[str, Answer]:
    """Who computes which prefix of an id."""
    from benchmarks.experimenting import (
        vectors_clustered,
        vectors_fixed,
        vectors_hash,
        vectors_real,
        vectors_sequential,
    )

    modules = (vectors_hash, vectors_clustered, vectors_fixed, vectors_sequential, vectors_real)
    return {name: answer for module in modules for name, answer in module.KINDS.items()}


def differences(expected: Any, found: Any, tolerance: float, at: str = "") -> list[str]:
    """What differs, each with its place. Tolerance is absolute up to a value of 1, beyond it relative; 0 is exact."""
    if callable(found):
        found = found()
    if isinstance(found, Readings):
        each = [differences(expected, reading, tolerance, at) for reading in found]
        return min(each, key=len) if each else [f"{at or 'value'}: nothing computes this"]
    if isinstance(expected, Mapping):
        if not isinstance(found, Mapping):
            return [f"{at or 'value'}: expected {sorted(expected)}, computed {found!r}"]
        wrong = []
        for key, value in expected.items():
            place = f"{at}.{key}" if at else str(key)
            known, computed = _look_up(found, key)
            wrong += (
                differences(value, computed, tolerance, place) if known else [f"{place}: nothing computes this key"]
            )
        return wrong
    if isinstance(expected, list | tuple):
        values = found.tolist() if hasattr(found, "tolist") else found
        if not isinstance(values, list | tuple) or len(values) != len(expected):
            return [f"{at or 'value'}: expected {len(expected)} values, computed {values!r}"]
        pairs = enumerate(zip(expected, values, strict=True))
        return [line for i, (e, f) in pairs for line in differences(e, f, tolerance, f"{at}[{i}]")]
    found = found.item() if hasattr(found, "item") and getattr(found, "size", 1) == 1 else found
    return [] if _equal(expected, found, tolerance) else [f"{at or 'value'}: expected {expected!r}, computed {found!r}"]


def _equal(expected: Any, found: Any, tolerance: float) -> bool:
    numbers = isinstance(expected, int | float) and isinstance(found, int | float)
    if isinstance(expected, bool) != isinstance(found, bool):
        return False
    if not numbers or not tolerance:
        return bool(expected == found)
    if math.isinf(expected) or math.isinf(found) or math.isnan(expected):
        return bool(expected == found) or (math.isnan(expected) and math.isnan(found))
    return abs(found - expected) <= tolerance * max(1.0, abs(expected))


def canonical(key: str) -> str:
    """The name under which a key is computed: lower case, without the name of the tool it was compared to."""
    plain = key.lower().replace("-", "_").replace(" ", "_")
    for suffix in _SUFFIXES:
        plain = plain.removesuffix(suffix)
    return _CANONICAL.get(plain, plain)


def _look_up(found: Mapping[str, Any], key: str) -> tuple[bool, Any]:
    for name in (key, canonical(key)):
        if name in found:
            return True, found[name]
    # The same words in another order, or with another word for one of them ("ci_lift", "delta_unadjusted").
    words = _words(key)
    alike = [value for name, value in found.items() if _words(name) == words]
    return (True, alike[0]) if len(alike) == 1 else (False, None)


def _words(key: str) -> frozenset[str]:
    return frozenset(
        _CANONICAL.get(word, word) for word in canonical(key).split("_") if word not in ("95", "value", "")
    )
