"""How what retrieval learned is shown: tables of figures, of wins and losses, of who is listed how often.

Belongs here: choosing and writing figures. Does not: definitions (learned), computing them (learning/retrieval).
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from glow_pipelines.defs.metadata import counts, line, table
from glow_pipelines.defs.retrieval.common import rounded
from glow_pipelines.services import Services

if TYPE_CHECKING:
    from glow_pipelines.learning.retrieval import RetrievalIndex, RetrievalTraining
    from glow_pipelines.learning.retrieval.expansion import ExpansionLearning
    from glow_pipelines.steps.retrieval.promotion import Promotion

SHOWN = 5
ASKED = 200
"""Questions that are searched with both configurations to see what they list: enough to see one chunk take over."""


@dataclass(frozen=True)
class Exposed:
    """How unequally chunks are listed, before and after."""

    metadata: dict[str, Any] = field(default_factory=dict)
    collapsing: bool = False
    said: str = "there is no candidate to compare"


def pairs(training: "RetrievalTraining") -> dict[str, Any]:
    mined = training.mining.pairs
    return {
        "labels": counts(training.labels),
        "negatives": counts(Counter(pair.negative_kind for pair in mined)),
        "left out": counts(training.mining.dropped),
        "sample": table(
            ("query", "positive", "negative", "weight"),
            ((p.query, p.positive_chunk_id, p.negative_chunk_id, round(p.weight, 3)) for p in mined[:8]),
            empty="no new pair",
        ),
    }


def expansions(learned: "ExpansionLearning") -> dict[str, Any]:
    return {
        "rules": len(learned.expansions),
        "in use": sum(rule.weight > 0 for rule in learned.expansions),
        "sessions and corrections": learned.lessons,
        "held-out gain": rounded(learned.gain, 4),
        "left out": counts(dict(learned.refused)),
        "words": table(
            ("who says", "also needs", "weight", "questions", "people", "lift", "gain"),
            (
                (r.phrase, ", ".join(r.adds), r.weight, r.queries, r.users, f"{r.lift:.1f}", f"{r.gain:+.4f}")
                for r in sorted(learned.expansions, key=lambda r: (-r.weight, -r.gain))[:20]
            ),
            empty="nobody asked again in other words, or too few people agree",
        ),
    }


def tuning(training: "RetrievalTraining") -> dict[str, Any]:
    """What each component pays, and the parameters they lead to."""
    found = training.tuning
    return {
        "learned": line(found.reason),
        "agreement of people (z)": round(training.posterior.agreement, 2),
        "questions": training.queries,
        "groups": training.groups,
        "nDCG@10 expected, cross-validated": f"{rounded(found.untuned)} → {rounded(found.expected)}",
        "components": table(
            ("component", "used", "pays", "z", "why"),
            (
                (v.component, "yes" if v.used else "no", "–" if v.gain is None else f"{100 * v.gain:+.1f} %",
                 rounded(v.z, 1), v.reason)
                for v in found.verdicts
            ),
            empty="none was weighed",
        ),
        "parameters": counts(found.parameters.to_json()),
    }  # fmt: skip


def gate(tried: "Promotion") -> dict[str, Any]:
    """Before and after by type of question, and examples of what was won and lost."""
    tested = tried.gate
    if tested is None or tested.overall is None:
        return {}
    wins, losses = turns(tried)
    head = ("query", "best right chunk", "rank before", "rank after")
    return {
        "nDCG@10 before": tested.overall.current,
        "nDCG@10 after": tested.overall.candidate,
        "queries": table(
            ("questions", "number", "groups", "before", "after", "95 % interval", "p"),
            (
                (c.name, c.queries, c.groups, rounded(c.current), rounded(c.candidate),
                 f"{c.gain.low:+.3f} to {c.gain.high:+.3f}", rounded(c.p_value))
                for c in (tested.overall, *tested.slices)
            ),
        ),
        "wins": table(head, wins, empty="none"),
        "losses": table(head, losses, empty="none"),
    }  # fmt: skip


def turns(tried: "Promotion") -> tuple[list[tuple[object, ...]], list[tuple[object, ...]]]:
    """Held-out questions whose best right chunk moved most, up and down: query, chunk, rank before, rank after."""
    if tried.before is None or tried.after is None:
        return [], []
    moved = []
    for old, new in zip(tried.judged.before, tried.judged.after, strict=True):
        before, after = _best(tried.before, old), _best(tried.after, new)
        moved.append((1 / after[0] - 1 / before[0], old.query, after[1], before[0], after[0]))
    won = sorted((each for each in moved if each[0] > 0), key=lambda each: (-each[0], each[1]))
    lost = sorted((each for each in moved if each[0] < 0), key=lambda each: (each[0], each[1]))
    return [each[1:] for each in won[:SHOWN]], [each[1:] for each in lost[:SHOWN]]


def _best(index: "RetrievalIndex", judged: Any) -> tuple[int, str]:
    ranked = index.ranking(judged.query, judged.embedding)
    for rank, chunk in enumerate(ranked, 1):
        if judged.grades.get(chunk, 0) > 0:
            return rank, chunk
    return len(ranked) + 1, "not found"


def exposures(services: Services, tried: "Promotion", queries: Sequence[str]) -> Exposed:
    """What both configurations list for the questions that were asked most: a gain must not be one chunk for all."""
    from glow_pipelines.learning.retrieval.popularity import COLLAPSING, gini

    if tried.before is None or tried.after is None or not queries:
        return Exposed()
    told, ginis = [], []
    for name, index in (("in force", tried.before), ("candidate", tried.after)):
        if index.configuration.model != services.embeddings.name:
            return Exposed(said="the model of what is in force is not served: there is nothing to compare with")
        vectors = services.embeddings.embed(queries).astype(float)
        listed = Counter(
            hit.chunk_id
            for query, vector in zip(queries, vectors, strict=True)
            for hit in index.search(query, vector, 10)
        )
        most = max(listed.values(), default=0) / len(queries)
        ginis.append(gini([listed.get(chunk.id, 0) for chunk in index.chunks]) or 0.0)
        told.append((name, rounded(ginis[-1]), f"{100 * most:.0f} %", len(listed)))
    collapsing = ginis[1] - ginis[0] > COLLAPSING
    said = (
        f"Gini of what is listed for {len(queries)} questions: {ginis[0]:.3f} → {ginis[1]:.3f}"
        f"{', a rise that no new content explains' if collapsing else ''}"
    )
    columns = ("configuration", "Gini of what it lists", "lists with the most listed chunk", "chunks listed")
    return Exposed({"popularity": table(columns, told)}, collapsing, said)
