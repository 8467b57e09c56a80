"""Claim: boundaries learned from citations find more of an answer in chunks of the same mean size.

Usage: python -m benchmarks.retrieving.chunking [--seeds N]
Documents of our own with known passages (`manuals`); whole sentences packed to a size against learned boundaries at the
same mean size, BM25, top 5 chunks, every question judged on boundaries learned without it. Beside it the same with
citations at random places, which must propose nothing. Writes benchmarks/results/retrieval_chunking.json.

Belongs here: running and writing down. Does not: the corpus (`manuals`), the engine (learning/retrieval/rechunking).
"""

import argparse
import json
import platform
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.retrieving.manuals import Manuals, write_manuals
from glow_pipelines.learning.retrieval.chunking import cut
from glow_pipelines.learning.retrieval.citations import CitedSpan
from glow_pipelines.learning.retrieval.rechunking import ChunkingProposal, optimize_chunking
from glow_pipelines.learning.retrieval.span_metrics import METRICS, Span

RESULTS = Path(__file__).parents[1] / "results" / "retrieval_chunking.json"
TARGETS = (400, 560, 800)
PASSAGE_LOOKS = 5  # characters: a heading's line end or a list mark beside the true beginning


def run(seeds: int) -> dict[str, Any]:
    """All figures: per target the mean over corpora, and how often noise was proposed."""
    figures: dict[str, Any] = {}
    noise = 0
    for target in TARGETS:
        found = []
        for seed in range(seeds):
            manuals = write_manuals(seed, questions=400)
            chunks = packed(manuals, target)
            proposal = _propose(manuals, chunks, manuals.spans, seed)
            found.append((proposal, _topics_hit(manuals, chunks, proposal)))
            noise += _propose(manuals, chunks, _anywhere(manuals, seed), seed).verdict == "apply"
        figures[f"sentences {target}"] = _summary(found)
    return {
        "claim": (__doc__ or "").splitlines()[0].removeprefix("Claim: "),
        "corpora": seeds,
        "questions of each": 400,
        "figures": figures,
        "random citations": {"proposed": noise, "of": seeds * len(TARGETS)},
        "date": datetime.now(UTC).date().isoformat(),
        "machine": platform.machine(),
    }


def packed(manuals: Manuals, target: int) -> dict[str, Span]:
    """What is served today: whole sentences up to a size."""
    return {
        f"{document.id}#{number}": (document.id, span.starts, span.ends)
        for document in manuals.documents
        for number, span in enumerate(cut(document.body, {"kind": "sentences", "target": target}))
    }


def _propose(manuals: Manuals, chunks: dict[str, Span], spans: tuple[CitedSpan, ...], seed: int) -> ChunkingProposal:
    return optimize_chunking(manuals.documents, chunks, spans, {}, np.random.default_rng(seed))


def _anywhere(manuals: Manuals, seed: int) -> tuple[CitedSpan, ...]:
    rng = np.random.default_rng(seed)
    length = {document.id: len(document.body) for document in manuals.documents}
    spans = []
    for span in manuals.spans:
        start = int(rng.integers(0, length[span.document_id] - 150))
        spans.append(replace(span, starts=start, ends=start + int(rng.integers(30, 150))))
    return tuple(spans)


def _topics_hit(manuals: Manuals, chunks: dict[str, Span], proposal: ChunkingProposal) -> tuple[float, float]:
    """Share of the true beginnings of passages at which a chunk begins: today, and as proposed."""
    now = {(name, start) for name, start, _ in chunks.values()}
    learned = set()
    for document in manuals.documents:
        learned |= {(document.id, span.starts) for span in cut(document.body, proposal.parameters or {"kind": "whole"})}
    topics = [(name, at) for name, places in manuals.topics.items() for at in places]

    def share(starts: set[tuple[str, int]]) -> float:
        return sum(any((name, at + d) in starts for d in range(PASSAGE_LOOKS)) for name, at in topics) / len(topics)

    return share(now), share(learned)


def _summary(found: list[tuple[ChunkingProposal, tuple[float, float]]]) -> dict[str, Any]:
    proposals = [proposal for proposal, _ in found]
    return {
        "mean size": {
            "sentences": round(float(np.mean([p.current_size for p in proposals])), 1),
            "learned": round(float(np.mean([p.proposed_size or 0 for p in proposals])), 1),
        },
        **{
            name: {
                "sentences": round(float(np.mean([p.figures[at].current for p in proposals])), 4),
                "learned": round(float(np.mean([p.figures[at].proposed for p in proposals])), 4),
                "gain": round(
                    float(np.mean([p.figures[at].gain.estimate / p.figures[at].current for p in proposals])), 4
                ),
                "corpora with p < .05": sum(p.figures[at].p_value < 0.05 for p in proposals),
            }
            for at, name in enumerate(METRICS)
        },
        "passages that begin a chunk": {
            "sentences": round(float(np.mean([hit[0] for _, hit in found])), 4),
            "learned": round(float(np.mean([hit[1] for _, hit in found])), 4),
        },
        "applied": sum(p.verdict == "apply" for p in proposals),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5, help="corpora for each size")
    results = run(parser.parse_args().seeds)
    RESULTS.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(json.dumps(results, indent=1, ensure_ascii=False))


if __name__ == "__main__":
    main()
