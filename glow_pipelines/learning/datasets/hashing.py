"""Numbers that look drawn by chance and are the same for ever, whatever the version of numpy.

Belongs here: the multipliers of hashes, some of which are stored. Does not belong here: what is hashed with them.
"""

import numpy as np
from numpy.typing import NDArray

GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Every bit of the result depends on every bit given: the finaliser of SplitMix64 (G. Steele et al., 2014)."""
    z = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    result: NDArray[np.uint64] = z ^ (z >> np.uint64(31))
    return result


def odd_numbers(count: int, seed: int) -> NDArray[np.uint64]:
    """`count` odd 64-bit numbers; those of another seed (below 2⁴⁴) are others."""
    places = np.arange(1, count + 1, dtype=np.uint64) + np.uint64(seed << 20)
    result: NDArray[np.uint64] = mixed(places * GOLDEN) | np.uint64(1)
    return result
