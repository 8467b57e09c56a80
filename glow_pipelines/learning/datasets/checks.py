"""Whether a dataset version may be used.

Belongs here: verdicts on what was found in a version, blocking (`error`) or not (`warning`), wherever it was looked
for. Does not belong here: Dagster's check objects (defs), building versions, looking at a million rows
(steps/datasets).
"""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from glow_pipelines.learning.annotations.alerts import AgreementVerdict
from glow_pipelines.learning.datasets.drift import Drift
from glow_pipelines.learning.datasets.inspection import Faults, Inspection, TextRow
from glow_pipelines.learning.datasets.minhash import near_duplicates
from glow_pipelines.learning.datasets.rules import Kind
from glow_pipelines.learning.datasets.text import normalize, text_key
from glow_pipelines.learning.datasets.versions import DatasetVersion

OTHER_SEED = 20_011  # groups were made by other hashes: a pair they missed is not missed here for the same reason
WANTED_APPROVAL = 0.9
BLOCKING = (
    "leakage",
    "duplicates",
    "conflicts",
    "minimum_size",
    "pii",
    "secrets",
    "injections",
    "schema",
    "contamination",
)
WARNING = ("balance", "drift", "agreement", "approval_rate")


@dataclass(frozen=True, slots=True)
class Verdict:
    """`examples` are up to five example ids that show the fault; `numbers` what was counted."""

    name: str
    passed: bool
    severity: Literal["error", "warning"]
    detail: str
    numbers: Mapping[str, float]
    examples: tuple[str, ...] = ()


@dataclass(frozen=True)
class Findings:
    """What was found in a version. `repeats` holds duplicates and conflicts, `faults` what texts showed (pii, secret,
    injection, schema), `shown` held-out rows left out because a prompt in force demonstrates them, `demonstrated` those
    of them that the prompt took from the held-out rows itself. `drift` is by what was counted; `agreement`
    is that of each agent's experts; `approval` approved and all judgements of experts."""

    kind: Kind
    rows: int
    splits: Mapping[str, int]
    torn_groups: int = 0
    leaks: Faults = field(default_factory=Faults)
    repeats: Faults = field(default_factory=Faults)
    faults: Faults = field(default_factory=Faults)
    schema_problems: Mapping[str, int] = field(default_factory=dict)
    labels: Mapping[str, int] = field(default_factory=dict)
    shown: int = 0
    demonstrated: tuple[str, ...] = ()
    drift: Mapping[str, Drift] = field(default_factory=dict)
    agreement: Mapping[str, AgreementVerdict] = field(default_factory=dict)
    approval: tuple[int, int] = (0, 0)


def judge(found: Findings, *, least: int = 1, most_share: float = 0.8) -> tuple[Verdict, ...]:
    """All verdicts on what was found, always the same ones in the same order."""
    pairs, torn, talks = found.leaks.counts["pair"], found.torn_groups, found.leaks.counts["conversation"]
    leaking = [each for kind in ("pair", "group", "conversation") for each in found.leaks.examples.get(kind, ())]
    repeated, contradicting = found.repeats.counts["duplicate"], found.repeats.counts["conflict"]
    return (
        Verdict(
            "leakage",
            not (torn or pairs or talks),
            "error",
            f"{torn} groups and {pairs} near-duplicate pairs lie in two splits, {talks} rows apart from their talk",
            {"groups": torn, "pairs": pairs, "conversations": talks},
            tuple(dict.fromkeys(leaking)),
        ),
        Verdict(
            "duplicates",
            not repeated,
            "error",
            f"{repeated} rows repeat another",
            {"rows": repeated},
            tuple(found.repeats.examples.get("duplicate", ())),
        ),
        Verdict(
            "conflicts",
            not contradicting,
            "error",
            f"{contradicting} rows have an input with several answers",
            {"rows": contradicting},
            tuple(found.repeats.examples.get("conflict", ())),
        ),
        _minimum_size(found, least),
        _balance(found.labels, most_share),
        _texts(found, "pii", "pii", "show personal data"),
        _texts(found, "secrets", "secret", "show a secret"),
        _texts(found, "injections", "injection", "give instructions to the model"),
        _schema(found),
        Verdict(
            "contamination",
            not found.demonstrated,
            "error",
            f"{found.shown} held-out rows were left out because a prompt in force demonstrates them or nearly so, "
            f"{len(found.demonstrated)} of them taken from the held-out rows themselves",
            {"left out": found.shown, "taken": len(found.demonstrated)},
            found.demonstrated[:5],
        ),
        _drift(found.drift),
        _agreement(found.agreement),
        _approval(*found.approval),
    )


def check_version(version: DatasetVersion, *, least: int = 1, most_share: float = 0.8) -> tuple[Verdict, ...]:
    """All verdicts on a version in memory."""
    inspection = Inspection(version.rule.kind)
    inspection.add(
        [
            TextRow(place, e.id, e.agent, row.split, e.input, e.target, e.rejected_target)
            for place, row in enumerate(version.rows)
            for e in (row.example,)
        ]
    )
    groups: dict[tuple[str, str], set[str]] = defaultdict(set)
    for row in version.rows:
        groups[row.example.agent, row.example.group].add(row.split)
    torn = {group for group, splits in groups.items() if len(splits) > 1}
    leaks = _pairs(version)
    for row in version.rows:
        if (row.example.agent, row.example.group) in torn:
            leaks.add("group", row.example.id)
    found = Findings(
        version.rule.kind,
        len(version.rows),
        Counter(row.split for row in version.rows),
        torn_groups=len(torn),
        leaks=leaks,
        repeats=_repeats(version),
        faults=inspection.faults,
        schema_problems=inspection.schema_problems,
        labels=version.balance,
    )
    return judge(found, least=least, most_share=most_share)


def _pairs(version: DatasetVersion) -> Faults:
    leaks, rows = Faults(), version.rows
    for a, b in near_duplicates([normalize(row.example.input) for row in rows], seed=OTHER_SEED).tolist():
        if rows[a].split != rows[b].split:
            leaks.add("pair", rows[a].example.id, rows[b].example.id)
    return leaks


def _repeats(version: DatasetVersion) -> Faults:
    answers: dict[str, dict[str, str]] = defaultdict(dict)
    found = Faults()
    for row in version.rows:
        e = row.example
        known = answers[text_key(e.input)]
        if text_key(e.target) in known:
            found.add("duplicate", e.id)
        known.setdefault(text_key(e.target), e.id)
    for known in answers.values():
        for id in known.values() if len(known) > 1 else ():
            found.add("conflict", id)
    return found


def _minimum_size(found: Findings, least: int) -> Verdict:
    """At least `least` rows in train; in all splits together for an evaluation set."""
    everywhere = found.kind == "evaluation"
    n, where = (found.rows, "all splits") if everywhere else (found.splits.get("train", 0), "train")
    detail = f"{n} rows in {where}, at least {least} needed"
    return Verdict("minimum_size", n >= least, "error", detail, {"rows": n, "least": least})


def _balance(labels: Mapping[str, int], most_share: float) -> Verdict:
    """No answer makes up more than `most_share` of a dataset of labels; free text passes."""
    total = sum(labels.values())
    if not total:
        return Verdict("balance", True, "warning", "no labels to balance", {"labels": 0})
    top = max(labels.values())
    detail = f"the most frequent of {len(labels)} labels makes up {top} of {total} rows"
    return Verdict(
        "balance", top <= most_share * total, "warning", detail, {"labels": len(labels), "top": top, "rows": total}
    )


def _texts(found: Findings, name: str, fault: str, what: str) -> Verdict:
    count = found.faults.counts[fault]
    shown = tuple(found.faults.examples.get(fault, ()))
    return Verdict(name, not count, "error", f"{count} rows {what}", {"rows": count}, shown)


def _schema(found: Findings) -> Verdict:
    count = found.faults.counts["schema"]
    worst = max(found.schema_problems, key=lambda name: (found.schema_problems[name], name), default=None)
    detail = f"{count} rows make no line that a service accepts" + (f"; most often {worst}" if worst else "")
    return Verdict(
        "schema", not count, "error", detail, {"rows": count}, tuple(found.faults.examples.get("schema", ()))
    )


def _drift(drifts: Mapping[str, Drift]) -> Verdict:
    shifted = sorted((name for name, each in drifts.items() if each.matters), key=lambda name: -drifts[name].psi)
    if not drifts:
        return Verdict("drift", True, "warning", "no version before it to compare with", {})
    detail = ", ".join(f"{name.replace('_', ' ')} (psi {drifts[name].psi:.2f})" for name in shifted)
    detail = (
        f"made up otherwise than the version before it by {detail}" if shifted else "made up like the version before it"
    )
    numbers = {name: round(each.psi, 4) for name, each in drifts.items()}
    return Verdict("drift", not shifted, "warning", detail, numbers)


def _agreement(found: Mapping[str, AgreementVerdict]) -> Verdict:
    """Experts who do not agree with each other teach an agent what one of them thinks."""
    low = sorted(agent for agent, each in found.items() if each.status == "too little")
    detail = "; ".join(f"{agent}: {each.detail}" for agent, each in sorted(found.items()))
    return Verdict("agreement", not low, "warning", detail or "not measured yet", {"agents below": len(low)})


def _approval(approved: int, judged: int) -> Verdict:
    """More than nine in ten of the experts' judgements approve or correct: below, the agent's outputs are no
    examples."""
    if not judged:
        return Verdict("approval_rate", True, "warning", "no expert has judged anything", {"judged": 0})
    detail = f"{approved} of {judged} judgements of experts approve or correct, more than {WANTED_APPROVAL:.0%} wanted"
    passed = approved > WANTED_APPROVAL * judged
    return Verdict("approval_rate", passed, "warning", detail, {"approved": approved, "judged": judged})
