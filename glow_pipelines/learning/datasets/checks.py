"""Whether a dataset version may be used.

Belongs here: pure verdicts on a version, blocking (`error`) or not (`warning`). Does not belong here: Dagster's check
objects (defs), building versions.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from glow_pipelines.learning.datasets.minhash import near_duplicates
from glow_pipelines.learning.datasets.text import normalize, text_key
from glow_pipelines.learning.datasets.versions import DatasetVersion

_SHOWN = 5
_OTHER_SEED = (
    20_011  # the grouping proposed pairs by other hashes: a pair it missed is not missed here for the same reason
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """`examples` are up to five example ids that show the fault; `numbers` what was counted."""

    name: str
    passed: bool
    severity: Literal["error", "warning"]
    detail: str
    numbers: Mapping[str, float]
    examples: tuple[str, ...] = ()


def check_version(version: DatasetVersion, *, least: int = 1, most_share: float = 0.8) -> tuple[Verdict, ...]:
    """All verdicts on a version."""
    return (
        leakage(version),
        duplicates(version),
        conflicts(version),
        minimum_size(version, least),
        balance(version, most_share),
    )


def leakage(version: DatasetVersion, threshold: float = 0.7) -> Verdict:
    """No group and no near-duplicate pair lies in two splits."""
    splits: dict[str, set[str]] = defaultdict(set)
    for row in version.rows:
        splits[row.example.group].add(row.split)
    torn = {group for group, found in splits.items() if len(found) > 1}
    rows = version.rows
    pairs = near_duplicates([normalize(row.example.input) for row in rows], threshold, seed=_OTHER_SEED)
    crossing = [(a, b) for a, b in pairs.tolist() if rows[a].split != rows[b].split]
    shown = [row.example.id for row in rows if row.example.group in torn]
    shown += [rows[i].example.id for pair in crossing for i in pair]
    return Verdict(
        "leakage",
        not torn and not crossing,
        "error",
        f"{len(torn)} groups and {len(crossing)} near-duplicate pairs lie in two splits",
        {"groups": len(torn), "pairs": len(crossing), "near_duplicates": len(pairs)},
        tuple(dict.fromkeys(shown))[:_SHOWN],
    )


def duplicates(version: DatasetVersion) -> Verdict:
    """No input with the same answer occurs twice."""
    seen: dict[tuple[str, str], str] = {}
    repeated = []
    for row in version.rows:
        key = text_key(row.example.input), text_key(row.example.target)
        if key in seen:
            repeated.append(row.example.id)
        seen.setdefault(key, row.example.id)
    detail = f"{len(repeated)} rows repeat another"
    return Verdict("duplicates", not repeated, "error", detail, {"rows": len(repeated)}, tuple(repeated[:_SHOWN]))


def conflicts(version: DatasetVersion) -> Verdict:
    """No input has two answers."""
    answers: dict[str, dict[str, str]] = defaultdict(dict)
    for row in version.rows:
        answers[text_key(row.example.input)][text_key(row.example.target)] = row.example.id
    torn = [ids for found in answers.values() if len(found) > 1 for ids in found.values()]
    inputs = sum(len(found) > 1 for found in answers.values())
    return Verdict(
        "conflicts", not torn, "error", f"{inputs} inputs have two answers", {"inputs": inputs}, tuple(torn[:_SHOWN])
    )


def minimum_size(version: DatasetVersion, least: int) -> Verdict:
    """At least `least` rows in train (in all splits together for an evaluation set)."""
    evaluation = version.rule.kind == "evaluation"
    n, where = (len(version.rows), "all") if evaluation else (version.splits["train"], "train")
    detail = f"{n} rows in {where}, at least {least} needed"
    return Verdict("minimum_size", n >= least, "error", detail, {"rows": n, "least": least})


def balance(version: DatasetVersion, most_share: float = 0.8) -> Verdict:
    """No answer makes up more than `most_share` of a dataset of labels; free text passes."""
    total = sum(version.balance.values())
    if len(version.rows) == 0 or not version.balance:
        return Verdict("balance", True, "warning", "no labels to balance", {"labels": 0})
    label, count = max(version.balance.items(), key=lambda pair: (pair[1], pair[0]))
    detail = f"the most frequent of {len(version.balance)} labels, {label[:60]!r}, makes up {count} of {total} rows"
    numbers = {"labels": len(version.balance), "top": count, "rows": total}
    return Verdict("balance", count <= most_share * total, "warning", detail, numbers)
