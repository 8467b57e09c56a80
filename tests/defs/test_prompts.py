"""The assets of prompts: the same way by the clock, on request and from the command line; checks and what they show."""

import base64
import json
import re
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree as ET

import dagster as dg
import pytest
from click.testing import CliRunner

from glow_pipelines.cli import main
from glow_pipelines.client import GlowClient
from glow_pipelines.database import connect
from glow_pipelines.defs.experiments.decisions import experiment
from glow_pipelines.defs.prompts.analysis import prompt_analysis
from glow_pipelines.defs.prompts.candidate import candidate_prompt
from glow_pipelines.defs.prompts.candidates import prompt_candidates
from glow_pipelines.defs.prompts.drawing import evidence_plot, race_plot
from glow_pipelines.defs.prompts.gate import prompt_gate
from glow_pipelines.defs.prompts.race import prompt_race
from glow_pipelines.learning.intervals import wilson
from glow_pipelines.learning.prompts.types import Arm, Race, Round
from glow_pipelines.services import Services
from glow_pipelines.steps.optimization import checks, open_optimization
from tests.openai_server import OpenAIServer
from tests.steps.optimizing import CALLS
from tests.steps.optimizing import copies as copies
from tests.steps.optimizing import learned as learned
from tests.steps.optimizing import opened as opened
from tests.steps.optimizing import server as server

ASSETS = [prompt_analysis, prompt_candidates, prompt_race, prompt_gate, candidate_prompt, experiment]
USERS_TEXT = {"sample", "samples", "rules", "diff"}


def materialize(services: Services, tags: dict[str, str] | None = None) -> dg.ExecuteInProcessResult:
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("agent", ["coder"])
        return dg.materialize(
            ASSETS, instance=instance, resources={"services": services}, partition_key="coder", tags=tags
        )


def metadata_of(result: dg.ExecuteInProcessResult, asset: str) -> dict[str, Any]:
    (event,) = result.asset_materializations_for_node(asset)
    return {name: value.value for name, value in event.metadata.items()}


def picture(markdown: str) -> ET.Element:
    found = re.fullmatch(r"!\[[^\]]*\]\(data:image/svg\+xml;base64,([A-Za-z0-9+/=]+)\)", markdown)
    assert found is not None, markdown[:80]
    return ET.fromstring(base64.b64decode(found[1]))


def test_a_whole_turn_by_dagster_is_shown_handed_over_and_repeated_for_nothing(
    opened: Callable[..., Services], copies: Callable[[], str], server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = copies()
    services = opened(url)
    result = materialize(services)
    assert result.success
    assert all(each.passed for each in result.get_asset_check_evaluations())
    checked = {(each.asset_key.to_user_string(), each.check_name) for each in result.get_asset_check_evaluations()}
    assert checked >= {
        ("prompt_analysis", "split_leakage"),
        ("prompt_candidates", "lineage"),
        ("prompt_race", "budget"),
        ("prompt_race", "lint"),
        ("prompt_gate", "budget"),
        ("prompt_gate", "test_items_fresh"),
        ("candidate_prompt", "lineage"),
    }
    race, gate, candidate = (metadata_of(result, name) for name in ("prompt_race", "prompt_gate", "candidate_prompt"))
    assert len(picture(race["race"]).findall(".//{*}polyline")) >= 4
    assert picture(gate["evidence over nights"]).findall(".//{*}circle")
    assert gate["verdict"] == "promote"
    assert gate["model calls"] == server.requests.total() <= int(CALLS)
    assert candidate["diff"].startswith("```diff\n--- in force")
    assert "glow_api.prompt_lineage(agent => 'coder'" in candidate["audit"]

    with services.store.transaction() as t:
        running, row = t.experiments.running("coder"), t.optimizations.latest_gate("coder")
        (told,) = [each for each in t.notifications.since("coder") if each["kind"] == "prompt_candidate"]
    assert running is not None
    assert row is not None
    assert 2 * running["plan"]["users_per_arm"] >= services.settings.ab_test_min_sample_size
    assert running["gate_id"] == row["gate_id"] == told["body"]["gate_id"]
    assert told["body"]["experiment_id"] == running["experiment_id"]
    with connect(url) as connection:
        moved = connection.execute(
            "select gate_id, experiment_id from glow.prompt_alias_history where alias = 'candidate'"
        ).fetchall()
        traced = connection.execute(
            candidate["audit"].strip("`").removeprefix("sql\n").replace("select *", "select part, part_id, traced")
        ).fetchall()
    assert moved == [(row["gate_id"], running["experiment_id"])]
    assert len({line[:2] for line in traced}) >= 6
    assert all(line[2] for line in traced)

    server.requests.clear()  # the same again, by Dagster and by hand, asks nobody
    assert materialize(services).success
    for name, value in (server.environment() | {"DATABASE_URL": url, "GLOW_OPTIMIZATION_MAX_CALLS": CALLS}).items():
        monkeypatch.setenv(name, value)
    done = CliRunner().invoke(main, ["optimize", "coder"])
    assert done.exit_code == 0, done.output
    assert "finalist" in done.output
    assert "this run paid 0 calls" in done.output, done.output
    assert server.requests.total() == 0
    with services.store.transaction() as t:
        assert len(t.notifications.since("coder")) == 1


def test_texts_of_users_stand_under_their_labels_only(opened: Callable[..., Services]) -> None:
    result = materialize(opened())
    with opened().store.transaction() as t:
        dataset = t.datasets.in_force("coder")
        assert dataset is not None
        inputs = [each.example.input for each in t.datasets.rows(dataset["dataset_id"])]
    shown = 0
    for asset in ("prompt_analysis", "prompt_candidates", "prompt_race", "prompt_gate", "candidate_prompt"):
        for label, value in metadata_of(result, asset).items():
            text = json.dumps(value, ensure_ascii=False).replace("\\", "")
            quoted = [each for each in inputs if each[:30] in text]
            assert not quoted or label in USERS_TEXT, (asset, label, quoted[0])
            shown += len(quoted)
    assert shown


def test_a_request_with_goals_is_the_same_run_with_other_guardrails(
    opened: Callable[..., Services], copies: Callable[[], str]
) -> None:
    url = copies()
    services = opened(url)
    with GlowClient(url) as client:
        asked = client.request_prompt_optimization("coder", goals=["brevity"])
    result = materialize(services, {"glow/request": str(asked.request_id)})
    assert result.success
    assert metadata_of(result, "prompt_analysis")["goals"] == "brevity"
    with services.store.transaction() as t:
        row = t.optimizations.latest("coder")
    assert row is not None
    assert row["goals"] == ["brevity"]
    assert {each["operator"] for each in row["candidates"]}.isdisjoint({"few_shot"})
    work = open_optimization(services, "coder", ["brevity"])
    assert work.id == row["optimization_id"]
    assert work.settings.gate.guardrails.tokens_decide


def test_what_lint_rejected_and_was_asked_all_the_same_is_found(opened: Callable[..., Services]) -> None:
    services = opened()
    work = open_optimization(services, "coder")
    prompt = work.incumbent.sha256
    with services.store.transaction() as t:
        listed = [{"version": prompt, "operator": "x", "findings": ["a link"]}]
        t.optimizations.record_candidates(work.id, listed)
        assert checks.rejected_and_evaluated(work) == []
        row = {"agent": "coder", "prompt_version": prompt, "example_id": "e", "metric": "label", "model": "m"}
        t.optimizations.record_evaluations([{**row, "output": "", "score": 0.0, "stage": "race"}])
    assert checks.rejected_and_evaluated(work) == [prompt]


def test_names_in_a_picture_are_text() -> None:
    night = {"evidence": {"n": 10, "log_e": 1.0, "level": 0.01}, "verdict": "carry_over"}
    text = evidence_plot([night, {**night, "evidence": {"n": 30, "log_e": 4.0, "level": 0.01}}]).value
    assert text is not None
    drawn = picture(text)
    assert len(drawn.findall(".//{*}circle")) == 2
    assert "needed 100" in [each.text for each in drawn.iter() if each.text]


def test_the_picture_of_a_race_keeps_to_shares_and_its_labels_apart() -> None:
    arms = [Arm(f"{n}" * 64, "few_shot", 10, 10, right, wilson(right, 10)) for n, right in ((1, 8), (2, 8), (3, 0))]
    prompts = tuple(arm.prompt_sha256 for arm in arms)
    race = Race(tuple(arms), (Round(1, 10, prompts, (0.8, 0.8, 0.0)),), prompts, 30, 30)
    text = race_plot(race, prompts[-1]).value
    assert text is not None
    drawn = picture(text)
    told = {each.text: float(each.attrib["y"]) for each in drawn.findall(".//{*}text")}
    assert "0 %" in told
    assert not any(str(each).startswith("-") for each in told)
    first, second = told["few_shot 111111"], told["few_shot 222222"]
    assert abs(first - second) >= 12
