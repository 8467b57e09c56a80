"""Real abstracts, real questions and judgements: what repeated questions gain from simulated users."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from scipy.sparse.linalg import svds

from glow_pipelines.learning.retrieval import (
    Chunk,
    Hit,
    Judgement,
    RagTrainer,
    RetrievalEvent,
    RetrievalIndex,
    RetrievalParameters,
)
from glow_pipelines.learning.retrieval.interleaving import examination, team_draft
from glow_pipelines.learning.retrieval.text import terms
from glow_pipelines.learning.retrieval.types import Vector, unit

FOLDER = Path(__file__).resolve().parents[4] / "shared" / "data" / "cranfield"
SESSIONS = 10

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="the Cranfield collection is not beside the repository")


@dataclass(frozen=True)
class Lsa:
    """Latent semantic vectors in place of an embedding model: 64 singular directions of tf-idf."""

    column: dict[str, int]
    idf: Vector
    directions: Vector

    @classmethod
    def fit(cls, texts: list[str]) -> "Lsa":
        counted = [terms(text) for text in texts]
        column = {term: i for i, term in enumerate(sorted({t for words in counted for t in words}))}
        holding = np.bincount([column[t] for words in counted for t in set(words)], minlength=len(column))
        idf = np.log(len(texts) / holding)
        start = cls(column, idf, np.zeros((0, 0)))
        _, _, directions = svds(start.weights(texts), k=64, v0=np.ones(min(len(texts), len(column))))
        return cls(column, idf, directions.T)

    def weights(self, texts: list[str]) -> csr_matrix:
        cells: dict[tuple[int, int], float] = {}
        for row, text in enumerate(texts):
            for term in terms(text):
                if term in self.column:
                    cells[row, self.column[term]] = cells.get((row, self.column[term]), 0.0) + 1
        at = np.array(list(cells), dtype=int).reshape(-1, 2).T
        values = (1 + np.log(np.array(list(cells.values())))) * self.idf[at[1]]
        return csr_matrix((values, (at[0], at[1])), shape=(len(texts), len(self.column)))

    def __call__(self, texts: list[str]) -> Vector:
        return unit(self.weights(list(texts)) @ self.directions)


def collection() -> tuple[list[tuple[str, str]], list[tuple[str, set[str]]]]:
    """(id, text) of every abstract; (question, relevant ids). Judgements number the questions by their order."""
    text = (FOLDER / "cran.all.1400.xml").read_text()
    documents = [(i.strip(), t) for i, t in re.findall(r"<docno>(.*?)</docno>.*?<text>(.*?)</text>", text, re.S)]
    asked = re.findall(r"<title>(.*?)</title>", (FOLDER / "cran.qry.xml").read_text(), re.S)
    relevant: dict[int, set[str]] = {}
    for line in (FOLDER / "cranqrel.trec.txt").read_text().split("\n"):
        if line.strip():
            query, _, document, grade = line.split()
            relevant.setdefault(int(query), set()).update({document} if int(grade) > 0 else set())
    return documents, [(" ".join(q.split()), relevant.get(n, set())) for n, q in enumerate(asked, 1)]


def reworded(query: str, rng: np.random.Generator) -> str:
    """The question with 35 % of its words lost."""
    kept = [word for word in query.split() if rng.random() >= 0.35]
    return " ".join(kept) or query


def test_repeated_questions_gain_over_the_untuned_hybrid() -> None:
    documents, questions = collection()
    lsa = Lsa.fit([text for _, text in documents])
    vectors = lsa([text for _, text in documents])
    chunks = [Chunk(id_, id_, text, v) for (id_, text), v in zip(documents, vectors, strict=True)]
    rng = np.random.default_rng(7)
    index = RetrievalIndex(chunks)
    events: list[RetrievalEvent] = []
    for (query, relevant), vector in zip(questions, lsa([q for q, _ in questions]), strict=True):
        dense, lexical = (
            [scored.chunk_id for scored in index.search_leg(leg, query, vector, 10)] for leg in ("dense", "lexical")
        )
        for session in range(SESSIONS):
            hits = []
            for rank, (chunk_id, leg) in enumerate(team_draft(dense, lexical, 10, rng), 1):
                clicked = rng.random() < 1 / rank and rng.random() < (0.9 if chunk_id in relevant else 0.1)
                hits.append(Hit(chunk_id, rank, 0.0, leg, examination(rank), clicked=bool(clicked)))
            name = f"{len(events)}"
            events.append(RetrievalEvent(name, query, vector, "interleave", f"u{session}-{name}", name, tuple(hits)))
    trainer = RagTrainer(lsa, 7)  # type: ignore[arg-type]
    training = trainer.train_from_feedback(chunks, events, RetrievalParameters(), lambda _: "train")
    candidate = index.reconfigured(training.parameters, training.memory)
    judgements = [
        Judgement(wording, document, 1.0)
        for wording, relevant in [(reworded(query, rng), relevant) for query, relevant in questions]
        for document in relevant
    ]
    verdict = trainer.gate(index, candidate, judgements, rng)
    assert verdict.overall is not None
    assert verdict.overall.queries > 200
    assert verdict.overall.gain.low > 0.15 * verdict.overall.current, verdict.reason
    assert verdict.verdict == "ship", verdict.reason
