"""The hashes behind assignment, equal bit for bit to glow.exp_bucket, glow.fnv32a, glow.gb_hash and glow.in_namespace.

Text and integers in, a bucket out. What a bucket means belongs to assignment.py.
"""

import hashlib

MILLION = 1_000_000
SEPARATOR = "\x1f"


def exp_bucket(salt: str, purpose: str, unit: str) -> int:
    """The micro-bucket 0…999 999 of a unit: 40 bits of SHA-256 over ("pg1", salt, purpose, unit) joined by U+001F.

    Text goes in as UTF-8 without normalisation. Integers throughout: 60 bits divided as floats round to exactly 1.0.
    Raises ValueError where a part contains U+001F or NUL (two different keys would meet) or cannot be encoded.
    """
    parts = (salt, purpose, unit)
    if any(SEPARATOR in part or "\0" in part for part in parts):
        raise ValueError(f"salt, purpose and unit must not contain U+001F or NUL: {parts!r:.200}")
    return unchecked_bucket(salt, purpose, unit)


def unchecked_bucket(salt: str, purpose: str, unit: str) -> int:
    """The same, for a unit of another tenant than `default`, which is tenant and id joined by U+001F."""
    digest = hashlib.sha256(SEPARATOR.join(("pg1", salt, purpose, unit)).encode()).hexdigest()
    return int(digest[:10], 16) * MILLION >> 40


def fnv32a(text: str) -> int:
    """FNV-1a (Fowler, Noll, Vo) of 32 bits over UTF-16 code units, as JavaScript's charCodeAt gives them."""
    value, coded = 0x811C9DC5, text.encode("utf-16-le", "surrogatepass")
    for at in range(0, len(coded), 2):
        value = ((value ^ int.from_bytes(coded[at : at + 2], "little")) * 0x01000193) & 0xFFFFFFFF
    return value


def gb_hash(seed: str, value: str, version: int) -> float | None:
    """The hash of GrowthBook's SDKs, 0 to below 1 in steps of 1/1000 (version 1) or 1/10 000 (2); None for another.

    Seed and value are joined without anything between them: ("ab", "c") and ("a", "bc") meet.
    """
    if version == 1:
        return fnv32a(value + seed) % 1000 / 1000
    if version == 2:
        return fnv32a(str(fnv32a(seed + value))) % 10_000 / 10_000
    return None


def in_namespace(namespace: str, value: str, low: float, high: float) -> bool:
    """Whether GrowthBook's SDKs have a unit in the part low (inclusive) to high (exclusive) of a namespace."""
    return low <= fnv32a(f"{value}__{namespace}") % 1000 / 1000 < high
