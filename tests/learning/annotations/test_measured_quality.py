"""Which agreements are measured, and that each is of the right judgements."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from glow_pipelines.learning.annotations import (
    Judgement,
    Quality,
    QualitySettings,
    cohen_kappa,
    krippendorff_alpha,
    label_table,
    measure_quality,
)
from tests.learning.annotations.judging import judgement

FEW = QualitySettings(resamples=50)


def measured(judgements: Sequence[Judgement], settings: QualitySettings = FEW) -> Quality:
    return measure_quality(judgements, rng=np.random.default_rng(1), settings=settings)


def world(items: int = 60, **fields: Any) -> list[Judgement]:
    rng = np.random.default_rng(8)
    rows = []
    for item in range(items):
        truth = "ar"[item % 2]
        for reviewer in "xyz":
            said = truth if rng.random() < 0.9 else "r"
            score = float(np.clip(round(3 + rng.normal() + (truth == "a")), 1, 5))
            rows.append(
                judgement(
                    f"i{item}",
                    reviewer,
                    said,
                    domain="tax" if item % 3 else "travel",
                    dimensions={"clarity": score, "length": score + 0.37},
                    **fields,
                )
            )
    return rows


def test_everything_is_measured_over_all_and_by_domain() -> None:
    rows = world()
    found = measured(rows)
    shown = {(each.domain, each.measure.name): each for each in found.agreements}
    assert list(shown) == [
        (domain, measure) for domain in (None, "tax", "travel") for measure in ("verdict", "clarity", "length")
    ]
    codes = {"approve": 0.0, "correct": 1.0, "reject": 2.0}
    for domain in (None, "tax", "travel"):
        within = [each for each in rows if domain in (None, each.domain)]
        verdicts = label_table((each.item, each.reviewer, codes[each.verdict]) for each in within)
        clarity = label_table((each.item, each.reviewer, each.dimensions["clarity"]) for each in within)
        assert shown[domain, "verdict"].alpha.alpha == pytest.approx(krippendorff_alpha(verdicts), abs=1e-12)
        assert shown[domain, "clarity"].alpha.alpha == pytest.approx(krippendorff_alpha(clarity, "ordinal"), abs=1e-12)
    assert shown[None, "clarity"].alpha.level == "ordinal"
    assert shown[None, "length"].alpha.level == "interval"
    assert shown[None, "verdict"].fleiss is not None
    assert shown[None, "clarity"].fleiss is None
    assert found.headline is shown[None, "verdict"]


def test_answers_of_a_closed_list_count_as_answers() -> None:
    rows = [judgement(f"i{n}", who, "c", answer=answer) for n in range(20) for who, answer in (("x", "A"), ("y", "B"))]
    rows += [judgement(f"j{n}", who, "r") for n in range(20) for who in "xy"]
    found = measured(rows)
    headline = found.headline
    assert headline is not None
    assert headline.measure.name == "answer"
    shown = {each.measure.name: each.alpha.alpha for each in found.agreements}
    assert shown["verdict"] == 1.0
    assert headline.alpha.alpha is not None
    assert headline.alpha.alpha < 0.5
    (pair,) = found.pairs
    assert (pair.agreed, pair.kappa.items) == (20, 40)


def test_an_answer_that_is_called_like_a_verdict_is_none() -> None:
    rows = [judgement("i", "x", "a", answer="reject"), judgement("i", "y", "r")]
    assert len({each.label for each in rows}) == 2


def test_pairs_have_their_kappa_and_enough_items() -> None:
    rows = [*world(), *(judgement(f"i{n}", "seldom", "a") for n in range(9))]
    found = measured(rows)
    assert [(pair.first, pair.second) for pair in found.pairs] == [("x", "y"), ("x", "z"), ("y", "z")]
    of = {name: [float(each.verdict == "approve") for each in rows if each.reviewer == name] for name in "xy"}
    assert found.pairs[0].kappa.kappa == pytest.approx(cohen_kappa(of["x"], of["y"]), abs=1e-12)
    assert found.pairs[0].agreed == sum(a == b for a, b in zip(of["x"], of["y"], strict=True))


def test_what_is_left_out_is_counted() -> None:
    rows = [judgement(f"i{n}", who, domain=f"d{n}", dimensions={f"s{n}": 1.0}) for n in range(12) for who in "wxyz"]
    found = measured(rows, QualitySettings(10, most_domains=5, most_dimensions=3, most_pairs=4, least_common=2))
    assert dict(found.left_out) == {"domains": 7, "dimensions": 9, "pairs": 2}
    assert len({each.domain for each in found.agreements}) == 6
    assert len(found.pairs) == 4


def test_a_single_domain_is_not_told_twice() -> None:
    found = measured([judgement(f"i{n}", who, domain="tax") for n in range(3) for who in "xy"])
    assert {each.domain for each in found.agreements} == {None}


def test_nothing_judged() -> None:
    found = measured([])
    assert (found.judgements, found.agreements, found.pairs, found.headline) == (0, (), (), None)
