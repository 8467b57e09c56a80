"""What becomes of an example after the screens.

Belongs here: redacting and quarantining by policy. Does not belong here: whether it is right (resolve), its group.
"""

from dataclasses import replace

from glow_pipelines.learning.datasets.examples import LearningExample, example_hash
from glow_pipelines.learning.datasets.language import UNSURE, language_of
from glow_pipelines.learning.datasets.policies import CurationPolicy
from glow_pipelines.learning.datasets.screens.findings import Finding
from glow_pipelines.learning.datasets.screens.redact import redact
from glow_pipelines.learning.datasets.screens.scan import screen


def screen_example(example: LearningExample, policy: CurationPolicy) -> LearningExample:
    """The example with its language, redacted, and quarantined where the policy says so.

    Nothing but redactions changes the texts; `content_hash` is of what is left. `id` stays that of the text as it was
    said, so that another policy finds the same example again. A rejected example stays rejected, but is redacted too.
    """
    fields = {"input": example.input, "target": example.target}
    fields |= {"rejected_target": example.rejected_target} if example.rejected_target is not None else {}
    found = [(field, finding) for field, text in fields.items() for finding in screen(text)]
    held = {f"{f.kind}: {f.name} in {field}" for field, f in found if _handling(f, policy) == "quarantine"}
    told = _language(example)
    if any(_handling(finding, policy) == "redact" for _, finding in found):
        redacted = redact(tuple(fields.values()), lambda finding: _handling(finding, policy) == "redact")
        if not redacted.clean:
            held.add("redacting it leaves personal data or breaks its JSON")
        example = _with_texts(example, dict(zip(fields, redacted.texts, strict=True)))
        if example.status != "rejected":
            what = ", ".join(f"{count} {name}" for name, count in redacted.replaced.items())
            example = replace(example, reason="; ".join(filter(None, (example.reason, f"redacted: {what}"))))
    if policy.languages is not None and told is not None and told not in policy.languages:
        held.add(f"language {told} is not one of {', '.join(policy.languages)}")
    for field, least in (("input", policy.shortest_input), ("target", policy.shortest_target)):
        size = len(fields[field].strip())
        if size < least:
            held.add(f"{field} of {size} characters, fewer than {least}")
    example = replace(example, language=told)
    if not held or example.status == "rejected":
        return example
    return replace(example, status="quarantined", expert_approved=False, reason="; ".join(sorted(held)))


def _handling(finding: Finding, policy: CurationPolicy) -> str:
    if finding.kind == "injection":
        return "quarantine"
    if finding.kind == "secret":
        return policy.secrets
    return "keep" if finding.name in policy.keep else policy.pii


def _language(example: LearningExample) -> str | None:
    """Of the question; where that is too short to tell, of question and answer together."""
    told = language_of(example.input)
    if told in (None, UNSURE):
        both = language_of(f"{example.input}\n{example.target}")
        return told if both is None else both
    return told


def _with_texts(example: LearningExample, texts: dict[str, str]) -> LearningExample:
    input, target, rejected = texts["input"], texts["target"], texts.get("rejected_target")
    if rejected == target:  # they differed in the spelling of a phone number: no preference is left
        rejected = None
    return replace(
        example,
        input=input,
        target=target,
        rejected_target=rejected,
        content_hash=example_hash(input, target, rejected),
    )
