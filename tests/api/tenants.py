"""A tenant with something to hide: one row of everything.

Belongs here: what several files of attacks share. Does not: fixtures (conftest).
"""
# ruff: noqa: E501 -- SQL is read best unbroken
# ruff: noqa: E501, S608 -- SQL is read best unbroken, and the names in it are ours

import psycopg
from psycopg.types.json import Jsonb

from tests.api.calling import (
    AGENT,
    GOOD,
    Arguments,
    annotation,
    call,
    demonstration,
    execution,
    feedback,
    register,
    withdrawal,
)
from tests.api.logins import Logins

SECRET = "SECRET OF THE OTHER TENANT"


ROLES = ("glow_app", "glow_reviewer", "glow_viewer", "glow_engineer")


TENANT_TABLES = """
select c.relname from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant'
 where c.relnamespace = 'glow'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
   and c.relname not in ('agents', 'logins') order by 1
"""


LEARNED = """
insert into glow.split_assignments (agent, group_key, split) values (%(agent)s, 'g', 'train');
insert into glow.learning_inputs (agent, input_key, group_key) values (%(agent)s, sha256(%(secret)s::bytea), 'g');
insert into glow.learning_examples (example_id, agent, input_id, input, target, source, status, quality, expert_approved,
  group_key, split, content_hash, rule_version, reason)
select %(agent)s, %(agent)s, input_id, %(secret)s, %(secret)s, 'vote', 'approved', 1, false, 'g', 'train', 'h', 'r', %(secret)s
  from glow.learning_inputs where agent = %(agent)s;
insert into glow.source_spans (first_version, since, kind, source_id, role)
select example_version, example_version, 'feedback', %(feedback)s, 'vote' from glow.learning_examples where example_id = %(agent)s;
insert into glow.curation_policies (agent, pii, secrets, keep, shortest_input, shortest_target, set_by)
values (%(agent)s, 'redact', 'quarantine', '{}', 1, 1, %(secret)s);
insert into glow.correction_snapshots (agent, corrections, outputs) values (%(agent)s, 3, 3);
insert into glow.correction_patterns (agent, position, kind, about, detail, standing, count, experts, people, conversations,
  share, share_low, share_high, first_seen, last_seen, feedback, annotations)
values (%(agent)s, 1, 'missing', '', %(secret)s, 'named', 3, 0, 2, 3, 1, 0, 1, now(), now(), '{}', '{}');
insert into glow.training_datasets (dataset_id, agent, agents, kind, rule, rule_hash, rule_version, as_of, rows, content_hash,
  statistics)
values (%(agent)s, %(agent)s, array[%(agent)s], 'sft', '{}', 'h', 'r', now(), 1, 'h', jsonb_build_object('x', %(secret)s::text));
insert into glow.dataset_examples (dataset_id, position, example_version, split)
select %(agent)s, 1, example_version, 'train' from glow.learning_examples where example_id = %(agent)s;
"""


TRIED = """
insert into glow.prompt_versions (agent, prompt_version, prompt, operator, reason)
select %(agent)s, encode(sha256(convert_to(p::text, 'UTF8')), 'hex'), p, 'clarify', %(secret)s
  from (select jsonb_build_object('instruction', n || %(secret)s) from generate_series(1, 2) n) prompts(p);
insert into glow.learning_experiments (experiment_id, agent, kind, hypothesis, control, treatment, plan, request_id)
select 'x-' || %(agent)s, %(agent)s, 'prompt', %(secret)s, min(prompt_version), max(prompt_version),
       '{"planned_days": 7, "maximum_days": 28}', 1
  from glow.prompt_versions where agent = %(agent)s and operator = 'clarify';
insert into glow.experiment_looks (experiment_id, phase, kind, as_of, day, statistics, result, decision, reason)
values ('x-' || %(agent)s, 1, 'decision', now(), 1, '{}', jsonb_build_object('x', %(secret)s::text), 'continue', %(secret)s);
insert into glow.learning_experiments (experiment_id, agent, kind, hypothesis, control, treatment, plan, request_id)
values ('r-' || %(agent)s, %(agent)s, 'model', %(secret)s, 'small', 'large', '{}', 1);
select glow.open_rollout('r-' || %(agent)s,
  '{"stages": [{"treatment_ppm": 500000, "control_ppm": 500000, "phase_offset": 0},
               {"treatment_ppm": 1000000, "control_ppm": 0, "phase_offset": 1, "approval": true}]}', %(secret)s, %(secret)s);
insert into glow.holdouts (holdout, agent, holdout_ppm) values ('h-' || %(agent)s, %(agent)s, 1000);
"""


EXPERIMENTS = {"plan_experiment", "experiments", "experiment_looks", "experiment_decision", "stop_experiment"}
EXPERIMENTS |= {"abandon_experiment", "pause_experiment", "resume_experiment", "extend_experiment"}
EXPERIMENTS |= {"restart_experiment"}
EXPERIMENTS |= {"start_rollout", "rollouts", "rollout_history", "approve_rollout", "pause_rollout", "resume_rollout"}
EXPERIMENTS |= {"roll_back", "create_holdout", "end_holdout", "holdouts"}


class Other:
    """Another tenant with a row of everything, all of which say the secret."""

    def __init__(self, logins: Logins, tenant: str) -> None:
        self.admin, self.tenant, self.agent = logins.admin, tenant, f"agent-{tenant}"
        self.execution, self.user = f"e-{tenant}", f"u-{tenant}"
        register(self.admin, self.agent, tenant)
        said_ids: list[int] = []
        app = logins.connect("glow_app", "glow_reviewer", tenant=tenant)
        for agent, suffix in ((self.agent, ""), (AGENT, "-shared")):
            said = {"agent": agent, "execution_id": self.execution + suffix}
            call(app, "log_execution", **said, input=SECRET, output=SECRET, user_id=self.user)
            vote = call(
                app,
                "submit_feedback",
                **said,
                user_id=self.user,
                thumbs=1,
                comment=SECRET,
                issues=[SECRET],
                idempotency_key="k",
            )
            said_ids.append(int(vote["feedback_id"]))
            hits = Jsonb([{"rank": 1, "chunk_id": SECRET}])
            call(app, "log_retrieval", **said, event_id=self.execution + suffix, query=SECRET, hits=hits)
            call(
                app,
                "submit_demonstration",
                agent=agent,
                expert=self.user,
                input=SECRET,
                output=SECRET,
                idempotency_key="k",
            )
            annotated = self.execution + suffix
            call(app, "submit_annotation", execution_id=annotated, reviewer=self.user, verdict="correct", output=SECRET)
            call(self.admin, "request_review", execution_id=annotated, reason=SECRET, reviews=2, tenant=tenant)
            call(self.admin, "request_comparison", execution_id=annotated, alternative=SECRET + "2", tenant=tenant)
        claimed = call(app, "claim_annotation", n=9, reviewer=f"{self.user}-2")
        self.item = next(row[0] for row in claimed if row[1] == "comparison" and row[2] == self.agent)
        call(app, "submit_comparison", item_id=self.item, preferred="first", reviewer=f"{self.user}-2")
        call(app, "skip", item_id=self.item, reviewer=f"{self.user}-3", reason=SECRET)
        self.feedback = said_ids[0]
        asked = call(self.admin, "request_dataset", agent=self.agent, reason=SECRET)
        self.request = asked["request_id"]
        with self.admin.transaction():
            values = {"agent": self.agent, "secret": SECRET, "feedback": str(self.feedback)}
            psycopg.ClientCursor(self.admin).execute(LEARNED, values)
            psycopg.ClientCursor(self.admin).execute(TRIED, values)
        self.test, self.ramp = f"x-{self.agent}", f"r-{self.agent}"
        self.before = self.state()

    def state(self) -> str:
        """Everything that is the tenant's, as text."""
        tables = [name for (name,) in self.admin.execute(TENANT_TABLES).fetchall()]
        rows = [
            self.admin.execute(
                f"select coalesce(string_agg(t::text, '|' order by t::text), '') from glow.{name} t where tenant = %s".encode(),
                (self.tenant,),
            ).fetchone()
            for name in tables
        ]
        for name in (
            "agents",
            "documents",
            "requests",
            "prompt_versions",
            "prompt_aliases",
            "curation_policies",
            "correction_patterns",
            "learning_experiments",
            "holdouts",
            "notifications",
        ):
            query = f"select coalesce(string_agg(t::text, '|' order by t::text), '') from glow.{name} t where agent = any(%s)"
            read = [self.agent, AGENT] if name == "documents" else [self.agent]
            rows.append(self.admin.execute(query.encode(), (read,)).fetchone())
        for name in ("rollouts", "rollout_moves", "experiment_looks"):
            query = f"select coalesce(string_agg(t::text, '|' order by t::text), '') from glow.{name} t where experiment_id = any(%s)"
            rows.append(self.admin.execute(query.encode(), ([f"x-{self.agent}", f"r-{self.agent}"],)).fetchone())
        assert len(tables) >= 9
        return str(rows)

    def calls(self) -> list[tuple[str, Arguments]]:
        """Calls of every function that aim at this tenant's rows."""
        said = {"agent": self.agent, "execution_id": self.execution, "user_id": self.user}
        aimed: dict[str, Arguments] = {
            "log_execution": {**execution(1), "agent": self.agent, "execution_id": self.execution},
            "submit_feedback": {**feedback(1), **said},
            "withdraw_feedback": {**withdrawal(1), **said},
            "log_retrieval": {**GOOD["log_retrieval"](1), "agent": self.agent, "event_id": self.execution},
            "submit_annotation": {**annotation(1), "execution_id": self.execution, "reviewer": self.user},
            "submit_demonstration": {**demonstration(1), "agent": self.agent},
            "issue_feedback_token": said,
            "resolve_prompt": {"agent": self.agent, "unit": "u", "session": "s", "org": "o", "execution": "e"},
            "feedback_stats": {"agent": self.agent},
            "retrieval_performance": {"agent": self.agent},
            "common_issues": {"agent": self.agent},
            "register_agent": {"agent": self.agent, "description": "mine now", "issues": ["mine"]},
            "datasets": {"agent": self.agent},
            "set_curation_policy": {"agent": self.agent, "pii": "quarantine"},
            "curation_policy": {"agent": self.agent},
            "correction_patterns": {"agent": self.agent},
            "why": {"dataset": self.agent, "example": self.agent},
            "effect_of": {"feedback": self.feedback},
            "my_agents": {},
            "request_prompt_optimization": {"agent": self.agent},
            "request_dataset": {"agent": self.agent, "kind": "sft"},
            "put_document": {"agent": self.agent, "document_id": "d", "title": "mine now", "body": "mine now"},
            "put_documents": {
                "agent": self.agent,
                "documents": Jsonb([{"document_id": "d", "title": "mine now", "body": "mine now"}]),
            },
            "retire_document": {"agent": self.agent, "document_id": "d"},
            "documents": {"agent": self.agent},
            "search": {"agent": self.agent, "query": SECRET, "event_id": self.execution, "unit": self.user},
            "rollback_retrieval": {"agent": self.agent, "reason": "mine now"},
            "retrieval_history": {"agent": self.agent},
            "prompts": {"agent": self.agent},
            "prompt_history": {"agent": self.agent},
            "prompt_lineage": {"agent": self.agent},
            "rollback_prompt": {"agent": self.agent, "reason": "mine now"},
            "notifications": {"agent": self.agent},
            "create_experiment": {"agent": self.agent, "prompt_version": "0" * 64},
            "plan_experiment": {"agent": self.agent},
            "experiments": {"agent": self.agent},
            "experiment_looks": {"experiment_id": self.test},
            "experiment_decision": {"experiment_id": self.test},
            **{
                name: {"experiment_id": self.test, "reason": "mine now"}
                for name in (
                    "stop_experiment",
                    "abandon_experiment",
                    "pause_experiment",
                    "resume_experiment",
                    "extend_experiment",
                    "restart_experiment",
                )
            },
            "start_rollout": {"agent": self.agent, "kind": "model", "version": "mine", "reason": "mine now"},
            "rollouts": {"agent": self.agent},
            "rollout_history": {"experiment_id": self.ramp},
            **{
                name: {"experiment_id": self.ramp, "reason": "mine now"}
                for name in ("approve_rollout", "pause_rollout", "resume_rollout", "roll_back")
            },
            "create_holdout": {"holdout": "mine", "holdout_ppm": 5, "agent": self.agent},
            "end_holdout": {"holdout": f"h-{self.agent}"},
            "holdouts": {"agent": self.agent},
            "request_training_run": {"agent": self.agent},
            "request_status": {"request_id": self.request},
            "cancel_request": {"request_id": self.request},
            "success_metrics": {},
            "learning_stats": {},
            "annotation_queue": {"filters": {"agent": self.agent}, "reviewer": self.user},
            "claim_annotation": {"filters": {"agent": self.agent}, "reviewer": "r"},
            **{
                name: {"item_id": self.item, "reviewer": f"{self.user}-2"}
                for name in ("skip", "decline", "release", "extend_lease")
            },
            "submit_comparison": {"item_id": self.item, "preferred": "tie", "reviewer": f"{self.user}-2"},
            "adjudicate": {"item_id": self.item, "verdict": "approve", "reviewer": "r"},
            "set_review_policy": {"agent": self.agent, "blind": False},
            "request_review": {"execution_id": self.execution},
            "request_comparison": {"execution_id": self.execution, "alternative": "mine"},
            "set_gold": {"execution_id": self.execution, "verdict": "approve"},
            "unset_gold": {"execution_id": self.execution},
            "erase_subject": {"subject": self.user},
            "erasures": {},
            "set_retention": {"relation": "responses"},
            "erase_late": {"erasure_id": 1},
            "swept_places": {},
            "replace_quoting": GOOD["replace_quoting"](1),
            "name_successor": {"dataset": self.agent, "successor": self.agent},
            "finish_erasure": {"erasure_id": 1},
            "forget_statistics": {},
        }
        named = {name: {**arguments, "tenant": self.tenant} for name, arguments in aimed.items()}
        rows = {"log_execution", "submit_feedback", "log_retrieval", "submit_annotation", "submit_demonstration"}
        batches = [
            (f"{name}_batch", {"rows": Jsonb([{key: getattr(v, "obj", v) for key, v in given.items()}])})
            for source in (aimed, named)
            for name, given in source.items()
            if name in rows
        ]
        tenantless = {
            "datasets",
            "set_curation_policy",
            "curation_policy",
            "correction_patterns",
            "why",
            "effect_of",
            "my_agents",
            "success_metrics",
            "learning_stats",
            "request_status",
            "cancel_request",
            "erasures",
            "set_retention",
            "erase_late",
            "swept_places",
            "replace_quoting",
            "name_successor",
            "finish_erasure",
            "forget_statistics",
        }
        tenantless |= {"set_review_policy", "request_prompt_optimization", "request_dataset", "request_training_run"}
        tenantless |= {
            "create_experiment",
            "rollback_retrieval",
            "retrieval_history",
            "prompts",
            "prompt_history",
            "prompt_lineage",
            "rollback_prompt",
            "notifications",
        }
        tenantless |= EXPERIMENTS
        shared: list[tuple[str, Arguments]] = [
            *((name, GOOD[name](1)) for name in ("put_document", "put_documents", "retire_document")),
            ("experiments", {}),
            ("rollouts", {}),
            ("holdouts", {}),
            ("create_holdout", {"holdout": "of-all", "holdout_ppm": 5}),
            ("roll_back", {"experiment_id": self.test, "reason": "mine now"}),
            ("stop_experiment", {"experiment_id": self.ramp, "reason": "mine now"}),
            ("feedback_stats", {"agent": AGENT}),
            ("retrieval_performance", {"agent": AGENT}),
            ("common_issues", {"agent": AGENT}),
            ("withdraw_feedback", {"agent": AGENT, "execution_id": f"{self.execution}-shared", "user_id": self.user}),
            ("log_retrieval", {**GOOD["log_retrieval"](2), "event_id": f"{self.execution}-shared"}),
            ("claim_annotation", {"n": 50, "reviewer": "r"}),
            ("annotation_queue", {"reviewer": f"{self.user}-2"}),
        ]
        every = [*aimed.items(), *((n, a) for n, a in named.items() if n not in tenantless), *batches, *shared]
        assert {name for name, _ in every} == set(GOOD) - {"apply_import", "submit_feedback_with_token"}
        return every
