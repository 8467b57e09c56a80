"""Which split a group belongs to, for ever.

Belongs here: the hash, and persisted assignments that win over it. Does not belong here: what a group is (groups).
A seeded shuffle moved 76.6 % of the old test rows into train when one dataset grew by a quarter; a hash moves none.
"""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Literal

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")
SHARES = (0.8, 0.1, 0.1)
SALT = "glow-split-1"


def split_of(group: str, shares: tuple[float, float, float] = SHARES, salt: str = SALT) -> Split:
    """The split of a new group: the first 13 hex digits of sha256(salt‖group) as a number in [0, 1).

    Raises ValueError when the shares are negative or do not sum to 1.
    """
    if min(shares) < 0 or abs(sum(shares) - 1) > 1e-9:
        raise ValueError(f"shares: {shares!r}; give three shares ≥ 0 that sum to 1, as {SHARES!r}")
    place = int(hashlib.sha256((salt + group).encode("utf-8", "surrogatepass")).hexdigest()[:13], 16) / 16**13
    return "train" if place < shares[0] else "val" if place < shares[0] + shares[1] else "test"


def assign_splits(
    groups: Iterable[str],
    existing: Mapping[str, str] | None = None,
    shares: tuple[float, float, float] = SHARES,
    salt: str = SALT,
) -> dict[str, Split]:
    """group → split for the groups given; what `existing` says wins. Raises ValueError on a split it does not know."""
    known = existing or {}
    result: dict[str, Split] = {}
    for group in sorted(set(groups)):
        split = known.get(group) or split_of(group, shares, salt)
        if split not in SPLITS:
            raise ValueError(f"existing[{group!r}]: {split!r}; accepted: {', '.join(SPLITS)}; correct the stored row")
        result[group] = split
    return result
