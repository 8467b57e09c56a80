"""One agent's judge against its experts, between the store and the engine.

Belongs here: which answers it is compared on, asking it about them, writing what came out. Does not: Dagster
(defs/judges), what follows from the numbers (learning/prompts/judges).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256

import numpy as np

from glow_pipelines.learning.prompts.judges.calibration import JudgeCalibration, Judged, calibrate
from glow_pipelines.learning.prompts.judges.pairwise import PairwiseJudge, read_choice
from glow_pipelines.learning.prompts.metrics import Judge, Metric, metric_named
from glow_pipelines.learning.prompts.types import Example, RenderedPrompt
from glow_pipelines.services import Services
from glow_pipelines.store.feedback import Agent
from glow_pipelines.store.noun import Row

MOST_CALLS = 1500
"""Of one agent and calibration; the newest answers are taken. All but what is new since last week are in the cache."""

Replies = Callable[[Sequence[RenderedPrompt]], list[str]]


@dataclass(frozen=True)
class Calibrated:
    """What came out, and what it took: questions asked, replies out of form."""

    agent: str
    model: str
    calibration: JudgeCalibration
    questions: int
    unreadable: int


def judge_of(agent: Agent) -> Judge | None:
    """The judge an agent's answers are scored by; None when its metric asks no model.

    Raises ValueError when its settings are not those of its metric.
    """
    if agent.metric not in ("rubric_judge", "pairwise_judge"):
        return None
    metric = metric_named(agent.metric, agent.metric_settings)
    return None if isinstance(metric, Metric) else metric


def calibrate_judge(services: Services, agent: Agent) -> Calibrated | None:
    """Compare an agent's judge with its experts, write it down and return it; None when the agent has no judge.

    The judge sees inputs and answers. What experts and users said of them it never sees.
    """
    judge = judge_of(agent)
    if judge is None:
        return None
    most = MOST_CALLS // judge.calls
    with services.store.transaction() as t:
        rows = (
            t.judges.judged_pairs(agent.name, most)
            if isinstance(judge, PairwiseJudge)
            else t.judges.judged_answers(agent.name, most)
        )
    asked = _Asked(judge, lambda questions: [each.text for each in services.answer(questions)])
    pairs = asked.pairs(rows) if isinstance(judge, PairwiseJudge) else asked.answers(rows)
    # The same annotations give the same interval, whenever it is computed.
    seed = int.from_bytes(sha256("\x1f".join((agent.name, judge.settings_sha256)).encode()).digest()[:4])
    found = calibrate(judge.id, judge.version, pairs, np.random.default_rng(seed))
    with services.store.transaction() as t:
        t.judges.record_calibration(agent.name, judge.settings, services.chat.name, found)
    return Calibrated(agent.name, services.chat.name, found, asked.questions, asked.unreadable)


class _Asked:
    """A judge asked about rows, all questions at once: the chat model has a pool of its own."""

    def __init__(self, judge: Judge, replies: Replies) -> None:
        self._judge, self._replies = judge, replies
        self.questions = self.unreadable = 0

    def answers(self, rows: Sequence[Row]) -> list[Judged]:
        """Each answer by itself."""
        judge = self._judge
        items = [Example(row["item"], row["input"], "", row["item"], "val") for row in rows]
        outputs = [row["output"] for row in rows]
        told = self._ask([judge.questions(item, output) for item, output in zip(items, outputs, strict=True)])
        found = []
        for row, item, output, own in zip(rows, items, outputs, told, strict=True):
            self.unreadable += judge.unreadable(output, own)
            good = judge.verdict(item, output, own) >= judge.right_at
            found.append(Judged(row["good"], good, row["prompt_version"], max(1, len(output))))
        return found

    def pairs(self, rows: Sequence[Row]) -> list[Judged]:
        """The answer shown first to the expert against the other, in both orders. Which was first, chance decided."""
        judge = self._judge
        assert isinstance(judge, PairwiseJudge)
        told = self._ask([judge.between(row["input"], row["first"], row["second"]) for row in rows])
        found = []
        for row, own in zip(rows, told, strict=True):
            item = Example(row["item"], row["input"], row["second"], row["item"], "val")
            self.unreadable += judge.unreadable(row["first"], own)
            good = judge.verdict(item, row["first"], own) >= judge.right_at
            expert = row["preferred"] == "first" or (row["preferred"] == "tie" and judge.right_at <= 0.5)
            choices = [read_choice(reply) for reply in own]
            first, second = choices if len(choices) == 2 else (None, None)
            orders = None if first is None or second is None else (first, second)
            length = max(1, len(row["first"])) / max(1, len(row["second"]))
            found.append(Judged(expert, good, "", length, orders))
        return found

    def _ask(self, questions: Sequence[tuple[RenderedPrompt, ...]]) -> list[tuple[str, ...]]:
        flat = [question for each in questions for question in each]
        self.questions += len(flat)
        replies = iter(self._replies(flat) if flat else ())
        return [tuple(next(replies) for _ in each) for each in questions]
