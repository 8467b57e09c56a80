"""What a tuning service did not do, in our words: each error says what is known of the outcome.

Belongs here: the errors and how an HTTP status becomes one. Does not: the wires (their own modules), what a run does
about an error (learning/models/states).
"""

from collections.abc import Callable, Mapping
from typing import TypeVar

_T = TypeVar("_T")
# Nobody trains with these, whatever the request says: OpenAI's word, and a plan or region without fine-tuning.
_BLOCKED = {"training_not_available", "fine_tuning_not_available", "unsupported_country_region_territory"}


class TuningError(RuntimeError):
    """A tuning service did not do what was asked; the subclass says what is known of the outcome."""


class TrainingBlockedError(TuningError):
    """This account may not train here (403 training_not_available): nothing was created, nor will be if asked again."""


class TrainingRejectedError(TuningError):
    """The service refused this request (another 4xx): nothing was created; the request must change."""


class NotFoundError(TrainingRejectedError):
    """The service knows no such job, file or model (404). Just after a success that may be its lag."""


class TuningBusyError(TuningError):
    """Nothing was created (429, or a file still being read); ask again, after `retry_after_seconds` where told."""

    def __init__(self, message: str, retry_after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class OutcomeUnknownError(TuningError):
    """Timeout, lost connection, 5xx or garbage: it may have happened. Look for the job before asking again."""


def refusal(status: int, code: str | None, message: str, headers: Mapping[str, str]) -> TuningError:
    """The error that an HTTP status of 400 or more stands for."""
    if status == 429:
        return TuningBusyError(message, retry_after(headers))
    if status >= 500 or status in (408, 409):  # 409: somebody else is at it, perhaps we ourselves a moment ago
        return OutcomeUnknownError(message)
    if status == 404:
        return NotFoundError(message)
    return (TrainingBlockedError if code in _BLOCKED else TrainingRejectedError)(message)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait, from `retry-after-ms` or `retry-after`; None where neither is a number."""
    for name, scale in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        try:
            seconds = float(headers[name]) / scale
        except (KeyError, ValueError):
            continue
        if 0 <= seconds < float("inf"):
            return seconds
    return None


def told(call: Callable[[], _T]) -> _T:
    """The result of a call through the openai client, or what is known of its outcome as one of our errors."""
    import openai

    try:
        return call()
    except openai.APIStatusError as problem:
        raise refusal(problem.status_code, problem.code, str(problem), problem.response.headers) from problem
    # Garbage under a JSON content type reaches us as a bare ValueError, under any other as an answer without fields.
    except (openai.OpenAIError, ValueError, AttributeError, TypeError, LookupError) as problem:
        raise OutcomeUnknownError(f"{type(problem).__name__}: {problem}") from problem
