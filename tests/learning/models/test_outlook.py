"""Prices with their dates, models with their ends, curves with their gaps, statuses with their words."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glow_pipelines.learning.models.metrics import TrainingPoint, point_of, read_result_file
from glow_pipelines.learning.models.prices import PRICES, billions_of, price_of
from glow_pipelines.learning.models.retirement import announced_shutdown, earliest, outlook
from glow_pipelines.learning.models.states import event_of_status, phase_of_status

TODAY = date(2026, 11, 23)


@pytest.mark.parametrize(
    ("days", "verdict"),
    [(None, "lasting"), (-10, "refuse"), (0, "refuse"), (30, "refuse"), (89, "refuse"), (90, "warn"), (179, "warn"),
     (180, "lasting"), (1000, "lasting")],
)  # fmt: skip
def test_a_model_about_to_end_is_not_trained_on(days: int | None, verdict: str) -> None:
    shutdown = None if days is None else TODAY + timedelta(days=days)
    found = outlook("m", shutdown, TODAY)
    assert (found.verdict, found.days) == (verdict, days)
    assert "m" in found.reason
    assert shutdown is None or str(shutdown) in found.reason


def test_announced_ends_hold_for_models_tuned_from_them() -> None:
    assert announced_shutdown("openai", "gpt-4o-mini-2024-07-18") == date(2027, 1, 14)
    assert announced_shutdown("openai", "ft:gpt-4o-mini-2024-07-18:acme:triage:1") == date(2027, 1, 14)
    assert announced_shutdown("openai", "gpt-4.1-nano") == date(2026, 10, 23)
    assert announced_shutdown("azure", "gpt-4o") is None
    assert announced_shutdown("openai", "ft:") is None
    assert outlook("gpt-4o", announced_shutdown("openai", "gpt-4o"), TODAY).verdict == "refuse"
    assert earliest(None, date(2027, 2, 1), date(2027, 1, 14)) == date(2027, 1, 14)
    assert earliest(None, None) is None


@pytest.mark.parametrize(
    ("provider", "model", "usd"),
    [
        ("openai", "gpt-4o-mini-2024-07-18", 3.0),
        ("openai", "o4-mini", None),
        ("together", "meta-llama/Meta-Llama-3.1-8B-Instruct-Reference", 0.5),
        ("together", "meta-llama/Llama-3.3-70B-Instruct", None),
        ("together", "mistralai/Mixtral-8x7B-Instruct-v0.1", None),
        ("together", "some/model", None),
        ("fireworks", "accounts/fireworks/models/llama-v3p1-8b-instruct", 0.5),
        ("fireworks", "accounts/fireworks/models/qwen2p5-1p5b", 0.5),
        ("fireworks", "accounts/fireworks/models/llama-v3p3-70b-instruct", 3.0),
        ("fireworks", "accounts/fireworks/models/deepseek-v3", 10.0),
        ("local", "smollm2-135m-instruct-q4_1", 0.0),
        ("nobody", "m", None),
    ],
)
def test_prices_by_name_and_size(provider: str, model: str, usd: float | None) -> None:
    found = price_of(provider, model)
    assert (None if found is None else found.usd_per_million_tokens) == usd


def test_a_price_grows_old() -> None:
    assert not PRICES[0].is_stale(PRICES[0].as_of)
    assert PRICES[0].is_stale(PRICES[0].as_of + timedelta(days=91))
    assert billions_of("mixtral-8x7b") == 56
    assert billions_of("qwen2p5-1p5b") == 1.5
    assert billions_of("b2b-model") is None


def test_result_files_are_read_by_header_whatever_is_missing() -> None:
    azure = (
        b"step,train_loss,train_mean_token_accuracy,valid_loss,validation_mean_token_accuracy,full_valid_loss,"
        b"full_valid_mean_token_accuracy\n"
        b"1,2.0,0.5,-1,-1,,\n2,1.0,0.6,1.4,0.5,1.5,0.4\n"
    )
    first, second = read_result_file(azure)
    assert first == TrainingPoint(1, 2.0, None, 0.5, None)
    assert second == TrainingPoint(2, 1.0, 1.5, 0.6, 0.4)
    assert read_result_file(b"\xef\xbb\xbfTrain_Loss , STEP\n0.5,1\n") == (TrainingPoint(1, 0.5),)
    doubled = read_result_file(b"step,train_loss,valid_loss\n1,0.5,\n1,,0.7\n")
    assert doubled == (TrainingPoint(1, 0.5, 0.7),)


@pytest.mark.parametrize(
    "data",
    [b"", b"\n", b"step\n1\n", b"loss,epoch\n1,2\n", b"step,train_loss\nx,y\n", b"<html>", b"\xff\x00\xfe",
     b"step,train_loss\n1,nan\n", b"step,train_loss\n1,inf\n", b"step,train_loss\n" + b"9" * 5000 + b",1\n"],
)  # fmt: skip
def test_result_files_without_numbers_give_nothing(data: bytes) -> None:
    assert read_result_file(data) == ()


@given(st.binary(max_size=300))
def test_no_bytes_break_the_reading(data: bytes) -> None:
    for point in read_result_file(b"step,train_loss,valid_loss\n" + data):
        assert point.step >= 0


def test_metrics_of_an_event_need_a_step_and_a_number() -> None:
    assert point_of({"step": 3, "train_loss": 0.5}) == TrainingPoint(3, 0.5)
    assert point_of({"train_loss": 0.5}, 3) == TrainingPoint(3, 0.5)
    assert point_of({"train_loss": 0.5}) is None
    assert point_of({"step": 3}) is None
    assert point_of({"step": True, "train_loss": 1}) is None


@pytest.mark.parametrize(
    ("word", "phase", "event"),
    [
        ("validating_files", "waiting", "job_progressed"),
        ("pausing", "pausing", "job_progressed"),
        ("paused", "paused", "job_progressed"),
        ("succeeded", "succeeded", "job_succeeded"),
        ("completed", "succeeded", "job_succeeded"),
        ("JOB_STATE_COMPLETED", "succeeded", "job_succeeded"),
        ("error", "failed", "job_failed"),
        ("JOB_STATE_FAILED", "failed", "job_failed"),
        ("cancelled", "cancelled", "job_failed"),
        ("cancel_requested", "stopping", "job_progressed"),
        ("juggling", "unknown", "job_progressed"),
        ("", "unknown", "job_progressed"),
    ],
)
def test_words_of_all_services(word: str, phase: str, event: str) -> None:
    assert (phase_of_status(word), event_of_status(word)) == (phase, event)
