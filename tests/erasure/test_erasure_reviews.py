"""What an erasure does to reviews, comparisons, patterns and questions, whom it spares, and that learning goes on."""
# ruff: noqa: E501 -- SQL is read best unbroken

from typing import Any

import dagster as dg
import psycopg
import pytest

from glow_pipelines.defs.annotation_quality import annotation_quality
from glow_pipelines.defs.corrections import correction_patterns
from glow_pipelines.erasure import finish_erasures
from glow_pipelines.services import Services
from tests.api.calling import AGENT, call, execution, one
from tests.erasure.reviewing import claim
from tests.erasure.small import WHO, curate, erase

THEIRS = "an answer that nobody but this person ever gave"


def rows(connection: psycopg.Connection, query: str) -> list[Any]:
    return connection.execute(query.encode()).fetchall()


def ask(connection: psycopg.Connection, n: int, user: str, text: str, **more: Any) -> None:
    call(connection, "log_execution", **execution(n) | {"input": text, "user_id": user, **more})


def compare(connection: psycopg.Connection, n: int, alternative: str, reviewers: tuple[str, ...]) -> None:
    """Every reviewer prefers the alternative."""
    call(connection, "request_comparison", execution_id=f"e-{n}", alternative=alternative)
    for reviewer in reviewers:
        ((item, shown),) = claim(connection, reviewer, "comparison", 1).items()
        call(connection, "submit_comparison", item_id=item, reviewer=reviewer, notes=f"by {reviewer}",
             preferred="first" if shown["first"] == alternative else "second")  # fmt: skip


def test_what_happened_in_the_queue_is_changed_by_an_erasure_only(admin: psycopg.Connection) -> None:
    ask(admin, 1, "u-1", "question")
    item = call(admin, "request_review", execution_id="e-1")["item_id"]
    call(admin, "skip", item_id=item, reason=f"{WHO} knows", reviewer=WHO)
    for statement in ("update glow.review_events set reason = null", "delete from glow.review_events"):
        with pytest.raises(psycopg.Error, match="append-only"), admin.transaction():
            admin.execute(statement.encode())
    assert erase(admin)["tables"]["review_events"] == 1
    ((event, reviewer, about, reason),) = rows(
        admin, "select event, reviewer, execution_id, reason from glow.review_events"
    )
    assert (event, about, reason) == ("skipped", "e-1", None)
    assert reviewer.startswith("erased-")
    assert rows(admin, "select reviewer from glow.review_passes") == [(reviewer,)]


def test_items_about_the_person_go_and_no_key_stays_for_an_item_alone(admin: psycopg.Connection) -> None:
    ask(admin, 1, WHO, "question of one")
    ask(admin, 2, "u-2", "question of another")
    for n in (1, 2):
        item = call(admin, "request_review", execution_id=f"e-{n}")["item_id"]
        call(admin, "skip", item_id=item, reason="somebody else's words", reviewer="r-1")
        compare(admin, n, "another answer", ("r-1", WHO))
    assert erase(admin)["tables"]["review_items"] == 2
    assert rows(admin, "select distinct execution_id from glow.review_items") == [("e-2",)]
    assert rows(admin, "select execution_id from glow.execution_keys") == [("e-2",)]
    left = rows(admin, "select reviewer = 'r-1', notes, idempotency_key from glow.comparisons order by 1 desc")
    assert left == [(True, "by r-1", None), (False, None, None)]
    # Who did what with an item of the person stays, without the reason.
    told = rows(admin, "select distinct execution_id = 'e-2', reason from glow.review_events where reviewer = 'r-1'"
                       " and event = 'skipped' order by 1")  # fmt: skip
    assert told == [(False, None), (True, "somebody else's words")]


def test_an_answer_of_the_person_alone_is_compared_no_more(admin: psycopg.Connection, services: Services) -> None:
    """And is learned no more; what two people gave is nobody's."""
    for n, answer in ((1, THEIRS), (2, "an answer that two people gave of themselves")):
        ask(admin, n, f"u-{n}", f"question of kind {n * 37}")
        call(admin, "submit_feedback", agent=AGENT, execution_id=f"e-{n}", user_id=WHO, correction=answer)
        if n == 2:
            call(admin, "submit_feedback", agent=AGENT, execution_id="e-2", user_id="u-2", correction=answer)
        compare(admin, n, answer, ("r-1",))
    call(admin, "withdraw_feedback", agent=AGENT, execution_id="e-1", user_id=WHO)
    curate(services)
    learned = "select target from glow.learning_examples where superseded_at is null and status = 'approved' order by 1"
    assert (THEIRS,) in rows(admin, learned)
    erase(admin)
    assert rows(admin, "select execution_id from glow.comparisons") == [("e-2",)]
    curate(services)
    assert rows(admin, learned) == [("an answer that two people gave of themselves",)]
    assert one(admin, "select count(*) from glow.learning_examples x where x::text like %s", f"%{THEIRS}%") == 0


def test_a_question_of_the_person_alone_leaves_no_trace_and_a_shared_one_is_learned_again(
    admin: psycopg.Connection, services: Services
) -> None:
    for n, (user, text) in enumerate(
        ((WHO, "What did I pay for a tram on the way to the airport of Graz, all in all?"),
         (WHO, "What everybody asks: tram or bus?"), ("u-1", "what everybody asks: tram, or bus"))
    ):  # fmt: skip
        ask(admin, n, user, text, conversation_id=f"talk-{user}", output="travel")
        call(admin, "submit_annotation", execution_id=f"e-{n}", reviewer="r-1", verdict="approve")
    curate(services)
    alone, shared = (
        one(admin, "select input_id from glow.execution_inputs where execution_id = %s", e) for e in ("e-0", "e-1")
    )
    admin.execute("update glow.learning_inputs set embedding = '[1]', embedding_model = 'm'")
    group = one(admin, "select group_key from glow.learning_inputs where input_id = %s", alone)
    assert one(admin, "select count(distinct input_id) from glow.near_keys") == 2
    erase(admin)
    told = {
        input_id: marks
        for input_id, *marks in rows(
            admin,
            "select input_id, sketch is null, embedding is null, embedding_model, conversation from glow.learning_inputs",
        )
    }
    assert told.pop(alone) == [True, True, None, None]
    ((*marks, conversation),) = told.values()
    assert marks == [False, False, "m"]
    assert conversation in (None, "talk-u-1")
    assert rows(admin, "select distinct input_id from glow.near_keys") == [(shared,)]
    assert rows(admin, "select input_id from glow.stale_inputs") == [(shared,)]
    votes = rows(admin, "select * from glow.vote_days")
    curate(services)
    assert rows(admin, "select input from glow.learning_examples where superseded_at is null") == [
        ("what everybody asks: tram, or bus",)
    ]
    assert rows(admin, "select * from glow.vote_days") == votes
    assert rows(admin, "select * from glow.stale_inputs") == []

    # Somebody else comes to ask the same, and a third nearly the same: all of one group still.
    for n, text in ((7, "what did I pay for a tram on the way to the airport of graz all in all"),
                    (8, "What did I pay for a tram on the way to the airport of Graz, all in one?")):  # fmt: skip
        ask(admin, n, f"u-{n}", text)
        call(admin, "submit_annotation", execution_id=f"e-{n}", reviewer="r-1", verdict="approve")
        curate(services)
    groups = rows(admin, "select distinct i.group_key from glow.execution_inputs x join glow.learning_inputs i using (input_id)"
                         " where x.execution_id in ('e-7', 'e-8')")  # fmt: skip
    assert groups == [(group,)]


def test_a_question_that_was_learned_of_somebody_retention_removed_is_still_shared(
    admin: psycopg.Connection, services: Services
) -> None:
    for n, user, text in (
        (1, "u-1", "What everybody asks: tram or bus?"),
        (2, WHO, "what everybody asks: tram, or bus"),
    ):
        ask(admin, n, user, text, output=f"answer {n}")
        call(admin, "submit_annotation", execution_id=f"e-{n}", reviewer="r-1", verdict="approve")
        curate(services)
        if n == 1:
            admin.execute("select glow.expire(now() + interval '40 days')")
    assert erase(admin)["tables"]["learning_examples"] == 1
    assert one(admin, "select count(*) from glow.near_keys") > 0
    assert one(admin, "select bool_and(sketch is not null) from glow.learning_inputs")


def test_patterns_that_rest_on_the_person_are_found_anew_without_them(
    admin: psycopg.Connection, services: Services
) -> None:
    for n in range(6):
        ask(admin, n, f"u-{n}", f"question of kind {n * 37}", output="by bus")
        user = WHO if n % 2 else f"u-{n}"
        change = "by tram of theirs" if n % 2 else "by rail"
        call(admin, "submit_feedback", agent=AGENT, execution_id=f"e-{n}", user_id=user, correction=change)

    def find() -> list[str]:
        with dg.DagsterInstance.ephemeral() as instance:
            assert dg.materialize([correction_patterns], instance=instance, resources={"services": services}).success
        return [detail for (detail,) in rows(admin, "select detail from glow.correction_patterns where detail <> ''")]

    assert [detail for detail in find() if "tram of theirs" in detail]
    assert erase(admin)["tables"]["correction_patterns"] > 0
    assert one(admin, "select bool_and(stale) from glow.correction_snapshots")
    assert not rows(admin, "select detail from glow.correction_patterns where detail like '%tram%'")
    found = find()
    assert [detail for detail in found if "rail" in detail]
    assert not [detail for detail in found if "tram" in detail]
    assert erase(admin)["rows"] == 0


def test_what_a_reviewer_is_worth_goes_with_the_pseudonym_and_a_namesake_keeps_theirs(
    admin: psycopg.Connection, services: Services
) -> None:
    for tenant in ("default", "other"):
        for n in range(6):
            ask(admin, n, f"u-{n}", f"question of kind {n * 37}", tenant=tenant)
            for reviewer in (WHO, "r-1"):
                call(
                    admin,
                    "submit_annotation",
                    execution_id=f"e-{n}",
                    reviewer=reviewer,
                    verdict="approve",
                    tenant=tenant,
                )

    def measure() -> None:
        with dg.DagsterInstance.ephemeral() as instance:
            assert dg.materialize([annotation_quality], instance=instance, resources={"services": services}).success

    def weighed() -> set[str]:
        names = [name.rpartition("\x1f") for (name,) in rows(admin, "select reviewer from glow.reviewer_reliability")]
        return {f"{tenant}/{name[:7]}" for tenant, _, name in names}

    measure()
    assert weighed() == {"/r-1", f"/{WHO[:7]}", "other/r-1", f"other/{WHO[:7]}"}
    erase(admin)
    assert weighed() == {"/r-1", "/erased-", "other/r-1", f"other/{WHO[:7]}"}
    erase(admin, tenant="other")
    assert weighed() == {"/r-1", "/erased-", "other/r-1", "other/erased-"}
    finish_erasures(services)
    assert one(admin, "select count(*) from glow.annotation_reports where report::text like %s", f"%{WHO}%") == 0
    measure()
    assert weighed() == {"/r-1", "/erased-", "other/r-1", "other/erased-"}
