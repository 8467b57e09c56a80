"""A dataset version as lines a tuning service accepts.

Belongs here: SFT and preference lines, the manifest. Does not belong here: judging lines (lines), files (store),
submitting them (providers). Lines are canonical JSON: the same version and system text give the same bytes.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass

from glow_pipelines.learning.datasets.splits import Split
from glow_pipelines.learning.datasets.text import canonical_json
from glow_pipelines.learning.datasets.versions import DatasetVersion, VersionRow


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
    """One line a row, without line ends, in the order of the version; preference lines for a preference rule."""
    write = preference_line if version.rule.kind == "preference" else sft_line
    return (write(row, system) for row in version.rows if split in (None, row.split))


def sft_line(row: VersionRow, system: str) -> str:
    """{"messages": [system, user, assistant]}; without the system message when its text is blank."""
    return canonical_json({"messages": [*_asked(row, system), {"role": "assistant", "content": row.example.target}]})


def preference_line(row: VersionRow, system: str) -> str:
    """{"input": {"messages"}, "preferred_output", "non_preferred_output"}.

    Raises ValueError for an example that replaced no output.
    """
    example = row.example
    if example.rejected_target is None:
        raise ValueError(f"example {example.id}: no rejected output; export it with a rule of kind 'sft'")
    return canonical_json(
        {
            "input": {"messages": _asked(row, system)},
            "preferred_output": [{"role": "assistant", "content": example.target}],
            "non_preferred_output": [{"role": "assistant", "content": example.rejected_target}],
        }
    )


def manifest(version: DatasetVersion, split: Split | None = None) -> Manifest:
    """The manifest of the export of a version, or of one split of it."""
    ids = [row.example.id for row in version.rows if split in (None, row.split)]
    rule, as_of = canonical_json(asdict(version.rule)), version.as_of.isoformat()
    return Manifest(rule, as_of, split, len(ids), version.content_hash, manifest_hash(ids))


def manifest_hash(ids: Iterable[str]) -> str:
    """sha256 over the ids in their order, one a line."""
    return hashlib.sha256("".join(f"{id}\n" for id in ids).encode()).hexdigest()


def _asked(row: VersionRow, system: str) -> list[dict[str, str]]:
    said = [{"role": "system", "content": system}] if system.strip() else []
    return [*said, {"role": "user", "content": row.example.input}]
