"""The report tells the truth about figures of every kind."""

import re
from typing import Any

import pytest

from glow_pipelines.demo.report import write_html
from tests.demo.report_figures import (
    REASON,
    SHOWN,
    Figures,
    comparison_figures,
    gate_figures,
    prompt_figures,
    sample,
    terminal,
    wide_interval,
    words,
)


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
        "own gate, on experts' verdicts: passed; no experiment is running, what is in force stays. Passed:",
        "0.610 (0.550–0.670)",
        "14 no expert approval outside train",
        "expense-coder (168 training rows) disabled: training is switched off.",
        "only 40 users are there",
        "no decision is possible: at least 1,000 users are asked for",
        "nobody was exposed. Too early to decide: day 0 of at least 7",
        "The next look is in the night after 2026-11-23 12:00 UTC.",
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
    assert len(lines) <= 105
    assert max(map(len, lines)) <= 100


def test_what_did_not_improve_is_neither_called_nor_coloured_a_success() -> None:
    figures = sample()
    dropped = "Dropped: E = 0.01 fell below 0.05; of 60 unseen items the finalist alone was right on 3."
    figures["prompts"] = [
        prompt_figures(
            "expense-coder", reason=dropped, after=SHOWN.describe(), gate=gate_figures(20, 3, 9, 28, "drop", dropped)
        ),
        prompt_figures("support-triage", state="insufficient_data", reason="insufficient data: 12 of 20 test items"),
    ]
    figures["retrieval"]["difference"] = comparison_figures(wide_interval(0.01, 0.05))
    figures["retrieval"] |= {"pipeline_gate": {"verdict": "keep", "reason": "Kept: the gain may be chance."}}
    figures["retrieval"]["candidate"] = False
    figures["success_metrics"] = []
    for text in (words(terminal(figures)), words(page := write_html(figures))):
        assert "No improvement. Right on 60 sealed test items" in text
        assert "-10.0 points (-20.9 to +1.4); the interval contains zero: this may be chance. Gate: drop." in text
        assert "Not enough data. Insufficient data: 12 of 20 test items" in text
        assert "Not shown to be better. Now minus untuned hybrid: nDCG@10 +0.010 (-0.040 to +0.060)" in text
        assert "verdicts: kept. Kept: the gain may be chance." in text
        assert "No experiment is running: no candidate passed its gate" in text
        assert "mproved" not in text
    assert 'class="good"' not in page


def test_retrieval_that_got_worse_is_called_worse_and_one_that_kept_is_no_change() -> None:
    figures = sample()
    figures["retrieval"]["difference"] = comparison_figures(wide_interval(-0.09, 0.05))
    assert "Worse on held-out questions." in words(write_html(figures))
    figures["retrieval"]["difference"] = comparison_figures(wide_interval(0.0, 0.0))
    assert "No change." in words(write_html(figures))
    assert "no change, the untuned hybrid stays in force" in words(terminal(figures))


def test_a_gate_of_an_earlier_optimization_does_not_lend_its_verdict() -> None:
    figures = sample()
    figures["prompts"] = [
        prompt_figures("expense-coder", after=SHOWN.describe(), gate=gate_figures(18, 50, 5, 35, "promote", REASON))
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


def test_an_experiment_is_shown_without_what_is_missing() -> None:
    figures = sample()
    figures["prompts"][0]["experiment"] = {"id": "x1", "state": "paused", "plan": "a plan"}
    assert "x1, paused: a plan. So far" in words(terminal(figures))
    figures["prompts"][0]["experiment"] |= {"exposed": [19, 21], "days": [28, 56], "detectable": None}
    told = words(terminal(figures))
    assert "Its 28 days (at most 56) can show no difference that is possible." in told
    assert "19 exposed in control, 21 in treatment. No look was made yet." in told
    assert "Warnings" not in told
    figures["prompts"][0]["experiment"] |= {"detectable": "4.0 points", "warnings": ["slow: it takes 40 days"]}
    told = words(terminal(figures))
    assert "can show a difference of 4.0 points." in told
    assert "slow: it" not in told
