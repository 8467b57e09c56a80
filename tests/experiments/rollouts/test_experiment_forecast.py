"""plan_experiment against the same formulas in numpy, over traffic whose votes are alike within users and sessions."""
# ruff: noqa: E501 -- SQL is read best unbroken

import math
from statistics import NormalDist

import numpy as np
import psycopg
import pytest

from glow_pipelines.client import ExperimentForecast, GlowClient
from glow_pipelines.database import connect
from tests.experiments.rollouts.moving import AGENT

VOTES = """
insert into glow.executions (tenant, execution_id, agent, input, output, user_id, conversation_id, started_at, recorded_at)
select 'default', 'e' || n, %(agent)s, 'q', 'a', 'u' || u, 'c' || u || '-' || s, now() - age, now() - age
  from unnest(%(n)s::int[], %(u)s::int[], %(s)s::int[], %(age)s::interval[]) as e(n, u, s, age);
insert into glow.agent_feedback (tenant, execution_id, agent, user_id, kind, thumbs, conversation_id, occurred_at, recorded_at)
select 'default', 'e' || n, %(agent)s, 'u' || u, 'vote', t, 'c' || u || '-' || s, now() - age, now() - age
  from unnest(%(n)s::int[], %(u)s::int[], %(s)s::int[], %(t)s::int[], %(age)s::interval[]) as e(n, u, s, t, age);
"""
WANTED = (NormalDist().inv_cdf(0.975) + NormalDist().inv_cdf(0.8)) * math.sqrt(1.073)


def anova(ups: list[float], ns: list[float]) -> float:
    """One-way ANOVA estimator of how alike votes of one group are."""
    s, n = np.array(ups), np.array(ns)
    within = (s * (1 - s / n)).sum() / (n.sum() - len(n))
    between = (n * (s / n - s.sum() / n.sum()) ** 2).sum() / (len(n) - 1)
    size = (n.sum() - (n**2).sum() / n.sum()) / (len(n) - 1)
    return float((between - within) / (between + (size - 1) * within))


@pytest.fixture
def votes(client: GlowClient, database_url: str) -> list[tuple[int, int, bool]]:
    """(user, session, up) of 300 users within the last six days: users differ, sessions of one user too."""
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
                "age": [f"{user / 50} days" for user, _, _ in rows],
            },
        )
    return rows


def forecast(rows: list[tuple[int, int, bool]], grouped: bool) -> tuple[float, float]:
    """Design effect and detectable effect, randomised by user or by session."""
    groups: dict[object, list[bool]] = {}
    for user, session, up in rows:
        groups.setdefault(user if grouped else (user, session), []).append(up)
    ups, ns = [float(sum(each)) for each in groups.values()], [float(len(each)) for each in groups.values()]
    worth = sum(n * n for n in ns) / sum(ns)
    design = 1 + (worth - 1) * anova(ups, ns)
    p = (sum(ups) + 0.5) / (sum(ns) + 1)
    return design, WANTED * math.sqrt(4 * p * (1 - p) * design / sum(ns))


def test_the_forecast_is_that_of_the_formulas(client: GlowClient, votes: list[tuple[int, int, bool]]) -> None:
    seen = client.plan_experiment(AGENT, effect=0.05)
    assert isinstance(seen, ExperimentForecast)
    assert (seen.users, seen.users_in_28_days, seen.votes, seen.executions) == (300, 300, len(votes), len(votes))
    ways = {way.way: way for way in seen.options}
    for way, grouped in (("user", True), ("session", False)):
        design, detectable = forecast(votes, grouped)
        assert ways[way].design_effect == pytest.approx(design, rel=1e-9)
        assert ways[way].detectable == pytest.approx(detectable, rel=1e-9)
    user, execution = ways["user"].detectable, ways["execution"].detectable
    assert seen.detectable == user
    assert user is not None
    assert execution is not None
    assert execution == pytest.approx(user / math.sqrt(seen.design_effect), rel=1e-9)


def test_a_hopeless_experiment_is_told_with_what_it_would_take(
    client: GlowClient, votes: list[tuple[int, int, bool]]
) -> None:
    seen = client.plan_experiment(AGENT, effect=0.02)
    assert not seen.reachable
    assert seen.days_needed is not None
    assert seen.days_needed > 28
    assert "not the 2.0 asked for" in seen.warnings[0]
    assert "300 came in the last 28 days" in seen.warnings[1]
    # A quarter of the standard error takes sixteen times the users.
    assert client.plan_experiment(AGENT, effect=0.08).users_needed == pytest.approx(
        (seen.users_needed or 0) / 16, rel=1e-2
    )


def test_an_effect_that_is_within_reach_warns_of_nothing(
    client: GlowClient, votes: list[tuple[int, int, bool]]
) -> None:
    seen = client.plan_experiment(AGENT, effect=0.4)
    assert (seen.reachable, seen.warnings, seen.days_needed) == (True, [], 7)
    half = client.plan_experiment(AGENT, effect=0.4, enroll_ppm=500_000)
    assert half.detectable == pytest.approx((seen.detectable or 0) * math.sqrt(2), rel=1e-9)
    uneven = client.plan_experiment(AGENT, effect=0.4, treatment_ppm=100_000)
    assert uneven.detectable == pytest.approx((seen.detectable or 0) / 0.6, rel=1e-9)


def test_an_agent_without_votes_is_told_so(client: GlowClient) -> None:
    seen = client.plan_experiment(AGENT)
    assert (seen.detectable, seen.users_needed, seen.reachable) == (None, None, False)
    assert "0 votes" in seen.summary
