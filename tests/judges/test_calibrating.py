"""A judge against experts, through the database: which answers count, what is written, who may decide."""

import json
from collections.abc import Sequence
from typing import Any

import dagster as dg
import psycopg
import pytest

from glow_pipelines.client import GlowClient
from glow_pipelines.database import connect
from glow_pipelines.defs.judges import calibrated, judge_calibration
from glow_pipelines.learning.prompts.metrics import metric_named
from glow_pipelines.learning.prompts.scores import Scored, ScoreKey
from glow_pipelines.learning.prompts.types import Answer, Example, Prompt, RenderedPrompt
from glow_pipelines.services import Services
from glow_pipelines.steps.judges import calibrate_judge
from glow_pipelines.store.scores import StoredScores

RUBRIC = {"items": [{"id": "account", "criterion": "It names account 6670."}]}


class Judging:
    """A model that finds 6670 in an answer, and has never seen what experts or users said."""

    name = "judging-1"

    def __init__(self) -> None:
        self.asked: list[RenderedPrompt] = []

    def answer(self, requests: Sequence[RenderedPrompt]) -> list[Answer]:
        self.asked += requests
        return [Answer(self._text(request), 1, 1, 0.0, False) for request in requests]

    def _text(self, request: RenderedPrompt) -> str:
        sent = request.messages[1][1]
        if request.choices is not None:
            first, second = sent.split("<<<ANSWER 2")
            return "1" if "6670" in first and "6670" not in second else "2"
        return json.dumps({"met": "6670" in sent, "quote": "6670" if "6670" in sent else ""})


@pytest.fixture
def judging(services: Services, monkeypatch: pytest.MonkeyPatch) -> Judging:
    model = Judging()
    monkeypatch.setitem(services.__dict__, "chat", model)
    monkeypatch.setattr(services, "answer", model.answer)
    return model


def review(client: GlowClient, number: int, output: str, *verdicts: str) -> None:
    execution = f"e-{number}"
    client.log_execution(execution, "desk", f"Which account is taxi {number}?", output)
    for place, verdict in enumerate(verdicts):
        right = "SECRET-CORRECTION" if verdict == "correct" else None
        client.submit_annotation(execution, f"expert-{place}", verdict, output=right, notes="SECRET-NOTE")


def agent(services: Services) -> Any:
    with services.store.transaction() as t:
        return t.feedback.agent("desk")


def test_answers_experts_agree_on_are_compared(services: Services, client: GlowClient, judging: Judging) -> None:
    client.register_agent("desk", evaluation={"metric": "rubric_judge", "metric_settings": RUBRIC})
    for number in range(60):
        review(client, number, f"6670 ({number})", "approve")
    for number in range(60, 100):
        review(client, number, f"none ({number})", "reject")
    review(client, 100, "6670 also", "approve", "approve", "correct")  # two of three
    review(client, 101, "6670 maybe", "approve", "reject")  # a draw says nothing
    client.log_execution("unjudged", "desk", "Which account?", "6670")
    found = calibrate_judge(services, agent(services))
    assert found is not None
    calibration = found.calibration
    assert (calibration.n, calibration.good, calibration.bad) == (101, 61, 40)
    assert (calibration.good_found, calibration.bad_found) == (61, 40)
    assert calibration.may_gate, calibration.why
    assert (found.questions, found.unreadable, found.model) == (101, 0, "judging-1")
    for request in judging.asked:
        assert "SECRET" not in str(request)
    with services.store.transaction() as t:
        assert t.judges.calibration("desk", "rubric_judge", 1) == calibration
        assert t.judges.calibration("desk", "rubric_judge", 1, "judging-1") == calibration
        assert t.judges.calibration("desk", "rubric_judge", 2) is None
        assert t.judges.calibration("desk", "rubric_judge", 1, "another") is None
    client.register_agent("desk", evaluation={"metric": "rubric_judge", "metric_settings": {**RUBRIC, "task": "New."}})
    with services.store.transaction() as t:
        assert t.judges.calibration("desk", "rubric_judge", 1) is None  # another rubric is another judge
        assert t.judges.calibrations() == []


def test_a_judge_with_too_little_to_show_may_only_rank(
    services: Services, client: GlowClient, judging: Judging
) -> None:
    client.register_agent("desk", evaluation={"metric": "rubric_judge", "metric_settings": RUBRIC})
    client.register_agent("plain", evaluation={"metric": "label"})
    for number in range(12):
        review(client, number, f"6670 ({number})" if number % 2 else f"none ({number})", "approve")
    result = judge_calibration(dg.build_asset_context(), services)
    assert isinstance(result, dg.MaterializeResult)
    assert result.metadata is not None
    assert result.metadata["judges"] == 1
    assert "12 answers judged by experts, 100 needed" in str(result.metadata["use"])
    check = calibrated(services)
    assert isinstance(check, dg.AssetCheckResult)
    assert not check.passed
    assert check.severity == dg.AssetCheckSeverity.WARN
    assert check.description == "1 of 1 judges may only rank"


def test_no_judge_is_nothing_to_do(services: Services, client: GlowClient, judging: Judging) -> None:
    client.register_agent("desk", evaluation={"metric": "label"})
    assert calibrate_judge(services, agent(services)) is None
    judge_calibration(dg.build_asset_context(), services)
    check = calibrated(services)
    assert isinstance(check, dg.AssetCheckResult)
    assert check.passed
    assert judging.asked == []


def test_a_pairwise_judge_is_compared_on_comparisons(
    services: Services, client: GlowClient, judging: Judging, database_url: str
) -> None:
    client.register_agent("desk", evaluation={"metric": "pairwise_judge"})
    with connect(database_url) as connection:
        for number in range(8):
            client.log_execution(f"e-{number}", "desk", f"Taxi {number}?", f"6670 {number}")
        for number in range(8):
            one, other = (f"6670 {number}", "none") if number % 2 else ("none", f"6670 {number}")
            connection.execute(
                "insert into glow.comparisons"
                " (tenant, execution_id, agent, reviewer, first, second, preferred, payload_hash)"
                " values ('default', %s, 'desk', 'expert', %s, %s, %s, '')",
                (f"e-{number}", one, other, ("second", "first", "tie", "neither")[number % 4]),
            )
        connection.commit()
    found = calibrate_judge(services, agent(services))
    assert found is not None
    # 0, 4: second; 1, 5: first; 2, 6: a tie, which the judge sees as worse; 3, 7: neither says nothing
    assert (found.calibration.n, found.calibration.good, found.calibration.good_found) == (6, 4, 2)
    assert found.calibration.bias.position is not None
    assert found.calibration.bias.position.swayed.estimate == 0.0
    assert found.questions == 12


def test_scores_are_kept_by_key_and_models(services: Services, client: GlowClient) -> None:
    item = Example("e1", "input", "target", "g", "val")
    key = ScoreKey.of(Prompt("Say it.").render("input"), item, "answer", metric_named("label"))
    scores = StoredScores(services.store, "chat-1", "judge-1")
    assert scores.get_many([key]) == {}
    scores.put_many({key: Scored(0.75, True)})
    scores.put_many({key: Scored(0.75, True)})
    assert scores.get_many([key]) == {key: Scored(0.75, True)}
    assert StoredScores(services.store, "chat-1", "judge-2").get_many([key]) == {}
    with services.store.transaction() as t, pytest.raises(psycopg.errors.CheckViolation):
        t.judges.cache_scores([{"key": "an answer", "metric": "label", "version": 1, "score": 1.0, "valid": True}])
