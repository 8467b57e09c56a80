"""The arms that a writing model makes: clarify, restructure, reflect. Extra arms; small models write poor prompts.

Belongs here: what each asks for and what becomes of the answer. Whoever has read evidence may add rules, checked one by
one; whoever rewrites the instruction has read none. Does not belong here: texts and parsing (writing).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np

from glow_pipelines.learning.prompts.budget import BudgetExhaustedError
from glow_pipelines.learning.prompts.evaluate import Evaluator
from glow_pipelines.learning.prompts.evidence import Candidate, Correction, Example
from glow_pipelines.learning.prompts.metrics import normalize
from glow_pipelines.learning.prompts.operators.edits import apply_edits, candidate
from glow_pipelines.learning.prompts.operators.reflect import reflect
from glow_pipelines.learning.prompts.performance import Analysis, FailureCluster
from glow_pipelines.learning.prompts.prompt import Prompt, estimate_tokens
from glow_pipelines.learning.prompts.provenance import Provenance
from glow_pipelines.learning.prompts.records import Case, Records, scrub, select
from glow_pipelines.learning.prompts.templates import is_written
from glow_pipelines.learning.prompts.wording import binds, placeholders, sentences
from glow_pipelines.learning.prompts.writing import (
    Line,
    RuleEdit,
    WritingError,
    ask_for_rules,
    ask_for_sections,
    draw_nonce,
    read_edits,
    read_sections,
)

MOST_CLUSTERS, FAILING, PASSING = 5, 5, 2
SHORTER, LONGER = 0.7, 1.5  # of the tokens of the instruction
_FIXED = re.compile(r"\d|[\"“„«`]|\bhttps?:")


class WrittenOperator(Protocol):
    """`limit` is the evaluations and writes it may spend. Sees train examples only."""

    def __call__(
        self,
        incumbent: Prompt,
        train: Sequence[Example],
        corrections: Sequence[Correction],
        analysis: Analysis,
        evaluator: Evaluator,
        rng: np.random.Generator,
        limit: int,
    ) -> list[Candidate]: ...


def clarify_written(
    incumbent: Prompt,
    train: Sequence[Example],
    corrections: Sequence[Correction],
    analysis: Analysis,
    evaluator: Evaluator,
    rng: np.random.Generator,
    limit: int,
) -> list[Candidate]:
    """At most one rule for each failure cluster, in one call. Up to two: with every rule that was taken, and with the
    one for the largest cluster alone.
    """
    clusters, cases = _clusters(incumbent, train, corrections, analysis, evaluator)
    if not clusters or limit < 1:
        return []
    try:
        edits = read_edits(evaluator.write(ask_for_rules(incumbent, cases, clusters, draw_nonce(rng))), cases)
    except (BudgetExhaustedError, WritingError):
        return []
    first: dict[str | None, RuleEdit] = {}
    for edit in edits:
        if edit.op == "DELETE" or edit.cluster in {each["id"] for each in clusters}:
            first.setdefault(edit.rule if edit.op == "DELETE" else edit.cluster, edit)
    provenance = Provenance(incumbent, train, corrections)
    found: dict[Prompt, Candidate] = {}
    for chosen in (list(first.values()), [edit for name, edit in first.items() if name == clusters[0]["id"]]):
        applied = apply_edits(incumbent, chosen, provenance)
        if applied.taken and applied.prompt != incumbent:
            reason = f"{applied.taken} edits for {len(clusters)} failure clusters"
            reason += f"; {len(applied.refused)} refused, such as {applied.refused[0]}" if applied.refused else ""
            made = candidate(applied.prompt, incumbent, "clarify_written", cases, train, corrections, f"{reason}.")
            found.setdefault(applied.prompt, made)
    return list(found.values())


def restructure_written(
    incumbent: Prompt,
    train: Sequence[Example],
    corrections: Sequence[Correction],
    analysis: Analysis,
    evaluator: Evaluator,
    rng: np.random.Generator,
    limit: int,
) -> list[Candidate]:
    """The instruction in sections, and a variant of at most 70 % of its tokens; one call each. Shows no evidence."""
    told = {f"s{at}": (each, _fixed(each, incumbent)) for at, each in enumerate(sentences(incumbent.instruction), 1)}
    found: dict[Prompt, Candidate] = {}
    for shorter in (False, True)[: max(0, limit)]:
        tokens = int(estimate_tokens(incumbent.instruction) * (SHORTER if shorter else LONGER))
        try:
            answer = evaluator.write(ask_for_sections(told, tokens, shorter))
            text = _sections(read_sections(answer, told), told, shorter)
        except (BudgetExhaustedError, WritingError):
            continue
        made = replace(incumbent, instruction=text)
        if made != incumbent and estimate_tokens(text) <= tokens:
            reason = f"The instruction in sections, {'at most 70 % as long' if shorter else 'with the same meaning'}."
            found.setdefault(made, Candidate(made, "restructure_written", incumbent.sha256, reason=reason))
    return list(found.values())


def _clusters(
    incumbent: Prompt,
    train: Sequence[Example],
    corrections: Sequence[Correction],
    analysis: Analysis,
    evaluator: Evaluator,
) -> tuple[list[dict[str, Any]], list[Case]]:
    """The largest clusters with the ids of their cases, and all cases; without clusters nothing may be shown of."""
    records, known = Records(train, corrections), {example.id: example for example in train}
    outcomes = {each: evaluator.outcomes.get((incumbent.sha256, each)) for each in known}

    def case(name: str) -> Case | None:
        outcome = outcomes.get(name)
        return None if outcome is None else records.case(known[name], outcome)

    def of(cluster: FailureCluster) -> list[Case]:
        right = [name for name, got in outcomes.items() if got and got.right and known[name].target == cluster.target]
        passing = select(map(case, right), PASSING)
        return [*select(map(case, cluster.example_ids), FAILING), *passing]

    shown = [(cluster, of(cluster)) for cluster in analysis.clusters[:MOST_CLUSTERS]]
    cases = select((each for _, found in shown for each in found), MOST_CLUSTERS * (FAILING + PASSING))
    place = {each.example.id: f"e{at}" for at, each in enumerate(cases, 1)}
    clusters = []
    for number, (cluster, found) in enumerate(shown, 1):
        told = scrub((cluster.target, cluster.answered))
        ids = [place[each.example.id] for each in found if each.example.id in place]
        if told is not None and any(not each.right for each in found if each.example.id in place):
            clusters.append(
                {"id": f"c{number}", "expected": told[0], "answered": told[1], "count": cluster.count, "cases": ids}
            )
    return clusters, cases


def _fixed(sentence: str, prompt: Prompt) -> bool:
    """Whether a sentence may not be reworded: it forbids or requires, holds placeholders, numbers or quotations, or
    belongs to the contract.
    """
    told = normalize(sentence)
    named = any(normalize(choice) in told for choice in prompt.choices or ())
    held = binds(sentence) or bool(placeholders(sentence)) or bool(_FIXED.search(sentence))
    return named or held or is_written(sentence, prompt.choices)


def _sections(lines: Sequence[Line], given: Mapping[str, tuple[str, bool]], shorter: bool) -> str:
    """The lines under their titles. Raises WritingError when a sentence is lost or a fixed one was reworded."""
    texts = {line.text.strip() for line in lines}
    covered = {each for line in lines for each in line.sources}
    lost = [name for name, (text, fixed) in given.items() if (text not in texts if fixed else name not in covered)]
    if [name for name in lost if given[name][1] or not shorter] or not lines:
        raise WritingError(f"sentences {', '.join(lost)} are lost or were reworded")
    titles = dict.fromkeys(line.title for line in lines)
    return "\n".join(
        "\n".join([f"{title}:", *(line.text.strip() for line in lines if line.title == title)]) for title in titles
    )


WRITTEN: Mapping[str, WrittenOperator] = {
    "clarify_written": clarify_written,
    "restructure_written": restructure_written,
    "reflect": reflect,
}
