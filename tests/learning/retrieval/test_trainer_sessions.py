"""The trainer's faces for added words and boundaries: the same as the engines', on train questions only."""

import numpy as np
import pytest

from benchmarks.retrieving.chunking import packed
from benchmarks.retrieving.manuals import write_manuals
from glow_pipelines.learning.retrieval import Chunk, RagTrainer, RetrievalIndex
from glow_pipelines.learning.retrieval.reformulations import Reformulation
from glow_pipelines.learning.retrieval.signal_table import SignalTable
from glow_pipelines.learning.retrieval.types import Signal, Split, Vector

WORDS = ["lamp", "monday", "parcel", "badge", "meter", "roster", "window", "ladder", "printer", "boiler"]
SLANG = {"bill": "invoice", "phone": "handset", "bike": "velocipede", "cashback": "refund"}
CHUNKS = [Chunk(f"c{n:02}", "d", f"{list(SLANG.values())[n % 4]} {WORDS[n % 10]} text") for n in range(40)]


def _embed(texts: list[str]) -> Vector:
    """Every query a direction of its own: none is another in other words."""
    return np.array([np.random.default_rng(list(text.encode())).normal(size=64) for text in texts])


@pytest.mark.parametrize(("where", "learned"), [("train", True), ("test", False)])
def test_words_are_learned_from_train_questions_only(where: Split, learned: bool) -> None:
    pairs, signals = [], []
    for n in range(80):
        slang, proper = list(SLANG.items())[n % 4]
        first, then = f"{slang} {WORDS[n % 10]} {n}", f"{proper} {WORDS[n % 10]} {n}"
        pairs.append(Reformulation(first, then, f"u{n % 7}", f"s{n}", ("c00",), (f"e{n}a", f"e{n}b")))
        for m in range(40):
            good = m % 4 == n % 4
            if m % 10 == n % 10 or good:
                signals += [Signal(first, f"c{m:02}", f"v{k}", float(good), 1.0, int(good) or -1) for k in range(3)]
    queries = sorted({pair.first for pair in pairs} | {pair.then for pair in pairs})
    vectors = dict(zip(queries, _embed(queries), strict=True))
    # Each question is of another person and another wording; only the split decides what may teach.
    found = RagTrainer(_embed, 1).learn_query_expansion(
        RetrievalIndex(CHUNKS), SignalTable.of(signals), vectors, lambda query: where, pairs
    )
    rules = {(rule.phrase, rule.adds) for rule in found.expansions if rule.weight > 0}
    assert (("cashback", ("refund",)) in rules) == learned
    assert (found.lessons > 0) == learned


def test_boundaries_are_learned_from_all_but_test_questions() -> None:
    manuals = write_manuals(2)
    trainer, chunks = RagTrainer(_embed, 1), packed(manuals, 400)
    proposal = trainer.optimize_chunking(manuals.documents, chunks, manuals.spans, lambda query: "val")
    assert proposal.verdict == "apply", proposal.reason
    nothing = trainer.optimize_chunking(manuals.documents, chunks, manuals.spans, lambda query: "test")
    assert (nothing.verdict, nothing.spans) == ("keep", 0)
