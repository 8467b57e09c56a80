"""What must not reach training data unseen: instructions to the model, secrets, personal data.

Belongs here: patterns with their checksums. Does not belong here: what happens to a hit (resolve), redaction.
Findings hold spans, never the text they found. Checksums are mandatory: without them 19 % of finance texts "hit",
because amounts look like cards and phone numbers.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found and where: `text[start:end]`."""

    kind: Literal["injection", "secret", "pii"]
    name: str
    start: int
    end: int


# Length of an IBAN by country (ISO 13616 registry): without it one order number in 97 would be an account.
_IBAN_COUNTRIES = (
    "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DK18 DO28 EE20 ES24 FI18 "
    "FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HR21 HU28 IE22 IL23 IS26 IT27 JO30 KW30 KZ20 LB28 LI21 LT20 LU20 "
    "LV21 MC27 MD24 ME22 MK19 MR27 MT31 MU30 NL18 NO15 PK24 PL28 PS29 PT25 QA29 RO24 RS22 SA24 SE24 SI19 SK24 "
    "SM27 TN24 TR26 UA29 VA22 VG24 XK20"
)
_IBAN_LENGTHS = {entry[:2]: int(entry[2:]) for entry in _IBAN_COUNTRIES.split()}


def luhn(text: str) -> int:
    """The length of the text when its digits carry a payment card's check digit (ISO/IEC 7812-1), else 0."""
    digits = [int(c) for c in reversed(text) if c in "0123456789"]
    total = sum(digits[::2]) + sum(sum(divmod(2 * d, 10)) for d in digits[1::2])
    return len(text) if digits and total % 10 == 0 else 0


def iban(text: str) -> int:
    """The length of the IBAN the text begins with, else 0: first four to the end, letters as 10..35, 1 by mod 97."""
    ends = [at + 1 for at, c in enumerate(text) if not c.isspace()]
    size = _IBAN_LENGTHS.get(text[:2].upper(), len(ends) + 1)
    if size > len(ends) or text[ends[size - 1] : ends[size - 1] + 1].isalnum():
        return 0
    compact = "".join(text[: ends[size - 1]].split()).upper()
    return ends[size - 1] if int("".join(str(int(c, 36)) for c in compact[4:] + compact[:4])) % 97 == 1 else 0


_CARD = (  # an issuer's prefix and a card's grouping, so that a long invoice number is not a card one time in ten
    r"(?<![\w.,-])(?:3[47]\d{2}[ -]?\d{6}[ -]?\d{5}|(?:4\d{3}|5[1-5]\d{2}|2[2-7]\d{2}|6(?:011|5\d{2}))"
    r"([ -]?)\d{4}\1\d{4}\1\d{4})(?![\w-]|[.,]\d)"
)
_PATTERNS: tuple[tuple[Literal["injection", "secret", "pii"], str, str, Callable[[str], int]], ...] = (
    (
        "injection",
        "override",
        r"(?i)\b(?:ignore|disregard|forget|override)\b[^.\n]{0,30}\b(?:previous|prior|above|earlier|all|your)\b"
        r"[^.\n]{0,30}\b(?:instructions?|prompts?|rules?|guidelines?)\b",
        len,
    ),
    (
        "injection",
        "system prompt",
        r"(?i)\b(?:reveal|show|print|repeat|output)\b[^.\n]{0,30}"
        r"\b(?:system|hidden|initial) (?:prompt|message|instructions?)\b",
        len,
    ),
    ("injection", "role", r"(?i)\byou are now (?:a|an|in|the|dan)\b|\b(?:developer|jailbreak|dan) mode\b", len),
    (
        "injection",
        "chat template",
        r"<\|(?:im_start|im_end|system|user|assistant|endoftext|eot_id|start_header_id)\|>|\[/?INST\]|<</?SYS>>",
        len,
    ),
    ("secret", "private key", r"-----BEGIN (?:[A-Z]+ ){0,3}PRIVATE KEY-----", len),
    ("secret", "AWS key", r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b", len),
    ("secret", "GitHub token", r"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{22,})", len),
    ("secret", "Slack token", r"\bxox[abprs]-[A-Za-z0-9-]{10,}", len),
    ("secret", "API key", r"\b(?:sk|rk|pk)[-_](?:[a-z]+[-_])?[A-Za-z0-9_-]{20,}|\bAIza[A-Za-z0-9_-]{35}", len),
    ("secret", "JWT", r"\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+", len),
    ("secret", "URL password", r"\b[a-z][a-z0-9+.-]{1,20}://[^\s/:@]{1,64}:[^\s/@]{1,128}@", len),
    (
        "secret",
        "assignment",
        r"(?i)\b(?:password|passwd|secret|api[_-]?key|access[_-]?token)\b[\"']?\s{0,3}[:=]\s{0,3}[\"']?(?=[^\s\d]{0,64}\d)[^\s\"',;]{6,}",
        len,
    ),
    ("pii", "e-mail", r"(?<![\w.+-])[\w.+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8}", len),
    ("pii", "card", _CARD, luhn),
    ("pii", "IBAN", r"\b[A-Za-z]{2}\d{2}(?: ?[A-Za-z0-9]{1,4}){3,9}", iban),
)
_COMPILED = tuple((kind, name, re.compile(pattern), check) for kind, name, pattern, check in _PATTERNS)


def screen(text: str) -> tuple[Finding, ...]:
    """Every finding in the text, in the order of the patterns. Patterns are bounded: no text makes them explode."""
    return tuple(
        Finding(kind, name, match.start(), match.start() + length)
        for kind, name, pattern, check in _COMPILED
        for match in pattern.finditer(text)
        if (length := check(match.group()))
    )
