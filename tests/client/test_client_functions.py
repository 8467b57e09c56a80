"""GlowClient and, through it, the functions apps call."""

import threading
from collections.abc import Iterator
from dataclasses import replace

import psycopg
import pytest

from glow_pipelines.client import Conflict, GlowClient, InvalidValue, NotFound, TooLarge
from glow_pipelines.store import Store

PROMPT = {"instruction": "What account is this expense?", "choices": ["travel", "meals"]}


@pytest.fixture
def client(database_url: str) -> Iterator[GlowClient]:
    with GlowClient(database_url) as client:
        client.register_agent("coder", "codes expenses", {"metric": "label", "choices": ["travel", "meals"]}, PROMPT)
        yield client


def test_registering_again_keeps_the_first_prompt_and_the_shares(client: GlowClient) -> None:
    first = client.resolve_prompt("coder")
    again = client.register_agent(
        "coder", "now described", prompt={"instruction": "Other"}, split_shares=(0.5, 0.2, 0.3)
    )
    assert again.created is False
    assert client.resolve_prompt("coder") == first
    assert first.prompt == PROMPT


def test_a_vote_changes_and_its_history_stays(client: GlowClient, database_url: str) -> None:
    client.log_execution("e1", "coder", "taxi", "meals", user_id="u1")
    up = client.submit_feedback("coder", "e1", "u1", thumbs=1)
    down = client.submit_feedback("coder", "e1", "u1", thumbs=-1, issues=["wrong_answer"], correction="travel")
    assert down.supersedes == up.feedback_id
    stats = client.feedback_stats("coder")
    assert (stats.thumbs_up, stats.thumbs_down, stats.corrections) == (0, 1, 1)
    assert client.common_issues("coder")[0].issue == "wrong_answer"
    with psycopg.connect(database_url) as connection:
        assert connection.execute("select count(*) from glow.agent_feedback").fetchone() == (2,)


def test_a_correction_alone_leaves_the_vote(client: GlowClient) -> None:
    client.log_execution("e1", "coder", "taxi", "meals")
    client.submit_feedback("coder", "e1", "u1", thumbs=-1)
    assert client.submit_feedback("coder", "e1", "u1", correction="travel").supersedes is None
    stats = client.feedback_stats("coder")
    assert (stats.thumbs_down, stats.corrections) == (1, 1)


def test_a_retry_with_the_same_key_changes_nothing(client: GlowClient) -> None:
    client.log_execution("e1", "coder", "taxi", "meals")
    first = client.submit_feedback("coder", "e1", "u1", thumbs=1, idempotency_key="k")
    client.submit_feedback("coder", "e1", "u1", thumbs=-1)
    retry = client.submit_feedback("coder", "e1", "u1", thumbs=1, idempotency_key="k")
    assert (retry.status, retry.feedback_id) == ("replayed", first.feedback_id)
    assert client.feedback_stats("coder").thumbs_down == 1
    with pytest.raises(Conflict, match="idempotency_key"):
        client.submit_feedback("coder", "e1", "u1", thumbs=-1, idempotency_key="k")


def test_feedback_before_its_execution_is_kept_and_joined(client: GlowClient) -> None:
    early = client.submit_feedback("coder", "e1", "u1", thumbs=1)
    assert early.execution_known is False
    assert client.feedback_stats("coder").waiting_for_execution == 1
    assert client.log_execution("e1", "coder", "taxi", "travel").feedback_waiting == 1
    stats = client.feedback_stats("coder")
    assert (stats.waiting_for_execution, stats.executions_with_feedback) == (0, 1)


def test_an_execution_id_means_one_execution(client: GlowClient) -> None:
    assert client.log_execution("e1", "coder", "taxi", "travel").status == "accepted"
    assert client.log_execution("e1", "coder", "taxi", "travel").status == "replayed"
    with pytest.raises(Conflict, match="execution_id"):
        client.log_execution("e1", "coder", "taxi", "meals")


def test_simultaneous_votes_leave_one_current_vote(client: GlowClient, database_url: str) -> None:
    client.log_execution("e1", "coder", "taxi", "meals")
    barrier = threading.Barrier(4)

    def vote(rating: int) -> None:
        barrier.wait()
        client.submit_feedback("coder", "e1", "u1", rating=rating)

    threads = [threading.Thread(target=vote, args=(rating,)) for rating in (1, 2, 3, 4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with psycopg.connect(database_url) as connection:
        rows = connection.execute("select superseded_by is null from glow.agent_feedback").fetchall()
    assert sorted(current for (current,) in rows) == [False, False, False, True]


@pytest.mark.parametrize(
    ("arguments", "error", "field"),
    [
        ({"rating": 6}, InvalidValue, "rating"),
        ({"rating": 0}, InvalidValue, "rating"),
        ({"thumbs": 2}, InvalidValue, "thumbs"),
        ({"dimensions": {"speed": 3}}, InvalidValue, "dimensions.speed"),
        ({"dimensions": {"clarity": 9}}, InvalidValue, "dimensions.clarity"),
        ({"issues": [""]}, InvalidValue, "issues"),
        ({"comment": ""}, InvalidValue, "comment"),
        ({"correction": "x" * 1_000_001}, TooLarge, "correction"),
        ({}, InvalidValue, "feedback"),
    ],
)
def test_bad_feedback_is_refused_by_field_and_nothing_is_written(
    client: GlowClient, arguments: dict[str, object], error: type[Exception], field: str
) -> None:
    client.log_execution("e1", "coder", "taxi", "meals")
    with pytest.raises(error, match=field):
        client.submit_feedback("coder", "e1", "u1", **arguments)  # type: ignore[arg-type]
    assert client.feedback_stats("coder").users == 0


def test_hostile_text_is_stored_as_text(client: GlowClient, database_url: str) -> None:
    text = "'; drop table glow.agents; -- <script>alert(1)</script> {{7*7}} \u202e %s {0}"
    client.log_execution("e1", "coder", text, text)
    client.submit_feedback("coder", "e1", "u1", comment=text, issues=[text[:80]])
    with psycopg.connect(database_url) as connection:
        assert connection.execute("select input from glow.executions").fetchone() == (text,)
        assert connection.execute("select comment from glow.agent_feedback").fetchone() == (text,)


def test_unknown_things_are_not_found(client: GlowClient) -> None:
    with pytest.raises(NotFound, match="agent"):
        client.submit_feedback("nobody", "e1", "u1", thumbs=1)
    with pytest.raises(NotFound, match="execution_id"):
        client.submit_annotation("e1", "expert", "approve")
    with pytest.raises(NotFound, match="prompt_version"):
        client.log_execution("e1", "coder", "taxi", "meals", prompt_version="f" * 64)


def test_annotations_and_demonstrations(client: GlowClient) -> None:
    client.log_execution("e1", "coder", "taxi", "meals")
    assert client.submit_annotation("e1", "x1", "correct", output="travel").status == "accepted"
    assert client.submit_annotation("e1", "x1", "correct", output="travel").status == "unchanged"
    assert client.submit_annotation("e1", "x1", "approve").supersedes is not None
    with pytest.raises(InvalidValue, match="output"):
        client.submit_annotation("e1", "x2", "correct")
    first = client.submit_demonstration("coder", "x1", "train", "travel", idempotency_key="d")
    again = client.submit_demonstration("coder", "x1", "train", "travel", idempotency_key="d")
    assert again == replace(first, status="replayed")


def test_clicks_are_added_to_a_logged_search(client: GlowClient, database_url: str) -> None:
    hits = [{"chunk_id": "a", "rank": 1, "score": 0.9}, {"chunk_id": "b", "rank": 2, "score": 0.5}]
    assert client.log_retrieval("r1", "coder", "tax?", hits, policy="interleave").status == "accepted"
    client.log_retrieval("r1", "coder", "tax?", [{"chunk_id": "b", "rank": 2, "clicked": True}])
    client.log_retrieval("r1", "coder", "tax?", hits)  # a late retry of the first call takes no click back
    with psycopg.connect(database_url) as connection:
        rows = connection.execute(
            "select chunk_id, clicked, propensity from glow.retrieval_hits order by rank"
        ).fetchall()
    assert rows == [("a", False, 1.0), ("b", True, 0.5)]
    with pytest.raises(Conflict, match="event_id"):
        client.log_retrieval("r1", "coder", "other?", hits)


def test_learning_stats_counts(client: GlowClient) -> None:
    client.log_execution("e1", "coder", "taxi", "meals")
    stats = client.learning_stats()
    assert (stats.agents, stats.executions, stats.feedback) == (1, 1, 0)


def test_what_measures_reviewers_or_decides_is_no_annotation(client: GlowClient, database_url: str) -> None:
    for name in ("gold", "undecided", "plain"):
        client.log_execution(name, "coder", "taxi", "meals")
    client.set_gold("gold", "reject")
    client.submit_annotation("gold", "ann", "approve")
    client.adjudicate("approve", execution_id="undecided", reviewer="dan")
    client.submit_annotation("plain", "ann", "reject")
    stats = client.learning_stats()
    assert (stats.annotations, stats.answer["adjudications"]) == (1, 2)
    store = Store(database_url)
    with store.transaction() as t:
        counts = t.operations.success_counts()
    store.close()
    assert (counts["annotations"], counts["annotations_approved"], counts["annotation_days"]) == (1, 0, 1)


AGENT = {"agent": "x"}
RUN = {"execution_id": "p", "agent": "coder", "input": "i", "output": "o"}
SEARCH = {"event_id": "p", "agent": "coder", "query": "q"}
HIT = {"chunk_id": "a", "rank": 1}
POISON = [
    ("register_agent", AGENT | {"evaluation": {"metric": "label", "choices": 5}}, "evaluation"),
    ("register_agent", AGENT | {"evaluation": {"metric": ["x"]}}, "evaluation"),
    ("register_agent", AGENT | {"evaluation": {"max_calls": "abc"}}, "evaluation"),
    ("register_agent", AGENT | {"prompt": {"instruction": "x", "rules": 5}}, "prompt"),
    ("register_agent", AGENT | {"prompt": {"instruction": "x", "unheard": 5}}, "prompt"),
    ("register_agent", AGENT | {"split_shares": (0, 0, 1)}, "split_shares"),
    ("register_agent", AGENT | {"split_shares": (-1, 1, 1)}, "split_shares"),
    ("log_execution", RUN | {"cost_usd": float("nan")}, "cost_usd"),
    ("log_execution", RUN | {"cost_usd": -1.0}, "cost_usd"),
    ("log_execution", RUN | {"prompt_tokens": -1}, "prompt_tokens"),
    ("log_execution", RUN | {"model": "m" * 300}, "model"),
    ("log_execution", RUN | {"input": "nul \x00"}, "NUL"),
    ("log_execution", RUN | {"input": "half \ud800"}, "Unicode"),
    ("log_retrieval", SEARCH | {"hits": [HIT, HIT]}, "hits"),
    ("log_retrieval", SEARCH | {"hits": [HIT | {"score": "high"}]}, "hits.score"),
    ("log_retrieval", SEARCH | {"hits": [HIT | {"propensity": 0}]}, "hits.propensity"),
    ("log_retrieval", SEARCH | {"hits": [HIT | {"leg": "left"}]}, "hits.leg"),
    ("log_retrieval", SEARCH | {"hits": [HIT | {"clicked": "yes"}]}, "hits.clicked"),
    ("log_retrieval", SEARCH | {"hits": [HIT | {"explicit": 7}]}, "hits.explicit"),
    ("log_retrieval", SEARCH | {"hits": [{"rank": 1, "chunk_id": ""}]}, "hits.chunk_id"),
    ("log_retrieval", SEARCH | {"hits": [HIT], "configuration": "c" * 300}, "configuration"),
]


@pytest.mark.parametrize(("function", "arguments", "field"), POISON)
def test_poison_is_refused_by_name(client: GlowClient, function: str, arguments: dict[str, object], field: str) -> None:
    with pytest.raises(InvalidValue, match=field):
        getattr(client, function)(**arguments)


def test_an_instant_beyond_time_is_now(client: GlowClient, database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(
            "select glow_api.log_execution('e9', 'coder', 'in', 'out', started_at => 'infinity'),"
            " glow_api.submit_feedback('coder', 'e9', 'u', thumbs => 1, occurred_at => 'infinity')"
        )
        row = connection.execute("select isfinite(started_at), started_at <= now() from glow.executions").fetchone()
    assert row == (True, True)


def test_one_key_for_two_executions_at_once_is_a_conflict(client: GlowClient) -> None:
    for name in ("e1", "e2"):
        client.log_execution(name, "coder", "taxi", "meals")
    barrier, outcomes = threading.Barrier(2), []

    def vote(execution: str) -> None:
        barrier.wait()
        try:
            outcomes.append(client.submit_feedback("coder", execution, "u", thumbs=1, idempotency_key="k").status)
        except Conflict:
            outcomes.append("conflict")

    threads = [threading.Thread(target=vote, args=(name,)) for name in ("e1", "e2")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["accepted", "conflict"]


def test_feedback_for_an_execution_of_another_agent_is_nobodys(client: GlowClient) -> None:
    client.register_agent("other")
    client.submit_feedback("coder", "e1", "u", thumbs=1)
    client.log_execution("e1", "other", "in", "out")
    stats = client.feedback_stats("coder")
    assert (stats.executions_with_feedback, stats.waiting_for_execution) == (0, 1)
