"""What must not stand in a prompt: links, role tags, override phrases, characters nobody can see.

Belongs here: patterns over one text. Does not belong here: what to do about a hit (lint rejects a candidate, few-shot
passes an example over, a correction is kept as data).
"""

import re
import unicodedata

_PATTERNS = {
    "link": re.compile(
        r"https?:|\bwww\.|\b(?:ftp|file|data|javascript):\S|\]\(|\b[\w-]+\.(?:com|net|org|io|ai|dev|app|xyz|info|ru|cn|co)\b",
        re.IGNORECASE,
    ),
    "role tag": re.compile(
        r"<\|?/?\s*(?:im_start|im_end|system|user|assistant|human|s|eot_id|start_header_id|end_header_id|endoftext)\s*\|?>"
        r"|\[/?INST\]|<</?SYS>>|^\s*#*\s*(?:system|user|assistant|human|developer)\s*:",
        re.IGNORECASE | re.MULTILINE,
    ),
    "override phrase": re.compile(
        r"\b(?:ignore|disregard|forget|override|bypass)\b.{0,40}\b(?:previous|prior|above|earlier|instructions?|rules?|prompt)\b"
        r"|\b(?:reveal|print|repeat|show|send|output)\b.{0,40}\b(?:system|hidden|secret|prompt|instructions?|password)\b"
        r"|\bnew instructions?\b|\byou are now\b|\bdeveloper mode\b"
        r"|\b(?:always|only) (?:answer|reply|respond|output|say)\b",
        re.IGNORECASE,
    ),
    "e-mail address": re.compile(r"[\w.+-]+@[\w-]+\.\w+"),
    "long number": re.compile(r"\d(?:[\s./-]?\d){5,}"),
}


def hidden_characters(text: str) -> tuple[str, ...]:
    """Code points without a glyph: zero-width, bidi controls, tags, private use, surrogates, controls but line
    breaks.
    """
    found = {
        character
        for character in text
        if (unicodedata.category(character) in ("Cf", "Cc", "Co", "Cs", "Cn") and character not in "\n\t\r")
        or 0xFE00 <= ord(character) <= 0xFE0F
        or 0xE0100 <= ord(character) <= 0xE01EF
    }
    return tuple(f"U+{ord(character):04X}" for character in sorted(found))


def hits(text: str, kinds: tuple[str, ...] = tuple(_PATTERNS)) -> list[tuple[str, str]]:
    """(kind, matched text) of every pattern found, also when hidden or compatibility characters break it up."""
    plain = "".join(each for each in unicodedata.normalize("NFKC", text) if unicodedata.category(each) != "Cf")
    return [(kind, match.group(0)) for kind in kinds for match in _PATTERNS[kind].finditer(plain)]


def fit_to_show(text: str) -> bool:
    """Whether an example's text may be shown to the model as a demonstration."""
    return not hidden_characters(text) and not hits(text, ("link", "role tag", "override phrase"))
