"""A proposal to cut anew: read from the log, indexed beside what is served, a candidate for the gate.

Belongs here: the steps against a real PostgreSQL. Does not: whether a proposal is right (test_rechunking).
"""

import json
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.retrieving.manuals import Manuals, write_manuals
from glow_pipelines.learning.retrieval import Judgement
from glow_pipelines.learning.retrieval.carrying import carry_judgements
from glow_pipelines.learning.retrieval.segmentation import boundaries
from glow_pipelines.learning.retrieval.types import Expansion
from glow_pipelines.steps.knowledge import index_in_force, query_split
from glow_pipelines.steps.retrieval.chunkings import index_proposal, propose_chunking
from glow_pipelines.steps.retrieval.indexing import index_agent
from tests.steps.dying import Died, dying
from tests.steps.indexing_world import AGENT, Library

TODAY = {"kind": "sentences", "target": 450}


@pytest.fixture(scope="module")
def manuals() -> Manuals:
    return write_manuals(2, documents=25, questions=260)


@pytest.fixture
def library(database_url: str, manuals: Manuals) -> Iterator[Library]:
    """Documents, searched and quoted as the product logs it: answers are texts, hits are whole chunks."""
    library = Library(database_url)
    library.put(**{document.id: document.body for document in manuals.documents})
    with library.store.transaction() as t:
        t.documents.add_chunking(AGENT, TODAY)
    index_agent(library.services, AGENT)
    with library.store.transaction() as t:
        chunking = t.documents.current_chunking(AGENT)
        assert chunking is not None
        chunks = t.retrieval_sessions.library(AGENT, chunking).chunks
    body = {document.id: document.body for document in manuals.documents}
    for n, span in enumerate(manuals.spans):
        cited = [
            name for name, (d, a, b) in chunks.items() if d == span.document_id and a < span.ends and b > span.starts
        ]
        answer = f"Our manual says: {body[span.document_id][span.starts : span.ends]} I hope that helps."
        library.client.log_execution(f"x{n}", AGENT, span.query, answer, user_id=span.user_id)
        hits = [{"chunk_id": name, "rank": rank, "cited": True} for rank, name in enumerate(cited, 1)]
        library.client.log_retrieval(f"e{n}", AGENT, span.query, hits, execution_id=f"x{n}", user_id=span.user_id)
    yield library
    library.close()


def test_a_proposal_becomes_a_candidate_with_an_index_of_its_own(library: Library, manuals: Manuals) -> None:
    proposal = propose_chunking(library.services, AGENT, seed=1)
    assert proposal is not None
    assert proposal.verdict == "apply", proposal.reason
    with library.store.transaction() as t:
        shares = t.feedback.agent(AGENT).shares
    # Answers cite what the questions' spans are, though the log knows only whole chunks; test questions stay out.
    told = [span for span in manuals.spans if query_split(span.query, shares) != "test"]
    # Phrases that manuals are full of make some spans more.
    assert len(told) <= proposal.spans <= 1.4 * len(told)
    assert set(proposal.source_ids) <= {span.source_id.replace("event-", "e") for span in told}

    served = library.searched()
    current, parent = index_in_force(library.services, AGENT)
    rule = Expansion("business lunch", ("meal",), 0.5, 6, 4, 3.0, 0.01, ("e1",))
    known = replace(current.configuration, adapter=np.eye(8)[::-1], expansions=(rule,))
    candidate = index_proposal(library.services, AGENT, proposal, current.reconfigured(known), parent)
    assert candidate is not None
    with library.store.transaction() as t:
        written = t.retrieval_configurations.read(candidate.configuration)
    assert written is not None
    assert written.sha256 == candidate.configuration, "nothing that was learned got lost"
    assert (written.expansions, written.adapter is not None) == ((rule,), True)
    assert library.searched() == served, "nothing changed for anybody"
    with library.store.transaction() as t:
        assert t.retrieval_index.incomplete(AGENT) == []
        row = t.documents.chunking(AGENT, candidate.chunking)
        assert row is not None
        assert (row["parameters"], row["parent"]) == (proposal.parameters, current.configuration.chunking)
        assert row["evidence"]["reason"] == proposal.reason
        assert row["evidence"]["sources"] == len(proposal.source_ids)
        assert not any(source in json.dumps(row["evidence"]) for source in proposal.source_ids if len(source) > 2)
        assert t.retrieval.move_alias(AGENT, candidate.configuration, "test", "as after a gate")
    assert library.searched() != served
    document = manuals.documents[0]
    assert proposal.parameters is not None
    cuts = boundaries(document.body, proposal.parameters["weights"], proposal.parameters["target"])
    assert library.searched()[document.id].count("|") == len(cuts)

    # What is known of a chunk is known of the chunk that holds it.
    assert candidate.heirs
    old, heirs = next(iter(candidate.heirs.items()))
    before, after = carry_judgements([Judgement("q", old, 1.0), Judgement("r", "gone", 1.0)], candidate.heirs)
    assert [j.chunk_id for j in before] == [old]
    assert [j.chunk_id for j in after] == sorted(heirs)
    again = propose_chunking(library.services, AGENT, seed=1)
    assert again is not None
    assert again.spans == 0, "the log cites chunks of the old chunking only"
    assert json.dumps(again.to_json())


def test_what_is_not_to_be_applied_builds_nothing(library: Library) -> None:
    proposal = propose_chunking(library.services, AGENT, seed=1, look=10**6)
    assert proposal is not None
    assert proposal.verdict == "keep"
    current, parent = index_in_force(library.services, AGENT)
    assert index_proposal(library.services, AGENT, proposal, current, parent) is None
    with library.store.transaction() as t:
        assert len(t.retrieval_index.all(AGENT)) == 1


def test_killed_anywhere_the_old_one_serves_and_the_next_try_ends_it(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    proposal = propose_chunking(library.services, AGENT, seed=1)
    assert proposal is not None
    current, parent = index_in_force(library.services, AGENT)
    served = library.searched()
    for at in (3, 9, 14, 30):
        with pytest.raises(Died), dying(monkeypatch, at):
            index_proposal(library.services, AGENT, proposal, current, parent)
        assert library.searched() == served
    candidate = index_proposal(library.services, AGENT, proposal, current, parent)
    assert candidate is not None
    with library.store.transaction() as t:
        assert len(t.retrieval_index.all(AGENT)) == 2
        assert t.retrieval_index.incomplete(AGENT) == []
        assert t.retrieval.move_alias(AGENT, candidate.configuration, "test", "as after a gate")
