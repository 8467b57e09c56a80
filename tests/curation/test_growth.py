"""What grows never moves, and what is near is never apart: with splits as even as can be, through the database."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from glow_pipelines.database import connect
from glow_pipelines.learning.datasets import near_duplicates, normalize
from glow_pipelines.services import Services
from glow_pipelines.settings import Settings
from glow_pipelines.steps.curation import curate
from tests.conftest import _run
from tests.curation.arrivals import AGENT, Judged, Rows, Run, arrive, forget_everything
from tests.incremental.reading import settle

WORDS = ("taxi", "airport", "hotel", "berlin")
# Few words and few conversations: components chain, meet and bridge all the time.
ASKED = st.lists(
    st.tuples(
        st.lists(st.sampled_from(WORDS), min_size=2, max_size=7).map(" ".join),
        st.sampled_from(["", " x", " yy", "!"]),
        st.sampled_from([None, None, "c1", "c2", "c3"]),
    ),
    min_size=1,
    max_size=24,
)


@pytest.fixture(scope="module")
def scratch(postgres: Any, template_database: str) -> Iterator[Services]:
    """Services on one database that every case empties."""
    name = "glow_test_curation_growth"
    _run("create database {database} template {template}", name, template_database)
    with connect(postgres.url(name)) as connection:
        connection.execute("select glow_api.register_agent(%s, split_shares => '{0.4,0.3,0.3}')", (AGENT,))
    services = Services(Settings.from_environment({"DATABASE_URL": postgres.url(name)}))
    yield services
    services.store.close()
    _run("drop database {database} with (force)", name)


def placed(admin: psycopg.Connection) -> list[tuple[str, str, str | None, str]]:
    """(example, input, split, group) of everything that ever was, the newest last."""
    return admin.execute(
        "select example_id, input, split, group_key from glow.learning_examples order by example_version"
    ).fetchall()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(ASKED, st.lists(st.integers(0, 24), max_size=4))
def test_nothing_moves_and_nothing_near_is_apart(
    scratch: Services, asked: list[tuple[str, str, str | None]], cuts: list[int]
) -> None:
    with connect(scratch.database_url, autocommit=True) as admin:
        forget_everything(admin)
        lies: dict[str, tuple[str | None, str]] = {}
        begin = 0
        for end in sorted({min(cut, len(asked)) for cut in cuts} | {len(asked)}):
            rows: list[Rows] = []
            for n in range(begin, end):
                text, ending, talk = asked[n]
                rows.append(Run(f"e{n}", text + ending, "x", talk, n))
                rows.append(Judged(n + 1, f"e{n}", "eve", "approve"))
            begin = end
            arrive(admin, rows)
            settle(scratch.database_url)
            curate(scratch)
            for example, _, split, group in placed(admin):
                assert lies.setdefault(example, (split, group)) == (split, group)
        found = [row for row in placed(admin) if row[2] is not None]
        pairs = near_duplicates([normalize(row[1]) for row in found], seed=5)
        assert [(found[a], found[b]) for a, b in pairs.tolist() if found[a][2] != found[b][2]] == []
        talks: dict[str, set[str]] = defaultdict(set)
        for conversation, split in admin.execute(
            "select i.conversation, x.split from glow.learning_inputs i join glow.learning_examples x using (input_id)"
            " where i.conversation is not null and x.split is not null"
        ).fetchall():
            talks[conversation].add(split)
        assert [talk for talk, splits in talks.items() if len(splits) > 1] == []


def test_the_database_keeps_the_answers_to_one_question_together(services: Services, admin: psycopg.Connection) -> None:
    arrive(admin, [Run("e1", "taxi", "x"), Judged(1, "e1", "eve", "correct", "y")])
    settle(services.database_url)
    curate(services)
    assert admin.execute("select count(*), count(distinct group_key) from glow.learning_examples").fetchone() == (2, 1)
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        admin.execute("update glow.learning_inputs set group_key = 'g-other'")
    admin.execute("insert into glow.split_assignments (agent, group_key, split) values ('desk', 'g-other', 'train')")
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        admin.execute("update glow.learning_examples set group_key = 'g-other', split = 'train' where target = 'y'")
