"""Levels: how much of the error of all gates one gate may spend, whatever number of nights and agents there will be.

Belongs here: the e-LOND rule (Xu and Ramdas 2024, "Online multiple testing with e-values"). Does not belong here: the
evidence of a gate (eprocess, betting), who counts the gates (the registry).
"""

import math

# How many gates share the larger part of the budget. 2 asks E >= 109 of the first gate ever, 1,100 of the tenth and
# 5,000 of the thirtieth; 1 would ask 68 and 6,700, 5 would ask 230 and 3,600 (benchmarks/prompting/gates.py).
_FRONT = 2


def share(number: int) -> float:
    """gamma_t of the gate opened as number t = 1, 2, …: sqrt(k) (1 / sqrt(t + k - 1) - 1 / sqrt(t + k)).

    The sum telescopes: after T gates sqrt(k / (T + k)) is left, and never less than nothing. It falls as t^-1.5, so
    that where one finalist in so many is truly better, the rejections carry the level of gate number 1,000 too. Raises
    ValueError unless number >= 1.
    """
    if number < 1:
        raise ValueError(f"number={number} must be >= 1: gates are counted from one")
    return math.sqrt(_FRONT) * (1 / math.sqrt(number + _FRONT - 1) - 1 / math.sqrt(number + _FRONT))


def level(number: int, rejections: int, alpha: float) -> float:
    """The level of gate `number`: alpha * gamma * (rejections + 1). It passes when E >= 1 / level.

    `number` counts gates of all agents in the order in which they were opened; a gate that carries over keeps its own.
    `rejections` are gates that had passed before this one was opened. Whatever the dependence between gates, and
    however many are open at once, the expected share of false among all passed gates stays <= alpha, and while nothing
    is better than its incumbent so does the chance that any gate ever passes: each passed gate t has R >= rejections_t
    + 1, so the share is at most sum of E_t alpha gamma_t, and E_t has expectation <= 1. Raises ValueError for a number
    < 1, rejections < 0, or an alpha outside (0, 1).
    """
    if rejections < 0:
        raise ValueError(f"rejections={rejections} must be >= 0")
    if not 0 < alpha < 1:
        raise ValueError(f"alpha={alpha} must lie strictly between 0 and 1")
    return min(alpha, alpha * share(number) * (rejections + 1))
