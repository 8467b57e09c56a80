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
insert into glow.learning_examples (example_id, agent, input, target, source, status, quality, expert_approved, group_key,
  split, content_hash, rule_version, reason)
values (%(agent)s, %(agent)s, %(secret)s, %(secret)s, 'vote', 'approved', 1, false, 'g', 'train', 'h', 'r', %(secret)s);
insert into glow.example_sources (example_version, kind, source_id, role)
select example_version, 'feedback', %(feedback)s, 'vote' from glow.learning_examples where example_id = %(agent)s;
insert into glow.training_datasets (dataset_id, agent, agents, kind, rule, rule_hash, rule_version, as_of, rows, content_hash,
  statistics)
values (%(agent)s, %(agent)s, array[%(agent)s], 'sft', '{}', 'h', 'r', now(), 1, 'h', jsonb_build_object('x', %(secret)s::text));
insert into glow.dataset_examples (dataset_id, position, example_version, split)
select %(agent)s, 1, example_version, 'train' from glow.learning_examples where example_id = %(agent)s;
"""


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
        self.feedback = said_ids[0]
        asked = call(self.admin, "request_dataset", agent=self.agent, reason=SECRET)
        self.request = asked["request_id"]
        with self.admin.transaction():
            values = {"agent": self.agent, "secret": SECRET, "feedback": str(self.feedback)}
            psycopg.ClientCursor(self.admin).execute(LEARNED, values)
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
        for name in ("agents", "requests", "prompt_versions", "prompt_aliases"):
            query = (
                f"select coalesce(string_agg(t::text, '|' order by t::text), '') from glow.{name} t where agent = %s"
            )
            rows.append(self.admin.execute(query.encode(), (self.agent,)).fetchone())
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
            "resolve_prompt": {"agent": self.agent, "unit": "u"},
            "feedback_stats": {"agent": self.agent},
            "common_issues": {"agent": self.agent},
            "register_agent": {"agent": self.agent, "description": "mine now", "issues": ["mine"]},
            "datasets": {"agent": self.agent},
            "why": {"dataset": self.agent, "example": self.agent},
            "effect_of": {"feedback": self.feedback},
            "my_agents": {},
            "request_prompt_optimization": {"agent": self.agent},
            "request_dataset": {"agent": self.agent, "kind": "sft"},
            "request_training_run": {"agent": self.agent},
            "request_status": {"request_id": self.request},
            "cancel_request": {"request_id": self.request},
            "success_metrics": {},
            "learning_stats": {},
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
            "why",
            "effect_of",
            "my_agents",
            "success_metrics",
            "learning_stats",
            "request_status",
            "cancel_request",
        }
        tenantless |= {name for name in aimed if name.startswith("request_")}
        shared = [
            ("feedback_stats", {"agent": AGENT}),
            ("common_issues", {"agent": AGENT}),
            ("withdraw_feedback", {"agent": AGENT, "execution_id": f"{self.execution}-shared", "user_id": self.user}),
            ("log_retrieval", {**GOOD["log_retrieval"](2), "event_id": f"{self.execution}-shared"}),
        ]
        every = [*aimed.items(), *((n, a) for n, a in named.items() if n not in tenantless), *batches, *shared]
        assert {name for name, _ in every} == set(GOOD) - {"apply_import", "submit_feedback_with_token"}
        return every
