"""Deltas: a change of a prompt's rules, one rule at a time, by stable ids.

Belongs here: ADD, REPLACE, DELETE and applying them, with the cap on how many rules a prompt may hold. Does not belong
here: finding out which rules help (counters), wording them (operators).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from glow_pipelines.learning.prompts.jsonable import Jsonable
from glow_pipelines.learning.prompts.prompt import Prompt, Rule

MOST_RULES = 24


@dataclass(frozen=True)
class Delta(Jsonable):
    """One change. `rule` is what is added or put in place; a deletion needs its id only."""

    op: Literal["ADD", "REPLACE", "DELETE"]
    rule_id: str
    rule: Rule | None = None


def deltas(prompt: Prompt, rules: Iterable[Rule]) -> list[Delta]:
    """What brings these rules into the prompt. A rule that says the same already keeps its counters and evidence."""
    known = {rule.id: rule for rule in prompt.rules}
    found = []
    for rule in rules:
        if rule.id not in known:
            found.append(Delta("ADD", rule.id, rule))
        elif known[rule.id].text != rule.text:
            found.append(Delta("REPLACE", rule.id, rule))
    return found


def harmful(prompt: Prompt) -> list[Delta]:
    """Deletions of the rules that harmed more often than they helped."""
    return [Delta("DELETE", rule.id) for rule in prompt.rules if rule.harmful > rule.helpful]


def apply(prompt: Prompt, changes: Sequence[Delta], most: int = MOST_RULES) -> Prompt:
    """The prompt with the changes, in their order; rules keep their place, new ones follow.

    Above `most` rules (or as many as the prompt has already) those that earned least go: helpful minus harmful, the
    newest of equals. Raises ValueError for a change of a rule that is not there, an addition of one that is, or a rule
    filed under another id.
    """
    rules = {rule.id: rule for rule in prompt.rules}
    for change in changes:
        if (change.op == "ADD") == (change.rule_id in rules):
            raise ValueError(f"{change.op} of rule {change.rule_id!r}: the prompt has rules {sorted(rules)}")
        if change.op == "DELETE":
            del rules[change.rule_id]
            continue
        if change.rule is None or change.rule.id != change.rule_id:
            raise ValueError(f"{change.op} of rule {change.rule_id!r} needs the rule, under that id")
        rules[change.rule_id] = change.rule
    kept = list(rules.values())
    while len(kept) > max(most, len(prompt.rules)):
        last = len(kept) - 1
        worst = min(range(len(kept)), key=lambda at: (kept[at].helpful - kept[at].harmful, last - at))
        del kept[worst]
    return replace(prompt, rules=tuple(kept))
