"""Doing the same for every experiment of an agent.

Belongs here: that one which fails leaves the others watched. Does not: what is done (steps/experiments).
"""

from collections.abc import Callable, Iterable
from typing import TypeVar

T = TypeVar("T")


def for_each(experiments: Iterable[str], do: Callable[[str], T]) -> list[T]:
    """What came of all of them. Raises ExceptionGroup, after the last one, where some failed."""
    done, failed = [], []
    for each in experiments:
        try:
            done.append(do(each))
        except Exception as error:
            error.add_note(f"experiment {each}")
            failed.append(error)
    if failed:
        raise ExceptionGroup(f"{len(failed)} of {len(failed) + len(done)} experiments could not be looked at", failed)
    return done
