"""The card: what Croissant requires is there and true of the files, and people find what they must know."""

import hashlib
import json
from pathlib import Path

import psycopg
import pytest

from glow_pipelines.exporting.run import FORMATS, ExportRequest, Format, export_dataset
from glow_pipelines.learning.datasets import DatasetRule, Kind
from glow_pipelines.steps.datasets import build_dataset
from glow_pipelines.store import Store
from tests.datasets.seeding import AGENT, learn, seeds


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("kind", ["sft", "preference", "evaluation", "retrieval"])
def test_croissant_has_what_the_format_requires(
    store: Store, connection: psycopg.Connection, tmp_path: Path, format: Format, kind: Kind
) -> None:
    learn(connection, seeds(40, rejected="no", language="en"))
    dataset = str(build_dataset(store, DatasetRule(AGENT, kind)).dataset_id)
    files = export_dataset(store, tmp_path, ExportRequest(dataset, format))
    folder = tmp_path / "exports" / dataset
    described = json.loads((folder / "croissant.json").read_text("utf-8"))
    assert described["@type"] == "sc:Dataset"
    assert described["conformsTo"] == "http://mlcommons.org/croissant/1.0"
    assert described["@context"]["cr"] == "http://mlcommons.org/croissant/"
    assert {"name", "description", "license", "datePublished", "version"} <= described.keys()
    objects = {each["@id"]: each for each in described["distribution"]}
    assert objects.keys() == {file.path.name for file in files if file.path.name not in ("README.md", "croissant.json")}
    for each in objects.values():
        assert each["@type"] == "cr:FileObject"
        assert {"name", "contentUrl", "encodingFormat", "sha256"} <= each.keys()
        assert each["sha256"] == hashlib.sha256((folder / each["contentUrl"]).read_bytes()).hexdigest()
    ids = [each["@id"] for each in described["recordSet"]]
    for record in described["recordSet"]:
        assert record["@type"] == "cr:RecordSet"
        for column in record["field"]:
            ids.append(column["@id"])
            assert (column["@type"], column["dataType"]) == ("cr:Field", "sc:Text")
            assert column["source"]["fileObject"]["@id"] in objects
            assert len(column["source"]["extract"]) == 1
    assert len(set(ids)) == len(ids)


def test_the_paths_of_fields_lead_to_the_texts(store: Store, connection: psycopg.Connection, tmp_path: Path) -> None:
    learn(connection, seeds(10, rejected="no"))
    for kind in ("sft", "preference", "retrieval"):
        dataset = str(build_dataset(store, DatasetRule(AGENT, kind)).dataset_id)  # type: ignore[arg-type]
        export_dataset(store, tmp_path, ExportRequest(dataset, splits=("train",), system="Which account?"))
        folder = tmp_path / "exports" / dataset
        line = json.loads((folder / "train.jsonl").read_text("utf-8").splitlines()[0])
        (record,) = json.loads((folder / "croissant.json").read_text("utf-8"))["recordSet"]
        with store.transaction() as t:
            example = next(row.example for row in t.datasets.rows(dataset) if row.split == "train")
        for column in record["field"]:
            value = line
            for step in column["source"]["extract"]["jsonPath"].removeprefix("$.").replace("[", ".[").split("."):
                value = value[int(step[1:-1])] if step.startswith("[") else value[step]
            assert value == getattr(example, column["name"])


def test_the_card_tells_people_what_they_must_know(
    store: Store, connection: psycopg.Connection, tmp_path: Path
) -> None:
    learn(connection, seeds(40, language="de", domain="a | b"))
    built = build_dataset(store, DatasetRule(AGENT, minimum_quality=0.1))
    dataset = str(built.dataset_id)
    (train, *_) = export_dataset(store, tmp_path, ExportRequest(dataset))
    text = (tmp_path / "exports" / dataset / "README.md").read_text("utf-8")
    front = dict(line.split(": ", 1) for line in text.split("---")[1].strip().splitlines())
    assert json.loads(front["language"]) == ["de"]
    assert json.loads(front["size_categories"]) == ["n<1K"]
    (config,) = json.loads(front["configs"])
    assert {"split": "train", "path": "train.jsonl"} in config["data_files"]
    for said in (
        *("## Motivation", "## Composition", "## Agreement", "## Known limits", "## Erasure"),
        built.as_of.isoformat(),
        built.content_hash,
        built.rule.hash,
        train.sha256,
        '"minimum_quality": 0.1',
        "a \\| b",
    ):
        assert said in text
