"""SQL in every text of every function that a role may call."""
# ruff: noqa: E501 -- SQL is read best unbroken, and the names in it are ours

import base64
import json
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import psycopg
import pytest
from psycopg import sql
from psycopg.types.json import Jsonb

from glow_pipelines.database import connect
from glow_pipelines.learning.retrieval import Chunk, Configuration, RetrievalParameters
from tests.api.calling import AGENT, GOOD, call, execution, one, refusal, register
from tests.api.logins import Logins
from tests.api.test_attacks import DOCUMENTS, EXPERIMENTS, FIGURES, LINEAGE, MAY, ROLLOUTS, fingerprint
from tests.retrieval.search_world import put_chunking, put_configuration, put_index

INJECTIONS = [
    "'; drop table glow.agents cascade; --",
    "' or '1'='1",
    "'); delete from glow.agent_feedback; --",
    "\\'; drop schema glow cascade; --",
    "$$; drop table glow.agents; $$",
    "$1; drop table glow.agents",
    "'||(select rolpassword from pg_authid limit 1)||'",
    "%s %I %L %1$s %n %%",
    "{0} {agent} %(agent)s :agent ${agent}",
    '"; alter role glow_app superuser; --',
    "/* */ union select inner_pad from glow.token_keys --",
    "E'\\x27; create role evil superuser; --'",
    "1; copy glow.logins to program 'sh'",
    "glow.agents",
    "*",
]
STORED = """
select coalesce(jsonb_agg(row), '[]') from (
  select to_jsonb(t) from glow.executions t union all select to_jsonb(t) from glow.agent_feedback t
  union all select to_jsonb(t) from glow.retrieval_events t union all select to_jsonb(t) from glow.retrieval_hits t
  union all select to_jsonb(t) from glow.expert_annotations t union all select to_jsonb(t) from glow.demonstrations t
  union all select to_jsonb(t) from glow.agents t union all select to_jsonb(t) from glow.prompt_versions t
  union all select to_jsonb(t) from glow.requests t union all select to_jsonb(t) from glow.execution_keys t
  union all select to_jsonb(t) from glow.review_items t union all select to_jsonb(t) from glow.review_slots t
  union all select to_jsonb(t) from glow.holdouts t union all select to_jsonb(t) from glow.documents t
  union all select to_jsonb(t) from glow.review_events t union all select to_jsonb(t) from glow.comparisons t) r(row)
"""
TEXTS = """
select p.proname, a.name, format_type(a.type, null)
  from pg_proc p cross join lateral unnest(p.proargnames[:p.pronargs], p.proargtypes::oid[]) as a(name, type)
 where p.pronamespace = 'glow_api'::regnamespace and a.type in ('text'::regtype, 'text[]'::regtype, 'jsonb'::regtype)
   and exists (select from aclexplode(p.proacl) x where x.grantee <> p.proowner)
 order by 1, 2
"""
# Only looked up: what is not found is refused or, for a unit outside every experiment, not kept.
NOT_KEPT = {("resolve_prompt", unit) for unit in ("unit", "session", "org", "execution")}
NOT_KEPT |= {("documents", "after"), ("search", "unit"), ("search", "model")}
NOT_KEPT |= {(function, "tenant") for function in DOCUMENTS}  # asked by who may name any
NOT_KEPT |= {("name_successor", "dataset"), ("name_successor", "successor")}
# A dry run: what it writes it takes back.
NOT_KEPT |= {("erase_subject", "subject"), ("erase_subject", "reason"), ("erase_subject", "confirm")}
WORDLESS = {
    "my_agents",
    "success_metrics",
    "learning_stats",
    "effect_of",
    "request_status",
    "erasures",
    "erase_late",
    "swept_places",
}
WORDLESS |= {"finish_erasure", "forget_statistics"}


def texts_of(value: Any) -> Iterator[str]:
    """Every text within a JSON value, keys included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from texts_of(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from texts_of(inner)


def poisoned(function: str, argument: str, kind: str, text: str) -> Iterator[dict[str, Any]]:
    """Good calls of a function with the text in one argument, or in one place of it."""
    good = GOOD[function](777)
    if function.endswith("_batch"):
        (row,) = good["rows"].obj
        for field, value in row.items():
            if isinstance(value, str):
                yield {"rows": Jsonb([{**row, field: text}])}
            elif isinstance(value, list) and value and isinstance(value[0], str):
                yield {"rows": Jsonb([{**row, field: [text]}])}
        yield {"rows": Jsonb([{**row, text: "x"}])}
        yield {"rows": Jsonb([text])}
        yield {"rows": Jsonb(text)}
    elif kind == "text[]":
        yield {**good, argument: [text]}
    elif kind == "jsonb":
        for value in (
            text,
            [text],
            {text: text},
            {"metric": text},
            {"instruction": text},
            [{"rank": 1, "chunk_id": text}],
            [{"document_id": "d", "title": text, "body": text}],
        ):
            yield {**good, argument: Jsonb(value)}
    else:
        yield {**good, argument: text}


@pytest.fixture(scope="module")
def seeded(shared_url: str) -> Iterator[psycopg.Connection]:
    """The administrator, in a transaction of its own: as whom it asks is said by session_user, what it wrote is undone."""
    with connect(shared_url) as connection:
        register(connection, "victim")
        put_chunking(connection, AGENT)
        put_index(connection, AGENT, [Chunk("c", "d", "query 777 answered", np.array([1.0, 0.0]))], 2)
        put_configuration(connection, AGENT, Configuration(RetrievalParameters(expansion_weight=1.0)))
        for name in ("known", "compared"):
            call(connection, "log_execution", **{**execution(0), "execution_id": name})
        call(connection, "request_comparison", execution_id="compared", alternative="another")
        call(connection, "claim_annotation", reviewer="r-777")
        connection.commit()
        yield connection


@pytest.mark.parametrize("function", sorted(GOOD))
def test_sql_in_a_text_is_kept_as_it_is_or_refused(seeded: psycopg.Connection, logins: Logins, function: str) -> None:
    """Asked with SET SESSION AUTHORIZATION, which is the login's own session in all that counts here: the answer can be
    looked up and undone in one transaction."""
    roles = [role for role, functions in MAY.items() if function in functions]
    name, _ = logins.make(roles[-1] if function in DOCUMENTS else roles[0])  # the agent is everybody's
    connection = seeded
    arguments = [(argument, kind) for proname, argument, kind in connection.execute(TEXTS) if proname == function]
    if not arguments:
        assert function in WORDLESS
    before = fingerprint(connection)
    connection.execute("delete from glow.requests")  # an open one would answer for every other
    tables = one(connection, STORED)
    become = sql.SQL("set session authorization {}").format(sql.Identifier(name))
    kept = 0
    try:
        for argument, kind in arguments:
            for text in INJECTIONS:
                for given in poisoned(function, argument, kind, text):
                    connection.execute("savepoint attack")
                    try:
                        connection.execute(become)
                        answer = call(connection, function, **given)
                    except psycopg.Error as error:
                        connection.execute("rollback to attack")
                        refused = refusal(error)
                        assert re.fullmatch("PT4[0-9][0-9]", refused.code), f"{argument} = {text!r}: {refused}"
                        assert refused.hint
                        continue
                    connection.execute("reset session authorization")
                    found = [*texts_of(one(connection, STORED)), *texts_of(answer)]
                    if function == "issue_feedback_token":
                        found += texts_of(json.loads(base64.urlsafe_b64decode(answer["token"].split(".")[0] + "==")))
                    refused_row = (
                        isinstance(answer, list) and answer and isinstance(answer[0], dict) and answer[0].get("code")
                    )
                    if not refused_row and (function, argument) not in NOT_KEPT:
                        assert any(text in f for f in found), (
                            f"{argument} = {text!r}: neither kept nor refused: {answer}"
                        )
                        kept += 1
                    connection.execute("rollback to attack")
        assert fingerprint(connection) == before
        assert one(connection, STORED) == tables
    finally:
        connection.rollback()
    readers = FIGURES | LINEAGE | {"apply_import", "resolve_prompt", "request_status", "submit_feedback_with_token"}
    readers |= {"cancel_request", "create_experiment", "rollback_prompt"}  # of what is not there
    readers |= EXPERIMENTS | ROLLOUTS  # of what is not there, or with no word but its own
    readers |= {"documents", "retire_document", "rollback_retrieval", "retrieval_history"}
    readers |= {"prompts", "prompt_history", "prompt_lineage", "notifications"}
    readers |= {"extend_lease", "set_review_policy", "unset_gold"}  # no text but ids that must be known
    readers |= {"retrieval_performance"}
    readers |= {"correction_patterns", "curation_policy", "set_curation_policy"}  # which takes no word but its own
    readers |= {"erase_subject", "name_successor", "replace_quoting", "set_retention"}
    assert kept or not arguments or function in readers
