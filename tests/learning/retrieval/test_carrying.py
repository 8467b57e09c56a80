"""What is known of old chunks is said of their heirs, once, and of nothing else."""

import numpy as np
import pytest

from glow_pipelines.learning.retrieval import Judgement, MemoryRow
from glow_pipelines.learning.retrieval.carrying import carry_judgements, carry_memory

HEIRS = {"a": ["x"], "b": ["x", "y"], "c": []}


def _row(query: str, chunk: str, value: float, looks: float, *events: str) -> MemoryRow:
    return MemoryRow(query, np.ones(2), chunk, value, looks, events)


def test_memory_goes_to_all_heirs_and_two_that_say_of_one_are_averaged() -> None:
    rows = [
        _row("q", "a", 1.0, 3, "e1"),
        _row("q", "b", 0.5, 1, "e2"),
        _row("r", "b", 0.2, 2, "e3"),
        _row("q", "c", 0.9, 9, "e4"),
        _row("q", "unknown", 0.9, 9, "e5"),
    ]
    carried = {(row.query, row.chunk_id): row for row in carry_memory(rows, HEIRS)}
    assert set(carried) == {("q", "x"), ("q", "y"), ("r", "x"), ("r", "y")}
    both = carried["q", "x"]
    assert both.attractiveness == pytest.approx((3 * 1.0 + 1 * 0.5) / 4)
    assert (both.effective_examinations, both.event_ids) == (3, ("e1", "e2"))
    assert carried["r", "y"].attractiveness == 0.2


def test_a_question_whose_answer_has_no_heir_is_judged_on_neither() -> None:
    judgements = [
        Judgement("q", "a", 1.0),
        Judgement("q", "b", 2.0),
        Judgement("q", "c", 0.0),  # irrelevant and gone: the rest can be judged
        Judgement("r", "a", 0.0),
        Judgement("r", "c", 1.0),
    ]
    before, after = carry_judgements(judgements, HEIRS)
    assert [(j.query, j.chunk_id, j.grade) for j in before] == [("q", "a", 1.0), ("q", "b", 2.0)]
    assert [(j.query, j.chunk_id, j.grade) for j in after] == [("q", "x", 2.0), ("q", "y", 2.0)]
