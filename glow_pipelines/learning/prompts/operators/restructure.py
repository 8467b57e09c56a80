"""Restructure: the same instruction in sections, and a shorter one. Contract and rules stay as they are."""

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from glow_pipelines.learning.prompts.evidence import Candidate, Correction, Example
from glow_pipelines.learning.prompts.prompt import Prompt
from glow_pipelines.learning.prompts.results import Analysis
from glow_pipelines.learning.prompts.templates import (
    ALLOWED,
    OUTPUT,
    OUTPUT_LINE,
    ROLE,
    TASK,
    allowed_line,
    written_lines,
)

_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|\n+")
_ROLE_SENTENCE = re.compile(r"(?:you are|act as|your role)\b", re.IGNORECASE)


def restructure(
    incumbent: Prompt,
    examples: Sequence[Example],
    corrections: Sequence[Correction],
    analysis: Analysis,
    embeddings: NDArray[np.float64],
    rng: np.random.Generator,
) -> list[Candidate]:
    """Up to two: Role / Task / Allowed answers / Output, and the first task sentence with the answers in one line.

    Nothing for free text: naming allowed answers is all that sections add to a prompt nobody has rewritten.
    """
    if incumbent.choices is None:
        return []
    own = written_lines(incumbent.choices)
    lines = [line for line in incumbent.instruction.splitlines() if line.strip() and line.strip() not in own]
    sentences = [part for line in lines for part in _SENTENCE_END.split(line.strip()) if part]
    role = [sentence for sentence in sentences if _ROLE_SENTENCE.match(sentence)]
    task = [sentence for sentence in sentences if sentence not in role]
    listed = "\n".join(f"- {choice}" for choice in incumbent.choices)
    sections = ((ROLE, " ".join(role)), (TASK, " ".join(task)), (ALLOWED, listed), (OUTPUT, OUTPUT_LINE))
    sectioned = "\n".join(f"{title}\n{body}" for title, body in sections if body)
    shorter = "\n".join([*(task or role)[:1], allowed_line(incumbent.choices)])
    variants = [replace(incumbent, instruction=text) for text in dict.fromkeys((sectioned, shorter))]
    return [Candidate(prompt, "restructure", incumbent.sha256) for prompt in variants if prompt != incumbent]
