"""Short texts of pseudo-words with planted near-duplicates, mean 160 characters.

Belongs here: what curation/nearest and curation/incremental read. Words are as frequent as in a language (Zipf), so
that frequent runs of letters lie in most texts: that is what fills the buckets of a hash.
"""

import numpy as np

SYLLABLES = [
    onset + nucleus + coda
    for onset in ["b", "c", "d", "f", "g", "h", "l", "m", "n", "p", "r", "s", "t", "v", "st", "tr", "pl", "ch"]
    for nucleus in ["a", "e", "i", "o", "u", "ea"]
    for coda in ("", "n", "r", "s", "t")
]
WORDS = 20_000


class Writer:
    """Writes texts, and texts that are nearly the same. The same seed writes the same."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        lengths = np.random.default_rng(0).choice([1, 2, 2, 3, 3, 4], size=WORDS)
        words = np.random.default_rng(1)
        self._words = ["".join(words.choice(SYLLABLES, size=length)) for length in lengths]
        shares = 1 / np.arange(1, WORDS + 1) ** 0.9
        self._upto = np.cumsum(shares / shares.sum())

    def texts(self, count: int) -> list[str]:
        lengths = np.clip(self._rng.gamma(3.2, 5.8, size=count).astype(int), 3, 90)
        drawn = np.searchsorted(self._upto, self._rng.random(int(lengths.sum()))).tolist()
        ends = np.cumsum(lengths).tolist()
        return [
            " ".join(self._words[n] for n in drawn[end - length : end])
            for end, length in zip(ends, lengths.tolist(), strict=True)
        ]

    def edited(self, text: str) -> str:
        """One to three words another."""
        words = text.split()
        for _ in range(int(self._rng.integers(1, 4))):
            words[int(self._rng.integers(len(words)))] = self._words[int(self._rng.integers(WORDS))]
        return " ".join(words)

    def planted(self, count: int) -> tuple[list[str], list[tuple[int, int]]]:
        """70 % texts, 15 % of them again, 15 % edited; and (of which, the variant)."""
        base = self.texts(int(count * 0.7))
        chosen = self._rng.integers(len(base), size=count - len(base)).tolist()
        more = [base[n] if k % 2 else self.edited(base[n]) for k, n in enumerate(chosen)]
        return [*base, *more], [(n, len(base) + k) for k, n in enumerate(chosen)]
