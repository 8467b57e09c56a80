"""From a search log to an experiment with a learned configuration, against a real PostgreSQL.

Belongs here: the order of steps, what is written once, what a death leaves. Does not: what is learned (learning tests).
"""

from collections.abc import Iterator

import pytest

from glow_pipelines.settings import Settings
from glow_pipelines.steps.knowledge import query_split
from glow_pipelines.steps.retrieval import promotion
from glow_pipelines.steps.retrieval.indexing import index_agent
from glow_pipelines.steps.retrieval.promotion import promote
from glow_pipelines.steps.retrieval.training import NothingToLearn, train
from tests.steps.dying import Died, dying
from tests.steps.indexing_world import AGENT
from tests.steps.retrieval_world import Desk


@pytest.fixture
def desk(database_url: str) -> Iterator[Desk]:
    desk = Desk(database_url)
    desk.write()
    index_agent(desk.services, AGENT)
    yield desk
    desk.close()


def in_force(desk: Desk) -> str:
    with desk.store.transaction() as t:
        current = t.retrieval.in_force(AGENT)
    assert current is not None
    return current.configuration


def test_what_people_click_becomes_an_experiment_once(desk: Desk) -> None:
    desk.search("first")
    before = in_force(desk)
    trained = train(desk.services, AGENT)
    assert trained.candidate is not None, trained.training.tuning.reason
    assert trained.news == 240
    tried = promote(desk.services, AGENT, trained.candidate)
    assert tried.state == "passed", tried.reason
    assert tried.experiment_id is not None
    assert in_force(desk) == before, "users decide, not the gate"
    with desk.store.transaction() as t:
        (running,) = t.experiments.active(AGENT, "retrieval")
        assert (running["control"], running["treatment"]) == (before, trained.candidate.configuration.sha256)
        assert running["gate_id"] == tried.gate_id
        told = [each for each in t.notifications.since(AGENT) if each["kind"] == "retrieval_candidate"]
        assert [each["body"]["experiment_id"] for each in told] == [running["experiment_id"]]
        assert t.operations.retrieval_gain() is not None
        shares = t.feedback.agent(AGENT).shares
        pairs = t.connection.execute("select query, split from glow.embedding_training_pairs").fetchall()
    assert pairs
    assert all(row["split"] == "train" == query_split(row["query"], shares) for row in pairs)
    assert all(query_split(row.query, shares) == "train" for row in trained.candidate.configuration.memory)

    again = train(desk.services, AGENT)
    assert (again.visits, again.news) == (0, 0)
    assert again.candidate is not None
    assert again.candidate.configuration.sha256 == trained.candidate.configuration.sha256
    waiting = promote(desk.services, AGENT, again.candidate)
    assert (waiting.state, waiting.experiment_id) == ("waiting", None)
    assert running["experiment_id"] in waiting.reason
    with desk.store.transaction() as t:
        assert t.retrieval.looks(AGENT) == 1

    # An arm is served to whom the experiment draws, and the winner is put in force by it alone.
    served = {
        desk.client.search(AGENT, "question x topic 3", embedding=desk.model.embed(["question x topic 3"])[0].tolist(),
                           unit=f"u{n}").configuration
        for n in range(40)
    }  # fmt: skip
    assert served == {before, trained.candidate.configuration.sha256}
    with desk.store.transaction() as t:
        t.experiments.put_in_force(running["experiment_id"], "treatment", "test", "shipped")
        assert t.retrieval.ungated(AGENT) is None
        t.rollouts.stop_experiment(running["experiment_id"], "keep", "test", "over", {})
    same = promote(desk.services, AGENT, again.candidate)
    assert (same.state, same.reason) == ("nothing", "what was learned is in force already")


def test_random_clicks_start_nothing(desk: Desk) -> None:
    desk.search("first", at_random=True)
    trained = train(desk.services, AGENT)
    tried = promote(desk.services, AGENT, trained.candidate)
    assert tried.state in ("nothing", "kept")
    with desk.store.transaction() as t:
        assert t.experiments.active(AGENT) == []


def test_gates_keep_their_distance_and_a_known_one_is_no_look(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.search("first", topics=range(0, 40, 4))
    trained = train(desk.services, AGENT)
    monkeypatch.setattr(promotion, "gate", lambda *a, **k: never(*a, **k))
    first = promote(desk.services, AGENT, trained.candidate)
    assert first.state == "kept"
    assert promote(desk.services, AGENT, trained.candidate).state == "kept"
    desk.search("second", topics=range(1, 40, 4))
    trained = train(desk.services, AGENT)
    assert trained.news == 60
    later = promote(desk.services, AGENT, trained.candidate)
    assert later.state == "waiting"
    assert "hours" in later.reason
    with desk.store.transaction() as t:
        assert t.retrieval.looks(AGENT) == 1


def never(*args: object, **options: object) -> object:
    from dataclasses import replace

    from glow_pipelines.learning.retrieval.gate import gate

    return replace(gate(*args, **options), verdict="keep")  # type: ignore[arg-type]


def test_nothing_is_learned_without_searches_or_when_it_is_switched_off(desk: Desk) -> None:
    with pytest.raises(NothingToLearn, match="no search"):
        train(desk.services, AGENT)
    desk.search("first", topics=range(3))
    desk.settings = Settings.from_environment({"RAG_LEARNING_ENABLED": "false"})
    with pytest.raises(NothingToLearn, match="RAG_LEARNING_ENABLED"):
        train(desk.services, AGENT)


def test_killed_anywhere_the_old_one_serves_and_the_next_run_ends_it(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.search("first")
    before = in_force(desk)
    deaths = 0
    for at in range(0, 1000, 7):
        try:
            with dying(monkeypatch, at):
                promote(desk.services, AGENT, train(desk.services, AGENT).candidate)
        except Died:
            deaths += 1
            assert in_force(desk) == before
            with desk.store.transaction() as t:
                assert (t.retrieval.looks(AGENT), t.experiments.active(AGENT)) == (0, [])
        else:
            break
    assert deaths > 5
    tried = promote(desk.services, AGENT, train(desk.services, AGENT).candidate)
    with desk.store.transaction() as t:
        (running,) = t.experiments.active(AGENT, "retrieval")
        assert t.retrieval.looks(AGENT) == 1
        assert len([each for each in t.notifications.since(AGENT) if each["kind"] == "retrieval_candidate"]) == 1
    assert running["experiment_id"] in (tried.experiment_id or tried.reason)
    assert in_force(desk) == before
