"""Logs that must teach nothing, or little: random clicks, labels of others, rank 1 alone, one loud user.

Belongs here: what the product's real gate does with a candidate from such a log, and how far it is from today's. Does
not: the click models (clicks.py). The gate judges on expert judgements of the fold's test questions.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from benchmarks.retrieving import methods
from benchmarks.retrieving.clicks import FIRST_ALWAYS, FIRST_ONLY, HONEST, RANDOM, Asked, Clicks, shuffled, thumbs
from benchmarks.retrieving.measuring import against, quality
from benchmarks.retrieving.trials import FOLDS, Searchable, Trial, trial
from glow_pipelines.learning.retrieval import RetrievalIndex

THUMBS = 1000
ALLOWED = 0.05


def random_clicks(place: Searchable, seeds: int, sessions: int) -> dict[str, Any]:
    """Everybody clicks whatever is looked at with the same chance."""
    return _gated(place, seeds, lambda seed: trial(place, seed, seed % FOLDS, sessions=sessions, clicks=RANDOM))


def shuffled_labels(place: Searchable, seeds: int, sessions: int) -> dict[str, Any]:
    """Honest lists and clicks, each under another question."""

    def mixed(seed: int) -> Trial:
        fold = trial(place, seed, seed % FOLDS, sessions=sessions)
        return replace(fold, events=shuffled(fold.events, np.random.default_rng([seed, 1])))

    return _gated(place, seeds, mixed)


def first_rank(place: Searchable, seeds: int, sessions: int) -> dict[str, Any]:
    """Nobody looks below rank 1 although the log says 1/rank: honest clicks there, or a click whatever it is."""
    worlds: dict[str, Clicks] = {"honest at rank 1": FIRST_ONLY, "rank 1 always clicked": FIRST_ALWAYS}
    return {
        f"{name}, {logging}": _held_out(place, seeds, sessions, logging, clicks)
        for name, clicks in worlds.items()
        for logging in ("interleave", "production")
    }


def loud_user(place: Searchable, sessions: int) -> dict[str, Any]:
    """One user's 1000 thumbs on top of an honest log; how many ranks they move the chunks they are for or any other.

    "weights as they were": what the thumbs teach of chunks, at the weights of the honest training: their own leverage,
    and the bar. "weights tuned anew": with what one more user in the log does to the choice of weights, for everybody.
    Looked at: the questions of train, the best 20 before or after.
    """
    fold = trial(place, 0, 0, sessions=sessions)
    asked = [place.asked[row] for row in fold.train]
    _, honest, _ = methods.trained(fold, methods.COMPONENTS)
    second = {q.text: honest.search(q.text, q.vector, 2)[-1].chunk_id for q in asked}
    fifth = {q.text: honest.search(q.text, q.vector, 5)[-1].chunk_id for q in asked}
    stranger = dict.fromkeys(second, _stranger(place, asked))
    attacks: dict[str, tuple[list[Asked], Mapping[str, str], Literal[-1, 1]]] = {
        "up, one chunk, all questions": (asked, stranger, 1),
        "up, one strange chunk, one question": (asked[:1], stranger, 1),
        "up, rank 5, one question": (asked[:1], fifth, 1),
        "up, rank 2 of all questions": (asked, second, 1),
        "up, rank 5 of all questions": (asked, fifth, 1),
        "down, rank 2 of all questions": (asked, second, -1),
        "down, rank 5, one question": (asked[:1], fifth, -1),
    }
    result = {}
    for name, (questions, chunk_of, thumb) in attacks.items():
        loud = replace(fold, events=[*fold.events, *thumbs(questions, chunk_of, THUMBS, thumb=thumb)])
        _, anew, training = methods.trained(loud, methods.COMPONENTS)
        base = replace(honest.parameters, base_attractiveness=training.parameters.base_attractiveness)
        told = honest.reconfigured(replace(honest.configuration, parameters=base, memory=training.memory))
        result[name] = {
            "weights as they were": _moves(honest, told, asked, chunk_of),
            "weights tuned anew": _moves(honest, anew, asked, chunk_of),
        }
    worst = max(figures["weights as they were"]["the thumbed chunk moved at most"] for figures in result.values())
    return {"attacks": result, "bar": "no thumbed chunk moves by more than 1 rank", "worst": worst, "held": worst <= 1}


def _gated(place: Searchable, seeds: int, fold_of: Callable[[int], Trial]) -> dict[str, Any]:
    shipped, gains, reasons = 0, [], []
    for seed in range(seeds):
        fold = fold_of(seed)
        trainer, index, _ = methods.trained(fold, methods.COMPONENTS)
        verdict = trainer.gate(place.index, index, fold.judgements, np.random.default_rng([seed, 2]))
        shipped += verdict.verdict == "ship"
        reasons += [verdict.reason] if verdict.verdict == "ship" else []
        gains.append(0.0 if verdict.overall is None else verdict.overall.gain.estimate)
    return {
        "trainings": seeds,
        "shipped": shipped,
        "nothing shipped": round(1 - shipped / seeds, 3),
        "bar": f"shipped in at most {ALLOWED:.0%} of trainings",
        "held": shipped <= ALLOWED * seeds,
        "candidate against untuned, nDCG@10, mean": round(float(np.mean(gains)), 4),
        "worst": round(min(gains), 4),
        "best": round(max(gains), 4),
        "shipped because": reasons,
    }


def _held_out(place: Searchable, seeds: int, sessions: int, logging: str, clicks: Clicks = HONEST) -> dict[str, Any]:
    """Candidates of all folds, ungated and as the gate leaves them, against the untuned product."""
    before = quality(methods.by_index(place.index)(place.asked), place.grades)
    ungated, gated, shipped = [], [], 0
    for seed in range(seeds):
        after, served = before.copy(), before.copy()
        for number in range(FOLDS):
            fold = trial(place, seed, number, logging, sessions, clicks)
            trainer, index, _ = methods.trained(fold, methods.COMPONENTS)
            rows = quality(methods.by_index(index)([place.asked[i] for i in fold.test]), place.grades[fold.test])
            after[fold.test] = rows
            verdict = trainer.gate(place.index, index, fold.judgements, np.random.default_rng([seed, number, 2]))
            if verdict.verdict == "ship":
                shipped += 1
                served[fold.test] = rows
        ungated.append(after[:, 0])
        gated.append(served[:, 0])
    return {
        "seeds": seeds,
        "candidates": seeds * FOLDS,
        "shipped": shipped,
        "ungated": against(np.mean(ungated, axis=0), before[:, 0]),
        "ungated, by seed %": [round(100 * float(row.mean() / before[:, 0].mean() - 1), 2) for row in ungated],
        "as shipped, by seed %": [round(100 * float(row.mean() / before[:, 0].mean() - 1), 2) for row in gated],
        "held": all(row.mean() >= before[:, 0].mean() - 1e-12 for row in gated),
    }


def _moves(
    before: RetrievalIndex, after: RetrievalIndex, asked: list[Asked], chunk_of: Mapping[str, str]
) -> dict[str, Any]:
    """Ranks that chunks moved, over the questions, as far as users see: among the best 20 before or after."""
    mine: list[int] = []
    other: list[int] = []
    firsts = 0
    for question in asked:
        ranks = [_ranks(index, question) for index in (before, after)]
        seen = {chunk_id for by_chunk in ranks for chunk_id, rank in by_chunk.items() if rank <= 20}
        for chunk_id in seen:
            moved = abs(ranks[0].get(chunk_id, len(before.chunks)) - ranks[1].get(chunk_id, len(before.chunks)))
            (mine if chunk_id == chunk_of.get(question.text) else other).append(moved)
        firsts += min(ranks[0], key=lambda c: ranks[0][c]) != min(ranks[1], key=lambda c: ranks[1][c])
    return {
        "the thumbed chunk moved at most": max(mine, default=0),
        "any other chunk moved at most": max(other, default=0),
        "others that moved more than one rank, share": round(float(np.mean(np.array(other) > 1)), 5),
        "questions with another first chunk": firsts,
    }


def _ranks(index: RetrievalIndex, question: Asked) -> dict[str, int]:
    return {chunk_id: rank for rank, chunk_id in enumerate(index.ranking(question.text, question.vector), 1)}


def _stranger(place: Searchable, asked: list[Asked]) -> str:
    """The chunk that is relevant to the fewest train questions, the first of them not to: what an attacker wants up."""
    needed = Counter(chunk_id for question in asked for chunk_id in question.relevant)
    others = [c.id for c in place.index.chunks if c.embedding is not None and c.id not in asked[0].relevant]
    return min(others, key=lambda chunk_id: needed[chunk_id])
