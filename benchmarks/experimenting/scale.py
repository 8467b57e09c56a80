"""Claim: a full look at 10⁶ executions costs at most twice a plain aggregate of the same rows, and after one more day of
thirty a look costs at most a tenth of the full one.

The plain aggregate is what an analyst would write: the same sums of the same executions and votes by person, without
exposures, arms, maturation, caps or moments; on one core, as a look is. `bare` is one count and a few sums over everything, without votes or groups.
Moments are checked on the way: parts merge to the whole, and what was folded is what is counted anew.

Usage: python benchmarks/experimenting/scale.py [--rows N]
"""
# ruff: noqa: E501, S608 -- SQL is read best unbroken, and the names in it are ours

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))  # run as a file, its folder is where Python looks first

import numpy as np
import psycopg
from psycopg.types.json import Jsonb

from benchmarks.ingest.world import world
from glow_pipelines.database import migrate
from glow_pipelines.learning.experiments.estimates import ArmMoments
from glow_pipelines.learning.experiments.metrics import METRICS, MetricPlan
from glow_pipelines.learning.experiments.moments import Moments, merged
from glow_pipelines.learning.experiments.plan import ExperimentPlan
from glow_pipelines.store.store import Store

USERS, DAYS, ROUNDS = 32_768, 30, 3
AGENT, ID = "desk", "exp-scale"
START = (datetime.now(UTC) - timedelta(days=DAYS + 3)).replace(hour=0, minute=0, second=0, microsecond=0)
END = START + timedelta(days=DAYS)
MATURATION = timedelta(hours=24)

_ROWS = (
    "insert into glow.agents (agent) values (%(agent)s)",
    """insert into glow.executions (tenant, execution_id, agent, input, output, user_id, conversation_id, model, latency_ms, prompt_tokens, completion_tokens, cost_usd, metadata, started_at, recorded_at)
       select 'default', 'run-' || n, %(agent)s, 'How do I book the travel expenses of invoice ' || n || '?',
              'Book them on account 4670, travel of employees, with the input tax of the invoice.', 'user-' || u, 'talk-' || u || '-' || n %% 3,
              case when hashint4(u) & 1 = 0 then 'small' else 'large' end, 200 + (hashint4(n) & 1023), 100, 50,
              ((hashint4(n + 1) & 1023) / 1000000.0)::numeric(14, 8), '{}', at, at
         from (select n, (power((hashint4(n + 7) & 65535) / 65536.0, 1.5) * %(users)s)::int %% %(users)s as u,
                      %(start)s + make_interval(secs => 86400.0 * %(days)s * n / %(rows)s) as at
                 from generate_series(0, %(rows)s - 1) n) s""",
    """insert into glow.agent_feedback (tenant, agent, execution_id, user_id, kind, thumbs, rating, occurred_at, recorded_at)
       select tenant, agent, execution_id, user_id, 'vote', case when hashtext(execution_id || 't') & 15 < 9 then 1 else -1 end,
              case when hashtext(execution_id || 's') & 7 = 0 then 1 + (hashtext(execution_id || 'r') & 3) end, at, at
         from (select *, recorded_at + interval '3 minutes' as at from glow.executions where hashtext(execution_id) & 15 < 3) v""",
    """insert into glow.exposures (experiment_id, phase, unit_id, cluster_id, variant, bucket, propensity, first_exposed_at)
       select %(id)s, 1, user_id, user_id, case model when 'small' then 'control' else 'treatment' end, 0, 0.5, min(recorded_at)
         from glow.executions group by user_id, model""",
)  # fmt: skip
_SUMS = """count(*), count(x.latency_ms), sum(least(x.latency_ms, 1000)), count(*) filter (where x.latency_ms > 900), count(x.cost_usd), sum(x.cost_usd)"""
_WORDS = """count(f.thumbs), count(*) filter (where f.thumbs = 1), sum(f.thumbs), count(f.rating), sum(f.rating), count(*) filter (where f.rating <= 2),
  count(*) filter (where f.thumbs is not null or f.rating is not null), count(f.correction)"""
BARE = f"select {_SUMS} from glow.executions x where x.agent = %(agent)s"
PLAIN = f"""select x.user_id, {_SUMS}, {_WORDS} from glow.executions x
  left join glow.agent_feedback f on f.tenant = x.tenant and f.execution_id = x.execution_id and f.agent = x.agent and f.superseded_by is null
  where x.agent = %(agent)s group by x.user_id"""


def plan() -> ExperimentPlan:
    """All metrics but a score, which these executions do not have."""
    return ExperimentPlan(
        salt=f"{ID}#1", unit="user", hash="pg1", enrolled_ppm=1_000_000, treatment_ppm=500_000, objective="superiority",
        metrics=tuple(
            MetricPlan(
                metric=name, role="secondary" if n else "primary", higher_is_better=metric.higher_is_better, scale=metric.scale,
                tolerance=0.0, margin=0.1, tau=0.1, tau_harm=0.1, cap={"latency_mean": 1000.0}.get(name),
                threshold=900.0 if name == "latency_slo" else None, key=None, cuped=False, baseline=0.5, standard_error=0.01,
            )
            for n, (name, metric) in enumerate((name, metric) for name, metric in METRICS.items() if name != "score")
        ),
        effect=0.05, smallest_worthwhile=0.01, alpha=0.05, power=0.8, users_per_arm=1000, minimum_users=1000, minimum_days=7,
        planned_days=30, maximum_days=30, information_max=1000.0, design_effect=1.0, reachable=True, detectable=0.05, summary="",
    )  # fmt: skip


def measure(rows: int = 1_000_000) -> dict[str, Any]:
    """Seconds of each way of looking, each the median of some rounds in turn, and their ratios."""
    with world() as place:
        url = place.database("scale")
        migrate(url)
        with psycopg.connect(url, autocommit=True) as admin:
            _fill(admin, rows)
        store = Store(url)
        try:
            return _compare(store, rows)
        finally:
            store.close()


def _fill(admin: psycopg.Connection, rows: int) -> None:
    values = {"agent": AGENT, "id": ID, "users": USERS, "days": DAYS, "rows": rows, "start": START}
    admin.execute(
        "create function pg_temp.months() returns void language plpgsql as $$ declare m timestamptz; t text; begin"
        f" for m in select generate_series(glow.month_of('{START:%Y-%m-%d}'), glow.month_of(now()) - interval '1 day', interval '1 month') loop"
        " foreach t in array '{executions,agent_feedback}'::text[] loop if to_regclass('glow.' || glow.partition_name(('glow.' || t)::regclass, m)) is null then"
        " execute format('create table glow.%I partition of glow.%I for values from (%L) to (%L)', glow.partition_name(('glow.' || t)::regclass, m), t, m, m + interval '1 month');"
        " end if; end loop; end loop; end $$".encode()
    )
    admin.execute("select glow.ensure_partitions(), pg_temp.months()")
    admin.execute(_ROWS[0], values)
    admin.execute(
        "insert into glow.learning_experiments (experiment_id, agent, kind, hypothesis, control, treatment, plan, request_id, started_at)"
        " values (%s, %s, 'model', '', 'small', 'large', %s, 1, %s)",
        (ID, AGENT, Jsonb(plan().to_json()), START),
    )
    for statement in _ROWS[1:]:
        admin.execute(statement, values)
    for table in ("executions", "agent_feedback", "exposures"):
        admin.execute(f"vacuum (analyze) glow.{table}".encode())


def _compare(store: Store, rows: int) -> dict[str, Any]:
    as_of, day_before = END + MATURATION, END - timedelta(days=1) + MATURATION
    frozen = plan()
    taken: dict[str, list[float]] = {name: [] for name in ("bare", "plain", "full", "after_one_day")}
    for _ in range(ROUNDS):
        taken["bare"].append(_timed(lambda: _plain(store, BARE)))
        taken["plain"].append(_timed(lambda: _plain(store, PLAIN)))
        taken["full"].append(_timed(lambda: _full(store, as_of, frozen)))
        with store.transaction() as t:
            t.connection.execute("truncate glow.experiment_folds, glow.experiment_sums")
        with store.transaction() as t:
            t.experiment_statistics.fold(ID, day_before)
        taken["after_one_day"].append(_timed(lambda: _look(store, as_of, frozen)))
    seconds = {name: statistics.median(each) for name, each in taken.items()}
    looked, counted = _look(store, as_of, frozen), _full(store, as_of, frozen)
    return {
        "rows": rows,
        "users": USERS,
        "seconds": {name: round(each, 3) for name, each in seconds.items()},
        "full_to_plain": round(seconds["full"] / seconds["plain"], 2),
        "full_to_bare": round(seconds["full"] / seconds["bare"], 2),
        "one_day_to_full": round(seconds["after_one_day"] / seconds["full"], 3),
        "largest_difference_of_fold_and_recount": max(
            _distance(looked.metrics[name], counted.metrics[name]) for name in looked.metrics
        ),
        "largest_difference_of_merged_parts": _merge_error(),
    }


def _timed(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def _plain(store: Store, query: str) -> None:
    """With the same memory, and on one core, as a look."""
    with store.transaction() as t:
        t.experiment_statistics._row("plan_memory")
        t.connection.execute(query.encode(), {"agent": AGENT}).fetchall()


def _full(store: Store, as_of: datetime, frozen: ExperimentPlan) -> Any:
    with store.transaction() as t:
        return t.experiment_statistics.full(ID, as_of, frozen)


def _look(store: Store, as_of: datetime, frozen: ExperimentPlan) -> Any:
    with store.transaction() as t:
        t.experiment_statistics.fold(ID, as_of, frozen)
        return t.experiment_statistics.statistics(ID, as_of, frozen)


def _distance(a: Any, b: Any) -> float:
    """Of comoments, relative to what they are."""
    assert isinstance(a, ArmMoments)
    assert isinstance(b, ArmMoments)
    found = 0.0
    for x, y in ((a.control, b.control), (a.treatment, b.treatment)):
        scale = np.sqrt(np.outer(np.diag(x.comoments), np.diag(x.comoments))) + 1e-300
        found = max(found, float(np.max(np.abs(x.comoments - y.comoments) / scale)))
    return found


def _merge_error() -> float:
    """Thirty parts of data near 1e9, merged in any order, against the whole."""
    chance = np.random.default_rng(6)
    values = 1e9 + chance.normal(size=(USERS, 2))
    parts = [Moments.of(("s", "n"), part) for part in np.array_split(values, 30)]
    chance.shuffle(parts)
    whole, joined = Moments.of(("s", "n"), values), merged(parts)
    return float(np.max(np.abs(whole.comoments - joined.comoments)) / np.max(whole.comoments))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    sys.stdout.write(json.dumps(measure(parser.parse_args().rows), indent=2) + "\n")
