"""Whether to ask again, and after how long.

Belongs here: the decision, as a function of call, error and attempt. Does not: waiting, asking.
"""

import random as random_module
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from glow_pipelines.client.call import Call
from glow_pipelines.client.errors import Unavailable


@dataclass(frozen=True, slots=True)
class Retries:
    """At most `attempts` in all; before retry k a wait uniform in [0, min(longest, first * 2**(k-1))] seconds.

    Full jitter ("Exponential Backoff And Jitter", M. Brooker, AWS Architecture Blog, 2015): clients that lost one
    database do not all come back to it at one moment.
    """

    attempts: int = 4
    first: float = 0.1
    longest: float = 2.0
    random: Callable[[], float] = random_module.random

    def wait(self, call: Call[Any], error: Unavailable, attempt: int) -> float | None:
        """Seconds to wait after failed attempt number `attempt` (from 1), or None: give up."""
        if not (error.retry and call.repeatable) or attempt >= self.attempts:
            return None
        return self.pause(attempt)

    def pause(self, attempt: int) -> float:
        """The wait after so many failures, without end."""
        return self.random() * min(self.longest, self.first * 2.0 ** min(attempt - 1, 30))
