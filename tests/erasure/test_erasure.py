"""After an erasure nothing of the person is found anywhere, nothing of others is missing, and the loop goes on."""
# ruff: noqa: E501, S608 -- SQL is read best unbroken, and the names in it are ours

from typing import Any

import psycopg
import pytest
from click.testing import CliRunner

from glow_pipelines.cli import main
from glow_pipelines.database import connect
from glow_pipelines.erasure import finish_erasures
from tests.api.calling import call, one
from tests.erasure.world import AGENT, MARK, SUBJECT, World, others

PLACES = {
    "agent_feedback", "annotation_reports", "comparisons", "correction_patterns", "current_feedback", "demonstrations",
    "execution_inputs", "execution_keys", "executions", "expert_annotations", "exposures",
    "feedback_keys", "import_refusals", "learning_examples", "learning_inputs", "prompt_lineage", "prompt_optimizations",
    "prompt_versions", "requests", "retrieval_events", "retrieval_hits", "retrieval_keys", "retrieval_memory",
    "review_events", "review_items", "review_passes", "review_slots", "reviewer_reliability", "source_spans", "training_datasets",
}  # fmt: skip


def analyzed(world: World) -> None:
    for url in (world.url, world.dagster_url):
        with connect(url, autocommit=True) as connection:
            connection.execute("analyze")


def finish(world: World) -> None:
    services = world.services()
    found = finish_erasures(services, world.project)
    services.store.close()
    assert {each.state for each in found} <= {"done"}, found


def table(place: str) -> str:
    return place.removeprefix("glow:glow.").partition("_2")[0]


def test_nothing_of_the_person_is_left(world: World) -> None:
    analyzed(world)
    before, kept = world.marked(), others(world.url)
    assert {table(each) for each in before if each.startswith("glow:")} >= PLACES
    assert {"dagster:public.event_logs", "dagster:public.asset_keys", "dagster:public.run_tags", "report.html"} <= set(
        before
    )
    exported = {each.partition("/")[2].rpartition("/")[2] for each in before if each.startswith("exports/")}
    assert {"README.md", "train.jsonl", "train.csv", "expense-coder.jsonl"} <= exported
    assert any(each.endswith(".parquet") for each in exported)
    assert world.statistics() > 0
    with connect(world.url) as connection:
        redacted = "select count(*) from glow.learning_examples where input like %s and status = 'approved'"
        assert one(connection, redacted, f"%{MARK}%<EMAIL_1>%") > 0

    receipt = world.erase(reason=f"asked for by {SUBJECT}")
    assert receipt["revoked"]
    assert receipt["rows"] == sum(receipt["tables"].values()) > 500
    finish(world)
    assert others(world.url) == kept
    # The same id in another tenant is another person.
    assert {table(each) for each in world.marked()} == {"agent_feedback", "current_feedback", "executions"}
    assert world.erase(tenant="other")["tables"]["executions"] == 1
    finish(world)
    assert world.marked() == {}
    assert world.statistics() == 0
    with connect(world.url) as connection:
        audits = connection.execute(
            "select reason, outside, finished_at from glow.erasures order by erasure_id"
        ).fetchall()
        assert [reason for reason, *_ in audits] == ["asked for by [erased]", ""]
        assert all(ended for *_, ended in audits)
        assert audits[0][1]["scrub"]["dagster"]["event_logs"] > 0
        assert one(connection, "select count(*) from glow.erasure_probes") == 0
        # A reviewer's figures stay, under another name.
        assert one(connection, "select count(*) from glow.reviewer_reliability where reviewer like 'erased-%'") == 1
        assert one(connection, "select count(*) from glow.annotation_reports where report::text like '%[erased]%'") == 2
        assert one(connection, "select count(*) from glow.review_events where reviewer like 'erased-%'") > 10

    world.turn("nobody")  # the loop goes on, from what is left
    assert world.marked() == {}
    with connect(world.url) as connection:
        assert (
            one(
                connection,
                "select count(*) from glow.learning_examples where superseded_at is null and erased_at is null",
            )
            > 300
        )


def test_a_dry_run_changes_nothing_and_says_what_the_erasure_does(world: World) -> None:
    def content() -> dict[str, list[bytes]]:
        return {
            name: sorted(line for line in text.split(b"\n") if not line.startswith(b"SELECT pg_catalog.setval"))
            for name, text in world.dump().items()
        }

    before = content()
    with connect(world.url, autocommit=True) as connection:
        seen = call(connection, "erase_subject", subject=SUBJECT)
    assert seen["status"] == "dry run"
    assert seen["tables"]["executions"] > 50
    after = content()
    assert after.keys() == before.keys()
    changed = [
        name for name in before
        if [line for line in after[name] if b"\\restrict" not in line and b"\\unrestrict" not in line]
        != [line for line in before[name] if b"\\restrict" not in line and b"\\unrestrict" not in line]
    ]  # fmt: skip
    assert changed == []
    receipt = world.erase()
    assert (receipt["tables"], receipt["revoked"]) == (seen["tables"], seen["revoked"])


def test_a_second_erasure_finds_nothing(world: World) -> None:
    world.erase()
    second = world.erase()
    assert second["rows"] == 0
    assert set(second["tables"].values()) == {0}
    assert second["revoked"] == []
    finish(world)
    third = world.erase()
    assert third["rows"] == 0
    finish(world)


def test_what_rested_on_the_person_is_made_anew(world: World) -> None:
    with connect(world.url) as connection:
        before = connection.execute(
            "select x.example_id, bool_or(concat(s.source_id, x.input, x.target, x.rejected_target) like %s)"
            "  from glow.datasets_in_force f join glow.dataset_examples d using (dataset_id)"
            "  join glow.learning_examples x using (example_version)"
            "  left join glow.example_sources s using (example_version)"
            " where f.agent = %s and f.kind = 'sft' group by 1",
            (f"%{MARK}%", AGENT),
        ).fetchall()
    (revoked,) = world.erase()["revoked"]
    with connect(world.url) as connection:
        assert one(connection, "select count(*) from glow.datasets_in_force") == 0
    finish(world)
    with connect(world.url) as connection:
        row = connection.execute(
            "select d.successor, d.revoked_because, n.as_of = d.as_of, f.dataset_id, n.revoked_at"
            "  from glow.training_datasets d join glow.training_datasets n on n.dataset_id = d.successor"
            "  join glow.datasets_in_force f on f.dataset_id = n.dataset_id where d.dataset_id = %s",
            (revoked,),
        ).fetchone()
        assert row is not None
        successor, because, same_instant, in_force, revoked_too = row
        assert because.startswith("erasure ")
        assert same_instant
        assert in_force == successor
        assert revoked_too is None
        now = {
            example for (example,) in connection.execute(
                "select x.example_id from glow.dataset_examples join glow.learning_examples x using (example_version)"
                " where dataset_id = %s", (successor,)
            )
        }  # fmt: skip
        assert len(now) < len(before)
        assert now == {example for example, mine in before if not mine}
        assert one(
            connection,
            "select bool_and(retrain_due_at is not null) from glow.training_runs where dataset_id = %s",
            revoked,
        )
        hashes = "encode(sha256(convert_to(prompt::text, 'UTF8')), 'hex')"
        assert one(
            connection, f"select bool_and((prompt_version = {hashes}) = (erased_at is null)) from glow.prompt_versions"
        )
        assert (
            one(
                connection,
                "select count(*) from glow.prompt_aliases a join glow.prompt_versions p using (agent, prompt_version)"
                " where p.erased_at is not null",
            )
            == 0
        )
        assert call(connection, "resolve_prompt", agent=AGENT, unit="u1")["prompt"]["instruction"]


def test_the_command_erases_and_shows_the_receipt(world: World) -> None:
    shown = CliRunner().invoke(main, ["erase", SUBJECT], catch_exceptions=False)
    assert shown.exit_code == 0
    assert "dry run" in shown.output
    assert "learning_examples" in shown.output
    assert sum(world.marked().values()) > 500
    done = CliRunner().invoke(main, ["erase", SUBJECT, "--yes", "--reason", "a letter"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert {"erased:", "scrub"} <= set(done.output.split())
    assert MARK not in done.output
    assert {table(each) for each in world.marked()} == {"agent_feedback", "current_feedback", "executions"}


@pytest.mark.parametrize("subject", ["", "a\nb", "x" * 201, "erased-0123456789ab"])
def test_the_command_refuses_what_is_no_person(world: World, subject: str) -> None:
    result = CliRunner().invoke(main, ["erase", subject])
    assert result.exit_code == 1
    assert "subject" in result.output


def production(connection: psycopg.Connection) -> tuple[Any, ...]:
    row = connection.execute(
        "select a.prompt_version, a.revision, p.prompt::text, p.erased_at from glow.prompt_aliases a"
        " join glow.prompt_versions p using (agent, prompt_version) where a.alias = 'production' and a.agent = %s", (AGENT,)
    ).fetchone()  # fmt: skip
    assert row is not None
    return row


def test_a_prompt_in_force_is_replaced_by_one_without_the_person(world: World) -> None:
    with connect(world.url) as connection:
        version = one(
            connection,
            "select prompt_version from glow.prompt_versions where prompt::text like %s"
            " order by jsonb_array_length(prompt -> 'rules') + jsonb_array_length(prompt -> 'demonstrations') desc limit 1",
            f"%{MARK}%",
        )
        connection.execute(
            "update glow.prompt_aliases set prompt_version = %s where alias = 'production' and agent = %s",
            (version, AGENT),
        )
        _, revision, text, _ = production(connection)
        assert MARK in text
    receipt = world.erase()
    assert receipt["tables"]["prompt_aliases"] >= 1
    with connect(world.url) as connection:
        now, moved, text, erased = production(connection)
        assert now != version
        assert moved == revision + 1
        assert MARK not in text
        assert erased is None
        history = connection.execute(
            "select previous, prompt_version, moved_by from glow.prompt_alias_history where alias = 'production'"
            " and agent = %s order by move_id desc limit 1", (AGENT,)
        ).fetchone()  # fmt: skip
        assert history == (version, now, "erasure")
        services = world.services()
        with services.store.transaction() as t:
            assert t.prompts.untraced(AGENT, now) == []
            in_force = t.prompts.in_force(AGENT)
            assert in_force is not None
            assert in_force.prompt.sha256 == now
            assert t.prompts.prompt(AGENT, version) is None
        services.store.close()
