"""Claim: screens find at least .98 of what is planted, hit at most 1 % of finance texts, and cost little.

Belongs here: counting over planted and ordinary texts. Does not: making those (planted, sentences). The templates and
the patterns have the same authors, so recall on them is an upper bound; the languages' sentences were used to set
the detector's two thresholds.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from benchmarks.curation import planted
from benchmarks.curation.sentences import SENTENCES
from glow_pipelines.learning.datasets import language_of, screen

_PLAIN = (
    "The committee met on Tuesday to discuss how the new colleagues could be welcomed. Everybody agreed that a short "
    "tour of the building would help, and that somebody from each team ought to say a few words about what they do. "
) * 3


def measure(each: int = 300, texts: int = 2000, seed: int = 1) -> dict[str, Any]:
    """Recall by kind over `each` planted texts; false positives and rows/s over `texts` finance texts of 640 signs."""
    rng = np.random.default_rng(seed)
    ordinary = [planted.ordinary(rng) for _ in range(texts)]
    hits = sum(bool(screen(text)) for text in ordinary)
    return {
        "recall personal": {kind: personal_recall(rng, kind, each) for kind in planted.PERSONAL},
        "recall secrets": {kind: secret_recall(rng, kind, each) for kind in planted.SECRETS},
        "recall injections": injection_recall(rng),
        "finance texts hit": hits / texts,
        "rows per CPU second, finance texts": _rate(screen, ordinary),
        "rows per CPU second, prose": _rate(screen, [_PLAIN[:640]] * texts),
        "language": language_accuracy(),
        "language, first three words": language_accuracy(most_words=3),
    }


def personal_recall(rng: np.random.Generator, kind: str, each: int) -> float:
    """The share of planted values that personal findings cover from end to end."""
    found = 0
    for _ in range(each):
        text, value = planted.personal(rng, kind)
        start = text.index(value)
        found += any(f.kind == "pii" and f.start <= start and start + len(value) <= f.end for f in screen(text))
    return found / each


def secret_recall(rng: np.random.Generator, kind: str, each: int) -> float:
    """The share of texts with a planted secret in which one is found."""
    return sum(any(f.kind == "secret" for f in screen(planted.secret(rng, kind)[0])) for _ in range(each)) / each


def injection_recall(rng: np.random.Generator) -> dict[str, float]:
    """By language, and by the trick with which the same sentences are hidden."""
    seen: dict[str, list[bool]] = defaultdict(list)
    for language, trick, text in planted.injections(rng):
        found = any(f.kind == "injection" for f in screen(text))
        seen[trick if trick != "plain" else language].append(found)
    return {name: sum(found) / len(found) for name, found in seen.items()}


def language_accuracy(most_words: int | None = None) -> dict[str, float]:
    """Shares right, wrong and unsure over our own sentences, or their first words (only where words have spaces)."""
    counts: dict[str, int] = defaultdict(int)
    for language, sentences in SENTENCES.items():
        for sentence in sentences:
            if most_words is None or " " in sentence:
                told = language_of(" ".join(sentence.split()[:most_words]))
                counts["right" if told == language else "unsure" if told in ("und", None) else "wrong"] += 1
    total = sum(counts.values())
    return {verdict: counts[verdict] / total for verdict in ("right", "wrong", "unsure")} | {"texts": total}


def _rate(work: Callable[[str], object], texts: Sequence[str]) -> float:
    start = time.process_time()
    for text in texts:
        work(text)
    return len(texts) / (time.process_time() - start)
