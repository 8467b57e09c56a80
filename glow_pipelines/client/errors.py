"""What can go wrong, one type for each SQLSTATE, and the one mapping from what psycopg raises.

Belongs here: types, the mapping, and what an error says of the row that met it. Does not: asking again (`retries`).
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import psycopg
from psycopg_pool import PoolClosed, PoolTimeout, TooManyRequests


class GlowError(Exception):
    """`message` names field and value, `remedy` the accepted form or what to do, `sqlstate` is the database's code.

    Of no type but this: what the database should never answer. The `__cause__` is psycopg's error, where there is one.
    """

    def __init__(self, message: str, remedy: str | None = None, sqlstate: str | None = None) -> None:
        super().__init__(f"{message}; accepted: {remedy}" if remedy else message)
        self.message, self.remedy, self.sqlstate = message, remedy, sqlstate


class Malformed(GlowError):
    """PT400: a batch or a JSON value has not the form that is read."""


class InvalidToken(GlowError):
    """PT401: a feedback token is forged, expired or unknown."""


class Forbidden(GlowError):
    """PT403: not your tenant or not your name; 42501: the role may not call this function."""


class NotFound(GlowError):
    """PT404: an agent, execution or prompt version is not known."""


class Conflict(GlowError):
    """PT409: the id or key was used for something else."""


class TooLarge(GlowError):
    """PT413: a text or a batch is larger than accepted."""


class InvalidValue(GlowError):
    """PT422: a value is not of the accepted form."""


class RateLimited(GlowError):
    """PT429: too many calls from this login; the remedy says when to come back."""


class Incompatible(GlowError):
    """The database lacks this function in this form, or answers in another: it or the client is too old."""


class Unavailable(GlowError):
    """The database cannot be reached, or cannot answer now. `retry`: asking again at once may help."""

    def __init__(
        self, message: str, remedy: str | None = None, sqlstate: str | None = None, *, retry: bool = True
    ) -> None:
        super().__init__(message, remedy, sqlstate)
        self.retry = retry


class QueueFull(GlowError):
    """A writer holds as many rows as it may, and none went out while the caller waited."""


class SpoolFull(QueueFull):
    """The spool holds as many rows or bytes as it may, or its disk is full. The row was not taken."""


class SpoolUnusable(GlowError):
    """The spool's file cannot be read or written."""


class NotSent(GlowError):
    """A writer was closed, and rows it held in memory are lost with it."""


_TYPES: Mapping[str, type[GlowError]] = {
    "PT400": Malformed,
    "PT401": InvalidToken,
    "PT403": Forbidden,
    "PT404": NotFound,
    "PT409": Conflict,
    "PT413": TooLarge,
    "PT422": InvalidValue,
    "PT429": RateLimited,
    "42501": Forbidden,
    "3F000": Incompatible,  # no such schema
    "40001": Unavailable,  # serialization failure
    "40P01": Unavailable,  # deadlock
    "25006": Unavailable,  # read-only: a replica that is not yet the primary
}
# By class: what the value or its size is to blame for, what the function's form is, and what will pass.
_CLASSES: Mapping[str, type[GlowError]] = {
    "22": InvalidValue,
    "54": TooLarge,
    "42": Incompatible,
    "08": Unavailable,  # connection
    "53": Unavailable,  # disk, memory or connections used up
    "55": Unavailable,  # a lock not to be had
    "57": Unavailable,  # shutdown, recovery, statement timeout
    "58": Unavailable,  # the server's own input and output
}
_REMEDIES: Mapping[type[GlowError], str] = {
    Incompatible: "the arguments documented for this function, on a database brought up to date with 'glow up'",
    Forbidden: "a role with the right to call it: glow_app, glow_reviewer or glow_engineer",
}
# 23 is a constraint that the functions did not see coming: the row's fault all the same.
_OF_THE_ROW = ("22", "23", "54", "PT400", "PT403", "PT404", "PT409", "PT413", "PT422")


def from_sqlstate(code: str, message: str, remedy: str | None) -> GlowError:
    """The error of a SQLSTATE."""
    kind = _TYPES.get(code) or _CLASSES.get(code[:2], GlowError)
    return kind(message, remedy or _REMEDIES.get(kind), code)


def from_psycopg(error: psycopg.Error, connecting: Exception | None = None) -> GlowError:
    """Our error for psycopg's; `connecting` is the last failure to connect, which the pool itself does not tell."""
    if isinstance(error, PoolClosed):
        return GlowError("this client is closed", "a client that is open: make a new one")
    if isinstance(error, PoolTimeout | TooManyRequests):
        # The pool has waited and tried again by itself: asking at once again would only double the wait.
        if connecting is not None:
            return Unavailable(f"cannot connect: {str(connecting).strip()}", retry=False)
        return Unavailable(f"no connection became free: {error}", "a larger pool_size or timeout", retry=False)
    if error.sqlstate:
        return from_sqlstate(error.sqlstate, error.diag.message_primary or str(error), error.diag.message_hint)
    if isinstance(error, psycopg.DataError):  # NUL: refused before it is sent
        return InvalidValue(str(error), "text without NUL characters")
    if isinstance(error, psycopg.OperationalError):
        return Unavailable(f"the connection was lost: {str(error).strip()}")
    return GlowError(str(error))


@contextmanager
def translated(connecting: Mapping[str, Exception]) -> Iterator[None]:
    """Raise ours for psycopg's errors, with psycopg's as the cause. `connecting["last"]`: see `from_psycopg`."""
    try:
        yield
    except UnicodeEncodeError as error:
        raise InvalidValue(f"a text holds {error.object[error.start : error.end]!r}", "valid Unicode") from error
    except psycopg.Error as error:
        failed = connecting.get("last") if isinstance(error, PoolTimeout) else None
        raise from_psycopg(error, failed) from failed or error


def blames_the_row(error: GlowError) -> bool:
    """Whether what was sent is at fault, so that sending it again would fail again; else the database or its rights.

    Only what is known to be: a broken index or a missing claim must not empty a spool.
    """
    if error.sqlstate is None:
        return isinstance(error, InvalidValue)  # NUL or a lone surrogate: refused before it was sent
    return error.sqlstate.startswith(_OF_THE_ROW)
