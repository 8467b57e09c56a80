"""Lineage of a whole prompt: where each of its rules and demonstrations came from, also those it inherited.

Belongs here: rules and demonstrations → rows. Does not belong here: the values (evidence), reading it back (store).
"""

from collections.abc import Sequence

from glow_pipelines.learning.prompts.evidence import Correction, Example, Lineage, Source, trace
from glow_pipelines.learning.prompts.prompt import Prompt


def lineage_of(
    prompt: Prompt, examples: Sequence[Example], corrections: Sequence[Correction] = ()
) -> tuple[Lineage, ...]:
    """One line per evidence and its rows, rules first. Evidence that is gone since keeps the id it is known by."""
    known = {example.id: example for example in examples}
    told = {correction.id: correction for correction in corrections}
    lines: list[Lineage] = []
    for rule in prompt.rules:
        for id in rule.evidence:
            if id in known:
                lines += trace([known[id]], "rule_evidence", rule.id)
            elif id in told:
                rows = (Source("feedback", told[id].feedback_id), Source("execution", told[id].execution_id))
                lines += [Lineage(row, "rule_evidence", rule.id) for row in rows]
            else:
                lines.append(Lineage(id, "rule_evidence", rule.id))
    for shown in prompt.demonstrations:
        lines += trace([known[shown.example_id]], "demo") if shown.example_id in known else ()
        lines += [] if shown.example_id in known else [Lineage(shown.example_id, "demo")]
    return tuple(dict.fromkeys(lines))
