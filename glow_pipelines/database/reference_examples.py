"""The calls that the reference shows, in the order they are made: a small story.

Belongs here: what is called by whom, and what that shows. Does not: calling (`reference_calls`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

TOKEN = "PAYLOAD.SIGNATURE"  # stands for the last token that was issued
CONFIRM = "1790000000-0123456789abcdef0123456789abcdef"  # stands for what the last dry run said


@dataclass(frozen=True)
class Example:
    """A call by a login that has `role` and nothing else; `about` says what it shows."""

    function: str
    role: str
    arguments: Mapping[str, Any]
    about: str = ""


_VOTE = {"agent": "expense-coder", "execution_id": "run-1", "user_id": "u-17"}
_RUN = {"execution_id": "run-1", "agent": "expense-coder", "input": "Taxi to the client", "output": "meals"}
_SEARCH = {"event_id": "search-1", "agent": "expense-coder", "query": "Is a taxi travel?"}
_JUDGED = {"execution_id": "run-1", "reviewer": "ann", "verdict": "correct", "output": "travel"}
_MINE = {"filters": {"agent": "expense-coder"}, "reviewer": "bob"}
_SHOWN = {"agent": "expense-coder", "expert": "ann", "input": "Train to Bern", "output": "travel"}

# What probes start from is the first example of their function.
EXAMPLES = (
    Example(
        "register_agent",
        "glow_engineer",
        {
            "agent": "expense-coder",
            "description": "Says which account an expense belongs to",
            "evaluation": {"metric": "label", "choices": ["travel", "meals"]},
            "prompt": {"instruction": "Which account is this expense?", "choices": ["travel", "meals"]},
        },
    ),
    Example("resolve_prompt", "glow_app", {"agent": "expense-coder", "unit": "u-17", "session": "c-1"}),
    Example(
        "submit_feedback", "glow_app", {**_VOTE, "thumbs": 1}, "Before its execution: kept, and joined when it comes."
    ),
    Example("log_execution", "glow_app", {**_RUN, "user_id": "u-17", "latency_ms": 840}, "A vote has waited for it."),
    Example("log_execution", "glow_app", {**_RUN, "user_id": "u-17", "latency_ms": 840}, "The same again: a retry."),
    Example("log_execution", "glow_app", {**_RUN, "output": "travel"}, "The id with other contents."),
    Example(
        "submit_feedback",
        "glow_app",
        {**_VOTE, "thumbs": -1, "issues": ["wrong_answer"], "idempotency_key": "vote-1"},
        "A changed mind: the new vote supersedes the old one.",
    ),
    Example(
        "submit_feedback",
        "glow_app",
        {**_VOTE, "thumbs": -1, "issues": ["wrong_answer"], "idempotency_key": "vote-1"},
        "A retry with its key: the first answer's id.",
    ),
    Example("submit_feedback", "glow_app", {**_VOTE, "rating": 6}, "A value that is not accepted."),
    Example(
        "submit_feedback",
        "glow_app",
        {**_VOTE, "thumbs": 1, "occurred_at": "2026-01-05T09:00:00Z"},
        "Given before the current one and arrived after it: history only.",
    ),
    Example("feedback_stats", "glow_app", {"agent": "expense-coder"}),
    Example("common_issues", "glow_app", {"agent": "expense-coder", "most": 3}),
    Example("withdraw_feedback", "glow_app", _VOTE),
    Example("withdraw_feedback", "glow_app", _VOTE, "Nothing left to take back."),
    Example(
        "log_execution_batch",
        "glow_app",
        {"rows": [{**_RUN, "execution_id": "run-2"}, {"execution_id": "run-3", "agent": "nobody"}]},
    ),
    Example(
        "submit_feedback_batch",
        "glow_app",
        {"rows": [{**_VOTE, "thumbs": 1}, {**_VOTE, "rating": 6}, {**_VOTE, "withdrawn": True}]},
        "One result for each row; the refused one stops no other.",
    ),
    Example(
        "put_document",
        "glow_engineer",
        {"agent": "expense-coder", "document_id": "policy-3", "title": "Travel", "body": "Trams are paid back."},
    ),
    Example(
        "put_documents",
        "glow_engineer",
        {
            "agent": "expense-coder",
            "documents": [
                {"document_id": "policy-4", "title": "Meals", "body": "A lunch with a customer is paid back."},
                {"document_id": "policy-5", "title": "Tools"},
            ],
        },
        "One receipt for each; the refused one stops no other.",
    ),
    Example("retire_document", "glow_engineer", {"agent": "expense-coder", "document_id": "policy-4"}),
    Example("documents", "glow_app", {"agent": "expense-coder"}, "The pipeline has not indexed them yet."),
    Example(
        "search",
        "glow_app",
        {**_SEARCH, "k": 3, "policy": "interleave", "user_id": "u-17", "unit": "u-17"},
        "The pipeline has not indexed the documents yet.",
    ),
    Example("search", "glow_app", {**_SEARCH, "k": 0, "model": "minilm"}, "A value that is not accepted."),
    Example("log_retrieval", "glow_app", {**_SEARCH, "hits": [{"rank": 1, "chunk_id": "policy-3", "score": 0.71}]}),
    Example(
        "log_retrieval",
        "glow_app",
        {**_SEARCH, "hits": [{"rank": 1, "chunk_id": "policy-3", "clicked": True}]},
        "The same search again, now with a click.",
    ),
    Example("log_retrieval_batch", "glow_app", {"rows": [{**_SEARCH, "event_id": "search-2", "hits": []}]}),
    Example(
        "retrieval_performance",
        "glow_viewer",
        {"agent": "expense-coder"},
        "Shares with limits of 95 %; where one conversation is all there is, none.",
    ),
    Example("submit_annotation", "glow_reviewer", {**_JUDGED, "notes": "A ride to a client is travel."}),
    Example(
        "submit_annotation_batch",
        "glow_reviewer",
        {"rows": [{"execution_id": "run-2", "reviewer": "ann", "verdict": "reject"}]},
    ),
    Example(
        "set_review_policy",
        "glow_engineer",
        {"agent": "expense-coder", "reviews": 2, "lease": "20 minutes", "gold_share": 0.1},
    ),
    Example(
        "request_review",
        "glow_engineer",
        {"execution_id": "run-2", "reason": "the auditor asks", "reviews": 3},
        "One expert had judged it before.",
    ),
    Example("annotation_queue", "glow_reviewer", _MINE),
    Example("claim_annotation", "glow_reviewer", {**_MINE, "n": 5}),
    Example("extend_lease", "glow_reviewer", {"item_id": 1, "lease": "30 minutes", "reviewer": "bob"}),
    Example(
        "submit_annotation",
        "glow_reviewer",
        {"execution_id": "run-2", "reviewer": "bob", "verdict": "approve", "item_id": 1},
        "The review that was claimed.",
    ),
    Example("skip", "glow_reviewer", {"item_id": 1, "reason": "after lunch", "reviewer": "cyd"}),
    Example("decline", "glow_reviewer", {"item_id": 1, "reason": "I wrote that answer", "reviewer": "eve"}),
    Example(
        "claim_annotation", "glow_reviewer", {"reviewer": "cyd"}, "What was skipped comes when nothing else waits."
    ),
    Example("release", "glow_reviewer", {"item_id": 1, "reviewer": "cyd"}),
    Example(
        "adjudicate",
        "glow_reviewer",
        {"execution_id": "run-1", "verdict": "correct", "output": "travel", "reviewer": "dan"},
        "By somebody who has not reviewed it.",
    ),
    Example("request_comparison", "glow_engineer", {"execution_id": "run-1", "alternative": "travel, domestic"}),
    Example(
        "submit_comparison",
        "glow_reviewer",
        {"item_id": 2, "preferred": "second", "reviewer": "bob"},
        "Of an item that was not claimed, or that somebody else has by now.",
    ),
    Example("set_gold", "glow_engineer", {"execution_id": "run-1", "verdict": "correct", "output": "travel"}),
    Example("unset_gold", "glow_engineer", {"execution_id": "run-1"}),
    Example("submit_demonstration", "glow_reviewer", _SHOWN),
    Example("submit_demonstration_batch", "glow_reviewer", {"rows": [{**_SHOWN, "idempotency_key": "shown-1"}]}),
    Example("issue_feedback_token", "glow_app", {**_VOTE, "valid_seconds": 900}),
    Example("submit_feedback_with_token", "glow_browser", {"token": TOKEN, "thumbs": 1}),
    Example("submit_feedback_with_token", "glow_browser", {"token": "eyJ9.c2ln", "thumbs": 1}, "A forged one."),
    Example(
        "request_prompt_optimization",
        "glow_engineer",
        {"agent": "expense-coder", "goals": ["accuracy"], "reason": "Q4"},
    ),
    Example("request_dataset", "glow_engineer", {"agent": "expense-coder", "kind": "preference"}),
    Example(
        "request_dataset",
        "glow_engineer",
        {"agent": "expense-coder", "rule": {"kind": "preference", "minimum_quality": 2}},
        "A rule that cannot be meant.",
    ),
    Example("plan_experiment", "glow_engineer", {"agent": "expense-coder", "unit": "session"}),
    Example("create_experiment", "glow_engineer", {"agent": "expense-coder", "prompt_version": "0" * 64}),
    Example(
        "create_experiment",
        "glow_engineer",
        {
            "agent": "expense-coder",
            "kind": "model",
            "control": "small",
            "treatment": "large",
            "hypothesis": "the large model is worth its price",
        },
        "Of a model, where nothing was put in force here before: control says what the app uses.",
    ),
    Example("request_training_run", "glow_engineer", {"agent": "expense-coder"}),
    Example("experiments", "glow_engineer", {"agent": "expense-coder"}),
    Example("experiment_looks", "glow_engineer", {"experiment_id": "expense-coder-model-0b1c"}),
    Example("experiment_decision", "glow_engineer", {"experiment_id": "expense-coder-model-0b1c"}),
    *(
        Example(move, "glow_engineer", {"experiment_id": "expense-coder-model-0b1c", "reason": reason})
        for move, reason in (
            ("pause_experiment", "the provider is down"),
            ("resume_experiment", "it is back"),
            ("extend_experiment", "the fair was this week"),
            ("restart_experiment", "the app asked only in the mornings; mended"),
            ("stop_experiment", "the price went up"),
            ("abandon_experiment", "the wrong model was called"),
        )
    ),
    Example(
        "start_rollout",
        "glow_engineer",
        {"agent": "expense-coder", "kind": "retrieval", "version": "0" * 64, "reason": "the new index"},
    ),
    Example("rollouts", "glow_engineer", {"agent": "expense-coder"}),
    Example("rollout_history", "glow_engineer", {"experiment_id": "expense-coder-model-0b1c"}),
    *(
        Example(move, "glow_engineer", {"experiment_id": "expense-coder-model-0b1c", "reason": reason})
        for move, reason in (
            ("approve_rollout", "read the figures"),
            ("pause_rollout", "a public holiday"),
            ("resume_rollout", "back at work"),
            ("roll_back", "wrong accounts since noon"),
        )
    ),
    Example("create_holdout", "glow_engineer", {"holdout": "2027-h1", "holdout_ppm": 50000, "agent": "expense-coder"}),
    Example("holdouts", "glow_engineer", {"agent": "expense-coder"}),
    Example("end_holdout", "glow_engineer", {"holdout": "2027-h1"}),
    Example("request_status", "glow_engineer", {"request_id": 1}),
    Example("cancel_request", "glow_engineer", {"request_id": 1, "reason": "asked by mistake"}),
    Example("learning_stats", "glow_engineer", {}),
    Example("success_metrics", "glow_viewer", {}, "Nothing has been measured in this small story."),
    Example("datasets", "glow_engineer", {"agent": "expense-coder"}, "No dataset has been built in this small story."),
    Example(
        "set_curation_policy",
        "glow_engineer",
        {"agent": "expense-coder", "pii": "quarantine", "languages": ["de", "en", "und"]},
        "What is not named is the default.",
    ),
    Example("curation_policy", "glow_engineer", {"agent": "expense-coder"}),
    Example("correction_patterns", "glow_engineer", {"agent": "expense-coder"}, "Nobody has corrected enough yet."),
    Example("why", "glow_engineer", {"dataset": "no-dataset", "example": "no-example"}),
    Example("my_agents", "glow_engineer", {}),
    Example("effect_of", "glow_engineer", {"feedback": 1}, "Nothing has been learned from this vote yet."),
    Example("prompts", "glow_engineer", {"agent": "expense-coder"}),
    Example("prompt_history", "glow_engineer", {"agent": "expense-coder"}),
    Example(
        "prompt_lineage", "glow_engineer", {"agent": "expense-coder"}, "A person wrote it: that version is its source."
    ),
    Example(
        "rollback_prompt",
        "glow_engineer",
        {"agent": "expense-coder", "reason": "wrong accounts since noon"},
        "Nothing to go back to: production was never moved.",
    ),
    Example(
        "rollback_retrieval",
        "glow_engineer",
        {"agent": "expense-coder", "reason": "finds nothing since noon"},
        "Nothing to go back to: no document was indexed.",
    ),
    Example("retrieval_history", "glow_engineer", {"agent": "expense-coder"}),
    Example("notifications", "glow_engineer", {"agent": "expense-coder"}),
    Example("apply_import", "glow_pipeline", {"import_id": "0" * 64}),
    Example("set_retention", "glow_engineer", {"relation": "responses", "months": 12}),
    Example("erase_subject", "glow_engineer", {"subject": "u-17"}, "A dry run: what would be touched."),
    Example(
        "erase_subject",
        "glow_engineer",
        {"subject": "u-17", "dry_run": False, "confirm": CONFIRM, "reason": "asked to, ticket 81"},
        "With what the dry run answered.",
    ),
    Example("erase_subject", "glow_engineer", {"subject": "u-18", "dry_run": False}, "Without a dry run before it."),
    Example("erasures", "glow_engineer", {"most": 1}),
    Example("erase_late", "glow_pipeline", {"erasure_id": 2}),
    Example("swept_places", "glow_pipeline", {}),
    Example(
        "replace_quoting",
        "glow_pipeline",
        {
            "erasure_id": 2,
            "relation": "responses",
            "key": {"request_key": "0123abcd"},
            "columns": {"text": "[erased]"},
        },
    ),
    Example("name_successor", "glow_pipeline", {"dataset": "no-dataset", "successor": "no-dataset-2"}),
    Example("forget_statistics", "glow_pipeline", {}),
    Example("finish_erasure", "glow_pipeline", {"erasure_id": 2}, "The scrub of files has not been done yet."),
    Example("rotate_token_key", "glow_owner", {}),
    Example("revoke_token_keys", "glow_owner", {}),
    Example("bind_login", "glow_owner", {"login": "reference_app", "tenant": "acme", "calls_per_minute": 6000}),
)
# What `glow import` does before apply_import: COPY.
STAGED = (
    "insert into glow.imports (import_id, source, format) values (repeat('0', 64), 'votes.csv', 'csv')",
    """insert into glow.import_batches (import_id, line, kind, lines, parts, rows)
       select repeat('0', 64), 2, 'feedback', '{1,2}', '{0,0}', jsonb_agg(jsonb_build_object(
         'agent', 'expense-coder', 'execution_id', 'run-2', 'user_id', 'u-' || line, 'thumbs', line * 2 - 1))
         from generate_series(1, 2) line""",
)
