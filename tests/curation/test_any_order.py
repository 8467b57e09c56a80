"""In however many steps, in whatever order the rows arrive: the same examples. And the work follows the news."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from glow_pipelines.database import connect
from glow_pipelines.services import Services
from glow_pipelines.steps import curation
from glow_pipelines.steps.curation import curate
from glow_pipelines.store import heard
from tests.curation.arrivals import AGENT, Judged, Rows, Run, Shown, Vote, arrive, examples, forget_everything
from tests.incremental.reading import settle

INPUTS = ("taxi to town", "Taxi to town!", "hotel in berlin", "a laptop", "taxi to the town")
ANSWERS = ("x", "y", "Y.", "z")
ASKED, ANSWER = st.sampled_from(INPUTS), st.sampled_from(ANSWERS)
VERDICT = st.sampled_from(["approve", "reject", "correct"])
RUN = st.integers(0, 7).map(lambda n: f"e{n}")


@st.composite
def worlds(draw: st.DrawFn) -> list[Rows]:
    """Rows in the order they arrive in: votes may come before their execution, annotations never do."""
    runs = [
        Run(
            f"e{n}",
            draw(st.sampled_from(INPUTS)),
            draw(st.sampled_from(ANSWERS)),
            draw(st.sampled_from([None, "c1", "c2"])),
            n,
        )
        for n in range(draw(st.integers(1, 8)))
    ]
    names = [run.id for run in runs]
    votes = [
        Vote(
            n + 1,
            draw(RUN),
            draw(st.sampled_from(["ann", "bob", "cy"])),
            draw(st.sampled_from([1, 1, -1, None])),
            draw(st.sampled_from([None, None, *ANSWERS])),
        )
        for n in range(draw(st.integers(0, 14)))
    ]
    said = draw(
        st.lists(
            st.tuples(
                st.sampled_from(names),
                st.sampled_from(["eve", "max"]),
                st.sampled_from(["approve", "reject", "correct"]),
            ),
            max_size=5,
            unique_by=lambda row: row[:2],
        )
    )
    judged = [Judged(n + 1, *row, output=draw(ANSWER) if row[2] == "correct" else None) for n, row in enumerate(said)]
    shown = [
        Shown(n + 1, "eve", draw(st.sampled_from(INPUTS)), draw(st.sampled_from(ANSWERS)))
        for n in range(draw(st.integers(0, 2)))
    ]
    mixed = draw(st.permutations([*runs, *votes, *judged, *shown]))
    arrived: list[Rows] = []
    known: set[str] = set()
    for row in mixed:
        if isinstance(row, Judged):
            continue
        arrived.append(row)
        if isinstance(row, Run):
            known.add(row.id)
            arrived += [each for each in mixed if isinstance(each, Judged) and each.run == row.id]
    return arrived


@pytest.fixture(scope="module")
def scratch(postgres: Any, template_database: str) -> Iterator[Services]:
    """Services on one database that every case empties. All examples lie in train: none is a bridge."""
    from glow_pipelines.settings import Settings
    from tests.conftest import _run

    name = "glow_test_curation_steps"
    _run("create database {database} template {template}", name, template_database)
    url = postgres.url(name)
    with connect(url) as connection:
        connection.execute("select glow_api.register_agent(%s, split_shares => '{1,0,0}')", (AGENT,))
    services = Services(Settings.from_environment({"DATABASE_URL": url}))
    yield services
    services.store.close()
    _run("drop database {database} with (force)", name)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(worlds(), st.lists(st.integers(0, 30), max_size=4), st.integers(1, 6), st.integers(1, 3), st.integers(1, 9))
def test_any_number_of_steps_in_any_order_of_arrival(
    scratch: Services, rows: list[Rows], cuts: list[int], size: int, few: int, most: int
) -> None:
    """Whether what was heard is kept or read again, and whether all are heard or `most` of them."""
    with connect(scratch.database_url, autocommit=True) as admin, pytest.MonkeyPatch.context() as patch:
        forget_everything(admin)
        ends = sorted({min(cut, len(rows)) for cut in cuts} | {len(rows)})
        patch.setattr(curation, "SLICE", size)
        patch.setattr(curation, "BATCH", size)
        patch.setattr(heard, "FEW", few)
        patch.setattr(heard.Heard.said_of, "__defaults__", (None, most))
        begin = 0
        for end in ends:
            arrive(admin, rows[begin:end])
            begin = end
            settle(scratch.database_url)
            curate(scratch)
        stepwise = examples(admin)
        patch.undo()
        patch.setattr(heard.Heard.said_of, "__defaults__", (None, most))
        forget_everything(admin)
        arrive(admin, sorted(rows, key=lambda row: (isinstance(row, Judged), isinstance(row, Vote), str(row.id))))
        settle(scratch.database_url)
        curate(scratch)
        assert stepwise == examples(admin)
        assert [each.written for each in curate(scratch)] == []
