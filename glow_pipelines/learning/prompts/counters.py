"""Counters: how often a rule helped and how often it harmed, told by answers that flipped.

Belongs here: pairs of prompts that differ in rules only, and their outcomes. Does not belong here: keeping the counts
(store), acting on them (deltas).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from glow_pipelines.learning.prompts.evaluate import Outcome
from glow_pipelines.learning.prompts.jsonable import Jsonable
from glow_pipelines.learning.prompts.prompt import Prompt


@dataclass(frozen=True)
class RuleCount(Jsonable):
    """Items the rule's prompt alone got right (`helpful`) and alone got wrong (`harmful`)."""

    rule_id: str
    rule_text: str
    helpful: int
    harmful: int


def count_flips(
    prompt_with: Prompt, prompt_without: Prompt, outcomes: Mapping[tuple[str, str], Outcome]
) -> tuple[RuleCount, ...]:
    """Flips on the items both were asked, for each rule that only the first has, by its id.

    Several rules that came together share the credit and the blame: who of them did it is not known. Prompts that
    differ in anything but rules say nothing about rules: then nothing is counted.
    """
    if replace(prompt_with, rules=()) != replace(prompt_without, rules=()):
        return ()
    before = {rule.id: rule.text for rule in prompt_without.rules}
    added = [rule for rule in prompt_with.rules if before.get(rule.id) != rule.text]
    helpful = harmful = 0
    for (sha256, example), outcome in outcomes.items():
        other = outcomes.get((prompt_without.sha256, example)) if sha256 == prompt_with.sha256 else None
        if other is not None and other.right != outcome.right:
            helpful, harmful = helpful + outcome.right, harmful + other.right
    return tuple(RuleCount(rule.id, rule.text, helpful, harmful) for rule in sorted(added, key=lambda each: each.id))


def count_all(prompts: Sequence[Prompt], outcomes: Mapping[tuple[str, str], Outcome]) -> tuple[RuleCount, ...]:
    """Flips of every pair of these prompts where one has rules the other lacks and lacks none of its rules, summed."""
    total: dict[tuple[str, str], tuple[int, int]] = {}
    for one in prompts:
        for other in prompts:
            if {(rule.id, rule.text) for rule in other.rules} < {(rule.id, rule.text) for rule in one.rules}:
                for each in count_flips(one, other, outcomes):
                    helpful, harmful = total.get((each.rule_id, each.rule_text), (0, 0))
                    total[each.rule_id, each.rule_text] = (helpful + each.helpful, harmful + each.harmful)
    return tuple(RuleCount(*rule, *counts) for rule, counts in sorted(total.items()))


def with_counts(prompt: Prompt, counts: Iterable[RuleCount]) -> Prompt:
    """The prompt with what is known of its rules; counts of another wording under the same id do not apply."""
    known = {(each.rule_id, each.rule_text): each for each in counts}
    rules = []
    for rule in prompt.rules:
        count = known.get((rule.id, rule.text))
        rules.append(rule if count is None else replace(rule, helpful=count.helpful, harmful=count.harmful))
    return replace(prompt, rules=tuple(rules))
