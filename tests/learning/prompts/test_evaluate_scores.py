"""The evaluator: judges within the budget, scores kept under everything that decides them, written texts once."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from glow_pipelines.learning.prompts.budget import Budget, BudgetExhaustedError
from glow_pipelines.learning.prompts.evaluate import Evaluator
from glow_pipelines.learning.prompts.judges.rubric import RubricJudge
from glow_pipelines.learning.prompts.metrics import Metric, metric_named
from glow_pipelines.learning.prompts.scores import Scored, ScoreKey
from glow_pipelines.learning.prompts.types import Answer, Example, Prompt, RenderedPrompt

PROMPT = Prompt("Name the account.")
ITEMS = [Example(f"e{at}", f"input {at}", "6670", f"g{at}", "val") for at in range(6)]
RUBRIC = {"items": [{"id": "account", "criterion": "It names an account."}, {"id": "polite", "criterion": "Polite?"}]}


class Model:
    """Answers 6670, and judges what names it as met; counts what was asked."""

    def __init__(self, reply: str | None = None) -> None:
        self.asked: list[RenderedPrompt] = []
        self.reply = reply

    def __call__(self, requests: Sequence[RenderedPrompt]) -> list[Answer]:
        self.asked += requests
        return [Answer(self._text(request), 10, 2, 0.0, False, 0.5) for request in requests]

    def _text(self, request: RenderedPrompt) -> str:
        if "criterion" not in request.messages[0][1]:
            return "6670"
        return self.reply or json.dumps({"met": True, "quote": "6670"})


class Kept:
    """A score cache in memory."""

    def __init__(self) -> None:
        self.scores: dict[ScoreKey, Scored] = {}

    def get_many(self, keys: Sequence[ScoreKey]) -> Mapping[ScoreKey, Scored]:
        return {key: self.scores[key] for key in keys if key in self.scores}

    def put_many(self, scores: Mapping[ScoreKey, Scored]) -> None:
        self.scores.update(scores)


def rubric() -> RubricJudge:
    judge = metric_named("rubric_judge", RUBRIC)
    assert isinstance(judge, RubricJudge)
    return judge


def pairs() -> list[tuple[Prompt, Example]]:
    return [(PROMPT, item) for item in ITEMS]


def test_a_judge_is_asked_through_the_same_budget() -> None:
    model, budget = Model(), Budget(18)
    evaluator = Evaluator(model, rubric(), budget, batch_size=4)
    assert evaluator.calls_per_pair == 3
    evaluator.ask(pairs())
    assert len(model.asked) == budget.calls == 18
    assert evaluator.evaluations == 6
    outcome = evaluator.outcome(PROMPT, ITEMS[0])
    assert (outcome.score, outcome.right, outcome.valid) == (1.0, True, True)
    assert (outcome.prompt_tokens, outcome.completion_tokens, outcome.seconds) == (10, 2, 0.5)


def test_what_the_judge_would_ask_must_fit_before_the_first_call() -> None:
    model = Model()
    with pytest.raises(BudgetExhaustedError, match="6 evaluations of 3 calls asked for, 17 calls left"):
        Evaluator(model, rubric(), Budget(17)).ask(pairs())
    assert model.asked == []


def test_a_known_score_is_not_asked_for_again() -> None:
    kept = Kept()
    Evaluator(Model(), rubric(), Budget(100), scores=kept).ask(pairs())
    model = Model()
    Evaluator(model, rubric(), Budget(100), scores=kept).ask(pairs())
    assert len(model.asked) == 6  # the answers; the response cache is behind the answerer
    # Another version, other settings, another target: each is another score.
    asked = []
    for judge, items in (
        (replace(rubric(), version=2), ITEMS),
        (replace(rubric(), settings={**RUBRIC, "task": "x"}), ITEMS),
        (rubric(), [replace(item, target="5") for item in ITEMS]),
    ):
        model = Model()
        Evaluator(model, judge, Budget(100), scores=kept).ask([(PROMPT, item) for item in items])
        asked.append(len(model.asked))
    assert asked == [18, 18, 18]


def test_replies_out_of_form_count_against_the_answer_and_are_not_kept() -> None:
    kept = Kept()
    evaluator = Evaluator(Model("certainly!"), rubric(), Budget(100), scores=kept)
    evaluator.ask(pairs())
    assert evaluator.outcome(PROMPT, ITEMS[0]).score == 0.0
    assert evaluator.unreadable == 12
    assert kept.scores == {}


def test_an_error_is_never_kept() -> None:
    kept = Kept()
    model = Model()

    def fails(requests: Sequence[RenderedPrompt]) -> list[Answer]:
        raise ConnectionError("no answer")

    with pytest.raises(ConnectionError):
        Evaluator(model, rubric(), Budget(100), scores=kept, judge=fails).ask(pairs())
    assert kept.scores == {}


def test_another_metric_version_scores_remembered_answers_without_a_call() -> None:
    answers: dict[RenderedPrompt, Answer] = {}
    model = Model()

    def cached(requests: Sequence[RenderedPrompt]) -> list[Answer]:
        fresh = [request for request in requests if request not in answers]
        answers.update(zip(fresh, model(fresh), strict=True))
        return [answers[request] for request in requests]

    metric = metric_named("numeric")
    assert isinstance(metric, Metric)
    Evaluator(cached, metric, Budget(6)).ask(pairs())
    assert len(model.asked) == 6
    bumped = replace(metric, version=2, score=lambda answer, target: 0.5, right_at=0.5)
    evaluator = Evaluator(cached, bumped, Budget(6))
    evaluator.ask(pairs())
    assert len(model.asked) == 6
    assert evaluator.outcome(PROMPT, ITEMS[0]).right


def test_sub_scores_and_form_come_from_the_metric() -> None:
    metric = metric_named("json_fields")
    assert isinstance(metric, Metric)
    evaluator = Evaluator(Model(), metric, Budget(6))
    evaluator.ask([(PROMPT, replace(ITEMS[0], target='{"account": 6670}'))])
    outcome = evaluator.outcome(PROMPT, ITEMS[0])
    assert (outcome.score, outcome.valid, dict(outcome.parts)) == (0.0, False, {"valid": 0.0, "field:account": 0.0})


def test_a_text_is_written_once_and_within_the_budget() -> None:
    model, writer = Model(), Model()
    metric = metric_named("label")
    evaluator = Evaluator(model, metric, Budget(2), writer=writer)
    request = RenderedPrompt((("user", "Improve this."),), None, 50)
    assert evaluator.write(request) == evaluator.write(request) == "6670"
    assert (evaluator.written, len(writer.asked), model.asked) == (1, 1, [])
    evaluator.write(replace(request, max_tokens=51))
    with pytest.raises(BudgetExhaustedError):
        evaluator.write(replace(request, max_tokens=52))
    assert len(writer.asked) == 2


def test_a_key_holds_everything_that_decides_a_score() -> None:
    metric = metric_named("label")
    request = PROMPT.render("x")
    key = ScoreKey.of(request, ITEMS[0], "6670", metric)
    others = [
        ScoreKey.of(replace(request, max_tokens=9), ITEMS[0], "6670", metric),
        ScoreKey.of(PROMPT.render("y"), ITEMS[0], "6670", metric),
        ScoreKey.of(request, ITEMS[1], "6670", metric),
        ScoreKey.of(request, replace(ITEMS[0], target="5"), "6670", metric),
        ScoreKey.of(request, ITEMS[0], "6671", metric),
        ScoreKey.of(request, ITEMS[0], "6670", metric_named("exact")),
        ScoreKey.of(request, ITEMS[0], "6670", metric_named("label", {"labels": ["6670"]})),
    ]
    assert len({each.sha256("model") for each in [key, *others]} | {key.sha256("other"), key.sha256()}) == 10
    assert key.sha256("model") == ScoreKey.of(request, ITEMS[0], "6670", metric).sha256("model")
