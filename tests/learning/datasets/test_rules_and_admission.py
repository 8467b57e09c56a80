"""Rules are read with errors that help, and what they admit is the same however the rows come."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from dataset_builders import AT, example
from hypothesis import given
from hypothesis import strategies as st

from glow_pipelines.learning.datasets import DatasetRule, Drops, Facts, RuleProblem, admit, build_version, read_rule

RULES = st.builds(
    DatasetRule,
    st.just("coder"),
    st.sampled_from(["sft", "preference", "evaluation", "retrieval"]),
    st.sampled_from([0.0, 0.25, 1.0]),
    st.none() | st.lists(st.sampled_from(["annotation", "correction", "vote"]), min_size=1).map(tuple),
    st.none() | st.sampled_from(["tax", 'a "quoted" domain', "漢字"]),
    agents=st.lists(st.sampled_from(["coder", "other", "third"])).map(tuple),
    since=st.none() | st.datetimes(timezones=st.just(UTC)),
    languages=st.none() | st.lists(st.sampled_from(["de", "en"]), min_size=1).map(tuple),
    least=st.integers(0, 10_000_000),
)


@given(RULES)
def test_a_rule_is_read_back_from_what_is_written_of_it(rule: DatasetRule) -> None:
    again = read_rule("coder", rule.to_json())
    assert again.to_json() == rule.to_json()
    assert again.hash == rule.hash


def test_the_order_and_repetition_of_names_is_nothing_to_the_hash() -> None:
    one = DatasetRule("coder", sources=("vote", "correction"), agents=("a", "coder", "a"))
    other = DatasetRule("coder", sources=("correction", "vote", "vote"), agents=("coder", "a"))
    assert one.hash == other.hash
    assert one.hash != replace(one, agent="a").hash
    assert DatasetRule("coder", agents=("coder",)).hash == DatasetRule("coder").hash
    assert DatasetRule("coder", least=5).is_plain
    assert not DatasetRule("coder", agents=("a",)).is_plain


@pytest.mark.parametrize(
    ("field", "value", "accepted"),
    [
        ("kind", "dpo", "one of sft, preference, evaluation, retrieval"),
        ("minimum_quality", 2, "a number from 0 to 1"),
        ("minimum_quality", True, "a number from 0 to 1"),
        ("minimum_quality", "0.5", "a number from 0 to 1"),
        ("sources", "vote", "a list of 1 to 100 texts"),
        ("sources", ["user"], "one of annotation, correction, demonstration, vote"),
        ("agents", [], "a list of 1 to 100 texts"),
        ("languages", [""], "a text of 1 to 200 characters"),
        ("domain", 7, "a text of 1 to 200 characters"),
        ("since", "yesterday", "a date or an instant such as"),
        ("until", "2020-01-01", "an instant after since"),
        ("since", "0001-01-01T00:00:00+14:00", "a date or an instant such as"),
        ("domain", "a\0b", "a text of 1 to 200 characters"),
        ("languages", ["\ud800"], "a text of 1 to 200 characters"),
        ("least", -1, "a whole number from 0"),
        ("shares", [0.5, 0.5], "three shares"),
        ("shares", [0.5, 0.2, 0.2], "three shares"),
        ("agent", "other", "coder, whose dataset it is"),
        ("quality", 0.5, "one of the fields agents, domain"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_value_and_what_is_accepted(
    field: str, value: object, accepted: str
) -> None:
    with pytest.raises(RuleProblem, match=r"^" + field) as problem:
        read_rule("coder", {"since": "2021-01-01", field: value})
    assert problem.value.field == field
    assert problem.value.accepted.startswith(accepted)
    assert accepted in str(problem.value)


def test_dates_without_a_zone_are_utc() -> None:
    assert read_rule("coder", {"since": "2026-01-02"}).since == datetime(2026, 1, 2, tzinfo=UTC)
    assert read_rule("coder", {"since": "2026-01-02T03:00:00+02:00"}).since == datetime(2026, 1, 2, 1, tzinfo=UTC)


FACTS = st.builds(
    Facts,
    version=st.integers(1, 9),
    id=st.sampled_from(["a", "b", "c", "d"]),
    agent=st.sampled_from(["coder", "other"]),
    input=st.sampled_from(["q", "r"]),
    answer=st.sampled_from(["x", "y"]),
    group=st.just("g"),
    split=st.sampled_from(["train", "val", "test", None]),
    status=st.sampled_from(["approved", "approved", "rejected"]),
    erased=st.sampled_from([False, False, True]),
    source=st.sampled_from(["annotation", "correction", "vote"]),
    quality=st.sampled_from([0.2, 0.9]),
    expert_approved=st.booleans(),
    replaces=st.booleans(),
    domain=st.none(),
    language=st.none(),
    learned=st.none(),
    content_hash=st.sampled_from(["1", "2"]),
)


@given(st.lists(FACTS, max_size=8), st.randoms())
def test_of_every_input_one_answer_of_one_split_stays_in_any_order(rows: list[Facts], random) -> None:  # type: ignore[no-untyped-def]
    rule = DatasetRule("coder", agents=("coder", "other"))
    rows = sorted(rows, key=lambda row: str(row.input))
    drops = Drops(most=None)
    kept = list(admit(rule, rows, drops))
    shuffled = list(rows)
    random.shuffle(shuffled)
    other = Drops(most=None)
    again = list(admit(rule, sorted(shuffled, key=lambda row: str(row.input)), other))
    assert sorted(kept) == sorted(again)
    assert drops.counts == other.counts
    assert len({row.input for row in kept}) == len(kept)
    for row in kept:
        assert (row.status, row.erased) == ("approved", False)
        assert row.split is not None
        fit = [r for r in rows if r.input == row.input and (r.status, r.erased) == ("approved", False)]
        # Nothing that stays is held out less than what could have stayed.
        usable = [r.split for r in fit if r.split is not None and (r.split == "train" or r.expert_approved)]
        assert not (row.split == "train" and {"val", "test"} & set(usable))


def test_drops_show_so_many_and_count_all() -> None:
    drops = Drops(most=2)
    for n in range(5):
        drops.add("why", str(n))
    assert (drops.counts["why"], drops.examples["why"]) == (5, ["0", "1"])


def test_a_rule_with_dates_needs_to_know_when_examples_were_learned() -> None:
    rule = DatasetRule("coder", since=AT)
    found = example("a", group="g1")
    assert build_version(rule, [found], {}, AT).rows == ()
    assert len(build_version(rule, [found], {}, AT, learned={found.id: AT}).rows) == 1
    late = build_version(DatasetRule("coder", until=AT), [found], {}, AT, learned={found.id: AT})
    assert late.drops == {"learned after the rule's dates": 1}
