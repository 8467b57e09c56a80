"""Edits: how what a writing model proposed becomes a prompt, and what is remembered of where it came from.

Belongs here: applying checked edits to rules, and only to rules that were written by this engine. Instruction,
demonstrations and contract stay as they are, whatever the edits say. Does not belong here: asking for edits (writing).
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from glow_pipelines.learning.prompts.deltas import Delta, apply
from glow_pipelines.learning.prompts.evidence import Candidate, Correction, Example
from glow_pipelines.learning.prompts.lineage import lineage_of
from glow_pipelines.learning.prompts.prompt import Prompt, Rule
from glow_pipelines.learning.prompts.provenance import Provenance
from glow_pipelines.learning.prompts.records import Case
from glow_pipelines.learning.prompts.writing import RuleEdit

WRITTEN_BY_US = "written:"
MOST_WRITTEN = 12


@dataclass(frozen=True)
class Applied:
    """The prompt after the edits that were taken, how many those were, and why the others were refused."""

    prompt: Prompt
    taken: int
    refused: tuple[str, ...]


def apply_edits(prompt: Prompt, edits: Sequence[RuleEdit], provenance: Provenance) -> Applied:
    """Takes every edit that nothing speaks against.

    What the owner or a template wrote is not theirs to touch: a rule against telling secrets is one that strangers
    would like to see replaced. Rules are deleted only once they did more harm than good.
    """
    made, taken, refused = prompt, 0, []
    for edit in edits:
        rules = {rule.id: rule for rule in made.rules}
        against = _against(edit, rules, provenance)
        if against:
            refused.append(f"{edit.op}: {against[0]}")
            continue
        taken += 1
        name = edit.rule or f"{WRITTEN_BY_US}{hashlib.sha256(edit.text.encode()).hexdigest()[:8]}"
        rule = Rule(name, edit.text, tuple(sorted({case.example.id for case in edit.cases})))
        made = apply(made, [Delta("DELETE", name) if edit.op == "DELETE" else Delta(edit.op, name, rule)])
    return Applied(made, taken, tuple(refused))


def _against(edit: RuleEdit, rules: dict[str, Rule], provenance: Provenance) -> tuple[str, ...]:
    if edit.rule is not None and edit.rule not in rules:
        return (f"there is no rule {edit.rule!r}",)
    if edit.rule is not None and not edit.rule.startswith(WRITTEN_BY_US):
        return (f"rule {edit.rule!r} is not one that a writing model wrote",)
    if edit.op == "DELETE":
        rule = rules[edit.rule or ""]
        return () if rule.harmful > rule.helpful else ("it did not do more harm than good",)
    if edit.op == "ADD" and sum(name.startswith(WRITTEN_BY_US) for name in rules) >= MOST_WRITTEN:
        return (f"there are {MOST_WRITTEN} written rules already",)
    if any(rule.text.casefold() == edit.text.casefold() for rule in rules.values()):
        return ("a rule says the same",)
    return provenance.findings(edit.text, edit.cases)


def candidate(
    prompt: Prompt,
    incumbent: Prompt,
    operator: str,
    shown: Iterable[Case],
    train: Sequence[Example],
    corrections: Sequence[Correction],
    reason: str,
) -> Candidate:
    """The candidate with its lineage: what rules and demonstrations rest on, and every case the writer was shown."""
    reflected = (line for case in shown for line in case.lineage())
    lineage = tuple(dict.fromkeys((*lineage_of(prompt, train, corrections), *reflected)))
    return Candidate(prompt, operator, incumbent.sha256, lineage, reason=reason)
