"""`json_fields`: an answer that is a JSON object, compared with the target field by field.

Belongs here: which fields count how much, and the sub-scores. Does not belong here: when two values are equal (coerce).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from glow_pipelines.learning.prompts.metrics.coerce import MISSING, Kind, equal
from glow_pipelines.learning.prompts.metrics.metric import Metric
from glow_pipelines.learning.prompts.metrics.number import Convention
from glow_pipelines.learning.prompts.metrics.settings import Settings

LONGEST = 200_000
"""Characters of an answer read as JSON; a longer one is invalid."""
KINDS = ("any", "text", "number", "integer", "boolean", "date")


@dataclass(frozen=True)
class Field:
    """A path of keys with dots, its weight, how its values are compared; `key` matches objects of an array."""

    path: str
    weight: float
    kind: Kind
    key: str | None


def json_fields(settings: Mapping[str, Any] | None = None) -> Metric:
    """The weighted share of fields that are right; 0.0 when the answer is no JSON object. Right from `right_at` on.

    Settings: `fields`, an object from path (`invoice.total`) to {weight (1), type ('any', 'text', 'number', 'integer',
    'boolean', 'date'), key}; without it every field at the top of the target counts 1. Arrays are compared whatever
    their order: objects by `key` when it is given, else item by item. `extra` 'ignore' (default) or 'wrong' (a field
    at the top that is neither in the target nor in `fields` counts as a wrong field); `fenced` true: a Markdown fence
    around the object is taken off; `tolerance` and `convention` of numbers, as for `numeric`. The sub-score `valid` is
    1.0 for an answer that is one object without repeated keys.
    """
    read = Settings("json_fields", settings)
    fields = tuple(_field(read, path, spec) for path, spec in read.mapping("fields", 200).items())
    extra = read.choice("extra", ("ignore", "wrong"), "ignore")
    fenced = read.flag("fenced", True)
    tolerance = read.number("tolerance", 0, 1, 1e-4)
    convention = cast(Convention, read.choice("convention", ("auto", "point", "comma"), "point"))
    right_at = read.number("right_at", 0, 1, 1.0)
    given = read.finish()
    if fields and not sum(each.weight for each in fields) > 0:
        raise read.wrong("fields", given["fields"], "weights whose sum is above 0")

    def parts(answer: str, target: str) -> dict[str, float]:
        said, right = read_object(answer, fenced), read_object(target, fenced)
        found = {"valid": float(said is not None)}
        for each in _counted(fields, right):
            here = equal_at(said, right, each) if said is not None and right is not None else 0.0
            found[f"field:{each.path}"] = here
        if extra == "wrong" and said is not None and right is not None:
            known = {each.path.split(".")[0] for each in fields}
            found |= {f"extra:{name}": 0.0 for name in said if name not in right and name not in known}
        return found

    def equal_at(said: dict[str, Any], right: dict[str, Any], each: Field) -> float:
        def same(one: Any, other: Any) -> bool:
            return equal(one, other, each.kind, tolerance, convention)

        return _compare(_at(said, each.path), _at(right, each.path), each.key, same)

    def score(answer: str, target: str) -> float:
        found = parts(answer, target)
        weights = {f"field:{each.path}": each.weight for each in fields}
        counted = {name: weights.get(name, 1.0) for name in found if name != "valid"}
        total = sum(counted.values())
        if not found["valid"] or total == 0:
            # An empty target asks for an empty object; an unreadable one for nothing that could be right.
            return float(bool(found["valid"]) and read_object(target, fenced) == {})
        return sum(found[name] * weight for name, weight in counted.items()) / total

    return Metric(
        "json_fields",
        1,
        score,
        right_at=right_at,
        graded=True,
        settings=given,
        valid=lambda answer: read_object(answer, fenced) is not None,
        parts=parts,
    )


def read_object(text: str, fenced: bool) -> dict[str, Any] | None:
    """The one JSON object a text is, or None: also for repeated keys, NaN, and nesting nobody means."""
    plain = text.strip()
    if fenced and plain.startswith("```") and plain.endswith("```") and "\n" in plain:
        plain = plain[plain.index("\n") : -3].strip()
    if len(plain) > LONGEST:
        return None
    try:
        found = json.loads(plain, object_pairs_hook=_once, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _field(read: Settings, path: str, spec: object) -> Field:
    name = f"fields.{path}"
    if not path or any(not part for part in path.split(".")):
        raise read.wrong(name, spec, "a path of keys with single dots between them")
    if not isinstance(spec, Mapping) or set(spec) - {"weight", "type", "key"}:
        raise read.wrong(name, spec, "an object with weight, type and key, each optional")
    weight, kind, key = spec.get("weight", 1), spec.get("type", "any"), spec.get("key")
    if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 <= weight <= 1000:
        raise read.wrong(f"{name}.weight", weight, "a number from 0 to 1000")
    if kind not in KINDS:
        raise read.wrong(f"{name}.type", kind, "one of " + ", ".join(map(repr, KINDS)))
    if key is not None and not (isinstance(key, str) and key):
        raise read.wrong(f"{name}.key", key, "the name of a field of the array's objects")
    return Field(path, float(weight), cast(Kind, kind), key)


def _counted(fields: tuple[Field, ...], right: dict[str, Any] | None) -> tuple[Field, ...]:
    return fields or tuple(Field(name, 1.0, "any", None) for name in right or {})


def _at(value: Any, path: str) -> Any:
    if isinstance(value, dict) and path in value:  # a key that itself holds a dot
        return value[path]
    for part in path.split("."):
        if not isinstance(value, dict) or part not in value:
            return MISSING
        value = value[part]
    return value


def _compare(said: Any, right: Any, key: str | None, same: Any) -> float:
    """1.0 for equal values; for arrays the share of the longer one that is matched, whatever the order."""
    if not isinstance(right, list):
        return float(same(said, right))
    if not isinstance(said, list):
        return 0.0
    if not right or not said:
        return float(not right and not said)
    if key is not None:
        return _by_key(said, right, key, same)
    left = list(said)
    matched = 0
    for each in right:
        at = next((place for place, other in enumerate(left) if same(other, each)), None)
        if at is not None:
            matched += 1
            del left[at]
    return matched / max(len(said), len(right))


def _by_key(said: list[Any], right: list[Any], key: str, same: Any) -> float:
    """The mean share of equal members over all keys of both sides. A key that occurs twice matches nothing."""
    ours, theirs = _keyed(said, key), _keyed(right, key)
    if ours is None or theirs is None:
        return 0.0
    total = 0.0
    for name in theirs.keys() & ours.keys():
        members = (theirs[name].keys() | ours[name].keys()) - {key}
        hits = sum(same(ours[name].get(each, MISSING), theirs[name].get(each, MISSING)) for each in members)
        total += hits / len(members) if members else 1.0
    return total / len(theirs.keys() | ours.keys())


def _keyed(items: Sequence[Any], key: str) -> dict[str, dict[str, Any]] | None:
    found: dict[str, dict[str, Any]] = {}
    for each in items:
        if not isinstance(each, dict) or key not in each or isinstance(each[key], dict | list):
            return None
        name = json.dumps(each[key])
        if name in found:
            return None
        found[name] = each
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key occurs twice: which value is meant is a guess")
    return found


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON")
