"""The openai client, and its errors told as ProviderError: what everything that speaks the OpenAI protocol shares.

Belongs here: opening a client, which failures are worth a retry. Does not: chat, embeddings, the retry loop.
openai takes a second to import, so it is imported where it is used.
"""

from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from glow_pipelines.providers.types import ProviderError, TooLongError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from openai import APIStatusError, OpenAI

_T = TypeVar("_T")
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}
# Refusals that no waiting mends, although they come as 429.
_PERMANENT_CODES = {"insufficient_quota", "billing_hard_limit_reached"}


def open_client(api_key: str, base_url: str | None = None) -> "OpenAI":
    """A client for an OpenAI-compatible endpoint; None is OpenAI's own. On loopback, proxies of the environment are
    passed by: with HTTP_PROXY set and no NO_PROXY, calls to the embedded server went to the proxy.
    """
    import openai

    if base_url is not None and urlsplit(base_url).hostname in _LOOPBACK:
        http_client = openai.DefaultHttpxClient(trust_env=False)
        return openai.OpenAI(api_key=api_key, base_url=base_url, max_retries=0, http_client=http_client)
    return openai.OpenAI(api_key=api_key, base_url=base_url, max_retries=0)


def translated(call: Callable[[], _T], what: str) -> _T:
    """The result of `call`. Raises ProviderError in place of the client's own errors; `what` begins its message."""
    import openai

    try:
        return call()
    except openai.APITimeoutError as error:
        raise ProviderError(f"{what}: no answer in time", retryable=True) from error
    except openai.APIConnectionError as error:
        raise ProviderError(f"{what}: no connection ({error.__cause__ or error})", retryable=True) from error
    except openai.APIStatusError as error:
        raise _refusal(error, what) from error
    except (openai.OpenAIError, ValueError) as error:  # ValueError: a 200 whose body is cut or is no JSON
        raise ProviderError(f"{what}: not understood ({str(error)[:300]})", retryable=True) from error


def retry_after(headers: "Mapping[str, str]") -> float | None:
    """Seconds a server asks to wait: `Retry-After` as seconds or date (against its own `Date`: no clock needed)."""
    text = headers.get("retry-after", "").strip()
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    try:
        wait = parsedate_to_datetime(text) - parsedate_to_datetime(headers.get("date", ""))
    except (ValueError, TypeError):
        return None
    return max(0.0, wait.total_seconds())


def _refusal(error: "APIStatusError", what: str) -> ProviderError:
    status = error.status_code
    retryable = (status in {408, 409, 429} or status >= 500) and error.code not in _PERMANENT_CODES
    if status in {400, 413} and _is_too_long(error):
        return TooLongError(f"{what}: {error.message[:300]}", retryable=False, status=status)
    remedy = {401: "; check OPENAI_API_KEY", 404: "; check OPENAI_BASE_URL and the model's name"}.get(status, "")
    return ProviderError(
        f"{what}: HTTP {status}: {error.message[:300]}{remedy}",
        retryable=retryable,
        status=status,
        retry_after_seconds=retry_after(error.response.headers),
    )


def _is_too_long(error: "APIStatusError") -> bool:
    """Only OpenAI has a code for it; llama.cpp has a type, and vLLM and others say it in the message alone."""
    said = error.message.casefold()
    return error.code == "context_length_exceeded" or (
        "context" in said and any(word in said for word in ("exceed", "maximum", "too long"))
    )
