"""erase_subject over plain SQL: who may, what it takes, whom it spares, what does not come back."""
# ruff: noqa: E501, S608 -- SQL is read best unbroken, and the names in it are ours

import json

import psycopg
import pytest

from glow_pipelines.erasure import finish_erasures
from glow_pipelines.services import Services
from tests.api.calling import (
    AGENT,
    Refused,
    attempt,
    call,
    demonstration,
    execution,
    feedback,
    one,
    retrieval,
)
from tests.api.logins import Logins
from tests.erasure.small import WHO, curate, erase


@pytest.mark.parametrize("role", ["glow_app", "glow_browser", "glow_reviewer", "glow_viewer", "glow_pipeline"])
def test_nobody_but_an_engineer_may_erase(logins: Logins, role: str) -> None:
    login = logins.connect(role)
    answer = attempt(login, "erase_subject", subject=WHO)
    assert isinstance(answer, Refused)
    assert answer.code == "42501"
    for face in ("erase_all(text,text,text)", "subject_hash(text,text)", "pseudonym(bigint,text,text,integer)"):
        assert not one(login, "select has_function_privilege(%s, 'execute')", f"glow_api.{face}")


def test_the_setting_alone_lets_nobody_change_what_is_immutable(logins: Logins, services: Services) -> None:
    call(logins.admin, "submit_demonstration", **demonstration(1))
    curate(services, dataset=True)
    pipeline = logins.connect("glow_pipeline")
    pipeline.execute("set glow.erasing = 'on'")
    for statement in (
        "update glow.training_datasets set revoked_at = now(), revoked_because = 'x'",
        "delete from glow.dataset_examples",
        "update glow.prompt_versions set erased_at = now()",
    ):
        with pytest.raises(psycopg.Error, match="immutable"):
            pipeline.execute(statement)


def test_what_the_pipeline_may_for_an_erasure_it_may_for_open_ones_only(logins: Logins) -> None:
    pipeline = logins.connect("glow_pipeline")
    for function in ("erase_late", "finish_erasure"):
        answer = attempt(pipeline, function, erasure_id=99)
        assert isinstance(answer, Refused)
        assert answer.code == "PT404"
    the_id = erase(logins.admin)["erasure_id"]
    for relation in ("executions", "logins", "pg_authid", "erasures"):
        answer = attempt(pipeline, "replace_quoting", erasure_id=the_id, relation=relation, key={}, columns={"x": 1})
        assert isinstance(answer, Refused)
        assert answer.code == "PT403", relation
    answer = attempt(
        pipeline, "replace_quoting", erasure_id=the_id, relation="responses t; drop table x; --", key={}, columns={}
    )
    assert isinstance(answer, Refused)
    assert answer.code == "PT403"


def test_an_erasure_wants_a_dry_run_that_this_login_has_seen(logins: Logins) -> None:
    first, second = logins.connect("glow_engineer"), logins.connect("glow_engineer")
    seen = call(first, "erase_subject", subject=WHO)["confirm"]
    since, _, proof = seen.partition("-")
    old = f"{int(since) - 1}-{proof}"
    for login, subject, confirm in (
        (first, WHO, None), (first, WHO, ""), (first, WHO, old), (first, "somebody", seen), (second, WHO, seen),
        (first, WHO, "9999999999999-" + proof),
    ):  # fmt: skip
        answer = attempt(login, "erase_subject", subject=subject, dry_run=False, confirm=confirm)
        assert isinstance(answer, Refused)
        assert answer.code == "PT428", confirm
        assert "dry run" in answer.hint
    assert call(first, "erase_subject", subject=WHO, dry_run=False, confirm=seen)["status"] == "erased"


def test_a_dry_run_of_yesterday_is_none(admin: psycopg.Connection) -> None:
    yesterday = one(
        admin,
        "select glow_api.confirmation('default', %s, extract(epoch from now() - interval '25 hours')::bigint)",
        WHO,
    )
    answer = attempt(admin, "erase_subject", subject=WHO, dry_run=False, confirm=yesterday)
    assert isinstance(answer, Refused)
    assert answer.code == "PT428"


def test_a_login_of_one_tenant_erases_there_only(logins: Logins, admin: psycopg.Connection) -> None:
    for tenant in ("mine", "yours", "default"):
        call(admin, "log_execution", **execution(1) | {"user_id": WHO, "tenant": tenant})
    engineer = logins.connect("glow_engineer", tenant="mine")
    answer = attempt(engineer, "erase_subject", subject=WHO, tenant="yours")
    assert isinstance(answer, Refused)
    assert answer.code == "PT403"
    assert erase(engineer)["tenant"] == "mine"
    assert [tenant for (tenant,) in admin.execute("select tenant from glow.executions order by 1").fetchall()] == [
        "default",
        "yours",
    ]
    assert erase(admin)["tenant"] == "default"
    assert [row[1] for row in admin.execute("select * from glow_api.erasures()").fetchall()] == ["default", "mine"]
    assert [row[1] for row in engineer.execute("select * from glow_api.erasures()").fetchall()] == ["mine"]


def test_the_audit_does_not_know_the_person(admin: psycopg.Connection) -> None:
    call(admin, "log_execution", **execution(1) | {"user_id": WHO})
    erase(admin, reason=f"{WHO} wrote a letter")
    row = admin.execute("select to_jsonb(e)::text from glow.erasures e").fetchone()
    assert row is not None
    assert WHO not in row[0]
    assert "[erased] wrote a letter" in row[0]


def test_votes_on_others_stay_under_a_pseudonym_and_ones_own_go(admin: psycopg.Connection) -> None:
    for n, user in ((1, WHO), (2, "u-2")):
        call(admin, "log_execution", **execution(n) | {"user_id": user})
        for who in (WHO, "u-2"):
            call(admin, "submit_feedback", **feedback(n) | {"user_id": who, "idempotency_key": None})
    before = call(admin, "feedback_stats", agent=AGENT)
    erase(admin)
    rows = admin.execute(
        "select execution_id, user_id, thumbs, comment, correction from glow.agent_feedback order by 1, 2"
    ).fetchall()
    # Of the person's vote and the other's on what the other did, and of the other's on what the person did, only the
    # other's on their own keeps its words; the person's vote on themselves is gone.
    assert sorted((row[2], row[3] is None, row[4] is None) for row in rows) == [
        (1, False, False),
        (1, True, True),
        (1, True, True),
    ]
    names = {row[1] for row in rows}
    assert WHO not in names
    assert "u-2" in names
    assert len(names) == 2
    assert sum(row[0].startswith("erased-") for row in rows) == 1
    after = call(admin, "feedback_stats", agent=AGENT)
    assert (before["executions"], after["executions"]) == (2, 1)
    assert (before["thumbs_up"], after["thumbs_up"]) == (4, 3)
    assert after["waiting_for_execution"] == 0


def test_a_verdict_stays_without_its_words(admin: psycopg.Connection) -> None:
    call(admin, "log_execution", **execution(1) | {"user_id": "u-1"})
    call(admin, "log_execution", **execution(2) | {"user_id": WHO})
    for n in (1, 2):
        for reviewer in (WHO, "r-1"):
            call(admin, "submit_annotation", execution_id=f"e-{n}", reviewer=reviewer, verdict="correct",
                 output=f"right {reviewer}", notes="n", dimensions={"tone": 3})  # fmt: skip
    erase(admin)
    rows = admin.execute(
        "select execution_id, reviewer, verdict, output, notes, erased_at is not null from glow.expert_annotations order by 1, 2"
    ).fetchall()
    assert [row[2] for row in rows] == ["correct"] * 4
    kept = [row for row in rows if not row[5]]
    assert kept == [("e-1", "r-1", "correct", "right r-1", "n", False)]
    assert {row[1] for row in rows} == {"r-1", next(row[1] for row in rows if row[1].startswith("erased-"))}
    assert all(row[3] is None and row[4] is None for row in rows if row[5])
    assert one(admin, "select count(*) from glow.execution_keys") == 2
    assert erase(admin)["rows"] == 0


def test_the_same_person_may_come_back_and_go_again(admin: psycopg.Connection) -> None:
    pseudonyms = set()
    call(admin, "log_execution", **execution(1) | {"user_id": "u-1"})
    for _ in range(2):
        call(admin, "submit_feedback", **feedback(1) | {"user_id": WHO, "idempotency_key": None})
        assert erase(admin)["tables"]["agent_feedback"] == 1
        pseudonyms |= {user for (user,) in admin.execute("select user_id from glow.current_feedback")}
    assert len(pseudonyms) == 2


def test_what_others_said_in_the_same_words_is_learned_from_them(admin: psycopg.Connection, services: Services) -> None:
    for n in range(14):
        call(admin, "log_execution", **execution(n) | {"input": f"question of kind {n * 37}", "user_id": f"u-{n}"})
        call(admin, "submit_annotation", execution_id=f"e-{n}", reviewer="r", verdict="approve")
    call(
        admin, "log_execution", **execution(90) | {"input": "question of kind 0", "output": "answer 0", "user_id": WHO}
    )
    call(admin, "submit_annotation", execution_id="e-90", reviewer="r", verdict="approve")
    curate(services, dataset=True)
    shared = "select count(*) from glow.learning_examples where superseded_at is null and input = 'question of kind 0'"
    assert one(admin, shared) == 1
    receipt = erase(admin)
    assert receipt["tables"]["learning_examples"] >= 1
    assert len(receipt["revoked"]) == 1
    assert one(admin, shared) == 0
    finish_erasures(services)
    curate(services, dataset=True)
    assert one(admin, shared) == 1
    row = admin.execute(
        "select s.source_id from glow.learning_examples x join glow.example_sources s using (example_version)"
        " where x.superseded_at is null and x.input = 'question of kind 0' and s.kind = 'execution'"
    ).fetchall()
    assert row == [("e-0",)]
    # The same rows as in the version that was revoked: another version all the same.
    versions = admin.execute(
        "select dataset_id, content_hash, revoked_at is null from glow.training_datasets order by created_at"
    ).fetchall()
    assert len({row[0] for row in versions}) == len(versions)
    assert not versions[0][2]
    assert versions[-1][2]


def test_an_old_file_brings_nobody_back(logins: Logins, admin: psycopg.Connection) -> None:
    erase(admin)
    rows = {
        "execution": [
            execution(1) | {"user_id": WHO},
            execution(2) | {"user_id": WHO, "tenant": "other"},
            execution(3),
        ],
        "feedback": [feedback(3) | {"user_id": WHO}],
        "annotation": [{"execution_id": "e-3", "reviewer": WHO, "verdict": "approve"}],
        "demonstration": [demonstration(1) | {"expert": WHO}],
        "retrieval": [retrieval(1) | {"user_id": WHO}],
    }
    the_id = "f" * 64
    admin.execute("insert into glow.imports (import_id, source, format) values (%s, 'old', 'jsonl')", (the_id,))
    line = sum(map(len, rows.values()))
    places = iter(range(1, line + 1))
    for kind, payloads in rows.items():
        admin.execute(
            "insert into glow.import_batches (import_id, line, kind, lines, parts, rows) values (%s, %s, %s, %s, %s, %s)",
            (the_id, line, kind, [next(places) for _ in payloads], [0] * len(payloads), json.dumps(payloads)),
        )
    pipeline = logins.connect("glow_pipeline")
    answer = call(pipeline, "apply_import", import_id=the_id)
    assert (answer["accepted"], answer["refused"], answer["line"]) == (2, 5, line)
    refused = admin.execute("select code, field, message, payload::text from glow.import_refusals").fetchall()
    assert {row[0] for row in refused} == {"PT410"}
    assert not [row for row in refused if WHO in str(row)]
    assert [row[0] for row in admin.execute("select user_id from glow.executions order by 1").fetchall()] == [
        WHO,
        "u-3",
    ]


def test_a_search_that_others_made_in_the_same_words_stays_learned(admin: psycopg.Connection) -> None:
    for n, user in ((1, WHO), (2, "u-2"), (3, WHO)):
        query = "shared words" if n < 3 else "words of one"
        call(admin, "log_retrieval", **retrieval(n) | {
            "user_id": user, "query": query, "conversation_id": None, "execution_id": None,
            "hits": psycopg.types.json.Jsonb([{"rank": 1, "chunk_id": "c1"}])})  # fmt: skip
    admin.execute(
        "insert into glow.chunkings (chunking, agent, parameters) values ('whole', %s, '{\"kind\": \"whole\"}')",
        (AGENT,),
    )
    admin.execute("insert into glow.retrieval_configurations values ('cfg', %s, '{}', 'whole', 'm')", (AGENT,))
    for position, (query, events) in enumerate((("shared words", ["s-1", "s-2"]), ("words of one", ["s-3"]))):
        admin.execute(
            "insert into glow.retrieval_memory values ('cfg', %s, %s, '[1]', 'c1', 0.5, 1, %s)",
            (position, query, events),
        )
    admin.execute("insert into glow.split_assignments values (%s, 'g', 'train')", (AGENT,))
    admin.execute(
        "insert into glow.embedding_training_pairs values ('p', %s, 'words of one', 'c1', 'c2', 1, 'x', '{s-3}', 'g', 'train')",
        (AGENT,),
    )
    for position, events in enumerate((["s-1", "s-2"], ["s-3"])):
        admin.execute(
            "insert into glow.retrieval_expansions values ('cfg', %s, 'phrase', '{word}', 1, 9, 3, 2, 0.1, %s)",
            (position, events),
        )
    text_hash = "encode(sha256(convert_to(%s, 'UTF8')), 'hex')"
    for text in ("words of one", "another"):
        admin.execute(f"insert into glow.embeddings values ('m', {text_hash}, '[1]')".encode(), (text,))
    tables = erase(admin)["tables"]
    assert (tables["retrieval_memory"], tables["embedding_training_pairs"], tables["embeddings"]) == (2, 1, 1)
    assert tables["retrieval_expansions"] == 2
    assert admin.execute("select event_ids from glow.retrieval_expansions").fetchall() == [(["s-2"],)]
    assert admin.execute("select query, event_ids from glow.retrieval_memory").fetchall() == [("shared words", ["s-2"])]


def test_a_login_bound_to_the_person_speaks_for_nobody_any_more(logins: Logins, admin: psycopg.Connection) -> None:
    app = logins.connect("glow_app", tenant="default", person=WHO, note=f"phone of {WHO}")
    call(app, "log_execution", **execution(1) | {"user_id": WHO})
    assert erase(admin)["tables"]["logins"] == 1
    answer = attempt(app, "log_execution", **execution(2) | {"user_id": WHO})
    assert isinstance(answer, Refused)
    assert answer.code == "PT403"
    assert one(admin, "select note from glow.logins where person like 'erased-%%'") == ""


def test_anonymous_turns_of_the_persons_conversation_go_too_and_others_stay(admin: psycopg.Connection) -> None:
    for n, (user, talk) in enumerate(
        ((WHO, "c"), (None, "c"), ("u-2", "shared"), (WHO, "shared"), (None, "shared"), (None, "x"))
    ):
        call(admin, "log_execution", **execution(n) | {"user_id": user, "conversation_id": talk})
    erase(admin)
    rows = admin.execute("select execution_id from glow.executions order by 1").fetchall()
    # Whose an anonymous turn of a conversation of two is cannot be told.
    assert [row[0] for row in rows] == ["e-2", "e-4", "e-5"]
