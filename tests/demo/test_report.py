"""The report tells the truth about figures of every kind, and nothing in them can reach the reader as code."""

import io
import re
from dataclasses import asdict
from html import unescape
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from glow_pipelines.demo.blocks import Plot, Whisker, clean, diff
from glow_pipelines.demo.plots import whisker_plot
from glow_pipelines.demo.report import print_report, write_html
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


def _gate(both: int, gained: int, lost: int, neither: int, verdict: Any, reason: str) -> Figures:
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


def _interval(estimate: float, width: float = 0.06) -> Interval:
    return Interval(estimate, estimate - width, estimate + width, 0.95, "paired-bootstrap")


def _metrics(ndcg: float) -> Figures:
    shifted = (_interval(ndcg + by) for by in (0.0, -0.02, 0.12, -0.1))
    return RetrievalMetrics(*shifted, judged_at_10=0.2, queries=40, condensed=False).to_json()


def _comparison(gain: Interval) -> Figures:
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


def _prompt(agent: str, **changes: Any) -> Figures:
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
            _prompt(
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
                gate=_gate(18, 50, 5, 35, "promote", REASON),
                experiment={
                    "id": "expense-coder-0123456789ab",
                    "state": "running",
                    "plan": "a difference of 5.0 points needs 1,251 users in the smaller arm, about 30 days; "
                    "only 40 users are there, enough for a difference of 31.2 points",
                },
            ),
            _prompt("support-triage"),
            _prompt(
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
            "dense": _metrics(0.58),
            "before": _metrics(0.61),
            "after": _metrics(0.70),
            "difference": _comparison(_interval(0.09, 0.05)),
            "pipeline_gate": {"verdict": "ship", "reason": "Shipped: nDCG@10 0.702 to 0.801 on 22 held-out queries."},
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


class _Page(HTMLParser):
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


@pytest.mark.parametrize("show", [terminal, write_html])
def test_both_say_what_was_found_in_the_same_order(show: Any) -> None:
    text = words(show(sample()))
    sentences = [
        "3 agents of a sample company answered 640 times with SmolLM2-135M-Instruct",
        "the people are simulated",
        "67 % (62–71) of 360",
        "wrong answer 170",
        "Improved on the sealed test. Right on 108 sealed test items: 21.3 % (14.6–29.9) → 63.0 % (53.6–71.5), a",
        "Gate: promote. Passed: of 108 unseen items the finalist alone was right on 50",
        "The prompt in force stays until an experiment with users decides.",
        "Answers compared: 192 in the race (all new model calls), 216 in the test",
        "few shot",
        "support-triage",
        "No improvement. No candidate did better than the prompt in force on validation items",
        "Not optimized. Answers are free text",
        "nDCG@10 +0.090 (+0.040 to +0.140); the whole interval is above zero",
        "40 questions that nobody asked",
        "own gate, on experts' verdicts: ship. Shipped:",
        "0.610 (0.550–0.670)",
        "14 no expert approval outside train",
        "expense-coder (168 training rows) disabled: training is switched off.",
        "only 40 users are there",
        "rests on 41 rows",
        "annotation 214; execution expense-coder/exp-017; feedback 501",
        "feedback collection rate",
        "replay 98.7 s",
        "166 s in all",
        "a look at experiment expense-coder-0123456789ab",
        "glow up",
    ]
    place = 0
    for sentence in sentences:
        found = text.find(sentence, place)
        assert found >= 0, f"missing or out of order: {sentence!r} after {text[place : place + 80]!r}"
        place = found


def test_terminal_is_short_and_fits() -> None:
    lines = terminal(sample()).splitlines()
    assert len(lines) <= 100
    assert max(map(len, lines)) <= 100


def test_what_did_not_improve_is_neither_called_nor_coloured_a_success() -> None:
    figures = sample()
    dropped = "Dropped: E = 0.01 fell below 0.05; of 60 unseen items the finalist alone was right on 3."
    figures["prompts"] = [
        _prompt("expense-coder", reason=dropped, after=SHOWN.describe(), gate=_gate(20, 3, 9, 28, "drop", dropped)),
        _prompt("support-triage", state="insufficient_data", reason="insufficient data: 12 of 20 test items"),
    ]
    figures["retrieval"]["difference"] = _comparison(_interval(0.01, 0.05))
    figures["retrieval"]["pipeline_gate"] = {"verdict": "keep", "reason": "Kept: the gain may be chance."}
    figures["success_metrics"] = []
    for text in (words(terminal(figures)), words(page := write_html(figures))):
        assert "No improvement. Right on 60 sealed test items" in text
        assert "-10.0 points (-20.9 to +1.4); the interval contains zero: this may be chance. Gate: drop." in text
        assert "Not enough data. Insufficient data: 12 of 20 test items" in text
        assert "Not shown to be better. Now minus untuned hybrid: nDCG@10 +0.010 (-0.040 to +0.060)" in text
        assert "keep. Kept: the gain may be chance." in text
        assert "No experiment is running: no candidate passed its gate" in text
        assert "mproved" not in text
    assert 'class="good"' not in page


def test_retrieval_that_got_worse_is_called_worse_and_one_that_kept_is_no_change() -> None:
    figures = sample()
    figures["retrieval"]["difference"] = _comparison(_interval(-0.09, 0.05))
    assert "Worse on held-out questions." in words(write_html(figures))
    figures["retrieval"]["difference"] = _comparison(_interval(0.0, 0.0))
    assert "No change." in words(write_html(figures))
    assert "no change, the untuned hybrid stays in force" in words(terminal(figures))


def test_a_gate_of_an_earlier_optimization_does_not_lend_its_verdict() -> None:
    figures = sample()
    figures["prompts"] = [
        _prompt("expense-coder", after=SHOWN.describe(), gate=_gate(18, 50, 5, 35, "promote", REASON))
        | {"gate_is_of_this_optimization": False}
    ]
    text = words(terminal(figures))
    assert "expense-coder: no improvement." in text
    assert "The test below is of an earlier optimization. Right on 108" in text
    assert "Improved on the sealed test" not in text


def test_status_of_a_metric_is_told_in_words() -> None:
    text = words(write_html(sample()))
    assert re.search(r"feedback collection rate ✓ met above 20\.0 % 65\.6 % \(61\.9 to 69\.2\)", text)
    assert re.search(r"correction rate ✗ missed below 10\.0 % 47\.6 %", text)
    assert re.search(r"api latency p95 \? not enough data below 200 ms no data yet", text)


@pytest.mark.parametrize(
    "empty", [{}, dict.fromkeys(sample()), {name: type(value)() for name, value in sample().items()}]
)
def test_a_database_on_its_first_day_has_a_report(empty: Figures) -> None:
    for text in (words(terminal(empty)), words(write_html(empty))):
        assert "Nothing has happened yet" in text
        assert "No agent has answered anybody yet." in text
        assert "No success metric has been measured yet." in text
        assert "mproved" not in text


def test_agents_without_any_figure_are_shown_without() -> None:
    figures = sample()
    for name in ("prompts", "feedback", "models"):
        figures[name] = [dict.fromkeys(row) | {"agent": "quiet"} for row in figures[name][:1]]
    figures["feedback"][0]["executions"] = 5
    figures["retrieval"] = dict.fromkeys(figures["retrieval"])
    figures["lineage"]["example"] = None
    figures["success_metrics"] = [dict.fromkeys(figures["success_metrics"][0]) | {"metric": "charm"}]
    for text in (words(terminal(figures)), words(write_html(figures))):
        assert "Not optimized. No reason is recorded." in text
        assert "no data yet" in text


HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</title></style></desc><svg onload=alert(1)>",
    "' onmouseover='alert(1)",
    "[bold red]shout[/bold red] [link=https://evil.example]here[/link] :bomb:",
    "\x1b]8;;https://evil.example\x07click\x1b[2J\x9b31m",
    "safe\u202egnp.exe\u2066\u200b\U000e0041",
    "half a pair \ud800",
    "one\r\ntwo\u2028three\x00",
    "long " * 5000,
]


def _poisoned(value: Any, poison: str) -> Any:
    """The same figures with every text in them replaced, but for the words the report itself decides by."""
    kept = ("verdict", "status", "state", "metric", "operator")
    if isinstance(value, dict):
        return {key: each if key in kept else _poisoned(each, poison) for key, each in value.items()}
    if isinstance(value, list):
        return [_poisoned(each, poison) for each in value]
    return poison if isinstance(value, str) else value


@pytest.mark.parametrize("poison", HOSTILE)
def test_hostile_text_stays_text(poison: str) -> None:
    figures = _poisoned(sample(), poison)
    figures["feedback"][0]["issues"][0]["issue"] = poison
    figures["prompts"][0]["arms"][1]["operator"] = poison
    figures["prompts"][0]["dataset"]["drops"] = {poison: 1}
    page = write_html(figures)
    page.encode("utf-8")
    found = _Page(page)
    assert found.open == []
    assert {tag for tag, _ in found.elements} <= _tags(write_html(sample()))
    assert not any(name.startswith("on") for _, attributes in found.elements for name in attributes)
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b\u2028\u202a-\u202e\u2066-\u2069\U000e0041\ud800]", page)
    assert len(page) < 400_000

    text = terminal(figures)
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e\u2066\u2028]", text)
    assert max(map(len, text.splitlines())) <= 100
    if poison.startswith("["):
        assert "[bold red]shout" in words(text)
        assert ":bomb:" in words(text)


def _tags(page: str) -> set[str]:
    return {tag for tag, _ in _Page(page).elements}


def test_the_page_asks_for_nothing_and_runs_nothing() -> None:
    page = write_html(sample())
    found = _Page(page)
    assert found.open == []
    assert not {"script", "img", "iframe", "object", "form", "a"} & {tag for tag, _ in found.elements}
    assert [attributes["href"] for _, attributes in found.elements if "href" in attributes] == ["data:,"]
    assert "url(" not in page
    assert "@import" not in page
    assert "http" not in page.replace("http-equiv", "")
    assert "default-src 'none'" in unescape(page)


def test_the_page_can_be_read_without_seeing_it() -> None:
    found = _Page(write_html(sample())).elements
    ids = [attributes["id"] for _, attributes in found if "id" in attributes]
    assert len(ids) == len(set(ids))
    named = [attributes["aria-labelledby"] for _, attributes in found if "aria-labelledby" in attributes]
    assert {each for names in named for each in (names or "").split()} <= set(ids)
    drawings = [attributes for tag, attributes in found if tag == "svg" and attributes.get("role") == "img"]
    assert len(drawings) == 4
    assert sum(tag == "desc" for tag, _ in found) == len(drawings)
    assert all(attributes.get("scope") in ("row", "col") for tag, attributes in found if tag == "th")
    assert sum(tag == "caption" for tag, _ in found) == sum(tag == "table" for tag, _ in found) == 4


def test_a_terminal_that_knows_only_ascii_gets_the_report_too() -> None:
    assert "Improved on the sealed test" in words(terminal(sample(), encoding="ascii"))


@given(st.text(), st.integers(2, 50))
def test_clean_text_is_one_harmless_line(text: str, most: int) -> None:
    found = clean(text, most)
    assert len(found) <= most
    assert len(found.splitlines()) <= 1
    assert clean(found, most) == found
    assert found.isprintable() or not re.search("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", found)


@given(st.lists(st.sampled_from("abc"), max_size=8), st.lists(st.sampled_from("abc"), max_size=8))
@settings(max_examples=60)
def test_a_diff_holds_both_texts(before: list[str], after: list[str]) -> None:
    lines = diff("\n".join(before), "\n".join(after))
    assert [line[1:] for line in lines if line[0] in " -"] == (before or [""])
    assert [line[1:] for line in lines if line[0] in " +"] == (after or [""])


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1)).map(sorted), max_size=5))
@settings(max_examples=40)
def test_whiskers_stay_inside_the_drawing(intervals: list[list[float]]) -> None:
    rows = tuple(Whisker("arm", "shown", value, low, high, "tried") for low, value, high in intervals)
    drawn = whisker_plot(Plot("race", rows), "p")
    places = [float(each) for each in re.findall(r'(?:x|x1|x2|cx)="([-\d.]+)%"', drawn)]
    assert all(0 <= place <= 100 for place in places)
    assert [float(each) for each in re.findall(r'<svg x="([\d.]+)%"', drawn)] == [
        pytest.approx(2 + 96 * value, abs=0.01) for _, value, _ in intervals
    ]
