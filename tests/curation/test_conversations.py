"""Questions of one conversation share a split in every version, also where they were first asked in another one."""

from collections import Counter, defaultdict
from collections.abc import Callable

from glow_pipelines.database import connect
from glow_pipelines.learning.datasets import DatasetRule
from glow_pipelines.services import Services
from glow_pipelines.steps.curation import curate
from glow_pipelines.steps.datasets import build_dataset, verify_dataset
from tests.curation.arrivals import AGENT, Run, approved, arrive
from tests.incremental.reading import settle

TALKS = 40
WORDS = [f"{chr(97 + n % 26)}{chr(97 + n * 7 % 26)}{n * 7919 % 100003}" for n in range(4 * TALKS)]


def asked(n: int) -> str:
    return " ".join(WORDS[4 * n : 4 * n + 4])


def test_a_conversation_that_asks_old_questions_again_is_not_torn(open_services: Callable[..., Services]) -> None:
    """16 of 40 were: a question keeps the group of the conversation it was first asked in."""
    services = open_services(shares=(0.4, 0.3, 0.3))
    old = [Run(f"a{n}", asked(n), "x", f"old{n}", n) for n in range(TALKS)] + [Run("hi", "hello", "x", "old0", 0)]
    new = [Run(f"b{n}", asked(n), "x", f"new{n // 2}", 100 + n) for n in range(TALKS)]
    hello = [Run(f"h{n}", "hello", "x", f"new{n}", 200) for n in range(TALKS // 2)]
    with connect(services.database_url, autocommit=True) as admin:
        first = len(old) + 1
        for rows in (approved(old), approved([*new, *hello], first=first)):
            arrive(admin, rows)
            settle(services.database_url)
            curate(services)
        built = build_dataset(services.store, DatasetRule(AGENT, shares=(0.4, 0.3, 0.3)))
        assert built.dataset_id is not None, built.refused
        kept = dict(
            admin.execute(
                "select x.input, d.split from glow.dataset_examples d"
                " join glow.learning_examples x using (example_version) where d.dataset_id = %s",
                (built.dataset_id,),
            ).fetchall()
        )
    splits: dict[str | None, set[str]] = defaultdict(set)
    for run in (*old, *new):
        if run.input in kept:
            splits[run.conversation].add(kept[run.input])
    assert [talk for talk, found in splits.items() if len(found) > 1] == []
    parted = built.statistics["drops"]["its conversation is held out"]
    assert 0 < parted < TALKS / 2
    assert parted == len(built.statistics["parted"]) == TALKS + 1 - built.rows
    assert "hello" in kept
    assert len(Counter(kept.values())) == 3
    assert verify_dataset(services.store, built.dataset_id).holds
