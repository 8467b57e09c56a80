"""Text made comparable, and bytes made canonical.

Belongs here: normalisation, canonical JSON, hashes of them. Does not belong here: near-duplicates (minhash), judging
what a text contains (screens).
"""

import hashlib
import json
import re
import unicodedata
from collections.abc import Mapping, Sequence

_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]")
_MARK = re.compile(r"[^\w\s]")
_LINE_BREAKS = str.maketrans({"\u2028": "\\u2028", "\u2029": "\\u2029", "\u0085": "\\u0085"})


def normalize(text: str) -> str:
    """NFKC, casefold, punctuation to spaces (except within numbers, signs, currencies), spaces collapsed."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return " ".join(_MARK.sub(_keep_or_space, _INVISIBLE.sub("", folded)).split())


def _keep_or_space(match: re.Match[str]) -> str:
    """The character if it carries content: the dot in 1.50, the minus before 5, a %, a vowel sign of Hindi."""
    char, text, at = match.group(), match.string, match.start()
    if char in "%#" or unicodedata.category(char) in ("Mn", "Mc", "Sc", "Sm"):
        return char
    before, after = text[at - 1 : at], text[at + 1 : at + 2]
    kept = after.isdigit() and (before.isdigit() or (char == "-" and not before.isalpha()))
    return char if kept else " "


def text_key(text: str) -> str:
    """What makes two inputs the same input and two answers the same answer: the normalised text.

    Where normalising leaves nothing ("?!") it is the stripped text, or all such texts would be one.
    """
    return normalize(text) or text.strip()


def digest(*parts: str) -> str:
    """sha256, in hex, of the parts with their lengths, so that ("ab", "c") and ("a", "bc") differ."""
    sha = hashlib.sha256()
    for part in parts:
        raw = part.encode("utf-8", "surrogatepass")
        sha.update(f"{len(raw)}:".encode())
        sha.update(raw)
    return sha.hexdigest()


def canonical_json(value: object) -> str:
    """One line: sorted keys, no spaces, NFC, floats to 6 places, and no character a reader may take for a line end.

    Raises ValueError on NaN and infinities, TypeError on what JSON cannot hold.
    """
    text = json.dumps(_canonical(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.translate(_LINE_BREAKS)


def content_hash(value: object) -> str:
    """sha256, in hex, of the canonical JSON."""
    return hashlib.sha256(canonical_json(value).encode("utf-8", "surrogatepass")).hexdigest()


def _canonical(value: object) -> object:
    match value:
        case str():
            return unicodedata.normalize("NFC", value)
        case float():
            return round(value, 6)
        case Mapping():
            return {unicodedata.normalize("NFC", str(key)): _canonical(item) for key, item in value.items()}
        case Sequence() if not isinstance(value, bytes | bytearray):
            return [_canonical(item) for item in value]
    return value
