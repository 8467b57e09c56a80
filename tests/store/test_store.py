"""What the store promises, against a real PostgreSQL."""

import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import psycopg
import pytest

from glow_pipelines.client import GlowClient
from glow_pipelines.learning.datasets import (
    BehaviorLearner,
    DatasetRule,
    LearningExample,
    LearningInput,
    assign_splits,
    input_key,
    near_marks,
)
from glow_pipelines.learning.prompts.types import Candidate, Demonstration, Lineage, Prompt, Rule, Source
from glow_pipelines.steps.datasets import build_dataset
from glow_pipelines.store import Store
from glow_pipelines.store.curation import ExampleChanges
from glow_pipelines.store.prompts import AliasMoved

SHARES = (0.5, 0.2, 0.3)
PROMPT = Prompt("Which account?", choices=("travel", "meals"))


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    with GlowClient(database_url) as client:
        client.register_agent(
            "coder", "", {"metric": "label", "choices": ["travel", "meals"]}, PROMPT.content(), SHARES
        )
        for number in range(30):
            client.log_execution(f"e{number}", "coder", f"expense number {number} of kind {number * 7}", "meals")
            client.submit_annotation(f"e{number}", "expert", "correct", output="travel")
    store = Store(database_url)
    yield store
    store.close()


def learned(store: Store) -> list[LearningExample]:
    with store.transaction() as t:
        return BehaviorLearner().learn(
            t.feedback.executions_of_agent("coder"),
            t.feedback.feedback_of_agent("coder"),
            t.annotations.annotations_of_agent("coder"),
            (),
        )


def curate(store: Store, examples: list[LearningExample]) -> ExampleChanges:
    """Make these the agent's examples in force."""
    said: dict[str, list[LearningExample]] = defaultdict(list)
    for example in examples:
        said[input_key(example.input)].append(example)
    with store.transaction() as t:
        at = t.curation.lock()
        ids, _ = t.curation.register_inputs("coder", said)
        inputs = {
            ids[key]: LearningInput("coder", key, found[0].input, None, tuple(found)) for key, found in said.items()
        }
        groups = {id: each.examples[0].group for id, each in inputs.items()}
        t.input_groups.assign_splits("coder", assign_splits(set(groups.values()), {}, SHARES))
        t.input_groups.assign_groups(
            "coder", inputs, groups, near_marks("coder", [each.words for each in inputs.values()])
        )
        known = [row["input_id"] for row in t.connection.execute("select input_id from glow.learning_inputs")]
        return t.curation.replace_examples("coder", known, {id: each.examples for id, each in inputs.items()}, at)


def version(store: Store, as_of: datetime) -> str:
    with store.transaction() as t:
        found = [example for _, example, _ in t.datasets.examples_as_of("coder", as_of)]
        rule = DatasetRule("coder", shares=SHARES)
        return BehaviorLearner().generate_training_dataset(rule, found, t.datasets.splits("coder"), as_of).content_hash


def test_a_version_is_rebuilt_from_its_instant_after_later_changes(store: Store) -> None:
    examples = learned(store)
    curate(store, examples)
    instant = datetime.now(UTC)
    before = version(store, instant)
    first, second, *rest = sorted(examples, key=lambda example: example.status)  # approved ones come first
    assert first.status == second.status == "approved"
    changed = [replace(first, status="rejected", reason="spam"), *rest]
    changes = curate(store, changed)
    assert (changes.written, changes.closed, changes.unchanged) == (1, 1, len(examples) - 2)
    assert version(store, instant) == before
    assert version(store, datetime.now(UTC)) != before


def test_writing_the_same_examples_again_writes_nothing(store: Store) -> None:
    examples = learned(store)
    curate(store, examples)
    assert curate(store, examples).unchanged == len(examples)


def test_the_database_refuses_a_second_split_for_a_group(store: Store) -> None:
    curate(store, learned(store))
    with store.transaction() as t:
        (group, split) = next(iter(t.datasets.splits("coder").items()))
        other = "test" if split != "test" else "train"
        t.input_groups.assign_splits("coder", {group: other})
        assert t.datasets.splits("coder")[group] == split
    with pytest.raises(psycopg.ProgrammingError, match="immutable"), store.transaction() as t:
        t.connection.execute("update glow.split_assignments set split = 'test'")
    with pytest.raises(psycopg.errors.ForeignKeyViolation), store.transaction() as t:
        t.connection.execute(
            "update glow.learning_examples set split = case split when 'test' then 'train' else 'test' end"
        )


def test_a_prompt_address_is_the_same_in_python_and_in_sql(store: Store) -> None:
    odd = 'quotes " \\ slash \n newline \t tab \x1f unit \u2028 line – dash 漢字 😀'
    prompt = Prompt(
        odd,
        rules=(Rule("r1", odd, ("x", "y"), helpful=3),),
        demonstrations=(Demonstration("d1", odd, "travel"),),
        choices=("travel", "meals", "ä b"),
    )
    lineage = (Lineage("d1", "demo"), Lineage(Source("feedback", "7"), "rule_evidence", "r1"))
    with store.transaction() as t:
        t.prompts.add("coder", Candidate(prompt, "test", PROMPT.sha256, lineage))
        assert t.prompts.prompt("coder", prompt.sha256) == replace(prompt, rules=(Rule("r1", odd, ("x", "y")),))
        # The rule's vote is a source; an example that never was is none.
        assert t.prompts.untraced("coder", prompt.sha256) == [{"part": "demonstration", "id": "d1"}]


def test_a_demonstration_without_a_source_is_untraced(store: Store) -> None:
    prompt = replace(PROMPT, demonstrations=(Demonstration("nowhere", "taxi", "travel"),))
    with store.transaction() as t:
        t.prompts.add("coder", Candidate(prompt, "test", PROMPT.sha256))
        assert [row["id"] for row in t.prompts.untraced("coder", prompt.sha256)] == ["nowhere"]


def test_an_alias_moves_once_and_keeps_its_history(store: Store) -> None:
    other = replace(PROMPT, instruction="Other")
    with store.transaction() as t:
        t.prompts.add("coder", Candidate(other, "test", PROMPT.sha256))
        assert t.prompts.move_alias("coder", "candidate", other.sha256, "me", "why")
        assert not t.prompts.move_alias("coder", "candidate", other.sha256, "me", "again")
    with store.transaction() as t:
        rows = t.connection.execute("select alias, revision from glow.prompt_alias_history order by move_id").fetchall()
    assert [(row["alias"], row["revision"]) for row in rows] == [("production", 1), ("candidate", 1)]


def test_what_was_decided_by_an_old_revision_moves_nothing(store: Store) -> None:
    versions = [replace(PROMPT, instruction=f"Version {number}") for number in range(2)]
    with store.transaction() as t:
        for prompt in versions:
            t.prompts.add("coder", Candidate(prompt, "test", PROMPT.sha256))
    with store.transaction() as slow:
        seen = slow.prompts.in_force("coder")
        assert seen is not None
        with store.transaction() as fast:
            fast.prompts.move_alias("coder", "production", versions[0].sha256, "fast", "first")
        with pytest.raises(AliasMoved, match="revision 2"):
            slow.prompts.move_alias("coder", "production", versions[1].sha256, "slow", "", expected=seen.revision)
    with store.transaction() as t:
        found = t.prompts.in_force("coder")
        assert found is not None
        assert found.prompt == versions[0]


def test_a_late_commit_is_not_stepped_over(store: Store, database_url: str) -> None:
    with psycopg.connect(database_url) as late:
        late.execute("select glow_api.submit_feedback('coder', 'e1', 'slow', thumbs => 1)")  # open, not committed
        with GlowClient(database_url) as client:
            client.submit_feedback("coder", "e2", "quick", thumbs=1)
        with store.transaction() as t:
            first = t.feedback.arrivals({}, threshold=1)
        assert first == []  # the horizon stands before the open transaction, so neither row is taken yet
        late.commit()
    for _ in range(100):  # other tests of this server hold the horizon too
        with store.transaction() as t:
            found = t.feedback.arrivals({}, threshold=2)
        if found:
            break
        time.sleep(0.1)
    (arrival,) = found
    assert arrival.arrived == 2
    with store.transaction() as t:
        assert t.feedback.arrivals({"coder": arrival.horizon}, threshold=1) == []


def test_a_version_taken_back_puts_the_older_one_in_force(store: Store) -> None:
    examples = learned(store)
    curate(store, examples)

    def freeze(kept: list[LearningExample]) -> str:
        curate(store, kept)
        built = build_dataset(store, DatasetRule("coder", shares=SHARES))
        with store.transaction() as t:
            in_force = t.datasets.in_force("coder")
        assert in_force is not None
        assert in_force["dataset_id"] == built.dataset_id
        return str(built.dataset_id)

    approved = [example for example in examples if example.status == "approved"]
    assert freeze(approved) != freeze(approved[1:])
    assert freeze(approved[1:]) != freeze(approved)


def test_lineage_stays_when_the_example_loses_its_support(store: Store) -> None:
    curate(store, learned(store))
    with store.transaction() as t:
        (_, example, _) = next(
            each for each in t.datasets.examples_as_of("coder", datetime.now(UTC)) if each[2] == "train"
        )
        prompt = replace(PROMPT, demonstrations=(Demonstration(example.id, example.input, example.target),))
        t.prompts.add("coder", Candidate(prompt, "test", PROMPT.sha256, (Lineage(example.id, "demo"),)))
        before = t.prompts.lineage("coder", prompt.sha256)
    curate(store, [])
    with store.transaction() as t:
        assert t.prompts.lineage("coder", prompt.sha256) == before
    assert {row["from_kind"] for row in before} >= {"annotation", "execution"}
