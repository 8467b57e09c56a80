"""What a reader of a dataset must know, for people and for machines.

Belongs here: the Markdown card (with the front matter that model hubs read) and the Croissant description, from values.
Does not belong here: writing files, asking anybody. Sources: T. Gebru et al. (2021), Datasheets for datasets; the
Croissant format, version 1.0.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

_USE = {
    "sft": "supervised fine-tuning of the agent: each row is a question and the answer it should have had",
    "preference": "preference tuning (DPO): each row is a question, the answer wanted and the output it replaced",
    "evaluation": "measuring the agent: each row is a question and the answer an expert approved",
    "retrieval": "training of embeddings: each row is a query, an approved answer and, if one was rejected, a negative",
}
_MIME = {"jsonl": "application/jsonlines", "csv": "text/csv", "parquet": "application/x-parquet"}
# Where a field stands in a line of JSON; in tables every field is a column of its name.
_PATHS = {
    "sft": {"input": "$.messages[-2].content", "target": "$.messages[-1].content"},
    "evaluation": {"input": "$.messages[-2].content", "target": "$.messages[-1].content"},
    "preference": {
        "input": "$.input.messages[-1].content",
        "target": "$.preferred_output[0].content",
        "rejected_target": "$.non_preferred_output[0].content",
    },
    "retrieval": {"input": "$.query", "target": "$.positive", "rejected_target": "$.negative"},
}
_ABOUT = {"input": "what was asked", "target": "the right answer", "rejected_target": "an output that was rejected"}


@dataclass(frozen=True, slots=True)
class SheetFile:
    """A file of the dataset: its name beside the card."""

    name: str
    format: str
    split: str
    rows: int
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Sheet:
    """Everything the card tells. `checks` are (name, passed, detail); `agreement` what is known of the reviewers'."""

    dataset_id: str
    agent: str
    kind: str
    rule: Mapping[str, Any]
    as_of: datetime
    created_at: datetime
    rows: int
    content_hash: str
    rule_hash: str
    statistics: Mapping[str, Any]
    parent: str | None = None
    files: Sequence[SheetFile] = ()
    checks: Sequence[tuple[str, bool, str]] = ()
    agreement: Mapping[str, str] = field(default_factory=dict)


def croissant(sheet: Sheet) -> dict[str, Any]:
    """The dataset as Croissant JSON-LD: files with their hashes, and the fields of a row."""
    paths = _PATHS[sheet.kind]
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": sheet.dataset_id,
        "description": f"{sheet.rows} examples of the agent {sheet.agent}, for {_USE[sheet.kind]}.",
        "version": _version(sheet),
        "datePublished": sheet.created_at.date().isoformat(),
        "dateCreated": sheet.as_of.isoformat(),
        "license": "proprietary",
        "isLiveDataset": False,
        "identifier": f"sha256:{sheet.content_hash}",
        "distribution": [
            {
                "@type": "cr:FileObject",
                "@id": file.name,
                "name": file.name,
                "contentUrl": file.name,
                "contentSize": f"{file.bytes} B",
                "encodingFormat": _MIME[file.format],
                "sha256": file.sha256,
            }
            for file in sheet.files
        ],
        "recordSet": [
            {
                "@type": "cr:RecordSet",
                "@id": file.name.replace(".", "_"),
                "name": file.name.replace(".", "_"),
                "description": f"{file.rows} rows of {file.split}",
                "field": [
                    {
                        "@type": "cr:Field",
                        "@id": f"{file.name.replace('.', '_')}/{name}",
                        "name": name,
                        "description": _ABOUT[name],
                        "dataType": "sc:Text",
                        "source": {
                            "fileObject": {"@id": file.name},
                            "extract": {"jsonPath": path} if file.format == "jsonl" else {"column": name},
                        },
                    }
                    for name, path in paths.items()
                ],
            }
            for file in sheet.files
        ],
    }


def card(sheet: Sheet) -> str:
    """The dataset for people: README.md with front matter."""
    counted = sheet.statistics
    splits, shares = counted.get("splits", {}), counted.get("shares", {})
    known = [f"- {name}: {detail}" for name, passed, detail in sheet.checks if not passed]
    parts = [
        _front_matter(sheet),
        f"# {sheet.dataset_id}",
        "## Motivation",
        f"For {_USE[sheet.kind]}.",
        f"Made by Glow Pipelines from what users and experts said of the agent `{sheet.agent}`.",
        "## Composition",
        _table(("split", "rows", "share"), ((each, splits[each], f"{shares.get(each, 0):.1%}") for each in splits)),
        *(
            f"{name.replace('_', ' ').capitalize()}:\n\n" + _table(("", "rows"), counted[name].items())
            for name in ("sources", "agents", "languages", "domains", "balance", "quality", "input_characters")
            if counted.get(name)
        ),
        "## How rows were chosen",
        "A row is in the dataset because this rule admits it, as things stood at the instant. The same rule and "
        "instant give the same rows again (`glow dataset verify`).",
        "```json\n" + json.dumps(dict(sheet.rule), indent=1, sort_keys=True, ensure_ascii=False) + "\n```",
        _table(
            ("what", "value"),
            (
                ("as of", sheet.as_of.isoformat()),
                ("frozen", sheet.created_at.isoformat()),
                ("version before", sheet.parent or "none"),
                ("content", f"sha256 {sheet.content_hash}"),
                ("rule", f"sha256 {sheet.rule_hash}"),
            ),
        ),
        "Left out:\n\n" + _table(("reason", "rows"), counted.get("drops", {}).items()),
        "Splits are by group (conversation and near-duplicates) and for ever: no group is in two of them, in this "
        "version or any other. Personal data and secrets were screened; rows with either are not in it.",
        "## Agreement of the reviewers",
        _table(("what", "value"), sheet.agreement.items()) if sheet.agreement else "Not measured for this version.",
        "## Known limits",
        "\n".join(known) or "Every check passed.",
        "- Patterns find most personal data and not all of it: names and places in running text are not recognised.",
        "- Answers were right when experts and users judged them; nothing here says that they still are.",
        "## Files",
        _table(("file", "rows", "sha256"), ((f"`{f.name}`", f.rows, f"`{f.sha256}`") for f in sheet.files)),
        "## Erasure",
        "When a person's data is erased, this version is revoked and names its successor; `glow dataset show` tells. "
        "Copies of these files outside GLOW_HOME are yours to delete.",
    ]
    return "\n\n".join(parts) + "\n"


def _front_matter(sheet: Sheet) -> str:
    """JSON is YAML: nothing a name holds can end a line or a value."""
    sizes = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
    by_format: dict[str, list[dict[str, str]]] = {}
    for file in sheet.files:
        by_format.setdefault(file.format, []).append({"split": file.split, "path": file.name})
    values: dict[str, object] = {
        "pretty_name": sheet.dataset_id,
        "tags": ["glow-pipelines", "croissant", sheet.kind],
        "size_categories": [next((name for most, name in sizes if sheet.rows < most), "n>1M")],
        "language": sorted(name for name in sheet.statistics.get("languages", {}) if name),
        "configs": [{"config_name": name, "data_files": files} for name, files in sorted(by_format.items())],
    }
    return (
        "---\n"
        + "\n".join(f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in values.items())
        + "\n---"
    )


def _version(sheet: Sheet) -> str:
    """Croissant wants a semantic version; the content's hash goes where builds go."""
    return f"1.0.0+{sheet.content_hash[:12]}"


def _table(head: Sequence[str], rows: Any) -> str:
    lines = ["| " + " | ".join(_cell(cell) for cell in row) + " |" for row in rows]
    if not lines:
        return "none"
    return "\n".join(["| " + " | ".join(head) + " |", "|" + "---|" * len(head), *lines])


def _cell(value: object) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ") or "–"


_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
