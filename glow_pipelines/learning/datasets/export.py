"""A dataset version as lines a tuning service accepts.

Belongs here: SFT, preference and retrieval lines, the manifest. Does not belong here: judging lines (lines), files
(exporting), submitting them (providers). Lines are canonical JSON: the same version and system text give the same
bytes, and so do the queries of the store that write them without Python.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from unicodedata import normalize

from glow_pipelines.learning.datasets.lines import LineKind
from glow_pipelines.learning.datasets.rules import Kind
from glow_pipelines.learning.datasets.splits import Split
from glow_pipelines.learning.datasets.text import canonical_json
from glow_pipelines.learning.datasets.versions import DatasetVersion, VersionRow

LINE_KINDS: Mapping[Kind, LineKind] = {
    "sft": "sft",
    "evaluation": "sft",
    "preference": "preference",
    "retrieval": "retrieval",
}
"""Which lines a dataset of a kind is written as."""
_NOTHING_REJECTED = "example {}: no rejected output; export it with a rule of kind 'sft'"


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an export is of. `manifest_hash` is over the ordered example ids, `content_hash` that of the version."""

    rule: str
    as_of: str
    split: str | None
    rows: int
    content_hash: str
    manifest_hash: str


def export_lines(version: DatasetVersion, system: str, split: Split | None = None) -> Iterator[str]:
    """One line a row, without line ends, in the order of the version, of the kind of its rule."""
    kind = LINE_KINDS[version.rule.kind]
    for row in version.rows:
        if split in (None, row.split):
            example = row.example
            if kind == "preference" and example.rejected_target is None:
                raise ValueError(_NOTHING_REJECTED.format(example.id))
            yield canonical_json(line_row(kind, example.input, example.target, example.rejected_target, system))


def line_row(kind: LineKind, input: str, target: str, rejected: str | None, system: str = "") -> dict[str, Any]:
    """What a line holds. sft: messages, without the system's when its text is blank. preference: the two outputs.
    retrieval: query, positive and, where an output was rejected, the hard negative."""
    if kind == "retrieval":
        # A negative that is the positive, if only in other code points, teaches nothing.
        same = rejected is None or normalize("NFC", rejected) == normalize("NFC", target)
        negative = {} if same else {"negative": rejected}
        return {"query": input, "positive": target, **negative}
    asked = [{"role": "system", "content": system}] if system.strip() else []
    asked.append({"role": "user", "content": input})
    answer = {"role": "assistant", "content": target}
    if kind == "sft":
        return {"messages": [*asked, answer]}
    worse = {"role": "assistant", "content": rejected}
    return {"input": {"messages": asked}, "preferred_output": [answer], "non_preferred_output": [worse]}


def sft_line(row: VersionRow, system: str) -> str:
    """{"messages": [system, user, assistant]}; without the system message when its text is blank."""
    return canonical_json(line_row("sft", row.example.input, row.example.target, None, system))


def preference_line(row: VersionRow, system: str) -> str:
    """{"input": {"messages"}, "preferred_output", "non_preferred_output"}.

    Raises ValueError for an example that replaced no output.
    """
    example = row.example
    if example.rejected_target is None:
        raise ValueError(_NOTHING_REJECTED.format(example.id))
    return canonical_json(line_row("preference", example.input, example.target, example.rejected_target, system))


def manifest(version: DatasetVersion, split: Split | None = None) -> Manifest:
    """The manifest of the export of a version, or of one split of it."""
    ids = [row.example.id for row in version.rows if split in (None, row.split)]
    rule, as_of = canonical_json({"agent": version.rule.agent, **version.rule.to_json()}), version.as_of.isoformat()
    return Manifest(rule, as_of, split, len(ids), version.content_hash, manifest_hash(ids))


def manifest_hash(ids: Iterable[str]) -> str:
    """sha256 over the ids in their order, one a line."""
    return hashlib.sha256("".join(f"{id}\n" for id in ids).encode()).hexdigest()
