"""Words, shingles and content hashes of chunk and query text.

Belongs here: the one way retrieval turns text into comparable pieces. Does not belong here: scoring (``bm25``), and any
knowledge of documents or queries. Text is hostile input: it is split and hashed, never interpreted.

`terms` is also glow.terms in SQL. What a letter is, and its small form, are therefore spelled out here: PostgreSQL's
answers depend on its version and on the locale a server was made with.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from functools import lru_cache

_WORD = re.compile(r"\w+")
_VOWEL = re.compile(r"[aeiouy]")
# After NFKC: all of ASCII but letters, digits and _; the signs of Latin-1; the blocks of punctuation, currency, arrows,
# symbols, and of the CJK, vertical and full-width forms of these. Any other character may stand in a word.
_SEPARATORS = re.compile(
    "[\x00-/:-@\\[-^`{-\u00a9\u00ab-\u00b4\u00b6-\u00b9\u00bb-\u00bf\u00d7\u00f7\u2000-\u206f\u20a0-\u20cf\u2190-\u2bff"
    "\u2e00-\u2e7f\u3000-\u3004\u3008-\u3020\u3030\ufe10-\ufe1f\ufe30-\ufe6f\uff5f-\uff65\ufff0-\uffff]+"
)
_ALPHABETS = (
    (0xC0, 0x17F),
    (0x218, 0x21B),
    (0x386, 0x3AB),
    (0x400, 0x42F),
    (0x460, 0x52F),
    (0x531, 0x556),
    (0x1E00, 0x1EFF),
)
_CAPITALS = [chr(code) for first, last in _ALPHABETS for code in range(first, last + 1)]
# A final sigma is a sigma; a capital whose small form is two characters stays.
SMALL = {ord(c): ord(c.lower()) for c in _CAPITALS if len(c.lower()) == 1 and c.lower() != c} | {ord("ς"): ord("σ")}
_LOWER = SMALL | {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}
LONGEST_TERM = 64  # in characters; a longer word counts by its beginning
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
    lowered = unicodedata.normalize("NFKC", text).translate(_LOWER)
    return [stem(word[:LONGEST_TERM]) for word in _SEPARATORS.split(lowered) if word and word not in _STOP]


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
