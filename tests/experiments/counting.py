"""A small experiment with everything that can go wrong in counting it, and the same counted by hand.

Belongs here: rows, a plan, and the counts in Python, word by word from what the sums promise. Does not: what is asserted.
"""
# ruff: noqa: E501 -- SQL is read best unbroken

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from glow_pipelines.learning.experiments.metrics import METRICS, MetricPlan
from glow_pipelines.learning.experiments.plan import ExperimentPlan
from tests.incremental.reading import settle

AGENT, ID = "desk", "exp-count"
START = datetime(2026, 11, 2, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
MATURATION = DAY
VERSIONS = {"control": "small", "treatment": "large"}
CAPS = {"latency_mean": 900.0, "cost_mean": 0.05, "score": 1e9 + 3}


@dataclass(frozen=True)
class Run:
    """An execution."""

    name: str
    tenant: str
    user: str | None
    session: str
    at: datetime
    model: str
    latency: int | None
    cost: Decimal | None
    score: object
    org: str = "o-1"


@dataclass(frozen=True)
class Word:
    """What somebody said of an execution. `superseded` names the later word, itself where it is a withdrawal."""

    number: int
    run: str
    tenant: str
    person: str
    kind: str
    at: datetime
    thumbs: int | None = None
    rating: int | None = None
    correction: str | None = None
    withdrawn: bool = False
    superseded: int | None = None


@dataclass
class World:
    """Rows as they lie in the database."""

    unit: str
    exposures: dict[str, tuple[str, str, datetime]] = field(default_factory=dict)  # unit -> cluster, variant, at
    runs: list[Run] = field(default_factory=list)
    words: list[Word] = field(default_factory=list)


def plan(unit: str = "user", *, cuped: Iterable[str] = (), metrics: Iterable[str] = METRICS) -> ExperimentPlan:
    """Every metric, the first of them primary."""
    return ExperimentPlan(
        salt=f"{ID}#1", unit=unit, hash="pg1", enrolled_ppm=1_000_000, treatment_ppm=500_000, objective="superiority",
        metrics=tuple(
            MetricPlan(
                metric=name, role="secondary" if n else "primary", higher_is_better=METRICS[name].higher_is_better,
                scale=METRICS[name].scale, tolerance=0.0, margin=0.1, tau=0.1, tau_harm=0.1, cap=CAPS.get(name),
                threshold=700.0 if name == "latency_slo" else None, key="grade" if name == "score" else None,
                cuped=name in set(cuped), baseline=0.5, standard_error=0.01,
            )
            for n, name in enumerate(metrics)
        ),
        effect=0.05, smallest_worthwhile=0.01, alpha=0.05, power=0.8, users_per_arm=100, minimum_users=100, minimum_days=7,
        planned_days=7, maximum_days=14, information_max=1000.0, design_effect=1.0, reachable=True, detectable=0.05, summary="",
    )  # fmt: skip


def key(tenant: str, name: str | None) -> str | None:
    return None if name is None else name if tenant == "default" else f"{tenant}\x1f{name}"


def world(seed: int, unit: str = "user", people: int = 14, runs: int = 120, days: int = 6) -> World:
    """People of two tenants with the same names, some never exposed, some idle, some seeing the other arm."""
    chance = random.Random(seed)
    made = World(unit)
    owners = [(("default", "acme")[n % 2], f"u-{n // 2}") for n in range(people)]
    number = 0
    for n in range(runs):
        tenant, user = chance.choice(owners[:-2])
        at = START + timedelta(seconds=chance.randrange(-20 * 86400 if chance.random() < 0.3 else 0, days * 86400))
        made.runs.append(
            Run(
                f"e-{n}", tenant, None if chance.random() < 0.05 else user, f"c-{user}-{chance.randrange(4)}", at, "small",
                chance.choice([None, 100, 650, 701, 5000]), chance.choice([None, Decimal("0.01"), Decimal("0.3"), Decimal("0.00000001")]),
                chance.choice([None, "text", 1e9 + 1, 1e9 + 2, 1e9 + 50, 7]), f"o-{int(user[2:]) % 4}",
            )
        )  # fmt: skip
    for run in made.runs:
        name = unit_of(unit, run)
        if name is not None and run.at > START and chance.random() < 0.7 and name not in made.exposures:
            cluster = name if unit == "org" else key(run.tenant, run.user) or name
            arm = chance.choice(["control", "treatment"])
            if unit in ("user", "org"):
                cluster = name
            made.exposures[name] = (cluster, arm, run.at + timedelta(seconds=chance.choice([-5, 0, 5])))
    for n, (tenant, user) in enumerate(owners[-2:]):
        if unit == "user":
            made.exposures[str(key(tenant, user))] = (
                str(key(tenant, user)),
                ("control", "treatment")[n],
                START + n * DAY,
            )
    for n, run in enumerate(made.runs):
        if (exposed := made.exposures.get(str(unit_of(unit, run)))) and run.at >= exposed[2]:
            other = chance.random() < 0.02
            arm = exposed[1] if not other else ("treatment" if exposed[1] == "control" else "control")
            made.runs[n] = replace(run, model=VERSIONS[arm])
    for run in made.runs:
        for _ in range(chance.choice([0, 0, 1, 1, 2, 3])):
            person, kind = chance.choice([run.user or "u-0", "critic"]), chance.choice(["vote", "vote", "correction"])
            number += 1
            when = run.at + timedelta(hours=chance.choice([-30, -1, 0.01, 1, 5, 23.9, 24, 26, 60]))
            said: dict[str, Any] = {"correction": "no"} if kind == "correction" else {
                "thumbs": chance.choice([1, 1, -1, None]), "rating": chance.choice([None, 1, 2, 4, 5])}  # fmt: skip
            if kind == "vote" and chance.random() < 0.1:
                said = {"withdrawn": True, "superseded": number}
            made.words.append(Word(number, run.name, run.tenant, person, kind, when, **said))
    _supersede(made)
    return made


def _supersede(made: World) -> None:
    """As record_feedback does: by arrival, the newer word of a person on an execution replaces the older."""
    made.words.sort(key=lambda word: word.at)
    newest: dict[tuple[str, ...], int] = {}
    for n, word in enumerate(made.words):
        slot = (word.tenant, word.run, word.person, word.kind)
        if (before := newest.get(slot)) is not None and not made.words[before].withdrawn:
            made.words[before] = replace(made.words[before], superseded=word.number)
        newest[slot] = n


def unit_of(unit: str, run: Run) -> str | None:
    return key(run.tenant, {"user": run.user, "session": run.session, "execution": run.name, "org": run.org}[unit])


def committed(connection: psycopg.Connection) -> None:
    """Commits, and waits until readers may count it: an open transaction of another database holds the horizon back."""
    connection.commit()
    at = connection.info
    settle(f"postgresql://{at.user}:{at.password}@{at.host}:{at.port}/{at.dbname}")


def write(connection: psycopg.Connection, made: World, frozen: ExperimentPlan) -> None:
    """All rows, as administrator."""
    connection.execute("insert into glow.agents (agent) values (%s) on conflict do nothing", (AGENT,))
    connection.execute(
        "insert into glow.learning_experiments (experiment_id, agent, kind, hypothesis, control, treatment, unit, plan, request_id, started_at)"
        " values (%s, %s, 'model', '', 'small', 'large', %s, %s, 1, %s)",
        (ID, AGENT, made.unit, Jsonb(frozen.to_json()), START),
    )
    write_exposures(connection, made)
    write_runs(connection, made.runs)
    write_words(connection, made.words)


def write_exposures(connection: psycopg.Connection, made: World) -> None:
    for name, (cluster, variant, at) in made.exposures.items():
        connection.execute(
            "insert into glow.exposures (experiment_id, phase, unit_id, cluster_id, variant, bucket, propensity, first_exposed_at)"
            " values (%s, 1, %s, %s, %s, 0, 0.5, %s)",
            (ID, name, cluster, variant, at),
        )


def write_runs(connection: psycopg.Connection, runs: Iterable[Run]) -> None:
    for run in runs:
        connection.execute(
            "insert into glow.executions (tenant, execution_id, agent, input, output, user_id, conversation_id, model, latency_ms, cost_usd, metadata, started_at, recorded_at)"
            " values (%s, %s, %s, '', '', %s, %s, %s, %s, %s, %s, %s, %s)",
            (run.tenant, run.name, AGENT, run.user, run.session, run.model, run.latency, run.cost,
             Jsonb({"org_id": run.org, "grade": run.score}), run.at, run.at),
        )  # fmt: skip


def write_words(connection: psycopg.Connection, words: Iterable[Word]) -> None:
    for word in words:
        connection.execute(
            "insert into glow.agent_feedback (feedback_id, tenant, agent, execution_id, user_id, kind, withdrawn, thumbs, rating, correction, occurred_at, recorded_at, superseded_by)"
            " values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            (word.number, word.tenant, AGENT, word.run, word.person, word.kind, word.withdrawn, word.thumbs, word.rating,
             word.correction, word.at, word.at, word.superseded),
        )  # fmt: skip


def in_force(made: World, run: Run, seen: datetime) -> list[Word]:
    """The words in force when the execution matured."""
    latest = min(run.at + MATURATION, seen)
    at = {word.number: word.at for word in made.words}
    return [
        word for word in made.words
        if (word.tenant, word.run) == (run.tenant, run.name) and run.at - MATURATION <= word.at < latest and not word.withdrawn
        and not (word.superseded is not None and at[word.superseded] < latest)
    ]  # fmt: skip


def pairs(made: World, run: Run, seen: datetime) -> dict[str, tuple[Decimal, int]]:
    """Numerator and denominator of every metric for one execution."""
    words = in_force(made, run, seen)
    thumbs = [word.thumbs for word in words if word.thumbs is not None]
    stars = [word.rating for word in words if word.rating is not None]
    net = sum(thumbs)
    score = run.score if isinstance(run.score, int | float) else None
    values: Mapping[str, tuple[Any, int]] = {
        "thumbs_up_rate": (thumbs.count(1), len(thumbs)),
        "mean_rating": (sum(stars), len(stars)),
        "low_rating_rate": (sum(star <= 2 for star in stars), len(stars)),
        "correction_rate": (any(word.correction for word in words), 1),
        "feedback_rate": (bool(thumbs or stars), 1),
        "net_score": ((net > 0) - (net < 0), 1),
        "latency_slo": (run.latency is not None and run.latency > 700, run.latency is not None),
        "latency_mean": (min(run.latency or 0, 900), run.latency is not None),
        "cost_mean": (min(run.cost or Decimal(0), Decimal("0.05")), run.cost is not None),
        "score": (Decimal(min(score, CAPS["score"])) if score is not None else 0, score is not None),
    }
    return {name: (Decimal(s), int(n)) for name, (s, n) in values.items()}


def clusters(made: World, as_of: datetime) -> dict[str, dict[str, dict[str, tuple[Decimal, int]]]]:
    """cluster -> side -> metric -> sums, without clusters that saw both arms."""
    cutoff = as_of - MATURATION
    zero = {name: (Decimal(0), 0) for name in METRICS}
    found: dict[str, dict[str, dict[str, tuple[Decimal, int]]]] = {}
    both = {cluster for _, cluster, _ in multiple(made, as_of)}
    for cluster, variant, at in made.exposures.values():
        if at < cutoff and cluster not in both:
            found.setdefault(cluster, {}).setdefault(variant, dict(zero))
    for run in made.runs:
        exposed = made.exposures.get(str(unit_of(made.unit, run)))
        if exposed and exposed[2] <= run.at < cutoff and exposed[0] in found:
            _add(found[exposed[0]][exposed[1]], pairs(made, run, as_of))
        owner = key(run.tenant, run.org if made.unit == "org" else run.user)
        if owner in found and START - 28 * DAY <= run.at < START:
            _add(found[owner].setdefault("before", dict(zero)), pairs(made, run, START))
    return found


def _add(sums: dict[str, tuple[Decimal, int]], more: Mapping[str, tuple[Decimal, int]]) -> None:
    for name, (s, n) in more.items():
        sums[name] = (sums[name][0] + s, sums[name][1] + n)


def multiple(made: World, as_of: datetime) -> set[tuple[str, str, str]]:
    """Unit, cluster and arm of units seen with the other arm's version."""
    found = set()
    for run in made.runs:
        name = str(unit_of(made.unit, run))
        exposed = made.exposures.get(name)
        if exposed and exposed[2] <= run.at < as_of - MATURATION and run.model != VERSIONS[exposed[1]]:
            found.add((name, exposed[0], exposed[1]))
    return found
