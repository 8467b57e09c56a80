"""Clarify: say which answers are allowed and what the confused ones mean, or what form an answer has.

Without a model the words come from templates. With an output contract they are completed by single words of train
inputs; for free text by nothing a user wrote. Changes are deltas of rules with stable ids: what harmed more often than
it helped is proposed for deletion, and not proposed again in the same words.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from glow_pipelines.learning.prompts.advice import advise, is_form
from glow_pipelines.learning.prompts.deltas import MOST_RULES, apply, deltas, harmful
from glow_pipelines.learning.prompts.evidence import Candidate, Correction, Example
from glow_pipelines.learning.prompts.influence import Support, quorum
from glow_pipelines.learning.prompts.lineage import lineage_of
from glow_pipelines.learning.prompts.metrics import normalize
from glow_pipelines.learning.prompts.performance import Analysis
from glow_pipelines.learning.prompts.prompt import Prompt, Rule
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
    """Up to four. With choices: the answers named; with a rule per confused target; with a rule for every target. Free
    text: rules about the form; those and rules against other faults. Both: the prompt without its harmful rules.
    """
    gone = harmful(incumbent)
    banned = {(rule.id, rule.text) for rule in incumbent.rules if rule.harmful > rule.helpful}
    base = apply(incumbent, gone)
    variants = [(base, f"without {len(gone)} rules that harmed more often than they helped")] if gone else []
    if incumbent.choices is None:
        advised = [rule for rule in advise(examples, corrections, analysis) if (rule.id, rule.text) not in banned]
        form = [rule for rule in advised if is_form(rule)]
        variants += [(_with(base, form), _told("rules on the form of the answer", form))]
        variants += [(_with(base, advised), _told("rules against the faults seen", advised))]
    else:
        named = _named(base, incumbent.choices)
        defined = _definitions(examples, corrections, incumbent.choices, banned)
        confused = _confused(analysis, corrections, incumbent.choices)
        telling = [rule for target, rule in defined.items() if target in confused]
        wrong = f"{analysis.n - analysis.right} of {analysis.n} train answers were wrong"
        variants += [
            (named, f"names the allowed answers: {wrong}"),
            (_with(named, telling), f"tells {len(telling)} confused answers apart: {wrong}"),
            (_with(named, _within(defined, confused)), f"defines every answer it can: {wrong}"),
        ]
    reasons: dict[Prompt, str] = {}
    for prompt, reason in variants:
        if prompt != incumbent:
            reasons.setdefault(prompt, reason)
    return [
        Candidate(prompt, "clarify", incumbent.sha256, lineage_of(prompt, examples, corrections), reason=reason)
        for prompt, reason in reasons.items()
    ]


def _named(incumbent: Prompt, choices: Sequence[str]) -> Prompt:
    line = answer_line(choices)
    if line in incumbent.instruction or ALLOWED in incumbent.instruction:
        return incumbent
    return replace(incumbent, instruction=f"{incumbent.instruction.rstrip()}\n{line}".lstrip())


def _definitions(
    examples: Sequence[Example],
    corrections: Sequence[Correction],
    choices: Sequence[str],
    banned: set[tuple[str, str]],
) -> dict[str, Rule]:
    support = Support(examples, corrections)
    allowed = [example for example in examples if example.target in choices]
    found = characteristic_words(allowed, person=lambda example: support.person(example.id) or example.group)
    rules = {}
    for target in choices:
        chosen = found.get(target, ())[:WORDS_PER_RULE]
        evidence = tuple(sorted({each for word in chosen for each in word.example_ids}))
        text = f"{target}: {', '.join(word.word for word in chosen)}"
        if support.enough(evidence) and (f"define:{target}", text) not in banned:
            rules[target] = Rule(f"define:{target}", text, evidence)
    return rules


def _confused(analysis: Analysis, corrections: Sequence[Correction], choices: Sequence[str]) -> set[str]:
    """Targets on either side of a confusion: telling two apart takes both definitions. Corrections need a quorum."""
    sides = [(cluster.target, cluster.answered) for cluster in analysis.clusters]
    told: dict[tuple[str, str], list[Correction]] = {}
    for each in corrections:
        told.setdefault((normalize(each.expected), normalize(each.observed)), []).append(each)
    sides += [pair for pair, agreeing in told.items() if quorum(agreeing)]
    named = {normalize(side) for pair in sides for side in pair}
    return {choice for choice in choices if normalize(choice) in named}


def _within(defined: dict[str, Rule], confused: set[str]) -> list[Rule]:
    """As many as a prompt may hold, the confused ones before others, in the order of the answers."""
    first = sorted(defined, key=lambda target: target not in confused)[:MOST_RULES]
    return [rule for target, rule in defined.items() if target in first]


def _with(prompt: Prompt, rules: Iterable[Rule]) -> Prompt:
    return apply(prompt, deltas(prompt, rules))


def _told(what: str, rules: Sequence[Rule]) -> str:
    return f"{what}: {', '.join(rule.id for rule in rules)}"
