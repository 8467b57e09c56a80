"""A version is what its rule admits, the same whatever the order, and passes its own checks."""

from dataclasses import replace

import pytest
from dataset_builders import AT, example
from hypothesis import given, settings
from hypothesis import strategies as st

from glow_pipelines.learning.datasets import (
    BehaviorLearner,
    DatasetRule,
    VersionRow,
    build_version,
    check_version,
    text_key,
    version_hash,
)

RULE = DatasetRule("coder")
SPLIT_OF = {"g1": "train", "g2": "val", "g3": "test"}
EXAMPLES = st.lists(
    st.builds(
        example,
        st.sampled_from(["taxi", "Taxi!", "hotel", "laptop", "stamp"]),
        st.sampled_from(["x", "y"]),
        status=st.sampled_from(["approved", "approved", "pending", "rejected", "quarantined"]),
        group=st.sampled_from(["g1", "g1", "g2", "g3", "bridge-1"]),
        source=st.sampled_from(["annotation", "correction", "vote"]),
        expert_approved=st.booleans(),
        quality=st.sampled_from([0.2, 0.9]),
        rejected_target=st.sampled_from([None, "z"]),
        agent=st.sampled_from(["coder", "coder", "other"]),
    ),
    max_size=12,
)
RULES = st.builds(
    DatasetRule,
    st.just("coder"),
    st.sampled_from(["sft", "preference", "evaluation"]),
    st.sampled_from([0.0, 0.5]),
    st.sampled_from([None, ("annotation", "vote")]),
)


@settings(max_examples=100, deadline=None)
@given(EXAMPLES, RULES, st.randoms())
def test_a_version_admits_only_what_it_may_in_any_order(examples: list, rule: DatasetRule, random: object) -> None:
    version = build_version(rule, examples, SPLIT_OF, AT)
    other = list(examples)
    random.shuffle(other)  # type: ignore[attr-defined]
    again = build_version(rule, other, SPLIT_OF, AT)
    assert again.content_hash == version.content_hash
    assert again.rows == version.rows
    for row in version.rows:
        e = row.example
        assert (e.status, e.agent) == ("approved", "coder")
        assert row.split == SPLIT_OF[e.group]
        assert e.expert_approved or (row.split == "train" and rule.kind != "evaluation")
        assert e.quality >= rule.minimum_quality
        assert rule.sources is None or e.source in rule.sources
        assert rule.kind != "preference" or e.rejected_target is not None
    inputs = [text_key(row.example.input) for row in version.rows]
    assert len(set(inputs)) == len(inputs)
    mine = {e.id for e in examples if e.agent == "coder"}
    assert {row.example.id for row in version.rows} | version.dropped.keys() == mine
    assert sum(version.drops.values()) == len(version.dropped)
    assert sum(version.splits.values()) == len(version.rows)


def test_the_hash_is_over_content_and_splits() -> None:
    rows = build_version(RULE, [example("a"), example("b")], {}, AT).rows
    assert version_hash(rows) == version_hash(rows[::-1])
    moved = VersionRow(rows[0].example, "test" if rows[0].split != "test" else "val")
    assert version_hash([moved, rows[1]]) != version_hash(rows)
    worded = VersionRow(example(rows[0].example.input.upper()), rows[0].split)
    assert worded.example.id == rows[0].example.id
    assert version_hash([worded, rows[1]]) != version_hash(rows)


def test_of_two_records_of_one_example_the_stronger_is_taken_in_either_order() -> None:
    user, expert = example("taxi", group="g1", expert_approved=False), example("TAXI", group="g1", quality=0.5)
    better = example("Taxi", group="g1", quality=0.95)
    assert user.id == expert.id == better.id
    for pool in ([user, expert, better], [better, expert, user], [expert, user, replace(better, status="pending")]):
        (row,) = build_version(RULE, pool, SPLIT_OF, AT).rows
        assert row.example == (better if better in pool else expert)


def test_conflicts_keep_the_stronger_or_nobody() -> None:
    expert, user = (
        example("taxi", "x", group="g1"),
        example("Taxi", "y", group="g1", source="correction", expert_approved=False),
    )
    kept = build_version(RULE, [user, expert], SPLIT_OF, AT)
    assert [row.example.target for row in kept.rows] == ["x"]
    assert kept.drops == {"conflict": 1}
    rival = replace(user, expert_approved=True)
    assert build_version(RULE, [rival, expert], SPLIT_OF, AT).drops == {"conflict": 2}


def test_every_drop_has_a_reason_and_labels_are_counted() -> None:
    examples = [
        example("a", "x", group="g1"),
        example("b", "x", group="g1"),
        example("c", "y", group="g2", expert_approved=False, source="vote"),
        example("d", "y", group="g1", domain="tax"),
        example("e", "y", group="g1", status="pending"),
        example("f", "y", group="bridge-x"),
    ]
    version = build_version(RULE, examples, SPLIT_OF, AT)
    assert version.drops == {"near rows of two splits": 1, "no expert approval outside train": 1, "pending": 1}
    assert version.balance == {"x": 2, "y": 1}
    tax = build_version(DatasetRule("coder", domain="tax"), examples, SPLIT_OF, AT)
    assert [row.example.input for row in tax.rows] == ["d"]
    assert tax.drops["other domain"] == 3
    free = build_version(RULE, [example(f"q{i}", f"answer {i}") for i in range(60)], {}, AT)
    assert free.balance == {}


def failed(version: object) -> set[str]:
    return {verdict.name for verdict in check_version(version) if not verdict.passed}  # type: ignore[arg-type]


def test_a_built_version_passes_and_planted_faults_are_found() -> None:
    inputs = ["taxi to the airport at dawn", "hotel for two nights", "a new laptop for sales", "stamps and parcels"]
    good = build_version(RULE, [example(text, f"{i % 2}", group="g1") for i, text in enumerate(inputs)], SPLIT_OF, AT)
    assert failed(good) == set()
    first = good.rows[0]

    def planted(text: str, target: str, group: str, split: str) -> object:
        return replace(good, rows=(*good.rows, VersionRow(example(text, target, group=group), split)))  # type: ignore[arg-type]

    assert failed(planted("cloud licence", "0", "g1", "test")) == {"leakage"}
    assert failed(planted(first.example.input + "s", "0", "other", "test")) == {"leakage"}
    assert failed(planted(first.example.input.upper(), first.example.target, "g1", "train")) == {"duplicates"}
    assert failed(planted(first.example.input, "else", "g1", "train")) == {"conflicts"}
    leak = check_version(planted(first.example.input + "s", "0", "other", "test"))[0]  # type: ignore[arg-type]
    assert first.example.id in leak.examples
    assert leak.numbers["pairs"] == 1


def test_size_blocks_and_balance_warns() -> None:
    version = build_version(
        RULE, [example(f"unlike {'qwertzuiop'[i] * 9}", "x", group="g1") for i in range(9)], SPLIT_OF, AT
    )
    verdicts = {verdict.name: verdict for verdict in check_version(version, least=10)}
    assert (verdicts["minimum_size"].passed, verdicts["minimum_size"].severity) == (False, "error")
    assert (verdicts["balance"].passed, verdicts["balance"].severity) == (False, "warning")
    assert check_version(version, least=9)[3].passed
    empty = build_version(RULE, [], {}, AT)
    assert failed(empty) == {"minimum_size"}


def test_the_learner_builds_the_same_version() -> None:
    examples = [example("a"), example("b")]
    assert BehaviorLearner().generate_training_dataset(RULE, examples, {}, AT) == build_version(RULE, examples, {}, AT)


@pytest.mark.parametrize("kind", ["sft", "preference"])
def test_evaluation_takes_only_experts(kind: str) -> None:
    pool = [
        example("a", group="g1", expert_approved=False, rejected_target="z"),
        example("b", group="g3", rejected_target="z"),
    ]
    assert len(build_version(DatasetRule("coder", "evaluation"), pool, SPLIT_OF, AT).rows) == 1
    assert len(build_version(DatasetRule("coder", kind), pool, SPLIT_OF, AT).rows) == 2  # type: ignore[arg-type]
