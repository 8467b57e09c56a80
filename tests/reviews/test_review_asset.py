"""The asset review_queue and its check, materialized on a real database."""

from collections.abc import Iterator

import dagster as dg
import pytest

from glow_pipelines.client import GlowClient
from glow_pipelines.database import connect
from glow_pipelines.defs.reviews import review_queue, review_queue_moves
from glow_pipelines.services import Services
from glow_pipelines.settings import Settings


@pytest.fixture
def services(database_url: str) -> Iterator[Services]:
    services = Services(Settings.from_environment({"DATABASE_URL": database_url}))
    yield services
    services.store.close()


def run(services: Services) -> tuple[dict[str, str], bool]:
    """Metadata as text, and whether the check passed."""
    result = dg.materialize([review_queue, review_queue_moves], resources={"services": services})
    (event,) = result.asset_materializations_for_node("review_queue")
    (check,) = result.get_asset_check_evaluations()
    return {key: str(value.value) for key, value in event.metadata.items()}, check.passed


def test_the_asset_tells_what_waits_and_what_the_controls_say(services: Services, database_url: str) -> None:
    with GlowClient(database_url) as client:
        client.register_agent("tax")
        client.set_review_policy("tax", reviews=1, control_share=1)
        for number in range(4):
            client.log_execution(f"e{number}", "tax", f"in {number}", "out")
        client.submit_feedback("tax", "e0", "u", thumbs=-1)
        told, passed = run(services)
        assert (told["entered"], told["dagster/row_count"], passed) == ("4", "4", True)
        assert "low\\_vote | 1" in told["waiting"]
        for item in client.claim_annotation(n=4, reviewer="ann"):
            client.submit_annotation(item.execution_id, "ann", "approve", item_id=item.item_id)
    told, passed = run(services)
    assert (told["entered"], told["dagster/row_count"]) == ("0", "0")
    assert "| tax | 100.0 %" in told["approval rate (control sample)"]
    assert "| tax | claimed | 4 | 1 |" in told["reviewers' week"]
    assert told["waiting"] == "*nothing waits*"


def test_an_old_item_and_a_disagreement_nobody_decides_fail_the_check(services: Services, database_url: str) -> None:
    with GlowClient(database_url) as client, connect(database_url, autocommit=True) as session:
        client.register_agent("tax")
        client.log_execution("e", "tax", "in", "out")
        client.request_review("e")
        session.execute("update glow.review_items set entered_at = now() - interval '8 days'")
        assert run(services)[1] is False
        for reviewer, verdict in (("ann", "approve"), ("bob", "reject")):
            client.submit_annotation("e", reviewer, verdict)
        client.submit_annotation("e", "cyd", "correct", output="x")
        told, passed = run(services)
        assert (told["adjudications waiting"], passed) == ("1", False)
        client.adjudicate("approve", execution_id="e", reviewer="dan")
    assert run(services)[1] is True
