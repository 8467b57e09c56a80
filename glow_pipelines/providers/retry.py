"""When to ask again and how long to wait first. Does not know what is asked, nor of whom.

The openai client can retry by itself; this loop replaces it so that sleep and randomness can be given, and so that
chat and embeddings share one policy.
"""

import random as random_module
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from glow_pipelines.providers.types import ProviderError

_T = TypeVar("_T")


@dataclass(frozen=True)
class RetryPolicy:
    """At most `attempts` calls. Before retry k a wait uniform in [0, min(longest, first * 2**(k-1))] seconds.

    Full jitter, as in "Exponential Backoff And Jitter" (M. Brooker, AWS Architecture Blog, 2015): callers refused
    together do not come back together. A server's Retry-After replaces the lower end; one beyond
    `longest_retry_after` ends the attempts, since asking earlier would be refused again.
    """

    attempts: int = 6
    first: float = 0.5
    longest: float = 20.0
    longest_retry_after: float = 60.0
    sleep: Callable[[float], None] = time.sleep
    random: Callable[[], float] = random_module.random

    def call(self, attempt: Callable[[], _T]) -> _T:
        """The first answer of `attempt`. Raises its ProviderError when not retryable, or when attempts are used up."""
        for done in range(1, self.attempts):
            try:
                return attempt()
            except ProviderError as error:
                asked = error.retry_after_seconds or 0.0
                if not error.retryable or asked > self.longest_retry_after:
                    raise
                self.sleep(asked + self.random() * min(self.longest, self.first * 2 ** (done - 1)))
        return attempt()
