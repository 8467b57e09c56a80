"""Every format, file by file: the rows that come out, as a golden file to review.

`python tests/importing/test_import_formats.py` writes the golden files anew.
"""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from glow_pipelines.importing.batches import Batches
from glow_pipelines.importing.formats import make_parser, read
from glow_pipelines.importing.records import FORMATS, Options
from glow_pipelines.importing.sources import Source, open_source

DATA = Path(__file__).parent / "data"
GOLDEN = Path(__file__).parent / "golden"
FILES = {
    "plain.jsonl": ("jsonl", Options("desk")),
    "plain.csv": ("csv", Options("desk")),
    "mapped.jsonl": ("jsonl", Options("desk", "acme")),
    "openai.jsonl": ("openai", Options("desk")),
    "langfuse_api.json": ("langfuse", Options()),
    "langfuse_blob.jsonl": ("langfuse", Options("desk")),
    "mlflow.jsonl": ("mlflow", Options("desk")),
    "phoenix.jsonl": ("phoenix", Options("desk")),
    "phoenix_dataset.csv": ("phoenix", Options("desk")),
    "otel.jsonl": ("otel", Options("desk")),
}


def made(name: str) -> str:
    """What a file becomes: its rows, its refusals, what is left out."""
    format, options = FILES[name]
    mapping = (DATA / "mapping.toml").read_text("utf-8") if name.startswith("mapped") else ""
    batches = Batches("f" * 64, make_parser(format, options, mapping))
    source = Source(DATA / name)
    lines: list[str] = []
    with open_source(source) as stream:
        for batch in batches.of(read(format, source, stream, 0), stream.position):
            rows: list[tuple[int, int, str, Any]] = []
            for sent in batch.copy_lines():
                _, _, kind, numbers, parts, payloads = sent.decode().split("\t")
                where = (json.loads(f"[{each.strip('{}')}]") for each in (numbers, parts))
                said = json.loads(payloads.replace("\\\\", "\\"))
                rows += [(line, part, kind, row) for line, part, row in zip(*where, said, strict=True)]
            for line, part, kind, row in sorted(rows, key=lambda each: each[:2]):
                lines.append(f"{line}.{part} {kind} {json.dumps(row, ensure_ascii=False, indent=1, sort_keys=True)}")
            for refusal in batch.refusals:
                where = f"{refusal.line}.{refusal.part} {refusal.kind or 'record'}"
                lines.append(f"{where} REFUSED {refusal.code} {refusal.message}; accepted: {refusal.hint}")
    lines += [f"left out: {number} x {reason}" for reason, number in sorted(batches.passed.items())]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("name", FILES)
def test_a_file_becomes_the_rows_of_the_golden_file(name: str) -> None:
    assert made(name) == (GOLDEN / f"{name}.txt").read_text("utf-8")


def test_every_format_has_a_file() -> None:
    assert {format for format, _ in FILES.values()} | {"parquet"} == set(FORMATS)


@pytest.mark.parametrize("format", [each for each in FORMATS if each not in ("csv", "parquet")])
@pytest.mark.parametrize("name", FILES)
def test_a_file_of_another_format_is_refused_record_by_record_and_stops_nothing(format: str, name: str) -> None:
    source = Source(DATA / name)
    with open_source(source) as stream:
        batches = Batches("f" * 64, make_parser(format, Options("desk"), ""))
        assert sum(1 for _ in batches.of(read(format, Source(DATA / "x.jsonl"), stream, 0), stream.position)) >= 1


if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    for name in sys.argv[1:] or FILES:
        (GOLDEN / f"{name}.txt").write_text(made(name), "utf-8")
