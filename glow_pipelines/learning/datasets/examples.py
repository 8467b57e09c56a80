"""The curated unit of training data, and an expert's own example.

Belongs here: `LearningExample`, its identity, `SourceRef`, `DemonstrationRow`. Does not belong here: how an example
is decided (claims, resolve), grouped (groups) or chosen for a dataset (versions).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from glow_pipelines.learning.datasets.text import content_hash, digest, text_key

ExampleSource = Literal["annotation", "correction", "demonstration", "vote"]
Status = Literal["approved", "pending", "rejected", "quarantined"]
SourceKind = Literal["execution", "feedback", "annotation", "demonstration", "comparison"]
Role = Literal["input", "supports", "opposes"]


@dataclass(frozen=True, slots=True)
class DemonstrationRow:
    """An example an expert wrote: for this input, that output."""

    id: int
    agent: str
    expert: str
    input: str
    output: str
    notes: str | None = None
    domain: str | None = None


@dataclass(frozen=True, slots=True, order=True)
class SourceRef:
    """A row this example came from: `input` gave the question, the others spoke for or against the target."""

    kind: SourceKind
    id: str
    role: Role


@dataclass(frozen=True, slots=True)
class LearningExample:
    """One (input, target) of one agent.

    `id` is the identity (agent, normalised input, normalised target) and outlives rewording; `content_hash` is over
    the exact text. `quality` is an estimated chance in [0, 1] that the target is right, `quality_parts` what it was
    estimated from (candidates.Candidate.quality). `rejected_target` is the output the target replaced: the other half
    of a preference pair. `reason` says why the status is what it is. `language` is ISO 639-1, "und" when unsure, None
    where there are no words.
    """

    id: str
    agent: str
    input: str
    target: str
    source: ExampleSource
    status: Status
    quality: float
    group: str
    expert_approved: bool
    content_hash: str
    sources: tuple[SourceRef, ...]
    rule_version: str
    reason: str
    rejected_target: str | None = None
    domain: str | None = None
    language: str | None = None
    quality_parts: Mapping[str, float] = field(default_factory=dict, hash=False)


def example_id(agent: str, input: str, target: str) -> str:
    """The identity of an example; differences of case, spacing and punctuation do not change it."""
    return digest(agent, text_key(input), text_key(target))


def example_hash(input: str, target: str, rejected_target: str | None = None) -> str:
    """The hash of exactly what may be exported of an example."""
    return content_hash({"input": input, "rejected": rejected_target, "target": target})
