"""A proposal to cut documents another way, on its way to users.

Belongs here: when it is tried and what stops it. Does not: the proposal and its index (test_chunkings).
"""

from dataclasses import dataclass, field

import pytest

from glow_pipelines.settings import Settings
from glow_pipelines.steps.knowledge import index_in_force, query_split
from glow_pipelines.steps.retrieval import cutting
from glow_pipelines.steps.retrieval.cutting import consider_cuts
from tests.steps.dying import Died
from tests.steps.indexing_world import AGENT, Library
from tests.steps.test_chunkings import library as library
from tests.steps.test_chunkings import manuals as manuals


@dataclass
class Deciding(Library):
    settings: Settings = field(default_factory=lambda: Settings.from_environment({}))


def test_a_proposal_meets_its_gate_with_verdicts_carried_over_and_once_a_week(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = Deciding(library.url, library.model)
    with here.store.transaction() as t:
        shares = t.feedback.agent(AGENT).shares
        asked = t.connection.execute("select event_id, query from glow.retrieval_events order by event_id").fetchall()
    judged = {row["query"] for row in asked if query_split(row["query"], shares) == "test"}
    index, before = index_in_force(here.services, AGENT)
    for n, query in enumerate(sorted(judged)):
        hits = [
            {"chunk_id": chunk.id, "rank": rank, "explicit": 1 if rank == 1 else -1, "expert": True}
            for rank, chunk in enumerate(index.chunks[5 * n : 5 * n + 4], 1)
        ]
        here.client.log_retrieval(f"j{n}", AGENT, query, hits)

    def died(*arguments: object) -> None:
        raise Died

    with monkeypatch.context() as patch:
        patch.setattr(cutting, "promote", died)
        with pytest.raises(Died):
            consider_cuts(here.services, AGENT)
    found = consider_cuts(here.services, AGENT)
    assert found.proposal is not None
    assert found.promotion is not None, "what was indexed is gone on with"
    assert found.promotion.state == "kept", found.reason
    assert found.promotion.gate is not None
    both = found.promotion.judged
    assert [each.query for each in both.before] == [each.query for each in both.after]
    assert both.before
    assert not {chunk for each in both.before for chunk in each.grades} & {
        chunk for each in both.after for chunk in each.grades
    }
    with here.store.transaction() as t:
        assert t.retrieval.looks(AGENT) == 1
    assert index_in_force(here.services, AGENT)[1] == before

    monkeypatch.setattr(cutting, "propose_chunking", lambda *a, **k: found.proposal)
    again = consider_cuts(here.services, AGENT)
    assert again.promotion is not None
    assert again.promotion.gate_id == found.promotion.gate_id
    monkeypatch.setattr("glow_pipelines.store.documents.Documents.was_proposed", lambda *a: False)
    later = consider_cuts(here.services, AGENT)
    assert later.promotion is None
    assert "days ago" in later.reason
    with here.store.transaction() as t:
        assert t.retrieval.looks(AGENT) == 1
    here.close()
