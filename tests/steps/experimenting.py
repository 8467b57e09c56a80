"""Users of an agent before and during an experiment, written straight into the tables: months of traffic in a second.

Belongs here: fixtures and rows. What users do is drawn by the hash of their name, so that every run sees the same.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from glow_pipelines.client import GlowClient
from glow_pipelines.database import connect
from glow_pipelines.learning.prompts.types import Candidate, Prompt
from glow_pipelines.settings import Settings
from glow_pipelines.store import Store
from tests.incremental.reading import settle

AGENT = "tax"
PROMPT = Prompt("Which account is it?", choices=("travel", "meals"))
OTHER = replace(PROMPT, instruction="Which account? Think of who travelled.")
BEGAN = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(days=40)
"""When experiments of the tests began: all their days are over, and what happened on them is in the tables."""

# Every user acts `per_user` times over the days; a vote is up with the rate of what answered.
_EXPOSURES = """
insert into glow.exposures (experiment_id, phase, unit_id, cluster_id, variant, bucket, propensity, hash_version,
                            source, first_exposed_at)
select x.experiment_id, x.phase, u.unit, u.unit,
       case when u.bucket >= 1000000 - x.treatment_ppm then 'treatment' else 'control' end, u.bucket,
       case when u.bucket >= 1000000 - x.treatment_ppm then x.treatment_ppm else x.control_ppm end / 1e6, x.hash,
       'test',
       %(since)s + u.n %% %(entering)s * interval '1 day'
  from glow.learning_experiments x,
       lateral (select n, format('u%%s', n) as unit, glow.exp_bucket(x.salt, 'variant', format('u%%s', n)) as bucket
                  from generate_series(1, %(users)s) n) u
 where x.experiment_id = %(experiment_id)s and (u.bucket >= 1000000 - x.treatment_ppm or u.bucket < x.control_ppm)
on conflict do nothing
"""
_ACTIONS = """
with acts as (
  select format('%%s-u%%s-%%s', %(name)s::text, n, k) as execution_id,
         format('%%s%%s', %(prefix)s::text, n) as user_id, e.variant,
         coalesce(e.first_exposed_at, %(since)s)
           + (k - 1) * (%(since)s + %(days)s * interval '1 day' - coalesce(e.first_exposed_at, %(since)s))
             / %(per_user)s
           + n * interval '1 second' as at,
         glow.exp_bucket('acts', 'vote', format('%%s-%%s-%%s', %(name)s::text, n, k)) / 1e6 as chance,
         glow.exp_bucket('acts', 'rated', format('%%s-%%s-%%s', %(name)s::text, n, k)) / 1e6 as whim
    from generate_series(1, %(users)s) n cross join generate_series(1, %(per_user)s) k
    left join glow.exposures e
           on e.experiment_id = %(experiment_id)s and e.phase = %(phase)s and e.unit_id = format('u%%s', n)
), answered as (
  insert into glow.executions (tenant, execution_id, agent, input, output, user_id, prompt_version, latency_ms,
                               cost_usd, started_at, recorded_at)
  select 'default', execution_id, %(agent)s, 'in', 'out', user_id,
         case variant when 'treatment' then %(treatment)s else %(control)s end,
         100 + (1000 * whim)::int, 0.001 + 0.0005 * whim, at, at
    from acts where %(experiment_id)s::text is null or variant is not null
)
insert into glow.agent_feedback (tenant, agent, execution_id, user_id, kind, thumbs, occurred_at, recorded_at)
select 'default', %(agent)s, execution_id, user_id, 'vote',
       case when chance < case variant when 'treatment' then %(up_treatment)s else %(up_control)s end
            then 1 else -1 end,
       at + interval '1 minute', at + interval '1 minute'
  from acts
 where (%(experiment_id)s::text is null or variant is not null)
   and whim < case variant when 'treatment' then %(rated_treatment)s else %(rated_control)s end
"""


@dataclass(frozen=True)
class World:
    """An agent with two versions of its prompt, and users who act."""

    client: GlowClient
    store: Store
    admin: psycopg.Connection
    url: str

    def before(self, users: int = 400, per_user: int = 3, up: float = 0.6) -> None:
        """Four weeks of traffic before an experiment is asked for, of other people than those who take part in it."""
        since = datetime.now(UTC) - timedelta(days=28, minutes=-5)
        self._act(None, "before", users, per_user, 28, (up, up), (0.8, 0.8), since, 1)

    def during(
        self,
        experiment_id: str,
        users: int = 1500,
        per_user: int = 3,
        days: int = 14,
        up: tuple[float, float] = (0.6, 0.6),
        rated: tuple[float, float] = (0.8, 0.8),
        since: datetime = BEGAN,
        entering: int = 6,
        again: str = "",
    ) -> None:
        """Users who enter over the first days of an experiment and go on; rates are of control and treatment.

        What they do besides what was written for this share before needs a name of its own, `again`.
        """
        given = {"experiment_id": experiment_id, "users": users, "since": since, "entering": entering}
        self.admin.execute(_EXPOSURES, given)
        found = self.admin.execute(
            "select phase, treatment_ppm from glow.learning_experiments where experiment_id = %s", (experiment_id,)
        ).fetchone()
        assert found is not None
        phase, share = found
        self._act(
            experiment_id, f"{experiment_id}.{phase}.{share}{again}", users, per_user, days, up, rated, since, phase
        )

    def begin(self, experiment_id: str, at: datetime = BEGAN) -> None:
        """Let an experiment have begun then."""
        self.admin.execute(
            "update glow.learning_experiments"
            " set planned_end = planned_end + (%(at)s - started_at), started_at = %(at)s"
            " where experiment_id = %(experiment_id)s",
            {"at": at, "experiment_id": experiment_id},
        )

    def _act(
        self,
        experiment_id: str | None,
        name: str,
        users: int,
        per_user: int,
        days: int,
        up: tuple[float, float],
        rated: tuple[float, float],
        since: datetime,
        phase: int,
    ) -> None:
        self.admin.execute(
            _ACTIONS,
            {
                "experiment_id": experiment_id,
                "phase": phase,
                "name": name,
                "prefix": "u" if experiment_id else "before-",
                "users": users,
                "per_user": per_user,
                "days": days,
                "since": since,
                "agent": AGENT,
                "control": PROMPT.sha256,
                "treatment": OTHER.sha256,
                "up_control": up[0],
                "up_treatment": up[1],
                "rated_control": rated[0],
                "rated_treatment": rated[1],
            },
        )
        settle(self.url)  # readers count what is behind the horizon, and other workers' transactions hold it back
        self.admin.execute("analyze glow.executions, glow.exposures, glow.agent_feedback")  # autovacuum is off in tests


@pytest.fixture
def make_world(make_database: Callable[[], str]) -> Iterator[Callable[[], World]]:
    """Makes worlds of their own."""
    made: list[World] = []

    def make() -> World:
        url = make_database()
        client, store = GlowClient(url), Store(url)
        client.register_agent(AGENT, "", {"metric": "label", "choices": ["travel", "meals"]}, PROMPT.content())
        with store.transaction() as t:
            t.prompts.add(AGENT, Candidate(OTHER, "clarify", PROMPT.sha256))
        made.append(World(client, store, connect(url, autocommit=True), url))
        return made[-1]

    yield make
    for world in made:
        world.client.close()
        world.store.close()
        world.admin.close()


@pytest.fixture
def world(make_world: Callable[[], World]) -> World:
    """One world."""
    return make_world()


@pytest.fixture
def settings() -> Settings:
    """The usual ones, with fewer users than an experiment needs by default: tests are small."""
    return Settings.from_environment({"AB_TEST_MIN_SAMPLE_SIZE": "200"})
