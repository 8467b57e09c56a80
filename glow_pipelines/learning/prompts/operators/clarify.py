"""Clarify: say which answers are allowed, and what the confused ones mean.

Without a model the words come from templates and from the vocabulary of train inputs. Needs an output contract: with
free text there is nothing to name, and targets are user text that must not become instruction.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from glow_pipelines.learning.prompts.evidence import Candidate, Correction, Example, trace
from glow_pipelines.learning.prompts.lint import MIN_EVIDENCE
from glow_pipelines.learning.prompts.metrics import normalize
from glow_pipelines.learning.prompts.prompt import Prompt, Rule
from glow_pipelines.learning.prompts.results import Analysis
from glow_pipelines.learning.prompts.templates import ALLOWED, answer_line
from glow_pipelines.learning.prompts.vocabulary import characteristic_words

WORDS_PER_RULE = 6


def clarify(
    incumbent: Prompt,
    examples: Sequence[Example],
    corrections: Sequence[Correction],
    analysis: Analysis,
    embeddings: NDArray[np.float64],
    rng: np.random.Generator,
) -> list[Candidate]:
    """Up to three: the answers named; named with a rule per confused target; named with a rule for every target."""
    if incumbent.choices is None:
        return []
    named = _named(incumbent, incumbent.choices)
    rules = _definitions(examples, incumbent.choices)
    confused = _confused(analysis, corrections, incumbent.choices)
    variants = (named, _with(named, (rules[t] for t in rules if t in confused)), _with(named, rules.values()))
    known = {example.id: example for example in examples}
    kept = {rule.id: rule.text for rule in incumbent.rules}
    candidates = []
    for prompt in dict.fromkeys(variants):
        added = [rule for rule in prompt.rules if kept.get(rule.id) != rule.text]
        lineage = tuple(
            line for rule in added for line in trace([known[each] for each in rule.evidence], "rule_evidence", rule.id)
        )
        if prompt != incumbent:
            candidates.append(Candidate(prompt, "clarify", incumbent.sha256, lineage))
    return candidates


def _named(incumbent: Prompt, choices: Sequence[str]) -> Prompt:
    line = answer_line(choices)
    if line in incumbent.instruction or ALLOWED in incumbent.instruction:
        return incumbent
    return replace(incumbent, instruction=f"{incumbent.instruction.rstrip()}\n{line}".lstrip())


def _definitions(examples: Sequence[Example], choices: Sequence[str]) -> dict[str, Rule]:
    found = characteristic_words([example for example in examples if example.target in choices])
    group = {example.id: example.group for example in examples}
    rules = {}
    for target in choices:
        chosen = found.get(target, ())[:WORDS_PER_RULE]
        evidence = tuple(sorted({each for word in chosen for each in word.example_ids}))
        if len({group[each] for each in evidence}) >= MIN_EVIDENCE:
            text = f"{target}: {', '.join(word.word for word in chosen)}"
            rules[target] = Rule(f"define:{target}", text, evidence)
    return rules


def _confused(analysis: Analysis, corrections: Sequence[Correction], choices: Sequence[str]) -> set[str]:
    """Targets on either side of a confusion: telling two apart takes both definitions."""
    sides = [(cluster.target, cluster.answered) for cluster in analysis.clusters]
    sides += [(each.expected, each.observed) for each in corrections]
    named = {normalize(side) for pair in sides for side in pair}
    return {choice for choice in choices if normalize(choice) in named}


def _with(prompt: Prompt, rules: Iterable[Rule]) -> Prompt:
    """Rules are replaced by id and otherwise kept; a rule that says the same keeps its counters and evidence."""
    merged = {rule.id: rule for rule in prompt.rules}
    for rule in rules:
        if rule.id not in merged or merged[rule.id].text != rule.text:
            merged[rule.id] = rule
    return replace(prompt, rules=tuple(merged.values()))
