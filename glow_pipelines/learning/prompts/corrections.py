"""Corrections: how a user's edit becomes evidence.

A correction enters as a train example and as a count in the analysis, never as prompt text: what users write is hostile
until shown otherwise. Val and test examples need an expert, so none is made here.
"""

from glow_pipelines.learning.prompts.evidence import Correction, Example, IncorporatedCorrection, Source
from glow_pipelines.learning.prompts.hygiene import hidden_characters, hits
from glow_pipelines.learning.prompts.metrics import normalize
from glow_pipelines.learning.prompts.prompt import Prompt


def incorporate(correction: Correction, incumbent: Prompt | None, weight: float) -> IncorporatedCorrection:
    """A train example with the user's answer as target, or the findings that make the correction useless.

    With an output contract the expected answer must be one of the choices, and takes their spelling. `weight` is the
    trust in an answer no expert has confirmed. Findings beside an example are warnings: it will not be shown as
    demonstration.
    """
    target, findings = correction.expected.strip(), []
    if not correction.input.strip() or not target:
        return IncorporatedCorrection(None, ("the input or the expected answer is empty",))
    if normalize(target) == normalize(correction.observed):
        return IncorporatedCorrection(None, ("the expected answer is the observed one",))
    if incumbent is not None and incumbent.choices is not None:
        spelled = {normalize(choice): choice for choice in incumbent.choices}
        if normalize(target) not in spelled:
            return IncorporatedCorrection(None, ("the expected answer is not one of the allowed answers",))
        target = spelled[normalize(target)]
    for text in (correction.input, target):
        findings += [f"hidden character {code}" for code in hidden_characters(text)]
        findings += [f"{kind}: {match!r}" for kind, match in hits(text, ("link", "role tag", "override phrase"))]
    sources = (Source("feedback", correction.feedback_id), Source("execution", correction.execution_id))
    example = Example(
        id=correction.id,
        input=correction.input,
        target=target,
        group=correction.execution_id,
        split="train",
        weight=weight,
        sources=sources,
    )
    return IncorporatedCorrection(example, tuple(dict.fromkeys(findings)))
