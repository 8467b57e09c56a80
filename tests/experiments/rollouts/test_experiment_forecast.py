"""plan_experiment in SQL against the plan that a start freezes, over votes that are alike within users and sessions."""
# ruff: noqa: E501 -- SQL is read best unbroken

import math
from collections.abc import Mapping
from statistics import NormalDist
from typing import Any

import numpy as np
import psycopg
import pytest

from glow_pipelines.client import ExperimentForecast, GlowClient, GlowError
from glow_pipelines.database import connect
from glow_pipelines.learning.experiments import ExperimentPlan
from glow_pipelines.learning.experiments.precision import looks_cost
from glow_pipelines.learning.prompts.types import Candidate
from glow_pipelines.settings import Settings
from glow_pipelines.steps.experiments.freezing import freeze
from glow_pipelines.store import Store
from tests.experiments.rollouts.moving import AGENT, NEW, OLD

Votes = list[tuple[int, int, bool]]
"""User, session, up."""

VOTES = """
insert into glow.executions (tenant, execution_id, agent, input, output, user_id, conversation_id, started_at, recorded_at)
select 'default', 'e' || n, %(agent)s, 'q', 'a', 'u' || u, 'c' || u || '-' || s, now() - age, now() - age
  from unnest(%(n)s::int[], %(u)s::int[], %(s)s::int[], %(age)s::interval[]) as e(n, u, s, age);
insert into glow.agent_feedback (tenant, execution_id, agent, user_id, kind, thumbs, conversation_id, occurred_at, recorded_at)
select 'default', 'e' || n, %(agent)s, 'u' || u, 'vote', t, 'c' || u || '-' || s, now() - age, now() - age
  from unnest(%(n)s::int[], %(u)s::int[], %(s)s::int[], %(t)s::int[], %(age)s::interval[]) as e(n, u, s, t, age);
"""


@pytest.fixture
def votes(client: GlowClient, database_url: str) -> Votes:
    """Of 300 users within the last four weeks: users differ, sessions of one user too."""
    random = np.random.default_rng(6)
    rows = []
    for user in range(300):
        liking = random.normal(0.4, 1.0)
        for session in range(random.integers(1, 4)):
            rate = 1 / (1 + math.exp(-liking - random.normal(0, 0.5)))
            rows += [(user, session, bool(random.random() < rate)) for _ in range(random.integers(1, 5))]
    with connect(database_url, autocommit=True) as admin:
        admin.execute("set glow.tenant = '*'")
        psycopg.ClientCursor(admin).execute(
            VOTES,
            {
                "agent": AGENT,
                "n": list(range(len(rows))),
                "u": [user for user, _, _ in rows],
                "s": [session for _, session, _ in rows],
                "t": [1 if up else -1 for _, _, up in rows],
                "age": [f"{(7 * user + 90 * n) % 270 / 10} days" for n, (user, _, _) in enumerate(rows)],
            },
        )
    return rows


def planned(store: Store, asked: Mapping[str, Any], confidence: float = 0.95, minimum: int = 1000) -> ExperimentPlan:
    """The plan that a start now would freeze."""
    settings = Settings.from_environment(
        {"AB_TEST_CONFIDENCE_THRESHOLD": str(confidence), "AB_TEST_MIN_SAMPLE_SIZE": str(minimum)}
    )
    with store.transaction() as t:
        plan, _ = freeze(t, settings, AGENT, "x1", asked)
    return plan


@pytest.mark.parametrize(
    ("asked", "confidence", "minimum"),
    [
        ({"effect": 0.05}, 0.95, 1000),
        ({"effect": 0.02}, 0.95, 100),
        ({"effect": 0.1, "unit": "session"}, 0.95, 100),
        ({"effect": 0.1, "unit": "execution", "days": 14}, 0.95, 1000),
        ({"effect": 0.15, "enroll_ppm": 500_000}, 0.95, 10),
        ({"effect": 0.15, "treatment_ppm": 100_000}, 0.95, 100),
        ({"effect": 0.5}, 0.95, 10),
        ({"effect": 0.15}, 0.95, 200),
        ({"effect": 0.12, "days": 10}, 0.95, 300),
        ({"effect": 0.15}, 0.8, 100),
        ({"effect": 0.15}, 0.999, 100),
    ],
)
def test_the_forecast_is_the_plan_that_a_start_would_freeze(
    client: GlowClient, store: Store, votes: Votes, asked: dict[str, Any], confidence: float, minimum: int
) -> None:
    seen = client.plan_experiment(AGENT, **asked, confidence=confidence, minimum_users=minimum)
    plan = planned(store, asked, confidence, minimum)
    assert isinstance(seen, ExperimentForecast)
    assert (seen.users_in_28_days, seen.votes, seen.executions) == (300, len(votes), len(votes))
    assert (seen.reachable, seen.effect) == (plan.reachable, plan.effect)
    assert abs(seen.days - plan.planned_days) <= (confidence != 0.95)
    assert seen.detectable == pytest.approx(plan.detectable, rel=0.01)
    assert seen.design_effect == pytest.approx(plan.design_effect, rel=1e-9)
    ways = {way.way: way for way in seen.options}
    for option in plan.options:
        way = ways[option.name.removesuffix(" units")]
        assert way.error_ratio == pytest.approx(option.error_ratio, rel=1e-9)
        assert way.detectable == pytest.approx(option.detectable, rel=0.01)
        assert (way.days_needed is None) == (option.days is None)
        if option.days is not None:
            assert way.days_needed == pytest.approx(option.days, rel=0.01, abs=1)
    if confidence == 0.95:  # other ways of saying the same number differ in the last digit
        assert (seen.days, seen.maximum_days) == (plan.planned_days, plan.maximum_days)
        assert seen.summary == plan.summary
        assert (
            seen.warnings == [each for each in plan.warnings if not each.startswith("guardrail")][: len(seen.warnings)]
        )
        assert bool(seen.warnings) == any(
            not each.startswith(("guardrail", "randomising", "adjusting")) for each in plan.warnings
        )


def test_one_user_in_an_organisation_of_many_is_told_of_organisations(
    client: GlowClient, store: Store, votes: Votes
) -> None:
    seen, plan = client.plan_experiment(AGENT, unit="org"), planned(store, {"unit": "org"})
    assert (seen.users_in_28_days, seen.summary) == (0, plan.summary)


def test_what_create_says_is_what_plan_says(client: GlowClient, store: Store, votes: Votes) -> None:
    with store.transaction() as t:
        t.prompts.add(AGENT, Candidate(NEW, "clarify", OLD.sha256))
    asked = client.create_experiment(AGENT, NEW.sha256, effect=0.1)
    assert asked.warnings == client.plan_experiment(AGENT, effect=0.1).warnings
    assert "hopeless" in asked.warnings[0]
    assert planned(store, {"effect": 0.1}).warnings[0] == asked.warnings[0]


def test_an_agent_without_votes_is_told_so(client: GlowClient, store: Store) -> None:
    seen, plan = client.plan_experiment(AGENT), planned(store, {})
    assert (seen.detectable, seen.users, seen.reachable) == (None, 1, False)
    assert (seen.summary, seen.warnings[0]) == (plan.summary, plan.warnings[0])
    assert "too few to show any difference" in seen.summary


@pytest.mark.parametrize(
    ("field", "value"),
    [("confidence", 0.5), ("confidence", math.nan), ("minimum_users", 0), ("days", 6), ("days", 29), ("effect", 0.0)],
)
def test_a_forecast_of_what_cannot_be_planned_is_refused(client: GlowClient, field: str, value: float) -> None:
    with pytest.raises(GlowError, match=rf"^{field}: "):
        client.plan_experiment(AGENT, **{field: value})  # type: ignore[arg-type]


@pytest.mark.parametrize("share", [1e-9, 0.001, 0.025, 0.07, 0.1, 0.5, 0.8, 0.9, 0.95, 0.975, 0.9995])
def test_quantiles_of_the_normal_distribution(client: GlowClient, database_url: str, share: float) -> None:
    with connect(database_url) as admin:
        found = admin.execute("select glow_api.normal_quantile(%s)", (share,)).fetchone()
    assert found is not None
    assert found[0] == pytest.approx(NormalDist().inv_cdf(share), abs=1e-6)


def test_what_looking_costs_is_what_the_engine_solves(client: GlowClient, database_url: str) -> None:
    with connect(database_url) as admin:
        rows = admin.execute("select n, glow_api.looks_cost(n) from unnest('{1,2,7,14,22}'::int[]) n").fetchall()
    assert dict(rows) == pytest.approx({n: looks_cost(n, 0.05, 0.8) for n in (1, 2, 7, 14, 22)}, rel=1e-9)
