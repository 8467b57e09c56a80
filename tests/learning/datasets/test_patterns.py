"""What people keep changing: counted, compared, dated."""

import json
import math
import time
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2_contingency, fisher_exact

from glow_pipelines.learning.datasets import BehaviorLearner, Correction, CorrectionPattern, correction_patterns
from glow_pipelines.learning.datasets.enrichment import Enrichment, enrichment, false_discovery
from glow_pipelines.learning.datasets.trends import by_week, trend_of

AT = datetime(2026, 3, 1, tzinfo=UTC)


def correction(
    i: int, before: str, after: str, person: str | None = "ann", agent: str = "coder", **more: Any
) -> Correction:
    return Correction(agent, str(i), before, after, person, AT + timedelta(days=i), i, **more)


def found(patterns: list[CorrectionPattern], detail: str) -> CorrectionPattern:
    (pattern,) = [p for p in patterns if p.detail == detail]
    return pattern


def test_patterns_count_show_and_date_what_people_change() -> None:
    said = [correction(i, "6100", "6200", "ann" if i % 2 else "bob") for i in range(5)]
    said += [correction(5, "6100", "6300"), correction(6, "x", "Sorry x"), correction(0, "a", "b", agent="other")]
    patterns = BehaviorLearner().analyze_correction_patterns(reversed(said))
    assert [(p.agent, p.kind, p.about, p.detail, p.count, p.share.n) for p in patterns] == [
        ("coder", "wrong_value", "number", "6100 → 6200", 5, 7),
        ("coder", "wrong_value", "", "", 6, 7),
        ("coder", "wrong_value", "number", "", 6, 7),
        ("coder", "tone", "", "", 1, 7),
        ("coder", "tone", "manners", "", 1, 7),
        ("other", "wrong_value", "", "", 1, 1),
    ]
    pattern = patterns[0]
    assert (pattern.standing, pattern.people, pattern.conversations, pattern.experts) == ("named", 2, 5, 0)
    assert pattern.feedback == (4, 3, 2, 1, 0)
    assert (pattern.first_seen, pattern.last_seen) == (AT, AT + timedelta(days=4))
    assert pattern.share.low < 5 / 7 < pattern.share.high
    assert (pattern.lift, pattern.q) == (None, None)


@pytest.mark.parametrize(
    ("people", "conversations"),
    [(["ann"] * 5, None), ([None] * 5, None), (["ann", "bob"] * 2, ["c1", "c2", "c1", "c2"])],
)
def test_one_person_or_two_conversations_make_no_name(
    people: list[str | None], conversations: list[str] | None
) -> None:
    said = [
        correction(i, "old", "new", person, conversation=conversations[i] if conversations else None)
        for i, person in enumerate(people)
    ]
    assert found(correction_patterns(said), "old → new").standing == "emerging"


def test_what_fine_outputs_say_as_often_is_no_pattern() -> None:
    said = [correction(i, f"the hotel is number{i}", f"a hotel is number{i}", f"u{i}") for i in range(6)]
    said += [correction(10 + i, f"book it as meals, case{i}", f"book it as travel, case{i}", f"u{i}") for i in range(6)]
    fine = [("coder", f"the taxi is case number{i}") for i in range(200)]
    patterns = correction_patterns(said, fine)
    common, rare = found(patterns, "the → a"), found(patterns, "meals → travel")
    assert (common.standing, rare.standing) == ("emerging", "named")
    assert common.q is not None
    assert common.q > 0.5
    assert rare.q is not None
    assert rare.q < 0.001
    assert rare.lift is not None
    assert rare.lift > 50


def test_experts_count_and_are_marked() -> None:
    said = [correction(1, "old", "new", "ann"), correction(2, "old", "new", "ann", kind="annotation")]
    pattern = found(correction_patterns(said), "old → new")
    assert (pattern.count, pattern.experts, pattern.people) == (2, 1, 2)
    assert (pattern.feedback, pattern.annotations) == ((1,), (2,))


def test_json_paths_are_compared_with_each_other() -> None:
    said = [
        correction(i, json.dumps({"account": 6000 + i, "cost": i, "text": "t"}), after, f"u{i}")
        for i, after in enumerate(json.dumps({"account": f"x{i}", "cost": i, "text": "t"}) for i in range(8))
    ]
    pattern = found(correction_patterns(said), "$.account")
    assert pattern.standing == "named"
    assert pattern.q is not None
    assert pattern.q < 0.001


def test_words_of_patterns_hold_no_personal_data() -> None:
    said = [correction(i, "ask jo@example.com", "ask anna@example.com", f"u{i}") for i in range(4)]
    said += [correction(9 + i, "use AKIAABCDEFGHIJKLMNOP", "use nothing", f"u{i}") for i in range(4)]
    text = " ".join(p.detail for p in correction_patterns(said))
    assert "<email_1> → <email_2>" in text
    assert "<secret_1> → nothing" in text
    assert "example" not in text
    assert "akia" not in text


def test_a_rise_is_seen_and_a_steady_share_is_not() -> None:
    def weeks(shares: list[float], detail: str) -> CorrectionPattern:
        said, number = [], 0
        for week, share in enumerate(shares):
            for i in range(40):
                number += 1
                after = "new" if i < 40 * share else f"other{number}"
                said.append(Correction("a", str(number), "old", after, f"u{i}", AT + timedelta(weeks=week), number))
        return found(correction_patterns(said), detail)

    rising, steady = weeks([0.1, 0.2, 0.3, 0.4, 0.5, 0.6], "old → new"), weeks([0.3] * 6, "old → new")
    assert rising.trend is not None
    assert rising.trend.slope == pytest.approx(0.1, abs=0.005)
    assert rising.trend.low > 0
    assert steady.trend is not None
    assert steady.trend.low < 0 < steady.trend.high


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=3, max_size=12))
def test_the_trend_agrees_with_the_test_of_cochran_and_armitage(weeks: list[tuple[int, int]]) -> None:
    """n R² between hit and week, which for one degree of freedom is that statistic (Agresti 2013, 5.3.5)."""
    newest = AT + timedelta(weeks=len(weeks) - 1)
    hits = [newest - timedelta(weeks=age) for age, (yes, _) in enumerate(weeks) for _ in range(yes)]
    rest = [newest - timedelta(weeks=age) for age, (_, no) in enumerate(weeks) for _ in range(no)]
    everything = [*hits, *rest, newest]
    trend = trend_of(by_week(hits, newest), by_week(everything, newest))
    if trend is None or len(hits) == len(everything):
        return
    flags = np.array([1.0] * len(hits) + [0.0] * (len(rest) + 1))
    times = np.array([at.timestamp() for at in everything])
    if times.std() == 0:
        return
    statistic = len(flags) * np.corrcoef(flags, times)[0, 1] ** 2
    assert (statistic > 1.959963984540054**2) == (trend.low > 0 or trend.high < 0) or math.isclose(
        statistic, 1.959963984540054**2, rel_tol=1e-6
    )


@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 60), st.integers(0, 60))
def test_fisher_is_fisher(a: int, b: int, c: int, d: int) -> None:
    mine = enrichment(a, a + b, c, c + d)
    if a + b + c + d:
        assert mine.p == pytest.approx(fisher_exact([[a, b], [c, d]], alternative="greater").pvalue, abs=1e-9)


@given(st.lists(st.floats(0, 1), max_size=30))
def test_q_is_at_least_p_and_keeps_the_order(ps: list[float]) -> None:
    done = false_discovery({at: Enrichment(1.0, p) for at, p in enumerate(ps)})
    for at, p in enumerate(ps):
        assert p - 1e-12 <= done[at].q <= 1
    ordered = sorted(done.values(), key=lambda test: test.p)
    assert all(a.q <= b.q + 1e-12 for a, b in pairwise(ordered))


def test_false_names_are_rare() -> None:
    """Corrections that change words at random make hardly a named pattern: the share of runs with one is below .1."""
    rng = np.random.default_rng(7)
    words = [f"w{i}" for i in range(40)]
    runs = 0
    for _ in range(30):
        texts = [rng.choice(words, 6) for _ in range(300)]
        fine = [("coder", " ".join(text)) for text in texts[100:]]
        said = []
        for i, text in enumerate(texts[:100]):
            changed = text.copy()
            changed[int(rng.integers(6))] = "fixed"
            said.append(correction(i, " ".join(text), " ".join(changed), f"u{i % 7}"))
        runs += any(p.standing == "named" for p in correction_patterns(said, fine))
    assert runs <= 3


TEXTS = st.text(max_size=30) | st.sampled_from(["6100", "6200", '{"a": 1}', '{"a": 2}', "so it is", "it is"])


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(TEXTS, TEXTS, st.sampled_from(["ann", "bob", None])), max_size=12), st.randoms())
def test_order_does_not_matter_and_numbers_hold(texts: list[tuple[str, str, str | None]], random: Any) -> None:
    said = [correction(i, before, after, person) for i, (before, after, person) in enumerate(texts) if before != after]
    fine = [("coder", before) for before, _, _ in texts]
    patterns = correction_patterns(said, fine)
    shuffled = said.copy()
    random.shuffle(shuffled)
    assert correction_patterns(shuffled, fine) == patterns
    for p in patterns:
        assert 1 <= p.count <= len(said)
        assert p.people <= p.count
        assert p.conversations <= p.count
        assert len(p.feedback) <= 5
        assert p.standing != "named" or (p.people >= 2 and p.conversations >= 3)
        assert p.q is None or 0 <= p.q <= 1


def test_the_number_of_patterns_is_bounded() -> None:
    said = [correction(i, f"a{i % 500} b", f"c{i % 500} b", f"u{i % 3}") for i in range(1500)]
    patterns = correction_patterns(said, most=50)
    assert len(patterns) == 50


def test_hostile_corrections_take_no_longer() -> None:
    said = [correction(i, f"{'a ' * 3000}{i}", f"{'a b ' * 2000}{i}", f"u{i}") for i in range(100)]
    start = time.process_time()
    correction_patterns(said, [("coder", "a " * 10_000)] * 50)
    assert time.process_time() - start < 6


def test_the_oracle_of_this_file_is_not_asleep() -> None:
    assert chi2_contingency([[10, 0], [0, 10]]).pvalue < 0.01
    with pytest.raises(ValueError, match="counts"):
        enrichment(3, 2, 0, 1)
