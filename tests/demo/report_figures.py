"""Figures of a demo as the report gets them, and the report as plain words, for the tests of the report."""

import io
import re
from dataclasses import asdict
from html import unescape
from html.parser import HTMLParser
from typing import Any

from rich.console import Console

from glow_pipelines.demo.report import print_report
from glow_pipelines.learning.feedback import rate_of
from glow_pipelines.learning.intervals import Interval, newcombe_paired, wilson
from glow_pipelines.learning.operations import OperationCounts, measure_all
from glow_pipelines.learning.prompts.results import Arm, Gate
from glow_pipelines.learning.prompts.types import Demonstration, Prompt
from glow_pipelines.learning.retrieval import RetrievalMetrics

Figures = dict[str, Any]

NAIVE = Prompt("What category is this expense?", choices=("travel", "meals"), max_tokens=8)
SHOWN = Prompt(
    NAIVE.instruction,
    choices=NAIVE.choices,
    max_tokens=8,
    demonstrations=tuple(
        Demonstration(f"example-{n}", f"receipt {n} from the station kiosk", ("travel", "meals")[n % 2])
        for n in range(12)
    ),
)


def _arm(prompt: str, operator: str, n: int, right: int) -> Figures:
    left = None if n == 48 else n
    return Arm(prompt, operator, 30, n, right, wilson(right, n), left, left and "weaker half").to_json()


def gate_figures(both: int, gained: int, lost: int, neither: int, verdict: Any, reason: str) -> Figures:
    n = both + gained + lost + neither
    gate = Gate(
        NAIVE.sha256, SHOWN.sha256, verdict, reason, n, gained, lost, both, neither, 12.5, 0.05,
        wilson(both + lost, n), wilson(both + gained, n), newcombe_paired(both, gained, lost, neither),
        0.0001, 0.3, 0, 0, (), (), ("the prompt grows from about 12 to 260 tokens: dearer, slower calls",), (),
    )  # fmt: skip
    return {**gate.to_json(), "verdict": verdict}


def _rate(successes: int, n: int) -> Figures:
    rate = rate_of(successes, n)
    return {"value": rate.value, "low": rate.low, "high": rate.high, "n": rate.n}


def _feedback(agent: str, executions: int, issues: list[Figures]) -> Figures:
    heard = executions * 2 // 3
    return {
        "agent": agent,
        "executions": executions,
        "feedback": _rate(heard, executions),
        "positive": _rate(heard // 4, heard),
        "corrected": _rate(heard // 2, heard),
        "issues": issues,
    }


def wide_interval(estimate: float, width: float = 0.06) -> Interval:
    return Interval(estimate, estimate - width, estimate + width, 0.95, "paired-bootstrap")


def _metrics(ndcg: float) -> Figures:
    shifted = (wide_interval(ndcg + by) for by in (0.0, -0.02, 0.12, -0.1))
    return RetrievalMetrics(*shifted, judged_at_10=0.2, queries=40, condensed=False).to_json()


def comparison_figures(gain: Interval) -> Figures:
    return {
        "name": "all", "queries": 40, "groups": 34, "current": 0.61, "candidate": 0.7, "p_value": 0.001,
        "gain": asdict(gain),
    }  # fmt: skip


REASON = "Passed: of 108 unseen items the finalist alone was right on 50, the incumbent alone on 5 (+41.7 points)."
OPERATIONS = OperationCounts(
    executions=640, executions_with_feedback=420, executions_corrected=200, annotations=560, annotations_approved=120,
    annotation_days=1, new_examples=480, votes_up=0, baseline_votes=500, baseline_votes_up=140,
    prompt_improvement=newcombe_paired(18, 50, 5, 35),
)  # fmt: skip


def prompt_figures(agent: str, **changes: Any) -> Figures:
    """An agent whose optimization found nothing, unless changed."""
    return {
        "agent": agent,
        "dataset": {
            "id": f"{agent}-sft-0123456789ab",
            "splits": {"train": 150, "val": 60, "test": 90},
            "drops": {"no expert approval outside train": 14},
            "balance": {"billing": 60, "bug": 90},
        },
        "state": "no_improvement",
        "reason": "no candidate did better than the prompt in force on validation items; no test item was spent",
        "before": NAIVE.describe(),
        "after": None,
        "operator": None,
        "arms": [_arm(NAIVE.sha256, "incumbent", 48, 12), _arm("beef" * 16, "clarify", 24, 5)],
        "race_calls": 72,
        "gate": None,
        "experiment": None,
    } | changes


def sample() -> Figures:
    """Figures as `collect` gives them after a good turn."""
    return {
        "model": "SmolLM2-135M-Instruct",
        "embedding_model": "all-MiniLM-L6-v2-int8",
        "seconds": {"start services": 4.2, "replay": 98.7, "turn": 61.0, "report": 2.2},
        "stats": {
            "agents": 3, "executions": 640, "feedback": 812, "feedback_history": 830, "annotations": 560,
            "demonstrations": 0, "learning_examples": {"approved": 480, "pending": 22}, "dataset_versions": 3,
            "prompt_versions": 12, "prompt_gates": {"promote": 1}, "experiments_running": 1,
            "retrieval_configurations": 2, "embedding_training_pairs": 310, "training_runs": {"disabled": 3},
            "model_calls_cached": 2431, "model_cost_usd": 0,
        },
        "feedback": [
            _feedback("expense-coder", 360, [{"issue": "wrong_answer", "count": 170}, {"issue": "tone", "count": 9}]),
            _feedback("support-triage", 200, [{"issue": "wrong_answer", "count": 90}]),
            _feedback("tax-helpdesk", 80, [{"issue": "wrong_source", "count": 31}]),
        ],
        "examples": [
            {"agent": "expense-coder", "status": "approved", "source": "expert", "split": "train", "examples": 300},
            {"agent": "expense-coder", "status": "pending", "source": "vote", "split": "train", "examples": 22},
            {"agent": "support-triage", "status": "approved", "source": "expert", "split": "train", "examples": 180},
        ],
        "prompts": [
            prompt_figures(
                "expense-coder",
                state="finalist",
                reason=REASON,
                after=SHOWN.describe(),
                operator="few_shot",
                arms=[
                    _arm(NAIVE.sha256, "incumbent", 48, 10),
                    _arm(SHOWN.sha256, "few_shot", 48, 31),
                    *(_arm(f"{n:064x}", "clarify", 16, 3 + n) for n in range(6)),
                ],
                race_calls=864,
                gate=gate_figures(18, 50, 5, 35, "promote", REASON),
                experiment={
                    "id": "expense-coder-0123456789ab",
                    "state": "running",
                    "plan": "a difference of 5.0 points in thumbs up needs 2,502 users of both arms together, "
                    "about 1,752 days; only 40 users are there by day 56, enough for a difference of 31.2 points",
                    "unit": "user",
                    "days": [28, 56],
                    "detectable": "31.2 points",
                    "minimum_users": 1000,
                    "minimum_days": 7,
                    "warnings": [
                        "hopeless as planned: 5.0 points needs 2,502 users and 40 will have come by day 56",
                        "no decision is possible: at least 1,000 users are asked for, 40 will have come by day 56",
                    ],
                    "exposed": [0, 0],
                    "said": "Too early to decide: day 0 of at least 7. It goes on.",
                    "next_look": "2026-11-23T12:00+00:00",
                },
            ),
            prompt_figures("support-triage"),
            prompt_figures(
                "tax-helpdesk",
                state="no exact metric",
                reason="answers are free text; a calibrated judge comes with a later version",
                arms=[],
                dataset=None,
            ),
        ],
        "retrieval": {
            "questions": 40,
            "configuration": "c0ffee",
            "candidate": True,
            "experiment": None,
            "dense": _metrics(0.58),
            "before": _metrics(0.61),
            "after": _metrics(0.70),
            "difference": comparison_figures(wide_interval(0.09, 0.05)),
            "pipeline_gate": {"verdict": "ship", "reason": "Passed: nDCG@10 0.702 to 0.801 on 22 held-out queries."},
            "pairs": 310,
        },
        "models": [
            {"agent": "expense-coder", "state": "disabled", "reason": "training is switched off", "train": 168},
            {"agent": "tax-helpdesk", "state": "no dataset", "reason": ""},
        ],
        "lineage": {
            "agent": "expense-coder",
            "prompt_version": SHOWN.sha256,
            "rows": 41,
            "example": {
                "input": "receipt 0 from the station kiosk",
                "output": "travel",
                "example_id": "example-0",
                "from": ["annotation 214", "execution expense-coder/exp-017", "feedback 501"],
            },
        },
        "success_metrics": [
            dict(asdict(each), measured_at="2026-11-22T12:00:00+00:00") for each in reversed(measure_all(OPERATIONS))
        ],
        "next_night": [
            "expense-coder: a look at experiment expense-coder-0123456789ab; no second candidate meanwhile",
            "support-triage: nothing, until 10 new feedback rows are there",
        ],
    }  # fmt: skip


def terminal(figures: Figures, width: int = 100, encoding: str = "utf-8") -> str:
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding=encoding, newline="")
    print_report(figures, Console(file=file, width=width, color_system=None))
    file.flush()
    return raw.getvalue().decode(encoding)


def words(text: str) -> str:
    """Text as read: without tags and line breaks."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", re.sub(r"(?s)<style>.*?</style>", "", text))).split())


class Page(HTMLParser):
    """What a browser would find: every element with its attributes, and which were left open."""

    VOID = frozenset({"meta", "link"})
    SHAPES = frozenset({"line", "circle", "rect"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
