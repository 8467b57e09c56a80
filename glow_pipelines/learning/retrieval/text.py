"""Words, shingles and content hashes of chunk and query text.

Belongs here: the one way retrieval turns text into comparable pieces. Does not belong here: scoring (``bm25``), and any
knowledge of documents or queries. Text is hostile input: it is split and hashed, never interpreted.
"""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache

_WORD = re.compile(r"\w+")
_VOWEL = re.compile(r"[aeiouy]")
# Function words left in cost the lexical leg .056 nDCG@10 on wordy user questions and .010 on Cranfield: formal
# documents use "can", "how" and "my" so rarely that idf alone takes them for telling words.
_FUNCTION_WORDS = (
    "a about an and any are as at be been but by can could did do does for from had has have how i if in into is it "
    "its may me must my no not of on or our shall should so some such than that the their then there these they this "
    "those to us was we were what when where which who whom why will with would you your"
)
_STOP = frozenset(_FUNCTION_WORDS.split())


def normalised(text: str) -> str:
    """Case-folded words joined by single spaces: two texts with the same words in order are the same text."""
    return " ".join(_WORD.findall(text.casefold()))


def terms(text: str) -> list[str]:
    """Stemmed words in order without English function words, for the lexical leg."""
    return [stem(word) for word in _WORD.findall(text.casefold()) if word not in _STOP]


@lru_cache(maxsize=200_000)
def stem(word: str) -> str:
    """Our own light English stemmer: plural, -ed, -ing, -ly, final -e; words of other languages mostly pass unchanged.

    Deliberately weaker than Porter's: with so little stripped, no two unrelated words of the sample company meet.
    """
    if len(word) <= 3 or not word.isascii() or not word.isalpha():
        return word
    word = _singular(word)
    for ending in ("ing", "ed", "ly"):
        root = word.removesuffix(ending)
        if root != word and len(root) >= 3 and _VOWEL.search(root):
            word = root[:-1] if ending != "ly" and root[-1] == root[-2] and root[-1] not in "lsz" else root
            break
    return word[:-1] if len(word) > 3 and word.endswith("e") else word


def _singular(word: str) -> str:
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith("sses"):
        return word[:-2]
    if word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word


def content_hash(text: str) -> str:
    """Hash of the normalised text: equal for texts that differ only in case, spacing or punctuation."""
    return hashlib.sha256(normalised(text).encode()).hexdigest()


def shingles(text: str, width: int = 3) -> frozenset[str]:
    """Runs of ``width`` normalised words; a shorter text is one shingle."""
    words = normalised(text).split()
    return frozenset(" ".join(words[i : i + width]) for i in range(max(1, len(words) - width + 1)))


def jaccard(a: frozenset[str], b: frozenset[str]) -> float:
    """Shared shingles over all shingles, in [0, 1]."""
    return len(a & b) / len(a | b) if a or b else 1.0
