"""Which variant a unit sees: a pure function of salt, purpose and unit, equal bit for bit to exp_bucket in sql/.

Every question (in the experiment? which variant?) has its own draw, so raising traffic moves nobody between variants.
Writing the exposure belongs to the store; who may be in which experiment at once belongs to layers and holdouts.
"""

import hashlib
from dataclasses import dataclass
from typing import Literal

MILLION = 1_000_000
_SEPARATOR = "\x1f"

Variant = Literal["control", "treatment"]


@dataclass(frozen=True)
class Assignment:
    """What one unit gets. `propensity` is the probability this variant had, kept for estimators that re-weight."""

    unit: str
    variant: Variant
    bucket: int
    propensity: float


def exp_bucket(salt: str, purpose: str, unit: str) -> int:
    """The micro-bucket 0…999 999 of a unit: 40 bits of SHA-256 over ("pg1", salt, purpose, unit) joined by U+001F.

    Text goes in as UTF-8 without normalisation. Integers throughout: 60 bits divided as floats round to exactly 1.0.
    Raises ValueError where a part contains U+001F or NUL (two different keys would meet) or cannot be encoded.
    """
    parts = ("pg1", salt, purpose, unit)
    if any(_SEPARATOR in part or "\0" in part for part in parts):
        raise ValueError(f"salt, purpose and unit must not contain U+001F or NUL: {parts[1:]!r:.200}")
    digest = hashlib.sha256(_SEPARATOR.join(parts).encode()).hexdigest()
    return int(digest[:10], 16) * MILLION >> 40


def enrolled(salt: str, unit: str, enrolled_ppm: int) -> bool:
    """Whether the unit takes part. Raising `enrolled_ppm` (parts per million) only adds units."""
    return exp_bucket(salt, "enroll", unit) < enrolled_ppm


def variant(salt: str, unit: str, treatment_ppm: int) -> Variant:
    """The unit's variant. Treatment owns the top of the range: growing it only moves units from control to it."""
    return "treatment" if exp_bucket(salt, "variant", unit) >= MILLION - treatment_ppm else "control"


def assign(salt: str, unit: str, *, enrolled_ppm: int, treatment_ppm: int) -> Assignment | None:
    """The unit's assignment under both draws, or None where it is not enrolled (it then sees what everybody sees)."""
    if not enrolled(salt, unit, enrolled_ppm):
        return None
    chosen = variant(salt, unit, treatment_ppm)
    share = treatment_ppm if chosen == "treatment" else MILLION - treatment_ppm
    return Assignment(unit, chosen, exp_bucket(salt, "variant", unit), share / MILLION)
