"""Training pairs: hard negatives in, right answers out."""

import numpy as np

from glow_pipelines.learning.retrieval import Chunk, Hit, RetrievalEvent, RetrievalIndex
from glow_pipelines.learning.retrieval.feedback import relevance_posterior
from glow_pipelines.learning.retrieval.pairs import PairMining, PairSettings, mine_pairs
from glow_pipelines.learning.retrieval.signals import signals_of

ANSWER = "a taxable person may deduct the input tax invoiced by another person"
EAST = np.array([1.0, 0.0, 0.0])


def chunk(id_: str, text: str, x: float, document: str = "") -> Chunk:
    return Chunk(id_, document or id_, text, np.array([x, np.sqrt(1 - x * x) * 0.6, np.sqrt(1 - x * x) * 0.8]))


CHUNKS = [
    chunk("answer", ANSWER, 0.8),
    chunk("copy", ANSWER.upper() + "!", 0.1),
    chunk("near", ANSWER + " indeed", 0.2),
    chunk("sibling", "another section", 0.3, document="answer"),
    Chunk("skipped", "skipped", "meal allowances abroad", np.array([0.9, 0.0, -0.436])),
    chunk("far", "opening hours of the office", 0.4),
    chunk("words", "deduct deduct deduct", -0.9),
]


def mine(extra: tuple[Hit, ...] = (), settings: PairSettings | None = None) -> PairMining:
    events = [
        RetrievalEvent(
            f"e{i}",
            "how do I deduct",
            EAST,
            "production",
            f"u{i}",
            "",
            (Hit("skipped", 1, 1, "dense", 1.0), Hit("answer", 2, 1, "dense", 0.5, clicked=True), *extra),
        )
        for i in range(4)
    ]
    group_of = {"how do I deduct": "g"}
    settings = settings or PairSettings(per_positive=9, range_min=1, range_max=9)
    return mine_pairs(
        RetrievalIndex(CHUNKS), events, relevance_posterior(signals_of(events), group_of), group_of, settings
    )


def test_negatives_come_in_order_with_their_kind_weight_and_sources() -> None:
    found = mine()
    kinds = {pair.negative_chunk_id: pair.negative_kind for pair in found.pairs}
    assert kinds == {"skipped": "skipped", "words": "lexical", "far": "mined"}
    assert [pair.negative_kind for pair in found.pairs] == ["skipped", "lexical", "mined"]
    assert {(p.query, p.positive_chunk_id, p.group, p.event_ids) for p in found.pairs} == {
        ("how do I deduct", "answer", "g", ("e0", "e1", "e2", "e3"))
    }
    assert all(0 < pair.weight <= 1 for pair in found.pairs)
    assert mine(settings=PairSettings(per_positive=1, range_min=1)).pairs[0].negative_chunk_id == "skipped"


def test_copies_near_copies_and_siblings_of_the_answer_are_no_negatives() -> None:
    found = mine()
    negatives = {pair.negative_chunk_id for pair in found.pairs}
    assert negatives.isdisjoint({"answer", "copy", "near", "sibling"})
    assert found.dropped["same text"] == 1 or found.dropped["same text"] == 2
    assert found.dropped["near duplicate"] >= 1
    assert found.dropped["same document"] == 1


def test_a_chunk_others_clicked_is_not_a_negative() -> None:
    for signal, positives, reason in (("clicked", 1, "may be relevant"), ("explicit", 2, "relevant for the group")):
        found = mine((Hit("far", 3, 1, "dense", 0.33, **{signal: 1}),))  # type: ignore[arg-type]
        assert "far" not in {pair.negative_chunk_id for pair in found.pairs}
        assert found.positives == positives
        assert found.dropped[reason] >= 1
