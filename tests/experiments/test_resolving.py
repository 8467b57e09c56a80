"""What resolve_prompt gives a unit, and what it writes down, as an experiment goes through its states and phases."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime

import psycopg
import pytest

from glow_pipelines.client import AsyncGlowClient, GlowClient, InvalidValue, Participation
from glow_pipelines.learning.experiments.assignment import MILLION, Holdout, Trial, variant
from glow_pipelines.store import Store
from tests.api.calling import one
from tests.experiments.assigning import AGENT, CONFIGS, World, made

PEOPLE = [f"u{n}" for n in range(60)]
TEST = Trial("x", AGENT, "x#1")


@pytest.fixture
def world(admin: psycopg.Connection) -> World:
    return made(admin)


@pytest.fixture
def admin(connection: psycopg.Connection) -> psycopg.Connection:
    connection.autocommit = True
    return connection


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    store = Store(database_url)
    yield store
    store.close()


def variants(world: World, people: list[str] = PEOPLE) -> dict[str, str | None]:
    return {who: world.resolve(who)["variant"] for who in people}


def test_the_first_exposure_of_a_phase_wins_over_every_later_share(world: World) -> None:
    world.start(TEST)
    first = variants(world)
    assert set(first.values()) == {"control", "treatment"}
    world.set("x", treatment_ppm=0, control_ppm=MILLION, enroll_ppm=0)
    world.hold_out(Holdout("h", MILLION))
    assert variants(world) == first
    assert variants(world, ["new"]) == {"new": None}
    assert len(world.exposures()) == len(PEOPLE)


def test_a_phase_that_keeps_its_salt_moves_only_from_control_to_treatment(world: World) -> None:
    world.start(TEST)
    first = variants(world)
    world.set("x", phase=2, treatment_ppm=750_000, control_ppm=250_000)
    second = variants(world)
    assert all(second[who] == "treatment" for who in PEOPLE if first[who] == "treatment")
    assert second == {who: variant("x#1", who, 750_000) for who in PEOPLE}
    assert second != first
    world.set("x", phase=3, salt="x#3", treatment_ppm=500_000, control_ppm=500_000)
    third = variants(world)
    assert any(third[who] == "control" for who in PEOPLE if second[who] == "treatment")


@pytest.mark.parametrize("state", ["paused", "held"])
def test_nobody_enters_a_paused_experiment_and_who_is_in_stays(world: World, state: str) -> None:
    world.start(TEST)
    first = variants(world)
    world.set("x", state=state)
    assert variants(world) == first
    assert variants(world, ["new"]) == {"new": None}
    world.set("x", state="running")
    assert variants(world, ["new"])["new"] is not None


@pytest.mark.parametrize("state", ["completed", "rolled_back", "stopped"])
def test_an_experiment_that_is_over_gives_nobody_an_arm_and_never_comes_back(world: World, state: str) -> None:
    world.start(TEST)
    variants(world)
    world.set("x", state=state, stopped_at=datetime.now(UTC))
    assert set(variants(world).values()) == {None}
    assert world.resolve("u1")["prompt_version"] == world.versions["prompt"][0]
    with pytest.raises(psycopg.Error, match="is over") as refused:
        world.set("x", state="running", stopped_at=None)
    assert refused.value.sqlstate == "PT409"


def test_a_ramp_compares_equal_shares_and_leaves_the_rest_with_what_is_in_force(world: World) -> None:
    ramp = Trial("x", AGENT, "x#1", treatment_ppm=100_000, control_ppm=100_000, state="ramping")
    world.start(ramp)
    first = variants(world)
    assert set(first.values()) == {"control", "treatment", None}
    assert {row[2] for row in world.exposures()} == {who for who, given in first.items() if given}
    assert {row[6] for row in world.exposures()} == {0.1}
    world.set("x", treatment_ppm=300_000, control_ppm=300_000)
    later = variants(world)
    assert all(later[who] == given for who, given in first.items() if given)
    assert sum(given is None for given in later.values()) < sum(given is None for given in first.values())


def test_units_of_every_kind_and_the_clusters_they_belong_to(world: World) -> None:
    for kind, unit in (("prompt", "execution"), ("model", "org"), ("config", "session"), ("retrieval", "user")):
        world.start(Trial(kind, AGENT, f"{kind}#1", kind, kind, unit=unit))  # type: ignore[arg-type]
    told = world.resolve("u", session="s", org="o", execution="e", tenant="acme")
    assert told["experiments"][0]["kind"] == "prompt"
    assert told["experiment_id"] == "prompt"
    assert sorted((row[0], row[2], row[3]) for row in world.exposures()) == [
        ("config", "acme\x1fs", "acme\x1fu"),
        ("model", "acme\x1fo", "acme\x1fo"),
        ("prompt", "acme\x1fe", "acme\x1fu"),
        ("retrieval", "acme\x1fu", "acme\x1fu"),
    ]
    assert [each["kind"] for each in world.resolve(session="s")["experiments"]] == ["config"]
    assert world.exposures()[1][2:4] == ("s", "s")
    assert world.resolve()["experiments"] == []
    unit_of = "select glow.unit_of(%s, 'acme', 'u', 's', 'e', '{\"org_id\": \"o\"}')"
    kinds = ("user", "session", "execution", "org")
    assert [one(world.connection, unit_of, kind) for kind in kinds] == [f"acme\x1f{each}" for each in "useo"]
    assert one(world.connection, "select glow.unit_of('org', 'acme', 'u', 's', 'e', '{}')") is None


def test_a_person_who_is_held_out_is_so_in_every_session(world: World) -> None:
    world.start(Trial("x", AGENT, "x#1", unit="session"))
    world.hold_out(Holdout("quarter", 500_000, AGENT))
    seen = {who: {world.resolve(who, session=f"{who}-{n}")["variant"] for n in range(8)} for who in PEOPLE[:30]}
    out = {who for who, given in seen.items() if given == {None}}
    assert 5 < len(out) < 25
    assert all(None not in given for who, given in seen.items() if who not in out)
    world.connection.execute("update glow.holdouts set ends_at = now()")
    assert world.resolve(min(out), session="again")["variant"] is not None


def test_an_id_that_could_meet_another_is_refused_by_its_name(world: World) -> None:
    for field in ("unit", "session", "org", "execution"):
        for bad in ("a\x1fb", "", "x" * 201, "a\nb"):
            with pytest.raises(psycopg.Error, match=f"(?s)^{field}: .* is not accepted") as refused:
                world.resolve(**{field: bad})
            assert refused.value.sqlstate == "PT422"
            assert refused.value.diag.message_hint == "1 to 200 characters without control characters"


async def _resolved(url: str) -> object:
    async with AsyncGlowClient(url) as client:
        return await client.resolve_prompt(AGENT, "u1", session="s", org="o", execution="e")


def test_clients_ask_for_all_units_and_read_all_arms(world: World, database_url: str) -> None:
    world.start(TEST)
    world.start(Trial("c", AGENT, "c#1", "config", "config", unit="session", treatment_ppm=MILLION))
    with GlowClient(database_url) as client:
        told = client.resolve_prompt(AGENT, "u1", session="s", org="o", execution="e")
        with pytest.raises(InvalidValue, match="NUL"):
            client.resolve_prompt(AGENT, "u\0")
    assert told == asyncio.run(_resolved(database_url))
    assert told.config == CONFIGS[1]
    assert told.variant is not None
    assert told.experiments == (
        Participation("x", "prompt", 1, told.variant),
        Participation("c", "config", 1, "treatment"),
    )
