"""Text that a reader does not see and a model reads.

Belongs here: laying bare what is hidden so that the rules see it, and hiding places that are findings by themselves.
Does not belong here: what the rules look for (injection, credentials, personal).
"""
# ruff: noqa: E501 -- patterns are read best unbroken

import re
import unicodedata
from binascii import Error, a2b_base64
from collections.abc import Iterator

from glow_pipelines.learning.datasets.screens.findings import Finding

INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\U000e0000-\U000e01ef]"
)
_TURNED = re.compile("[\u202d\u202e]")  # shown in another order than written (CVE-2021-42574)
_EMBEDDED = re.compile("[\u202a\u202b\u2066-\u2068]")
_RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff]")
# A run of them carries bits. One or two are ligatures of Persian, emoji, or what a web page left behind.
_RUN = re.compile("[\u200b-\u200d\u2060-\u2064\ufeff]{4,}|[\ufe00-\ufe0f\U000e0100-\U000e01ef]{3,}")
_TAGS = re.compile("[\U000e0020-\U000e007f]{2,}")  # ASCII in invisible letters; flags are their one honest use
_BLACK_FLAG = "\U0001f3f4"
BLOB = 24
"""Characters of base64 from which on it can say something."""
_BASE64 = re.compile(rf"(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{{{BLOB},}}={{0,2}}")
_COMMENT = re.compile(r"<!--.{0,2000}?-->", re.DOTALL)
_UNSEEN = re.compile(
    r"<[^<>]{1,40}style\s?=\s?[\"'][^\"']{0,200}(?:display\s?:\s?none|visibility\s?:\s?hidden|font-size\s?:\s?0|opacity\s?:\s?0)"
    r"[^>]{0,200}>[^<]{1,600}|<[^<>]{1,100}\bhidden\b[^<>]{0,100}>[^<]{1,600}"
)
_TO_THE_MODEL = re.compile(
    r"\b(?:assistant|llms?|chatbot|language model|ai (?:agent|model|system)|if you are an ai|prompts?|instructions?|you must|"
    r"you should|you are|anweisung\w*|sprachmodell|du musst|assistent|consignes?|modele de langage|tu dois|vous devez|"
    r"instruccion\w*|modelo de lenguaje|debes|asistente)\b"
)
_URL_SAFE = str.maketrans("-_", "+/")
_MOST_BLOBS, _LONGEST_BLOB = 32, 8192


def _fold() -> dict[int, str]:
    """One character for one, so that places stay: accents off, full-width and mathematical letters and digits to ASCII."""
    table: dict[int, str] = {}
    letters = (*range(0xC0, 0x250), *range(0x1E00, 0x1F00), *range(0xFF01, 0xFF5F), *range(0x1D400, 0x1D800))
    for code in (*letters, *range(0x2460, 0x24EA), 0x00A0, 0x202F, 0x2007, 0x3000):
        plain = unicodedata.normalize("NFKD", chr(code))
        first = plain[0]
        if first.isascii() and all(unicodedata.combining(c) for c in plain[1:]):
            table[code] = first
    table |= {ord(a): b for a, b in zip("ßøØłŁđĐıæœ’‘‐‑‒–", "soOlLdDiao''----", strict=True)}
    # Letters of other scripts that look like ours; folded everywhere, since the rules read no Cyrillic and no Greek.
    looks = zip(
        "авеіјкмнорсстухѕԁһАВЕІЈКМНОРСТУХЅԁαεικνορτυχΑΒΕΖΗΙΚΜΝΟΡΤΥΧ",
        "abeijkmhopcctyxsdhABEIJKMHOPCTYXSdaeikvoptuxABEZHIKMNOPTYX",
        strict=True,
    )
    return table | {ord(a): b for a, b in looks}


FOLD = _fold()


def lay_bare(text: str) -> tuple[str, list[int] | None]:
    """The text without invisible characters, and where each character (and the end) stood; None when nothing was hidden.

    Tags are letters, and are shown as such: what they say is read too.
    """
    if not INVISIBLE.search(text):
        return text, None
    bare, places = [], []
    for at, char in enumerate(text):
        if "\U000e0020" <= char <= "\U000e007e":
            bare.append(chr(ord(char) - 0xE0000))
            places.append(at)
        elif not INVISIBLE.match(char):
            bare.append(char)
            places.append(at)
    return "".join(bare), [*places, len(text)]


def hidden_characters(text: str) -> Iterator[Finding]:
    """Characters that turn, tag or carry bits. In `text` as it came; only for texts that are not ASCII."""
    suspects = [*_TURNED.finditer(text), *_RUN.finditer(text)]
    suspects += [m for m in _TAGS.finditer(text) if text[m.start() - 1 : m.start()] != _BLACK_FLAG]
    if not _RIGHT_TO_LEFT.search(text.replace("\ufeff", "")):
        suspects += _EMBEDDED.finditer(text)
    yield from (Finding("injection", "hidden characters", *match.span()) for match in suspects)


def hidden_markup(lowered: str) -> Iterator[Finding]:
    """Comments and invisible elements of HTML that speak to a model."""
    for name, pattern in (("HTML comment", _COMMENT), ("unseen HTML", _UNSEEN)):
        for match in pattern.finditer(lowered):
            if _TO_THE_MODEL.search(match.group()):
                yield Finding("injection", name, *match.span())


def blobs(text: str) -> Iterator[tuple[int, int, str]]:
    """Where base64 stands that is text, and that text. At most 32 of them, the first 8 kB of each."""
    for count, match in enumerate(_BASE64.finditer(text)):
        if count == _MOST_BLOBS:
            return
        raw = match.group().rstrip("=")[:_LONGEST_BLOB].translate(_URL_SAFE)
        raw = raw[:-1] if len(raw) % 4 == 1 else raw
        try:
            said = a2b_base64(raw + "=" * (-len(raw) % 4))
        except Error:
            continue
        decoded = said.decode("utf-8", "ignore")
        if len(decoded) > 0.9 * len(said) and sum(c.isprintable() or c.isspace() for c in decoded) > 0.95 * len(
            decoded
        ):
            yield match.start(), match.end(), decoded
