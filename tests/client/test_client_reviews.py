"""GlowClient and AsyncGlowClient for experts: claiming, judging, comparing, deciding."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from glow_pipelines.client import AsyncGlowClient, Conflict, Forbidden, GlowClient, InvalidValue, NotFound, Refusal


@pytest.fixture
def client(database_url: str) -> Iterator[GlowClient]:
    with GlowClient(database_url) as client:
        client.register_agent("coder")
        for number in range(4):
            client.log_execution(f"e{number}", "coder", f"in {number}", f"out {number}", metadata={"n": number})
            client.request_review(f"e{number}", "look at this")
        yield client


def test_an_item_is_claimed_judged_and_closed(client: GlowClient) -> None:
    before = datetime.now(UTC)
    (mine,) = client.claim_annotation({"agent": "coder"}, lease=timedelta(minutes=5), reviewer="ann")
    assert (mine.kind, mine.agent, mine.execution_id, mine.input, mine.output) == (
        "judgement",
        "coder",
        "e0",
        "in 0",
        "out 0",
    )
    assert (mine.metadata, mine.context, mine.first) == ({"n": 0}, None, None)
    assert timedelta(minutes=4) < mine.lease_until - before < timedelta(minutes=6)
    queue = client.annotation_queue(reviewer="ann")
    assert [(held.item_id, held.lease_until) for held in queue.held] == [(mine.item_id, mine.lease_until)]
    assert [(each.agent, each.items, each.skipped) for each in queue.waiting] == [("coder", 3, 0)]
    judged = client.submit_annotation(mine.execution_id, "ann", "approve", item_id=mine.item_id)
    assert judged.status == "accepted"
    assert client.annotation_queue(reviewer="ann").held == ()


def test_a_batch_of_judgements_says_which_item_nobody_held(client: GlowClient) -> None:
    first, second = client.claim_annotation(n=2, reviewer="ann")
    answers = client.submit_annotation_batch(
        [
            {"execution_id": first.execution_id, "reviewer": "ann", "verdict": "approve", "item_id": first.item_id},
            {"execution_id": second.execution_id, "reviewer": "bob", "verdict": "approve", "item_id": second.item_id},
        ]
    )
    assert answers[0].status == "accepted"  # type: ignore[union-attr]
    assert isinstance(answers[1], Refusal)
    assert (answers[1].code, answers[1].field) == ("PT409", "item_id")


def test_skip_decline_release_and_more_time(client: GlowClient) -> None:
    items = {each.execution_id: each.item_id for each in client.claim_annotation(n=4, reviewer="ann")}
    assert client.skip(items["e0"], "later", reviewer="ann").status == "skipped"
    assert client.decline(items["e1"], "my own answer", reviewer="ann").status == "declined"
    assert client.release(items["e2"], reviewer="ann").status == "released"
    more = client.extend_lease(items["e3"], timedelta(hours=2), reviewer="ann")
    assert more.lease_until is not None
    assert more.lease_until - datetime.now(UTC) > timedelta(minutes=110)
    again = [each.execution_id for _ in range(3) for each in client.claim_annotation(reviewer="ann")]
    assert again == ["e2", "e0"]
    with pytest.raises(Conflict, match="item_id"):
        client.release(items["e1"], reviewer="ann")


def test_a_comparison_and_a_decision(client: GlowClient) -> None:
    asked = client.request_comparison("e3", "a better one", "which?")
    assert (asked.status, asked.reviews) == ("accepted", 2)
    said = {}
    for reviewer in ("ann", "bob", "cyd"):
        (item,) = client.claim_annotation({"kind": "comparison"}, reviewer=reviewer)
        assert {item.first, item.second} == {"out 3", "a better one"}
        wanted = {"ann": "out 3", "bob": "a better one"}.get(reviewer)
        preferred = "neither" if wanted is None else "first" if item.first == wanted else "second"
        said[reviewer] = client.submit_comparison(item.item_id, preferred, reviewer=reviewer).comparison_id
    assert len(set(said.values())) == 3
    (open_question,) = client.annotation_queue({"state": "adjudicate"}, reviewer="dan").adjudications
    assert (open_question.item_id, open_question.alternative) == (asked.item_id, "a better one")
    with pytest.raises(Forbidden, match="reviewer"):
        client.adjudicate("approve", item_id=asked.item_id, reviewer="ann")
    decided = client.adjudicate("correct", item_id=asked.item_id, output="a better one", reviewer="dan")
    assert decided.status == "accepted"
    assert client.annotation_queue({"state": "adjudicate"}, reviewer="eve").adjudications == ()


def test_policies_and_gold(client: GlowClient) -> None:
    policy = client.set_review_policy("coder", reviews=1, blind=False, lease=timedelta(minutes=1), gold_share=0.25)
    assert (policy.reviews, policy.most_reviews, policy.blind, policy.lease) == (1, 3, False, "00:01:00")
    assert (policy.gold_share, policy.control_share) == (0.25, 0.02)
    (seen,) = client.claim_annotation({"reason": "manual"}, reviewer="ann")
    assert seen.context is not None
    assert seen.context["reasons"] == ["manual"]
    gold = client.set_gold("e1", "correct", output="right")
    assert gold.annotation_id is not None
    assert client.set_gold("e1", "correct", output="right").status == "unchanged"
    assert client.unset_gold("e1").status == "withdrawn"
    assert client.unset_gold("e1").status == "unchanged"


def test_what_is_wrong_is_refused_by_name(client: GlowClient) -> None:
    with pytest.raises(InvalidValue, match="reviewer"):
        client.claim_annotation()
    with pytest.raises(InvalidValue, match="n: '0'"):
        client.claim_annotation(n=0, reviewer="ann")
    with pytest.raises(NotFound, match="item_id"):
        client.skip(10**6, reviewer="ann")
    with pytest.raises(NotFound, match="agent"):
        client.set_review_policy("nobody")


def test_the_same_for_asyncio(client: GlowClient, database_url: str) -> None:
    async def work() -> list[str]:
        async with AsyncGlowClient(database_url) as asynchronous:
            claimed = await asynchronous.claim_annotation(n=2, reviewer="ann")
            first, second = claimed
            await asynchronous.submit_annotation(first.execution_id, "ann", "reject", item_id=first.item_id)
            skipped = await asynchronous.skip(second.item_id, reviewer="ann")
            queue = await asynchronous.annotation_queue(reviewer="ann")
            return [skipped.status, *(each.kind for each in queue.waiting)]

    assert asyncio.run(work()) == ["skipped", "judgement"]
