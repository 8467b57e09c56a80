"""What a look reads: against the same counted by hand, in one piece and folded in any pieces."""
# ruff: noqa: E501 -- SQL is read best unbroken

from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal

import numpy as np
import psycopg
import pytest

from glow_pipelines.learning.experiments.estimates import ArmMoments, CrossedMoments
from glow_pipelines.learning.experiments.moments import Moments
from glow_pipelines.learning.experiments.types import Statistics
from glow_pipelines.store.store import Store
from tests.experiments.counting import (
    AGENT,
    DAY,
    HOUR,
    ID,
    MATURATION,
    START,
    Run,
    Word,
    World,
    clusters,
    committed,
    multiple,
    plan,
    world,
    write,
    write_exposures,
    write_runs,
    write_words,
)
from tests.incremental.reading import settle

AS_OF = START + 7 * DAY
UNITS = ("user", "org", "session", "execution")


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    store = Store(database_url)
    yield store
    store.close()


def fold(store: Store, *instants: datetime) -> None:
    for instant in instants:
        with store.transaction() as t:
            t.experiment_statistics.fold(ID, instant)


def statistics(store: Store, as_of: datetime = AS_OF, **options: object) -> Statistics:
    with store.transaction() as t:
        return t.experiment_statistics.statistics(ID, as_of, plan(**options))  # type: ignore[arg-type]


def full(store: Store, as_of: datetime = AS_OF, **options: object) -> Statistics:
    with store.transaction() as t:
        return t.experiment_statistics.full(ID, as_of, plan(**options))  # type: ignore[arg-type]


def near(found: Moments, names: tuple[str, ...], rows: Sequence[Sequence[Decimal]]) -> None:
    """Against exact decimals, to the last digits a float has for what it holds."""
    assert (found.n, found.names) == (len(rows), names)
    if not rows:
        return
    k = len(names)
    mean = [sum((row[i] for row in rows), Decimal(0)) / len(rows) for i in range(k)]
    np.testing.assert_allclose(found.mean, [float(m) for m in mean], rtol=1e-13, atol=1e-13)
    exact = [[float(sum((r[i] - mean[i]) * (r[j] - mean[j]) for r in rows)) for j in range(k)] for i in range(k)]
    scale = np.sqrt(np.outer(np.diag(exact), np.diag(exact))) + 1e-12
    assert np.all(np.abs(np.array(found.comoment) - np.array(exact)) <= 1e-9 * scale)


def by_hand(found: Statistics, made: World, as_of: datetime, cuped: tuple[str, ...]) -> None:
    counted = clusters(made, as_of)
    for name, moments in found.metrics.items():
        zero = (Decimal(0), 0)
        if isinstance(moments, ArmMoments):
            for variant, arm in (("control", moments.control), ("treatment", moments.treatment)):
                rows = [
                    [*sides[variant][name], *(sides.get("before", {}).get(name, zero) if name in cuped else ())]
                    for sides in counted.values()
                    if variant in sides
                ]
                names = ("s", "n", "xs", "xn") if name in cuped else ("s", "n")
                near(arm, names, [[Decimal(x) for x in row] for row in rows])
        else:
            assert isinstance(moments, CrossedMoments)
            vectors = []
            for sides in counted.values():
                c, t = (sides.get(side, {}).get(name, zero) for side in ("control", "treatment"))
                xs, xn = sides.get("before", {}).get(name, zero)
                x = Decimal(xs) / xn - Decimal("0.5") if xn else Decimal(0)
                vectors.append([*c, *t, *((c[1] * x, t[1] * x) if name in cuped else ())])
            near(
                moments.all,
                ("sc", "nc", "st", "nt", *(("xc", "xt") if name in cuped else ())),
                [[Decimal(x) for x in row] for row in vectors],
            )
            assert moments.control_clusters == sum(row[1] > 0 for row in vectors)
            assert moments.treatment_clusters == sum(row[3] > 0 for row in vectors)


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_recount_is_what_counting_by_hand_gives(
    store: Store, connection: psycopg.Connection, unit: str, seed: int
) -> None:
    made, cuped = world(seed, unit), ("thumbs_up_rate", "latency_mean")
    write(connection, made, plan(unit, cuped=cuped))
    committed(connection)
    found = full(store, unit=unit, cuped=cuped)
    by_hand(found, made, AS_OF, cuped)
    seen = multiple(made, AS_OF)
    exposed = [variant for _, variant, at in made.exposures.values() if at < AS_OF]
    assert sum(found.units) + found.multiple == len(exposed)
    if unit == "user":
        assert found.multiple == len(seen)
        assert found.units[0] == exposed.count("control") - sum(arm == "control" for _, _, arm in seen)
    assert found.day == 7
    assert connection.execute("select count(*) from glow.experiment_folds").fetchone() == (0,)


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("seed", [4, 5])
def test_folding_in_any_pieces_is_the_recount_to_the_bit(
    store: Store, connection: psycopg.Connection, unit: str, seed: int
) -> None:
    made, cuped = world(seed, unit), ("net_score",)
    write(connection, made, plan(unit, cuped=cuped))
    committed(connection)
    chance = np.random.default_rng(seed)
    pieces = sorted(START + float(x) * HOUR for x in chance.uniform(0, 8 * 24, 9))
    for instant in [piece for piece in pieces if piece < AS_OF] + [AS_OF]:
        fold(store, instant)
        assert_equal(statistics(store, instant, unit=unit, cuped=cuped), full(store, instant, unit=unit, cuped=cuped))


def assert_equal(found: Statistics, other: Statistics) -> None:
    """Sums are equal to the bit; moments to the order of adding."""
    assert (found.day, found.units, found.multiple) == (other.day, other.units, other.multiple)
    for name, moments in found.metrics.items():
        again = other.metrics[name]
        parts = [("control", "treatment"), ("all",)][isinstance(moments, CrossedMoments)]
        for part in parts:
            a, b = getattr(moments, part), getattr(again, part)
            assert (a.n, a.names) == (b.n, b.names)
            np.testing.assert_allclose(a.mean, b.mean, rtol=1e-12, atol=1e-12)
            np.testing.assert_allclose(a.comoment, b.comoment, rtol=1e-12, atol=1e-12)


def test_sums_are_the_same_to_the_digit_in_any_pieces(store: Store, connection: psycopg.Connection) -> None:
    made = world(6)
    write(connection, made, plan())
    committed(connection)
    query = "select cluster_id, side, to_jsonb(s) - 'fold_id' from glow.experiment_sums s order by 1, 2"
    fold(store, *(START + n * 13 * HOUR for n in range(2, 13)), AS_OF)
    pieces = connection.execute(query).fetchall()
    connection.execute("truncate glow.experiment_folds, glow.experiment_sums")
    committed(connection)
    fold(store, AS_OF)
    assert pieces == connection.execute(query).fetchall()
    fold(store, AS_OF, AS_OF - DAY)
    assert pieces == connection.execute(query).fetchall()


def test_a_later_word_does_not_change_a_past_look(store: Store, connection: psycopg.Connection) -> None:
    made = world(7)
    write(connection, made, plan())
    committed(connection)
    before = full(store)
    run = next(run for run in made.runs if str(run.user) in made.exposures and run.tenant == "default")
    connection.execute(
        "update glow.agent_feedback set superseded_by = 9999 where execution_id = %s and superseded_by is null", (run.name,)
    )  # fmt: skip
    write_words(
        connection, [Word(9999, run.name, "default", run.user or "", "vote", run.at + MATURATION, thumbs=1, rating=5)]
    )
    committed(connection)
    assert_equal(full(store), before)


def test_what_commits_late_is_counted(store: Store, connection: psycopg.Connection, database_url: str) -> None:
    made = world(8)
    held_runs, held_words = made.runs[::7], made.words[::5]
    early = World(made.unit, made.exposures, [r for r in made.runs if r not in held_runs],
                  [w for w in made.words if w not in held_words])  # fmt: skip
    write(connection, early, plan())
    committed(connection)
    with psycopg.connect(database_url) as late:
        write_runs(late, held_runs)
        write_words(late, held_words)
        # Transactions that begin after it and end before: a watermark of ids or instants passes over it for ever.
        fold(store, AS_OF - 3 * DAY, AS_OF - 2 * DAY)
    settle(database_url)
    fold(store, AS_OF)
    found = statistics(store)
    assert_equal(found, full(store))
    by_hand(found, made, AS_OF, ())


def test_an_exposure_that_commits_late_is_counted(store: Store, connection: psycopg.Connection) -> None:
    made = world(9)
    write(connection, World(made.unit, {}, made.runs, made.words), plan())
    committed(connection)
    fold(store, AS_OF - DAY)
    write_exposures(connection, made)
    committed(connection)
    fold(store, AS_OF)
    by_hand(statistics(store), made, AS_OF, ())


def test_two_folds_come_one_after_the_other(store: Store, connection: psycopg.Connection, database_url: str) -> None:
    made = world(10)
    write(connection, made, plan())
    committed(connection)
    fold(store, AS_OF - 3 * DAY)
    with psycopg.connect(database_url) as other, store.transaction() as t:
        t.experiment_statistics.fold(ID, AS_OF)
        other.execute("set lock_timeout = '50ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            other.execute("select from glow.experiment_folds for update")
    fold(store, AS_OF)
    by_hand(statistics(store), made, AS_OF, ())


def test_a_fold_that_dies_leaves_what_was_there(store: Store, connection: psycopg.Connection) -> None:
    made = world(11)
    write(connection, made, plan())
    committed(connection)
    fold(store, AS_OF - 3 * DAY)
    with pytest.raises(ZeroDivisionError):
        _die(store)
    by_hand(statistics(store, AS_OF - 3 * DAY), made, AS_OF - 3 * DAY, ())
    fold(store, AS_OF)
    by_hand(statistics(store), made, AS_OF, ())


def _die(store: Store) -> None:
    with store.transaction() as t:
        t.experiment_statistics.fold(ID, AS_OF)
        raise ZeroDivisionError


def test_far_from_zero_nothing_is_lost(store: Store, connection: psycopg.Connection) -> None:
    """Σx² − (Σx)²/n in SQL gave −168 612 where 4 is right; here 1e9 and what lies between 0 and 4 above it."""
    chance = np.random.default_rng(12)
    users = [f"u-{n}" for n in range(400)]
    values = {user: 1e9 + float(x) for user, x in zip(users, chance.uniform(0, 2, 400).round(6), strict=True)}
    made = World("user", {u: (u, ("control", "treatment")[n % 2], START) for n, u in enumerate(users)})
    made.runs = [Run(f"e-{u}", "default", u, "c", START + HOUR, VERSION[n % 2], 1, None, values[u])
                 for n, u in enumerate(users)]  # fmt: skip
    write(connection, made, plan())
    committed(connection)
    arm = full(store).metrics["score"]
    assert isinstance(arm, ArmMoments)
    near(arm.control, ("s", "n"), [[Decimal(str(values[u])), Decimal(1)] for u in users[::2]])


VERSION = ("small", "large")


def by_anova(s: list[int], n: list[int]) -> float:
    """One-way analysis of variance, value by value."""
    groups = [[1.0] * ups + [0.0] * (votes - ups) for ups, votes in zip(s, n, strict=True) if votes]
    whole = np.concatenate(groups)
    between = sum(len(g) * (np.mean(g) - whole.mean()) ** 2 for g in groups) / (len(groups) - 1)
    within = sum(((np.array(g) - np.mean(g)) ** 2).sum() for g in groups) / (len(whole) - len(groups))
    size = (len(whole) - sum(len(g) ** 2 for g in groups) / len(whole)) / (len(groups) - 1)
    return float(np.clip((between - within) / (between + (size - 1) * within), 0, 1))


def test_the_planner_is_told_of_traffic(store: Store, connection: psycopg.Connection) -> None:
    made = world(13, runs=300)
    write(connection, made, plan())
    committed(connection)
    now = START + 10 * DAY
    with store.transaction() as t:
        found = t.experiment_traffic.traffic(AGENT, "thumbs_up_rate", "user", 28, now)
        frozen = t.experiment_traffic.freeze(
            AGENT, {"latency_mean": None, "latency_slo": None, "score": "grade", "feedback_rate": None}, START - 30 * DAY, now
        )  # fmt: skip
    assert found is not None
    ups: dict[tuple[str, str], list[int]] = {}
    for run in made.runs:
        if run.user is not None and now - 28 * DAY <= run.at < now:
            slot = ups.setdefault((run.tenant, run.user), [0, 0])
            for word in made.words:
                if (
                    (word.tenant, word.run) == (run.tenant, run.name)
                    and word.superseded is None
                    and word.at >= now - 28 * DAY
                ):
                    slot[0] += word.thumbs == 1
                    slot[1] += word.thumbs is not None
    s, n = [u[0] for u in ups.values()], [u[1] for u in ups.values()]
    assert found.users_per_day * 28 == pytest.approx(len(ups))
    assert found.baseline_rate == pytest.approx(sum(s) / sum(n))
    assert found.rated_per_user == pytest.approx(np.mean(n))
    assert found.rated_per_user_cv == pytest.approx(np.std(n) / np.mean(n))
    assert found.intra_user_correlation == pytest.approx(by_anova(s, n), abs=1e-12)
    assert -1 <= (found.pre_post_correlation or -2) <= 1
    assert frozen["latency_slo"].threshold == frozen["latency_mean"].cap == 5000
    assert frozen["score"].cap == 1e9 + 50
    assert frozen["feedback_rate"].cap is None
    assert 0 < (frozen["feedback_rate"].baseline or 0) < 1
    with store.transaction() as t:
        assert t.experiment_traffic.traffic("nobody", "cost_mean", "user", 7, now) is None
