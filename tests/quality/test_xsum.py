"""Real judgements from the file to the figures and a dataset: import, annotation_quality, the alpha of another
implementation, curation, a version."""

import csv
from collections import Counter, defaultdict
from pathlib import Path

import dagster as dg
import numpy as np
import psycopg
import pytest
from rich.console import Console

from glow_pipelines.client import GlowClient
from glow_pipelines.defs.annotation_quality import annotation_quality, reviewers_agree
from glow_pipelines.importing.records import Options
from glow_pipelines.importing.run import ImportRequest, run_import
from glow_pipelines.learning.datasets import DatasetRule, text_key
from glow_pipelines.services import Services
from glow_pipelines.steps.curation import curate
from glow_pipelines.steps.datasets import build_dataset, verify_dataset

XSUM = Path(__file__).parents[2] / "../shared/data/xsum/factuality_annotations_xsum_summaries.csv"
MAPPING = Path(__file__).with_name("xsum.toml")
JUDGED = """
select e.input, e.metadata ->> 'system', e.output, a.reviewer, a.verdict
  from glow.expert_annotations a join glow.executions e using (tenant, execution_id, agent)
 where a.superseded_by is null
"""


def judgements() -> dict[tuple[str, str, str, str], str]:
    """(article, system, summary, worker) → yes or no; 33 have no judgement."""
    with XSUM.open(encoding="utf-8", newline="") as file:
        return {
            (row["bbcid"], row["system"], row["summary"], row["worker_id"]): row["is_factual"]
            for row in csv.DictReader(file)
            if row["is_factual"] in ("yes", "no")
        }


def reference(said: dict[tuple[str, str, str, str], str]) -> float:
    """Nominal alpha by the package `krippendorff`, else pair by pair."""
    items = sorted({key[:3] for key in said})
    people = sorted({key[3] for key in said})
    table = np.full((len(people), len(items)), np.nan)
    places = {item: place for place, item in enumerate(items)}
    for (*item, worker), word in said.items():
        table[people.index(worker), places[tuple(item)]] = float(word == "yes")  # type: ignore[index]
    try:
        import krippendorff
    except ImportError:
        units = [column[~np.isnan(column)] for column in table.T]
        units = [unit for unit in units if len(unit) > 1]
        values = np.concatenate(units)
        seen = sum((unit[:, None] != unit[None, :]).sum() / (len(unit) - 1) for unit in units)
        return float(1 - seen * (len(values) - 1) / (values[:, None] != values[None, :]).sum())
    return float(krippendorff.alpha(reliability_data=table, level_of_measurement="nominal"))


@pytest.mark.skipif(not XSUM.exists(), reason="../shared/data/xsum is absent")
def test_real_judgements_from_import_to_agreement(
    services: Services, client: GlowClient, connection: psycopg.Connection, tmp_path: Path
) -> None:
    client.register_agent("summaries")
    request = ImportRequest("csv", (XSUM,), Options("summaries"), mapping=MAPPING, rejected=tmp_path / "rejected.jsonl")
    (outcome,) = run_import(services, request, Console(quiet=True))
    said = judgements()
    assert (outcome.accepted, outcome.refused) == (1869 + len(said), 33)
    words = {"approve": "yes", "reject": "no"}
    found = connection.execute(JUDGED).fetchall()
    connection.commit()
    assert {tuple(key): words[verdict] for *key, verdict in found} == said

    result = dg.materialize([annotation_quality, reviewers_agree], resources={"services": services})
    (report,) = connection.execute(
        "select report from glow.annotation_reports where agent = 'summaries'"
    ).fetchone() or ({},)
    overall = next(each for each in report["agreements"] if each["domain"] is None)
    assert overall["alpha"]["alpha"] == pytest.approx(reference(said), abs=1e-9)
    assert overall["alpha"]["items"] == sum(count > 1 for count in Counter(key[:3] for key in said).values())
    (check,) = result.get_asset_check_evaluations()
    assert check.passed
    assert report["agreement"]["status"] == "enough"
    _check_dataset(services, said)


def _check_dataset(services: Services, said: dict[tuple[str, str, str, str], str]) -> None:
    """What most workers called true of its article is what is taught, and nothing else."""
    curate(services)
    built = build_dataset(services.store, DatasetRule("summaries", "evaluation"))
    assert built.dataset_id is not None, built.verdicts
    votes: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for (article, _, summary, _), word in said.items():
        votes[article, text_key(summary)][word] += 1
    true = {key for key, words in votes.items() if words["yes"] > words["no"]}
    with services.store.transaction() as t:
        taught = {(row.example.input, text_key(row.example.target)) for row in t.datasets.rows(built.dataset_id)}
    assert taught <= true
    # A few articles have two summaries that are equally true: such a tie waits for an expert.
    assert 0.95 < len(taught) / len({article for article, _ in true}) <= 1
    assert verify_dataset(services.store, built.dataset_id).holds
