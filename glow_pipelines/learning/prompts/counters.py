"""Counters: how often a rule helped and how often it harmed, told by answers that flipped.

Belongs here: pairs of prompts that differ in rules only, and their outcomes. Does not belong here: keeping the counts
(store), acting on them (deltas).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from glow_pipelines.learning.prompts.evaluate import Outcome
from glow_pipelines.learning.prompts.prompt import Prompt, Rule


def count_flips(
    prompt_with: Prompt, prompt_without: Prompt, outcomes: Mapping[tuple[str, str], Outcome]
) -> tuple[Rule, ...]:
    """The rules that only the first prompt has, by id: `helpful` counts the items it alone got right, `harmful` those
    it alone got wrong, of the items both were asked.

    Several rules that came together share the credit and the blame: who of them did it is not known. Prompts that
    differ in anything but rules say nothing about rules: then nothing is counted.
    """
    if replace(prompt_with, rules=()) != replace(prompt_without, rules=()):
        return ()
    before = _said(prompt_without)
    added = [rule for rule in prompt_with.rules if (rule.id, rule.text) not in before]
    helpful = harmful = 0
    for (sha256, example), outcome in outcomes.items():
        other = outcomes.get((prompt_without.sha256, example)) if sha256 == prompt_with.sha256 else None
        if other is not None and other.right != outcome.right:
            helpful, harmful = helpful + outcome.right, harmful + other.right
    counted = (replace(rule, helpful=helpful, harmful=harmful) for rule in added)
    return tuple(sorted(counted, key=lambda rule: rule.id))


def count_all(prompts: Sequence[Prompt], outcomes: Mapping[tuple[str, str], Outcome]) -> tuple[Rule, ...]:
    """Flips of every two of these prompts where one has all rules of the other and more, summed by rule.

    Where one id stands for several wordings the last by text is kept: a store files counts by id.
    """
    total: dict[tuple[str, str], Rule] = {}
    for one in prompts:
        for other in prompts:
            if _said(other) < _said(one):
                for rule in count_flips(one, other, outcomes):
                    known = total.get((rule.id, rule.text), replace(rule, helpful=0, harmful=0))
                    helpful, harmful = known.helpful + rule.helpful, known.harmful + rule.harmful
                    total[rule.id, rule.text] = replace(known, helpful=helpful, harmful=harmful)
    return tuple({id: rule for (id, _), rule in sorted(total.items(), key=lambda item: item[0])}.values())


def _said(prompt: Prompt) -> set[tuple[str, str]]:
    return {(rule.id, rule.text) for rule in prompt.rules}
