"""Restructure: the same instruction in sections, and a shorter one. Contract and rules stay as they are.

What binds (must, never, only …), names a placeholder or says what the answer looks like is kept in the shorter one too:
brevity is no reason to forget a prohibition.
"""

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from glow_pipelines.learning.prompts.evidence import Candidate, Correction, Example
from glow_pipelines.learning.prompts.lineage import lineage_of
from glow_pipelines.learning.prompts.performance import Analysis
from glow_pipelines.learning.prompts.prompt import Prompt
from glow_pipelines.learning.prompts.templates import (
    ALLOWED,
    LIMITS,
    OUTPUT,
    OUTPUT_LINE,
    ROLE,
    TASK,
    allowed_line,
    written_lines,
)
from glow_pipelines.learning.prompts.wording import binds, placeholders, sentences

_ROLE_SENTENCE = re.compile(r"(?:you are|act as|your role)\b", re.IGNORECASE)
_OUTPUT_SENTENCE = re.compile(
    r"\b(?:answer|reply|respond|response|output|return|format|json|words?|sentences?|lines?|list|table)\b",
    re.IGNORECASE,
)
_LAID_OUT = re.compile(r"^\s*(?:[-*•|#>{}]|\d+[.)]|```)|^\S[^.!?]{0,40}:\s*$", re.MULTILINE)


def restructure(
    incumbent: Prompt,
    examples: Sequence[Example],
    corrections: Sequence[Correction],
    analysis: Analysis,
    embeddings: NDArray[np.float64],
    rng: np.random.Generator,
) -> list[Candidate]:
    """Up to two: the instruction in sections, and its first task sentence with all that binds.

    A text that is laid out already (lists, tables, code, titles) is not cut into sentences again: with choices its
    answers are named below it, for free text nothing is proposed.
    """
    own = written_lines(incumbent.choices)
    lines = [line for line in incumbent.instruction.splitlines() if line.strip() and line.strip() not in own]
    rest = "\n".join(lines)
    laid_out = _LAID_OUT.search(rest) is not None
    if incumbent.choices is None:
        texts = [] if laid_out else [(_sections(rest), "in sections"), (_shorter(rest), "shorter")]
    else:
        listed = "\n".join(f"- {choice}" for choice in incumbent.choices)
        contract = f"{ALLOWED}\n{listed}\n{OUTPUT}\n{OUTPUT_LINE}"
        head = rest if laid_out else _titled(_parts(rest, output=False))
        brief = rest if laid_out else _shorter(rest)
        texts = [
            ("\n".join(part for part in (head, contract) if part), "in sections"),
            ("\n".join(part for part in (brief, allowed_line(incumbent.choices)) if part), "shorter"),
        ]
    found: dict[Prompt, str] = {}
    for text, reason in texts:
        prompt = replace(incumbent, instruction=text)
        if prompt != incumbent:
            found.setdefault(prompt, f"the same instruction, {reason}")
    return [
        Candidate(prompt, "restructure", incumbent.sha256, lineage_of(prompt, examples, corrections), reason=reason)
        for prompt, reason in found.items()
    ]


def _parts(text: str, output: bool) -> list[tuple[str, list[str]]]:
    """Sentences by section; with `output` those on the form of the answer have a section of their own."""
    parts: dict[str, list[str]] = {ROLE: [], TASK: [], LIMITS: [], OUTPUT: []}
    for sentence in dict.fromkeys(sentences(text)):
        title = TASK
        if _ROLE_SENTENCE.match(sentence):
            title = ROLE
        elif output and _OUTPUT_SENTENCE.search(sentence):
            title = OUTPUT
        elif output and binds(sentence):
            title = LIMITS
        parts[title].append(sentence)
    return list(parts.items())


def _titled(parts: Sequence[tuple[str, list[str]]]) -> str:
    return "\n".join(f"{title}\n{' '.join(said)}" for title, said in parts if said)


def _sections(text: str) -> str:
    """In sections where there is more than one to make; else as it is."""
    parts = _parts(text, output=True)
    return _titled(parts) if sum(bool(said) for _, said in parts) > 1 else text


def _shorter(text: str) -> str:
    """The first sentence of the task and every sentence that binds, in their order."""
    said = list(dict.fromkeys(sentences(text)))
    task = next((each for each in said if not _ROLE_SENTENCE.match(each)), said[0] if said else "")
    kept = [each for each in said if each == task or binds(each) or placeholders(each) or _OUTPUT_SENTENCE.search(each)]
    return " ".join(kept)
