"""A night of curation: what it hears, where it stops and goes on, what it leaves alone."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import psycopg
import pytest

from glow_pipelines.client import GlowClient
from glow_pipelines.database import connect
from glow_pipelines.learning.datasets import BehaviorLearner
from glow_pipelines.providers.retry import RetryPolicy
from glow_pipelines.providers.types import ProviderError
from glow_pipelines.services import Services
from glow_pipelines.steps import curation
from glow_pipelines.steps.curation import CONSUMER, curate
from glow_pipelines.store.heard import HEARD
from glow_pipelines.store.input_groups import Embedded
from tests.curation.arrivals import AGENT, Judged, Rows, Run, Shown, Vote, approved, arrive, arrive_in_bulk, examples
from tests.incremental.reading import settle
from tests.openai_server import OpenAIServer, ScriptedModel


def night(services: Services) -> list[curation.Curated]:
    settle(services.database_url)
    return curate(services)


def questions(count: int) -> list[Rows]:
    return approved(Run(f"e{n}", f"question {n}, of {n * 7919} words", "x") for n in range(count))


def statuses(admin: psycopg.Connection) -> dict[str, str]:
    """Target → status of the examples in force."""
    return {row[2]: row[4] for row in examples(admin)}


def test_only_what_is_new_is_looked_at(services: Services, admin: psycopg.Connection) -> None:
    arrive(admin, questions(50))
    (first,) = night(services)
    assert (first.inputs, first.new_inputs, first.written) == (50, 50, 50)
    assert night(services) == []
    arrive(
        admin, [Vote(1, "e7", "ann", 1), Run("f", "Question 7: of, 55433 words!", "y"), Vote(2, "f", "bob", None, "z")]
    )
    (second,) = night(services)
    assert (second.inputs, second.new_inputs, second.written, second.closed) == (1, 0, 2, 0)
    arrive(admin, [Vote(3, "f", "bob")])
    (third,) = night(services)
    assert (third.inputs, third.written, third.closed) == (1, 0, 1)
    assert statuses(admin) == {"x": "approved"}


def test_a_question_asked_without_end_costs_no_more(services: Services, admin: psycopg.Connection) -> None:
    """Experts are heard wherever they spoke, then the newest: whatever was said of it before."""
    runs = [Run(f"e{n:04}", "Hello" + "!" * (n % 3), "hi", None, n) for n in range(3 * HEARD)]
    arrive_in_bulk(admin, runs, [Judged(1, "e0003", "eve", "correct", "good morning")])
    arrive(admin, [Vote(n + 1, run.id, f"u{n}", 1 if n < HEARD else -1) for n, run in enumerate(runs)])
    (done,) = night(services)
    assert (done.inputs, done.written) == (1, 2)
    (right, wrong) = sorted(examples(admin), key=lambda row: row[4])
    assert (right[2], right[4], wrong[2], wrong[4]) == ("good morning", "approved", "hi", "rejected")
    heard = {source[1] for source in wrong[-1] if source[0] == "execution"}
    assert heard == {"e0003"} | {run.id for run in runs[-HEARD + 1 :]}
    assert (wrong[6]["users_for"], wrong[6]["users_against"]) == (1, HEARD - 1)
    before = examples(admin)
    arrive(admin, [Vote(5000, "e0100", "late", 1)])
    (again,) = night(services)
    assert (again.inputs, again.written) == (1, 0)
    assert examples(admin) == before


def test_a_run_that_fails_goes_on_where_it_stopped(
    services: Services, admin: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(curation, "SLICE", 10)
    rows = questions(40)
    for n in range(40):
        arrive(admin, rows[2 * n : 2 * n + 2])
    settle(services.database_url)
    learn, calls = curation.learn, []

    def failing(*given: Any) -> curation.Curated:
        calls.append(given)
        if len(calls) == 3:
            raise RuntimeError("the machine went away")
        return learn(*given)

    monkeypatch.setattr(curation, "learn", failing)
    with pytest.raises(RuntimeError, match="went away"):
        curate(services)
    marks = "select agent, xid::text::bigint from glow.watermarks where consumer = %s order by agent"
    assert [agent for agent, _ in admin.execute(marks, (CONSUMER,)).fetchall()] == [AGENT]
    done = len(examples(admin))
    assert 0 < done < 40
    monkeypatch.setattr(curation, "learn", learn)
    (rest,) = curate(services)
    assert (rest.written, len(examples(admin))) == (40 - done, 40)
    assert [agent for agent, _ in admin.execute(marks, (CONSUMER,)).fetchall()] == ["", AGENT]
    assert admin.execute("select count(*) from glow.learning_examples").fetchone() == (40,)


def test_what_was_done_twice_changes_nothing(services: Services, admin: psycopg.Connection) -> None:
    arrive(admin, [Run("e", "taxi", "x"), Judged(1, "e", "eve", "correct", "y"), Shown(1, "max", "hotel", "z")])
    night(services)
    before = admin.execute("select * from glow.learning_examples order by example_version").fetchall()
    admin.execute("delete from glow.watermarks")
    (again,) = curate(services)
    assert (again.inputs, again.new_inputs, again.written, again.closed, again.unchanged) == (2, 0, 0, 0, 3)
    assert admin.execute("select * from glow.learning_examples order by example_version").fetchall() == before


def test_two_at_once_write_what_one_writes(services: Services, admin: psycopg.Connection) -> None:
    arrive(admin, questions(200))
    settle(services.database_url)
    with ThreadPoolExecutor(2) as threads:
        done = [found.result() for found in [threads.submit(curate, services) for _ in range(2)]]
    assert sum(each.written for found in done for each in found) == 200
    assert admin.execute("select count(*), count(distinct example_id) from glow.learning_examples").fetchone() == (
        200,
        200,
    )


def test_one_version_ends_at_the_instant_the_next_begins(services: Services, admin: psycopg.Connection) -> None:
    arrive(admin, [Run("e", "taxi", "x"), Judged(1, "e", "eve", "approve")])
    night(services)
    arrive(admin, [Vote(1, "e", "ann", 1)])
    night(services)
    ((ended, began),) = admin.execute(
        "select a.superseded_at, b.recorded_at"
        "  from glow.learning_examples a join glow.learning_examples b using (example_id)"
        " where a.superseded_at is not null and b.superseded_at is null"
    ).fetchall()
    assert ended == began


def test_what_rests_on_a_removed_execution_stays(services: Services, admin: psycopg.Connection) -> None:
    arrive(
        admin,
        [
            Run("e", "taxi", "x"),
            Judged(1, "e", "eve", "approve"),
            Run("f", "hotel", "y"),
            Judged(2, "f", "eve", "approve"),
        ],
    )
    night(services)
    admin.execute("delete from glow.executions where execution_id = 'e'")
    admin.execute("update glow.execution_keys set expired_at = clock_timestamp() where execution_id = 'e'")
    arrive(admin, [Run("g", "Taxi!", "z"), Vote(1, "g", "ann", 1)])
    night(services)
    assert statuses(admin) == {"x": "approved", "y": "approved"}
    admin.execute("delete from glow.execution_keys where execution_id = 'g'")
    assert admin.execute("select execution_id from glow.execution_inputs order by 1").fetchall() == [("e",), ("f",)]


def test_a_new_policy_tells_what_it_does_not_reach(services: Services, admin: psycopg.Connection) -> None:
    """What was said is gone with its executions: nothing is left to screen anew."""
    arrive(admin, approved([Run("e", "taxi", "x"), Run("f", "hotel", "y"), Run("g", "Hotel", "y")]))
    night(services)
    admin.execute("update glow.execution_keys set expired_at = clock_timestamp() where execution_id in ('e', 'g')")
    admin.execute("delete from glow.executions where execution_id in ('e', 'g')")
    ask = "select glow_api.set_curation_policy(%s, shortest_target => 5) -> 'out_of_reach'"
    assert admin.execute(ask, (AGENT,)).fetchone() == (1,)
    night(services)
    assert statuses(admin) == {"x": "approved", "y": "quarantined"}
    assert admin.execute(ask, (AGENT,)).fetchone() == (1,)


def test_what_experts_approved_of_a_removed_execution_yields_to_no_user(
    services: Services, admin: psycopg.Connection
) -> None:
    arrive(admin, [Run("e", "taxi", "x"), Judged(1, "e", "eve", "approve")])
    night(services)
    admin.execute("delete from glow.executions")
    admin.execute("update glow.execution_keys set expired_at = clock_timestamp()")
    arrive(admin, [Run("f", "Taxi!", "z"), Vote(1, "f", "ann", None, "x")])
    night(services)
    assert statuses(admin) == {"x": "approved"}
    arrive(admin, [Run("g", "taxi", "x"), Judged(2, "g", "eve", "reject")])
    night(services)
    assert statuses(admin) == {"x": "rejected"}


def test_what_retention_removed_takes_nobodys_place(services: Services, admin: psycopg.Connection) -> None:
    """Experts are heard first and no more than so many; those whose executions are gone say nothing."""
    old = [Run(f"e{n:04}", "taxi", "x", None, n) for n in range(HEARD)]
    arrive_in_bulk(admin, old, [Judged(n, run.id, "eve", "approve") for n, run in enumerate(old, 1)])
    night(services)
    admin.execute("delete from glow.executions")
    admin.execute("delete from glow.heard_inputs")
    admin.execute("update glow.execution_keys set expired_at = clock_timestamp()")
    arrive(admin, [Run("f", "taxi", "y", None, HEARD), Vote(1, "f", "ann", None, "z")])
    night(services)
    assert statuses(admin) == {"x": "approved", "z": "pending"}


def test_an_expert_who_answers_anew_leaves_no_second_answer(services: Services, admin: psycopg.Connection) -> None:
    arrive(admin, [Run("e", "taxi", "x"), Judged(1, "e", "eve", "approve")])
    night(services)
    admin.execute("delete from glow.executions")
    admin.execute("update glow.execution_keys set expired_at = clock_timestamp()")
    arrive(admin, [Run("f", "taxi", "z"), Judged(2, "f", "eve", "correct", "y")])
    night(services)
    assert {target for target, status in statuses(admin).items() if status == "approved"} == {"y"}


def test_experts_of_two_tenants_are_two_experts(services: Services, admin: psycopg.Connection) -> None:
    arrive(admin, [Run("e", "taxi", "x"), Judged(1000, "e", "ann", "approve")])
    with GlowClient(services.database_url) as client:
        client.log_execution("e", AGENT, "taxi", "x", tenant="other")
        client.submit_annotation("e", "ann", "reject", tenant="other")
    night(services)
    ((*_, parts, _, _, reason, _, _),) = examples(admin)
    assert (parts["experts_for"], parts["experts_against"]) == (1, 1)
    assert reason == "experts disagree whether it is right"
    with services.store.transaction() as t:
        assert sorted(each.reviewer for each in t.quality.judgements(AGENT, answers=False)) == ["ann", "other\x1fann"]
        changed = t.quality.set_reliability(AGENT, {"ann": 0.5, "other\x1fann": 2.0}, "majority")
        assert t.curation.mark_stale_of_reviewers(AGENT, changed, "weight") == 1
    night(services)
    assert statuses(admin) == {"x": "rejected"}


def test_questions_marked_stale_are_learned_again(services: Services, admin: psycopg.Connection) -> None:
    arrive(admin, [Run("e", "taxi", "x"), Judged(1, "e", "eve", "approve")])
    night(services)
    admin.execute("update glow.expert_annotations set verdict = 'reject'")  # as if a rule read it otherwise now
    assert night(services) == []
    with services.store.transaction() as t:
        assert t.curation.mark_stale(AGENT, "the rules changed") == 1
    (again,) = night(services)
    assert (again.inputs, again.written) == (1, 1)
    assert statuses(admin) == {"x": "rejected"}
    assert night(services) == []


def test_questions_of_a_reviewer_whose_weight_changed_are_learned_again(
    services: Services, admin: psycopg.Connection
) -> None:
    arrive(
        admin,
        [
            *approved([Run("e", "taxi", "x")]),
            *approved([Run("f", "hotel", "y")], "max", 2),
            Shown(1, "eve", "pen", "z"),
            Run("g", "bus", "x"),
        ],
    )
    admin.execute(
        "insert into glow.comparisons (tenant, execution_id, agent, reviewer, first, second, preferred, payload_hash)"
        " values ('default', 'g', %s, 'eve', 'x', 'y', 'first', '')",
        (AGENT,),
    )
    night(services)
    with services.store.transaction() as t:
        assert t.curation.mark_stale_of_reviewers(AGENT, ["eve"], "weight") == 3
    (again,) = night(services)
    assert (again.inputs, again.unchanged) == (3, 4)


def test_new_words_find_their_group_and_erased_ones_are_no_neighbour(
    services: Services, admin: psycopg.Connection
) -> None:
    long = "a taxi from the office to the airport on monday morning"
    arrive(admin, [Run("e", long, "x"), Judged(1, "e", "eve", "approve")])
    night(services)
    arrive(admin, [Run("f", long + " please", "y"), Judged(2, "f", "eve", "approve")])
    (joined,) = night(services)
    assert (joined.joined, joined.bridges) == (1, 0)
    admin.execute(
        "update glow.learning_examples set input = null, target = null, erased_at = now(), status = 'rejected'"
    )
    arrive(admin, [Run("g", long + " thanks", "z"), Judged(3, "g", "eve", "approve")])
    (alone,) = night(services)
    assert (alone.joined, alone.written) == (0, 1)


def test_paraphrases_share_a_group(open_services: Callable[..., Services]) -> None:
    first, other = "taxi airport monday morning early", "early monday morning airport taxi"
    with OpenAIServer(ScriptedModel()) as server:
        services = open_services(**server.environment(), GLOW_PARAPHRASES="true")
        with connect(services.database_url, autocommit=True) as admin:
            arrive(admin, approved([Run("e", first, "x")]))
            night(services)
            arrive(admin, approved([Run("f", other, "y"), Run("g", "hotel in berlin", "z")], first=2))
            (done,) = night(services)
            assert done.joined == 1
            counted = "select count(distinct group_key), count(embedding) from glow.learning_inputs"
            assert admin.execute(counted).fetchone() == (2, 3)


def test_a_model_out_of_reach_is_an_error_and_nothing_is_grouped_without_it(
    open_services: Callable[..., Services],
) -> None:
    nobody = {"OPENAI_BASE_URL": "http://127.0.0.1:9/v1", "OPENAI_API_KEY": "key"}
    services = open_services(**nobody, GLOW_CHAT_MODEL="chat", GLOW_EMBEDDING_MODEL="embed", GLOW_PARAPHRASES="true")
    services.embeddings._model._retry = RetryPolicy(attempts=1)  # type: ignore[attr-defined]
    with connect(services.database_url, autocommit=True) as admin:
        arrive(admin, approved([Run("e", "taxi", "x")]))
        with pytest.raises(ProviderError, match="embed"):
            night(services)
        assert examples(admin) == []


def test_expert_examples_come_from_train_the_nearest_first(open_services: Callable[..., Services]) -> None:
    with OpenAIServer(ScriptedModel()) as server:
        services = open_services((1.0, 0.0, 0.0), **server.environment(), GLOW_PARAPHRASES="true")
        inputs = ["taxi to the airport", "taxi to the station", "hotel in berlin", "new laptop"]
        with connect(services.database_url, autocommit=True) as admin:
            arrive(admin, [Run(f"e{n}", text, "travel" if n < 3 else "office") for n, text in enumerate(inputs)])
            arrive(admin, [Judged(n + 1, f"e{n}", "eve", "approve") for n in range(4)])
            night(services)
        query = "a taxi to the airport"
        embedded = Embedded(services.embeddings.name, {query: services.embeddings.embed([query])[0]})
        vectors = dict(zip(inputs, services.embeddings.embed(inputs), strict=True))
        with services.store.transaction() as t:
            found = t.curation.expert_examples(AGENT, embedded, query, k=2)
            assert [example.input for example in found] == inputs[:2]
            assert [e.input for e in t.curation.expert_examples(AGENT, embedded, query, "Office!")] == ["new laptop"]
            everything = t.curation.expert_examples(AGENT, embedded, query, k=9)
        learner = BehaviorLearner(curation.BehaviorSettings(shares=(1.0, 0.0, 0.0)))
        assert learner.get_expert_examples(np.asarray(embedded.vectors[query]), everything, vectors, k=9) == everything
