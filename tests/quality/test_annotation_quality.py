"""The assets against a database: whose judgements, which figures, what is written, what the checks say."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import dagster as dg
import psycopg
import pytest

from glow_pipelines.client import GlowClient
from glow_pipelines.defs.annotation_quality import (
    annotation_quality,
    annotation_report,
    approvals_are_considered,
    reports_are_complete,
    reviewers_agree,
    reviewers_know_gold,
)
from glow_pipelines.learning.annotations import krippendorff_alpha, label_table
from glow_pipelines.services import Services
from glow_pipelines.steps.annotation_quality import end_of_week, week_of
from tests.learning.annotations.judging import planted


def run(services: Services, asset: Any = annotation_quality, *checks: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Run an asset and its checks: the metadata as text, the checks by name."""
    result = dg.materialize([asset, *checks], resources={"services": services})
    (event,) = result.asset_materializations_for_node(asset.node_def.name)
    found = {check.check_name: check for check in result.get_asset_check_evaluations()}
    return {key: value.value for key, value in event.metadata.items()}, found


def report(connection: psycopg.Connection, agent: str = "desk") -> dict[str, Any]:
    (found,) = connection.execute(
        "select report from glow.annotation_reports where agent = %s order by week desc limit 1", (agent,)
    ).fetchone() or ({},)
    connection.commit()
    return dict(found)


def judge(client: GlowClient, said: dict[str, dict[str, str]], agent: str = "desk", **fields: Any) -> None:
    """Execution → reviewer → verdict."""
    for number, (execution, verdicts) in enumerate(said.items()):
        domain = "tax" if number % 2 else "travel"
        client.log_execution(execution, agent, f"in {execution}", "out", metadata={"domain": domain})
        for reviewer, verdict in verdicts.items():
            client.submit_annotation(execution, reviewer, verdict, **fields)


def test_agreement_is_measured_by_domain_and_pair(
    services: Services, client: GlowClient, connection: psycopg.Connection
) -> None:
    said = {
        f"e{n}": {who: "approve" if (n + (n % 7 == ord(who) % 3)) % 2 else "reject" for who in "xyz"} for n in range(60)
    }
    judge(client, said, dimensions={"clarity": 4})
    metadata, checks = run(services, annotation_quality, reviewers_agree, approvals_are_considered, reviewers_know_gold)
    found = report(connection)
    rows = [(item, who, float(verdict == "reject")) for item, given in said.items() for who, verdict in given.items()]
    alphas = {(each["domain"], each["measure"]["name"]): each["alpha"] for each in found["agreements"]}
    assert alphas[None, "verdict"]["alpha"] == pytest.approx(krippendorff_alpha(label_table(rows)), abs=1e-12)
    assert alphas[None, "verdict"]["items"] == 60
    tax = label_table(row for row in rows if int(row[0][1:]) % 2)
    assert alphas["tax", "verdict"]["alpha"] == pytest.approx(krippendorff_alpha(tax), abs=1e-12)
    assert alphas[None, "clarity"]["alpha"] is None  # everybody gave a four
    assert [(pair["first"], pair["second"], pair["kappa"]["items"]) for pair in found["pairs"]] == [
        ("x", "y", 60),
        ("x", "z", 60),
        ("y", "z", 60),
    ]
    assert metadata["measured anew"] == 1
    assert "| desk | tax | verdict" in metadata["agreement"]
    assert checks["reviewers_agree"].passed == (found["agreement"]["status"] == "enough")
    assert found["agreement"]["status"] in ("enough", "too little")
    assert checks["reviewers_know_gold"].description == "not enough data: nobody has 20 gold items"
    weights = connection.execute("select reviewer, weight, aggregator from glow.reviewer_reliability").fetchall()
    assert sorted(weights) == [(who, 1.0, "majority") for who in "xyz"]


def test_the_check_says_when_there_is_not_enough(services: Services, client: GlowClient) -> None:
    judge(client, {f"e{n}": {"x": "approve", "y": "reject"} for n in range(49)})
    _, checks = run(services, annotation_quality, reviewers_agree)
    assert checks["reviewers_agree"].passed
    assert "1 agents not enough data" in checks["reviewers_agree"].description
    judge(client, {"e49": {"x": "approve", "y": "reject"}})
    _, checks = run(services, annotation_quality, reviewers_agree)
    assert not checks["reviewers_agree"].passed
    assert checks["reviewers_agree"].severity is dg.AssetCheckSeverity.WARN


def test_a_rubber_stamp_is_warned_about(services: Services, client: GlowClient) -> None:
    judge(client, {f"e{n}": {"stamp": "approve", "fair": "approve" if n % 2 else "reject"} for n in range(20)})
    metadata, checks = run(services, annotation_quality, approvals_are_considered)
    assert not checks["approvals_are_considered"].passed
    assert checks["approvals_are_considered"].description == "1 of 2 reviewers"
    assert "| desk | stamp | approval | approved 20 of 20 |" in metadata["warnings"]
    assert "fair" not in metadata["warnings"]


def test_only_agents_with_news_are_measured_anew(
    services: Services, client: GlowClient, connection: psycopg.Connection
) -> None:
    client.register_agent("other")
    judge(client, {"a": {"x": "approve"}})
    judge(client, {"b": {"x": "approve"}}, "other")
    assert run(services)[0]["measured anew"] == 2
    first = dict(connection.execute("select agent, computed_at from glow.annotation_reports").fetchall())
    connection.commit()
    judge(client, {"c": {"y": "reject"}}, "other")
    metadata, _ = run(services)
    assert metadata["measured anew"] == 1
    second = dict(connection.execute("select agent, computed_at from glow.annotation_reports").fetchall())
    assert second["desk"] == first["desk"]
    assert second["other"] > first["other"]
    assert "| desk |" in metadata["reviewers"]
    assert run(services)[0]["measured anew"] == 0


def test_a_changed_judgement_counts_once(
    services: Services, client: GlowClient, connection: psycopg.Connection
) -> None:
    judge(client, {"a": {"x": "approve", "y": "approve"}})
    client.submit_annotation("a", "y", "reject")
    run(services)
    assert report(connection)["judgements"] == 2


def test_answers_of_a_closed_list_are_compared_as_answers(
    services: Services, client: GlowClient, connection: psycopg.Connection
) -> None:
    client.register_agent("coder", evaluation={"metric": "label", "choices": ["Travel", "Meals"]})
    for n in range(12):
        client.log_execution(f"e{n}", "coder", "in", "Travel" if n % 2 else "Meals")
        client.submit_annotation(f"e{n}", "x", "approve")
        client.submit_annotation(f"e{n}", "y", "correct", output=" travel " if n % 2 else "travel")
    run(services)
    found = {each["measure"]["name"]: each["alpha"]["alpha"] for each in report(connection, "coder")["agreements"]}
    assert found["verdict"] < 0
    same = label_table((f"e{n}", who, float(who == "y" or n % 2)) for n in range(12) for who in "xy")
    assert found["answer"] == pytest.approx(krippendorff_alpha(same), abs=1e-12)


def test_gold_chooses_the_aggregator_and_weighs_reviewers(
    services: Services, client: GlowClient, connection: psycopg.Connection
) -> None:
    labels, truth = planted([0.95, 0.9, 0.4, 0.4, 0.4], 150, seed=3)
    words = {"x": "approve", "y": "reject", "z": "correct"}
    for item in truth:
        client.log_execution(item, "desk", f"in {item}", "out")
    for label in labels:
        verdict = words[label.value]
        client.submit_annotation(label.item, label.annotator, verdict, output="right" if verdict == "correct" else None)
    for item, right in list(truth.items())[:60]:
        given = (item, words[right], "right" if words[right] == "correct" else None)
        connection.execute("select glow_api.set_gold(%s, %s, %s)", given)
    connection.commit()
    metadata, checks = run(services, annotation_quality, reviewers_know_gold)
    found = report(connection)
    assert found["aggregator"]["name"] == "dawid_skene"
    assert found["agreement"]["detail"].endswith("on 90 items")
    weights = dict(connection.execute("select reviewer, weight from glow.reviewer_reliability").fetchall())
    connection.commit()
    assert weights == found["weights"]
    assert weights["p0"] > 1 >= weights["p4"]
    assert not checks["reviewers_know_gold"].passed
    assert checks["reviewers_know_gold"].description == "3 of 5 reviewers"
    assert "surely below 80%" in metadata["warnings"]
    with services.store.transaction() as t:
        assert t.quality.reliability("desk") == weights
        t.quality.set_reliability("desk", {"p0": 1.0}, "majority")
        assert t.quality.reliability("desk") == {"p0": 1.0}


def test_an_adjudication_is_no_review_and_the_queue_tells_the_time(
    services: Services, client: GlowClient, connection: psycopg.Connection
) -> None:
    judge(client, {"a": {"x": "approve", "y": "reject"}})
    connection.execute("select glow_api.adjudicate(execution_id => 'a', verdict => 'approve', reviewer => 'judge')")
    client.log_execution("b", "desk", "in", "out")
    connection.execute("select glow_api.request_review('b')")
    connection.commit()
    (claimed,) = connection.execute(
        "select execution_id from glow_api.claim_annotation(reviewer => 'x')"
    ).fetchone() or (None,)
    connection.commit()
    assert claimed == "b"
    client.submit_annotation("b", "x", "approve")
    connection.execute("select glow_api.set_gold('b', 'approve')")  # known only afterwards: it counts all the same
    connection.commit()
    run(services)
    found = {each["reviewer"]: each for each in report(connection)["reviewers"]}
    assert found.keys() == {"x", "y"}
    assert found["x"]["gold"]["right"] == 1
    assert 0 < found["x"]["throughput"]["median_seconds"] < 60


def test_repeats_and_hostile_names(services: Services, client: GlowClient, connection: psycopg.Connection) -> None:
    evil = "x' | <b>%s</b> {0}"
    for n in range(2):
        client.log_execution(f"e{n}", "desk", "same", "same", metadata={"domain": evil})
        client.submit_annotation(f"e{n}", evil, "reject" if n else "approve", dimensions={evil: n})
    client.log_execution("e2", "desk", "same", "other")
    client.submit_annotation("e2", evil, "approve")
    metadata, _ = run(services)
    (reviewer,) = report(connection)["reviewers"]
    assert (reviewer["repeats"]["successes"], reviewer["repeats"]["n"]) == (0, 1)
    assert "<b>" not in metadata["reviewers"]


def test_reviewers_of_other_tenants_are_shown_by_name_and_tenant(services: Services, client: GlowClient) -> None:
    for n in range(25):
        for tenant in ("default", "north"):
            client.log_execution(f"e{n}", "desk", f"in {n}", "out", tenant=tenant)
            for reviewer in ("ann", "bo"):
                client.submit_annotation(f"e{n}", reviewer, "approve", tenant=tenant)
    metadata, checks = run(services, annotation_quality, approvals_are_considered)
    assert "| desk | ann | 1.00 |" in metadata["reviewers"]
    assert r"| desk | ann \(north\) | 1.00 |" in metadata["reviewers"]
    assert r"| desk | ann \(north\), bo \(north\) |" in metadata["pairs"]
    told = str(checks["approvals_are_considered"].metadata["reviewers"].value)
    assert r"| desk | bo \(north\) | approval |" in told
    for text in (*metadata.values(), told):
        assert "north ann" not in str(text)


def test_weeks_follow_the_calendar_of_the_zone() -> None:
    late = datetime(2026, 11, 22, 23, 30, tzinfo=UTC)  # a Sunday; in Berlin it is Monday
    assert week_of(late, "UTC") == date(2026, 11, 16)
    assert week_of(late, "Europe/Berlin") == date(2026, 11, 23)
    assert end_of_week(date(2026, 10, 19), "Europe/Berlin").astimezone(UTC) == datetime(2026, 10, 25, 23, tzinfo=UTC)


def test_the_weekly_report_is_of_last_week(
    services: Services, client: GlowClient, connection: psycopg.Connection
) -> None:
    judge(client, {"a": {"x": "approve"}, "b": {"x": "reject"}})
    metadata, checks = run(services, annotation_report, reports_are_complete)
    assert checks["reports_are_complete"].passed
    assert report(connection) == {}
    week = week_of(datetime.now(UTC), "UTC") - timedelta(days=7)
    connection.execute("update glow.expert_annotations set recorded_at = %s where execution_id = 'a'", (week,))
    connection.commit()
    assert metadata["week"] == week.isoformat()
    run(services, annotation_report)
    assert connection.execute("select agent, week from glow.annotation_reports").fetchall() == [("desk", week)]
    assert report(connection)["judgements"] == 1
    connection.execute("delete from glow.annotation_reports")
    connection.commit()
    with services.store.transaction() as t:
        assert t.quality.unreported(week, end_of_week(week, "UTC")) == ["desk"]
