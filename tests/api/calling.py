"""Calling functions of the API over plain psycopg, as any SQL client would.

Belongs here: the call, what a good call of each function looks like, reading tables back. Does not: what is asserted.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

Arguments = dict[str, Any]
AGENT = "desk"


@dataclass(frozen=True)
class Refused:
    """A call the server refused: SQLSTATE, message, hint."""

    code: str
    message: str
    hint: str


def call(connection: psycopg.Connection, function: str, **arguments: Any) -> Any:
    """`select glow_api.function(name => value, …)`; dicts go as jsonb. Several rows come as a list."""
    named = [sql.SQL("{} => {}").format(sql.Identifier(name), sql.Placeholder(name)) for name in arguments]
    statement = sql.SQL("select * from glow_api.{}({})").format(sql.Identifier(function), sql.SQL(", ").join(named))
    values = {name: Jsonb(value) if isinstance(value, dict) else value for name, value in arguments.items()}
    rows = connection.execute(statement, values).fetchall()
    return rows[0][0] if len(rows) == 1 and len(rows[0]) == 1 else rows


def refusal(error: psycopg.Error) -> Refused:
    return Refused(error.sqlstate or "", error.diag.message_primary or "", error.diag.message_hint or "")


def attempt(connection: psycopg.Connection, function: str, **arguments: Any) -> Any:
    """The answer of a call, or Refused. The transaction around it, if any, goes on."""
    try:
        with connection.transaction():
            return call(connection, function, **arguments)
    except psycopg.Error as error:
        return refusal(error)


def batch(connection: psycopg.Connection, function: str, rows: Any) -> Any:
    """The answers of a batch form, or Refused. A text goes as it is: JSON that Python would not write."""
    given = rows if isinstance(rows, str) else json.dumps(rows)
    try:
        with connection.transaction():
            statement = sql.SQL("select glow_api.{}(%s::jsonb)").format(sql.Identifier(function))
            row = connection.execute(statement, (given,)).fetchone()
            return row[0] if row else None
    except psycopg.Error as error:
        return refusal(error)


def one(connection: psycopg.Connection, query: str, *values: Any) -> Any:
    """The first column of the only row."""
    row = connection.execute(query.encode(), values or None).fetchone()
    return row[0] if row else None


def register(connection: psycopg.Connection, agent: str = AGENT, tenant: str | None = None) -> None:
    call(connection, "register_agent", agent=agent, tenant=tenant, prompt={"instruction": "Answer."})


def _batch(good: Callable[[int], Arguments]) -> Callable[[int], Arguments]:
    return lambda n: {"rows": Jsonb([good(n)])}


def execution(n: int) -> Arguments:
    return {
        "execution_id": f"e-{n}",
        "agent": AGENT,
        "input": f"question {n}",
        "output": f"answer {n}",
        "user_id": f"u-{n}",
        "conversation_id": f"c-{n}",
        "channel": "web",
        "model": "small",
    }


def feedback(n: int) -> Arguments:
    return {
        "agent": AGENT,
        "execution_id": f"e-{n}",
        "user_id": f"u-{n}",
        "thumbs": 1,
        "comment": f"comment {n}",
        "correction": f"correction {n}",
        "channel": "web",
        "conversation_id": f"c-{n}",
        "idempotency_key": f"k-{n}",
        "issues": ["format"],
    }


def withdrawal(n: int) -> Arguments:
    return {
        "agent": AGENT,
        "execution_id": f"e-{n}",
        "user_id": f"u-{n}",
        "kind": "vote",
        "idempotency_key": f"w-{n}",
    }


def retrieval(n: int) -> Arguments:
    return {
        "event_id": f"s-{n}",
        "agent": AGENT,
        "query": f"query {n}",
        "hits": [{"rank": 1, "chunk_id": "c1", "score": 0.5}],
        "execution_id": f"e-{n}",
        "user_id": f"u-{n}",
        "conversation_id": f"c-{n}",
        "policy": "production",
        "configuration": "cfg",
        "model": "minilm",
        "index_number": 1,
        "latency_ms": 12,
    }


def annotation(n: int) -> Arguments:
    return {
        "execution_id": "known",
        "reviewer": f"r-{n}",
        "verdict": "correct",
        "output": f"right {n}",
        "dimensions": {"accuracy": 3},
        "notes": f"notes {n}",
        "idempotency_key": f"a-{n}",
    }


def demonstration(n: int) -> Arguments:
    return {
        "agent": AGENT,
        "expert": f"x-{n}",
        "input": f"in {n}",
        "output": f"out {n}",
        "notes": f"notes {n}",
        "idempotency_key": f"d-{n}",
    }


# One good call of every function a role may execute, made unlike every other by a number. `token` is filled in by
# whoever has one.
GOOD: Mapping[str, Callable[[int], Arguments]] = {
    "log_execution": execution,
    "log_execution_batch": _batch(execution),
    "submit_feedback": feedback,
    "submit_feedback_batch": _batch(feedback),
    "withdraw_feedback": withdrawal,
    "log_retrieval": lambda n: {**retrieval(n), "hits": Jsonb(retrieval(n)["hits"])},
    "log_retrieval_batch": _batch(retrieval),
    "submit_annotation": annotation,
    "submit_annotation_batch": _batch(annotation),
    "submit_demonstration": demonstration,
    "submit_demonstration_batch": _batch(demonstration),
    "issue_feedback_token": lambda n: {"agent": AGENT, "execution_id": f"e-{n}", "user_id": f"u-{n}"},
    "submit_feedback_with_token": lambda n: {"token": "", "comment": f"comment {n}", "idempotency_key": f"t-{n}"},
    "resolve_prompt": lambda n: {
        "agent": AGENT,
        "unit": f"u-{n}",
        "session": f"s-{n}",
        "org": f"o-{n}",
        "execution": f"e-{n}",
    },
    "feedback_stats": lambda n: {"agent": AGENT},
    "common_issues": lambda n: {"agent": AGENT},
    "success_metrics": lambda n: {},
    "retrieval_performance": lambda n: {"agent": AGENT},
    "learning_stats": lambda n: {},
    "register_agent": lambda n: {
        "agent": f"agent-{n}",
        "description": f"number {n}",
        "prompt": {"instruction": f"Answer {n}."},
        "evaluation": {"metric": "contains", "metric_settings": {"all": [f"word {n}"]}},
        "issues": [f"issue {n}"],
    },
    "datasets": lambda n: {"agent": AGENT},
    "set_curation_policy": lambda n: {"agent": AGENT, "shortest_input": 1 + n % 20000, "keep": ["phone"]},
    "curation_policy": lambda n: {"agent": AGENT},
    "correction_patterns": lambda n: {"agent": AGENT},
    "why": lambda n: {"dataset": "d", "example": "e"},
    "effect_of": lambda n: {"feedback": n},
    "my_agents": lambda n: {},
    "request_prompt_optimization": lambda n: {"agent": AGENT, "goals": Jsonb(["accuracy"]), "reason": f"reason {n}"},
    "put_document": lambda n: {"agent": AGENT, "document_id": f"d-{n}", "title": f"title {n}", "body": f"body {n}"},
    "put_documents": lambda n: {
        "agent": AGENT,
        "documents": Jsonb([{"document_id": f"d-{n}", "title": f"title {n}", "body": f"body {n}"}]),
    },
    "retire_document": lambda n: {"agent": AGENT, "document_id": f"d-{n}"},
    "documents": lambda n: {"agent": AGENT, "most": n},
    "search": lambda n: {
        "agent": AGENT,
        "query": f"query {n}",
        "embedding": "{1,2}",
        "model": "small",
        "policy": "explore",
        "event_id": f"s-{n}",
        "user_id": f"u-{n}",
        "conversation_id": f"c-{n}",
        "execution_id": f"e-{n}",
        "unit": f"u-{n}",
    },
    "rollback_retrieval": lambda n: {"agent": AGENT, "reason": f"reason {n}"},
    "retrieval_history": lambda n: {"agent": AGENT, "most": n},
    "prompts": lambda n: {"agent": AGENT, "most": n},
    "prompt_history": lambda n: {"agent": AGENT, "most": n},
    "prompt_lineage": lambda n: {"agent": AGENT, "prompt_version": f"{n:064x}"},
    "rollback_prompt": lambda n: {"agent": AGENT, "reason": f"reason {n}"},
    "notifications": lambda n: {"agent": AGENT, "most": n},
    "request_dataset": lambda n: {"agent": AGENT, "kind": "sft", "reason": f"reason {n}"},
    "create_experiment": lambda n: {
        "agent": AGENT,
        "prompt_version": f"{n:064x}",
        "hypothesis": f"idea {n}",
        "days": 14,
    },
    "plan_experiment": lambda n: {"agent": AGENT, "effect": 0.1, "unit": "session", "days": 7 + n % 22},
    "experiments": lambda n: {"agent": AGENT, "most": n},
    "experiment_looks": lambda n: {"experiment_id": f"x-{n}", "most": n},
    "experiment_decision": lambda n: {"experiment_id": f"x-{n}"},
    **{
        move: lambda n: {"experiment_id": f"x-{n}", "reason": f"reason {n}"}
        for move in ("stop_experiment", "abandon_experiment", "pause_experiment", "resume_experiment", "roll_back")
    },
    "extend_experiment": lambda n: {"experiment_id": f"x-{n}", "reason": f"reason {n}", "until_day": 14},
    "restart_experiment": lambda n: {"experiment_id": f"x-{n}", "reason": f"reason {n}", "treatment_ppm": 250_000},
    "start_rollout": lambda n: {"agent": AGENT, "kind": "prompt", "version": f"{n:064x}", "reason": f"reason {n}"},
    "rollouts": lambda n: {"agent": AGENT, "most": n},
    "rollout_history": lambda n: {"experiment_id": f"x-{n}", "most": n},
    "approve_rollout": lambda n: {"experiment_id": f"x-{n}", "reason": f"reason {n}", "stage": 1},
    "pause_rollout": lambda n: {"experiment_id": f"x-{n}", "reason": f"reason {n}"},
    "resume_rollout": lambda n: {"experiment_id": f"x-{n}", "reason": f"reason {n}"},
    "create_holdout": lambda n: {"holdout": f"h-{n}", "holdout_ppm": 1 + n, "agent": AGENT},
    "end_holdout": lambda n: {"holdout": f"h-{n}"},
    "holdouts": lambda n: {"agent": AGENT},
    "request_training_run": lambda n: {"agent": AGENT, "base_model": f"model-{n}", "reason": f"reason {n}"},
    "request_status": lambda n: {"request_id": 1},
    "cancel_request": lambda n: {"request_id": 1, "reason": f"reason {n}"},
    "apply_import": lambda n: {"import_id": "0" * 64},
    "annotation_queue": lambda n: {"filters": {"agent": AGENT}, "reviewer": f"r-{n}"},
    "claim_annotation": lambda n: {"filters": {"agent": AGENT}, "n": 2, "reviewer": f"r-{n}"},
    "skip": lambda n: {"item_id": 1, "reason": f"reason {n}", "reviewer": f"r-{n}"},
    "decline": lambda n: {"item_id": 1, "reason": f"reason {n}", "reviewer": f"r-{n}"},
    "release": lambda n: {"item_id": 1, "reason": f"reason {n}", "reviewer": f"r-{n}"},
    "extend_lease": lambda n: {"item_id": 1, "reviewer": f"r-{n}"},
    "submit_comparison": lambda n: {
        "item_id": 1,
        "preferred": "first",
        "notes": f"notes {n}",
        "idempotency_key": f"c-{n}",
        "reviewer": f"r-{n}",
    },
    "adjudicate": lambda n: {
        "execution_id": "known",
        "verdict": "correct",
        "output": f"right {n}",
        "notes": f"notes {n}",
        "idempotency_key": f"j-{n}",
        "reviewer": f"j-{n}",
    },
    "set_review_policy": lambda n: {"agent": AGENT, "reviews": 2},
    "request_review": lambda n: {"execution_id": "known", "reason": f"reason {n}"},
    "request_comparison": lambda n: {"execution_id": "known", "alternative": f"other {n}", "reason": f"reason {n}"},
    "set_gold": lambda n: {
        "execution_id": "known",
        "verdict": "correct",
        "output": f"right {n}",
        "notes": f"notes {n}",
    },
    "unset_gold": lambda n: {"execution_id": "known"},
    "erase_subject": lambda n: {"subject": f"u-{n}", "reason": f"reason {n}"},
    "erasures": lambda n: {"most": 5},
    "set_retention": lambda n: {"relation": "responses", "months": 12},
    "erase_late": lambda n: {"erasure_id": n},
    "swept_places": lambda n: {},
    "replace_quoting": lambda n: {
        "erasure_id": n,
        "relation": "responses",
        "key": {"request_key": f"k-{n}"},
        "columns": {"text": f"t {n}"},
    },
    "name_successor": lambda n: {"dataset": f"d-{n}", "successor": f"d-{n}-2"},
    "finish_erasure": lambda n: {"erasure_id": n},
    "forget_statistics": lambda n: {},
}
