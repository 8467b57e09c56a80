"""SQL and Python assign alike: the hashes, and whole experiments drawn at random."""

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from glow_pipelines.learning.experiments.assignment import MILLION, Holdout, Trial, Units, Variant, resolve
from glow_pipelines.learning.experiments.hashing import exp_bucket, fnv32a, gb_hash, in_namespace
from tests.api.calling import one, register
from tests.experiments.assigning import AGENT, CONFIGS, KINDS, World, made

VECTORS = Path(__file__).parents[2].parent / "shared" / "specs" / "experiments_vectors.json"
OTHER = "other"
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x1f\0"), max_size=20)
IDS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8)
SHARES = st.one_of(st.sampled_from([0, 100_000, 500_000, MILLION]), st.integers(0, MILLION))


@pytest.mark.skipif(not VECTORS.exists(), reason="shared reference vectors are not beside this checkout")
def test_reference_vectors(connection: psycopg.Connection) -> None:
    vectors = [v for v in json.loads(VECTORS.read_text())["vectors"] if v["id"].startswith("hash.")]
    assert len(vectors) >= 90
    for vector in vectors:
        asked, expected = vector["input"], vector["expected"]
        if "bucket" in expected:
            assert exp_bucket(**asked) == expected["bucket"], vector["id"]
            bucket = one(connection, "select glow.exp_bucket(%s, %s, %s)", *asked.values())
            assert bucket == expected["bucket"], vector["id"]
        elif "hash" in expected:
            assert gb_hash(**asked) == expected["hash"], vector["id"]
            hashed = one(connection, "select glow.gb_hash(%s, %s, %s)", asked["seed"], asked["value"], asked["version"])
            assert hashed == expected["hash"], vector["id"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150)
@given(TEXTS, TEXTS, st.integers(0, 3), st.floats(0, 1), st.floats(0, 1))
def test_hashes_of_any_text(
    connection: psycopg.Connection, seed: str, value: str, version: int, low: float, high: float
) -> None:
    query = """
        select glow.exp_bucket(%(seed)s, 'variant', %(value)s), glow.fnv32a(%(value)s),
               glow.gb_hash(%(seed)s, %(value)s, %(version)s), glow.in_namespace(%(seed)s, %(value)s, %(low)s, %(high)s)
    """
    row = connection.execute(query, {"seed": seed, "value": value, "version": version, "low": low, "high": high})
    assert row.fetchone() == (
        exp_bucket(seed, "variant", value),
        fnv32a(value),
        gb_hash(seed, value, version),
        in_namespace(seed, value, low, high),
    )


def test_a_hundred_thousand_ids_fall_alike_evenly_and_independently(connection: psycopg.Connection) -> None:
    query = """
        select glow.exp_bucket('bulk#1', 'enroll', 'u' || n), glow.exp_bucket('bulk#1', 'variant', 'u' || n)
          from generate_series(1, 100000) n order by n
    """
    enroll, variant = np.array(connection.execute(query).fetchall()).T
    units = [f"u{n}" for n in range(1, 100_001)]
    assert variant.tolist() == [exp_bucket("bulk#1", "variant", unit) for unit in units]
    assert abs(np.corrcoef(enroll, variant)[0, 1]) < 0.005
    for buckets in (enroll, variant):
        assert chisquare(np.bincount(buckets // 10_000, minlength=100)).pvalue > 1e-4


@st.composite
def experiments(draw: st.DrawFn) -> list[Trial]:
    """Experiments that may run at once: those of a kind in a layer of their own, in slots that do not meet."""
    found = []
    for kind in draw(st.lists(st.sampled_from(KINDS), unique=True, max_size=4)):
        unit, hash = (
            draw(st.sampled_from(["user", "org", "session", "execution"])),
            draw(st.sampled_from(["pg1", "gb2"])),
        )
        edges = sorted(
            draw(st.sets(st.sampled_from([0, 1000, 250_000, 500_000, 999_999, MILLION]), min_size=2, max_size=4))
        )
        for n, slots in enumerate(pairwise(edges)):
            treatment = draw(SHARES)
            found.append(
                Trial(
                    f"{kind}-{n}", AGENT, draw(TEXTS.filter(str.isprintable)), kind, kind, slots, unit, hash,
                    draw(st.integers(1, 3)), treatment, draw(st.one_of(st.none(), st.integers(0, MILLION - treatment))),
                    draw(SHARES), draw(st.sampled_from(["running", "running", "ramping", "paused", "held", "stopped"])),
                )
            )  # fmt: skip
    return sorted(found, key=lambda trial: (trial.kind != "prompt", trial.experiment_id))


UNITS = st.builds(
    Units,
    *(st.none() | IDS for _ in range(4)),
    tenant=st.sampled_from(["default", "acme"]),
)
HOLDOUTS = st.lists(
    st.builds(Holdout, IDS, st.sampled_from([0, 50_000, 500_000]), st.sampled_from([None, AGENT, OTHER])),
    max_size=2,
    unique_by=lambda each: each.holdout,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=100)
@given(experiments(), st.lists(UNITS, max_size=5), HOLDOUTS, st.data())
def test_sql_and_python_resolve_alike(
    world: World, trials: list[Trial], asked: list[Units], holdouts: list[Holdout], data: st.DataObject
) -> None:
    with world.connection.transaction(force_rollback=True):
        for trial in trials:
            world.start(trial, started_at="2026-11-01")
        register(world.connection, OTHER)
        for holdout in holdouts:
            world.hold_out(holdout)
        exposed: dict[tuple[str, int, str], Variant] = {}
        expected = []
        for units in asked:
            for trial in trials:
                unit, cluster = units.of(trial.unit), units.cluster(trial.unit)
                key = (trial.experiment_id, trial.phase, unit or "")
                if unit and cluster and key not in exposed and data.draw(st.integers(0, 3)) == 0:
                    exposed[key] = data.draw(st.sampled_from(["control", "treatment"]))
                    expected.append((*key, cluster, exposed[key], 7, 0.25, "pg1"))
                    world.connection.execute(
                        "insert into glow.exposures"
                        " (experiment_id, phase, unit_id, cluster_id, variant, bucket, propensity)"
                        " values (%s, %s, %s, %s, %s, %s, %s)",
                        expected[-1][:-1],
                    )
        for units in asked:
            arms = resolve(trials, units, holdouts, exposed)
            told = world.resolve(
                units.user, session=units.session, org=units.org, execution=units.execution, tenant=units.tenant
            )
            assert told["experiments"] == [
                {
                    "experiment_id": arm.trial.experiment_id,
                    "kind": arm.trial.kind,
                    "phase": arm.trial.phase,
                    "variant": arm.variant,
                }
                for arm in arms
            ]
            assert (told["experiment_id"], told["variant"]) == (
                (arms[0].trial.experiment_id, arms[0].variant) if arms else (None, None)
            )
            sees = {arm.trial.kind: int(arm.variant == "treatment") for arm in arms}
            # Who was exposed to two of a layer by our dice, not by the hash, has two.
            assert len(sees) == len(arms) or any(arm.assignment is None for arm in arms)
            assert told["prompt_version"] == world.versions["prompt"][sees.get("prompt", 0)]
            assert told["model"] == (world.versions["model"][sees["model"]] if "model" in sees else None)
            assert told["config"] == (CONFIGS[sees["config"]] if "config" in sees else None)
            assert told["retrieval_parameters"] == ({"k": sees["retrieval"]} if "retrieval" in sees else None)
            for arm in arms:
                if arm.assignment is not None:
                    exposed[arm.trial.experiment_id, arm.trial.phase, arm.unit] = arm.variant
                    expected.append(
                        (arm.trial.experiment_id, arm.trial.phase, arm.unit, arm.cluster, arm.variant,
                         arm.assignment.bucket, arm.assignment.propensity, arm.trial.hash)
                    )  # fmt: skip
        assert sorted(world.exposures()) == sorted(expected)


@pytest.fixture
def world(connection: psycopg.Connection) -> World:
    return made(connection)
