"""The formats by name: how each reads a file, and its parser.

Belongs here: that table. Does not: any format.
"""

from collections.abc import Callable, Iterator
from typing import Any

from glow_pipelines.importing.lines import Numbered, read_json
from glow_pipelines.importing.mapping import MappedRecords, parse_mapping
from glow_pipelines.importing.parsers.langfuse import LangfuseRecords
from glow_pipelines.importing.parsers.mlflow import MLflowRecords
from glow_pipelines.importing.parsers.openai import OpenAIRecords
from glow_pipelines.importing.parsers.otel import OTelRecords
from glow_pipelines.importing.parsers.phoenix import PhoenixRecords
from glow_pipelines.importing.parsers.plain import PlainRecords
from glow_pipelines.importing.records import Options, Parser
from glow_pipelines.importing.sources import ImportFailed, Source, Stream
from glow_pipelines.importing.tables import read_csv, read_parquet

PLAIN = ("jsonl", "csv", "parquet")
_VENDORS: dict[str, Callable[[Options], Parser]] = {
    "openai": OpenAIRecords,
    "langfuse": LangfuseRecords,
    "mlflow": MLflowRecords,
    "phoenix": PhoenixRecords,
    "otel": OTelRecords,
}
_TABLES = ("langfuse", "mlflow", "phoenix")
"""Products that also export tables; which container it is stands in the file's name."""


def make_parser(format: str, options: Options, mapping: str) -> Parser:
    """The parser of a format. Raises MappingError, and ImportFailed for a mapping that the format has no use for."""
    if mapping:
        if format not in PLAIN:
            raise ImportFailed(f"--mapping is for {', '.join(PLAIN)}: {format} is read by its own names")
        return MappedRecords(parse_mapping(mapping), options)
    return PlainRecords(options) if format in PLAIN else _VENDORS[format](options)


def read(format: str, source: Source, stream: Stream, after: int) -> Iterator[Numbered]:
    """The records of a source beyond line `after`."""
    container: Any = format if format in PLAIN else source.suffix.removeprefix(".") if format in _TABLES else "jsonl"
    if container == "parquet":
        return read_parquet(source.path, after)
    return read_csv(stream.file, after) if container == "csv" else read_json(stream.file, after)
