"""Edits: how what a writing model proposed becomes a prompt, and what is remembered of where it came from.

Belongs here: applying checked edits to rules, and only to rules that were written by this engine. Instruction,
demonstrations and contract stay as they are, whatever the edits say. Does not belong here: asking for edits (writing).
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from glow_pipelines.learning.prompts.evidence import Candidate, Lineage
from glow_pipelines.learning.prompts.prompt import Prompt, Rule
from glow_pipelines.learning.prompts.provenance import Provenance
from glow_pipelines.learning.prompts.records import Case
from glow_pipelines.learning.prompts.writing import Edit

WRITTEN_BY_US = "written:"
MOST_WRITTEN = 12


@dataclass(frozen=True)
class Applied:
    """The prompt after the edits that were taken, how many those were, and why the others were refused."""

    prompt: Prompt
    taken: int
    refused: tuple[str, ...]


def apply_edits(prompt: Prompt, edits: Sequence[Edit], provenance: Provenance) -> Applied:
    """Takes every edit that nothing speaks against.

    What the owner or a template wrote is not theirs to touch: a rule against telling secrets is one that strangers
    would like to see replaced. Rules are deleted only once they did more harm than good.
    """
    rules = {rule.id: rule for rule in prompt.rules}
    taken, refused = 0, []
    for edit in edits:
        against = _against(edit, rules, provenance)
        if against:
            refused.append(f"{edit.op} {edit.rule or ''}: {against[0]}".replace(" :", ":"))
            continue
        taken += 1
        if edit.op == "DELETE":
            del rules[edit.rule or ""]
            continue
        name = edit.rule or f"{WRITTEN_BY_US}{hashlib.sha256(edit.text.encode()).hexdigest()[:8]}"
        rules[name] = Rule(name, edit.text, tuple(sorted({case.example.id for case in edit.cases})))
    return Applied(replace(prompt, rules=tuple(rules.values())), taken, tuple(refused))


def _against(edit: Edit, rules: dict[str, Rule], provenance: Provenance) -> tuple[str, ...]:
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


def candidate(prompt: Prompt, incumbent: Prompt, operator: str, shown: Iterable[Case], reason: str) -> Candidate:
    """The candidate with its lineage: every case the writer was shown, and for each new rule what it rests on."""
    known = {case.example.id: case for case in shown}
    before = {rule.id: rule.text for rule in incumbent.rules}
    lines: list[Lineage] = [line for each in known.values() for line in each.lineage()]
    for rule in prompt.rules:
        if before.get(rule.id) != rule.text:
            cited = (line for each in rule.evidence if each in known for line in known[each].lineage())
            lines += [Lineage(line.source, "rule_evidence", rule.id) for line in cited]
    return Candidate(prompt, operator, incumbent.sha256, tuple(dict.fromkeys(lines)), reason=reason)
