"""Dataset versions between the store and the engine.

Belongs here: building a version, judging it and freezing it in one transaction; rebuilding one to see that it holds.
Does not: choosing its rows (drafting), Dagster (defs), files (exporting), what a check says (learning/datasets).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from glow_pipelines.errors import Actionable
from glow_pipelines.learning.datasets import SPLITS, DatasetRule, Findings, Verdict, drift, judge, read_rule
from glow_pipelines.steps.drafting import Draft, Told, silent
from glow_pipelines.store.noun import Row
from glow_pipelines.store.store import Store, Transaction

_DRIFTING = ("domains", "sources", "languages", "quality", "input_characters", "target_characters", "balance")

_LOOKS = 3  # at a draft that had to be parted: a row may go that another was parted for


class CannotBuild(Actionable):
    """A version that cannot be built; the message says why."""


@dataclass(frozen=True)
class Built:
    """What came of a build. `dataset_id` is None when there are no rows or a blocking check failed; `new` says whether
    the version was written now. `sample` are a few rows to show."""

    dataset_id: str | None
    rule: DatasetRule
    as_of: datetime
    rows: int
    content_hash: str
    statistics: Mapping[str, Any]
    verdicts: tuple[Verdict, ...]
    new: bool
    sample: tuple[Row, ...]

    @property
    def refused(self) -> tuple[Verdict, ...]:
        """The blocking verdicts that it did not pass."""
        return tuple(each for each in self.verdicts if not each.passed and each.severity == "error")


@dataclass(frozen=True)
class Verified:
    """Whether rebuilding a version gave it again. `differences` are up to a hundred rows that only one of the two has,
    or that lie in another split: example_id, frozen, rebuilt, erased."""

    dataset_id: str
    frozen: str
    rebuilt: str
    rows: int
    differences: tuple[Row, ...]

    @property
    def holds(self) -> bool:
        return self.frozen == self.rebuilt

    @property
    def differs_by_erasure(self) -> bool:
        """Whether all that it lacks was erased since: the one way a version may change."""
        return not self.holds and bool(self.differences) and all(row["erased"] for row in self.differences)


def agent_rule(t: Transaction, agent: str, given: Mapping[str, Any]) -> DatasetRule:
    """The rule of a registered agent from JSON, with the shares it was registered with.

    Raises RuleProblem, and CannotBuild when an agent is not registered.
    """
    registered = {each.name: each for each in t.feedback.agents()}
    for name in (agent, *(given.get("agents") or ())):
        if name not in registered:
            raise CannotBuild(f"agent {name!r} is not registered; known: {', '.join(registered) or 'none'}")
    if given.get("shares") is not None and tuple(given["shares"]) != registered[agent].shares:
        raise CannotBuild(
            f"shares: {given['shares']} are not those of {agent}, {list(registered[agent].shares)}: an agent's splits "
            "are fixed for ever when it is registered; leave shares out"
        )
    rule = read_rule(agent, given, registered[agent].shares)
    plain = DatasetRule(agent)
    for field, value, ours in (
        ("salt", rule.salt, plain.salt),
        ("rule_version", rule.rule_version, plain.rule_version),
    ):
        if value != ours:
            raise CannotBuild(f"{field}: {value[:80]!r} is not what this code applies, {ours!r}; leave {field} out")
    return rule


def build_dataset(store: Store, rule: DatasetRule, as_of: datetime | None = None, told: Told = silent) -> Built:
    """The version a rule makes of the examples in force at an instant (now), unless one with these rows is there.

    A version that fails a blocking check is not written. One of now that takes all of the agent's own examples is put
    in force. Raises CannotBuild for an instant to come, and when just these rows were revoked.
    """
    with store.transaction() as t:
        now = t.drafts.begin(rule)
        if as_of is not None and as_of > now:
            raise CannotBuild(f"as of {as_of.isoformat()}: that is to come, now is {now.isoformat()}")
        draft = Draft(t, rule, told)
        draft.choose(as_of or now)
        statistics, findings = _look(t, rule, draft)
        content_hash = draft.content_hash()
        verdicts = judge(findings, least=rule.least)
        passed = not any(not each.passed and each.severity == "error" for each in verdicts)
        dataset_id, new = None, False
        if passed and draft.rows:
            told("freeze", draft.rows)
            statistics["checks"] = [
                {"name": each.name, "passed": each.passed, "detail": each.detail} for each in verdicts
            ]
            dataset_id, new = _freeze(t, rule, as_of or now, draft.rows, content_hash, statistics)
        if passed and as_of is None and rule.is_plain:
            t.datasets.put_in_force(rule.agent, rule.kind, dataset_id)
        sample = tuple(t.drafts.sample())
        t.drafts.discard()
    return Built(dataset_id, rule, as_of or now, draft.rows, content_hash, statistics, verdicts, new, sample)


def verify_dataset(store: Store, dataset_id: str, told: Told = silent) -> Verified:
    """Choose the rows of a version anew by its rule and instant, and compare; nothing is written. Raises
    NoSuchDataset."""
    with store.transaction() as t:
        version = t.datasets.version(dataset_id)
        t.drafts.begin(version.rule)
        draft = Draft(t, version.rule, told)
        known = version.statistics
        draft.choose(version.as_of, known.get("demonstrations", ()), known.get("parted", ()))
        rebuilt = draft.content_hash()
        differs = rebuilt != version.content_hash
        differences = tuple(t.drafts.differences(version.dataset_id)) if differs else ()
        t.drafts.discard()
    return Verified(version.dataset_id, version.content_hash, rebuilt, version.rows, differences)


def _look(t: Transaction, rule: DatasetRule, draft: Draft) -> tuple[dict[str, Any], Findings]:
    """Count and inspect the draft: what is kept with the version, and what is judged."""
    inspection, leaks, repeats = draft.inspect()
    for _ in range(_LOOKS):
        if not draft.part():
            break
        inspection, leaks, repeats = draft.inspect()
    counted = t.drafts.statistics()
    labelled = any(each.choices for each in t.feedback.agents() if each.name in rule.everyone)
    splits: dict[str, int] = {split: counted.get("splits", {}).get(split, 0) for split in SPLITS}
    statistics: dict[str, Any] = {
        **counted,
        "splits": splits,
        "shares": {split: round(rows / draft.rows, 4) if draft.rows else 0 for split, rows in splits.items()},
        "drops": dict(sorted(draft.drops.counts.items())),
        "dropped": dict(sorted(draft.drops.examples.items())),
        # Labels are what the agent was registered to answer; other answers are people's words.
        "balance": inspection.labels if labelled else {},
        "demonstrations": list(draft.prompts),
        "parted": list(draft.parted),
    }
    before = t.drafts.newest(rule)
    was = None if before is None else before["statistics"]
    drifts = {} if was is None else {name: drift(was.get(name, {}), statistics.get(name, {})) for name in _DRIFTING}
    return statistics, Findings(
        rule.kind,
        draft.rows,
        splits,
        torn_groups=t.drafts.torn_groups(),
        leaks=leaks,
        repeats=repeats,
        faults=inspection.faults,
        schema_problems=inspection.schema_problems,
        labels=inspection.labels,
        shown=draft.drops.counts["a prompt in force demonstrates it"],
        demonstrated=draft.demonstrated,
        drift=drifts,
        agreement=t.quality.agreement(rule.everyone),
        approval=t.drafts.approval(rule.everyone),
    )


def _freeze(
    t: Transaction, rule: DatasetRule, as_of: datetime, rows: int, content_hash: str, statistics: Mapping[str, Any]
) -> tuple[str, bool]:
    """The id of the version that holds the draft's rows, and whether it was written now."""
    known, revoked = t.drafts.known(rule, content_hash)
    if known is not None:
        return known, False
    before = t.drafts.newest(rule)
    parent = None if before is None else str(before["dataset_id"])
    dataset_id = rule.dataset_id(content_hash, revoked)
    t.drafts.freeze(dataset_id, rule, as_of, rows, content_hash, statistics, parent)
    return dataset_id, True
