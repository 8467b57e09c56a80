"""PostgreSQL URLs: one server, several drivers, several databases.

Belongs here: turning one DATABASE_URL into the forms that libpq, SQLAlchemy and Dagster want, and hiding its password.
Does not: opening connections (`connect`), or deciding which server is used (`settings`).
"""

from sqlalchemy.engine import URL, make_url

_ACCEPTED = "postgresql://user:password@host:port/database"
_SECRET_PARAMETERS = ("password", "sslpassword")


def parse(url: str) -> URL:
    """Read a PostgreSQL URL; `postgres://`, which hosting companies hand out, is read as `postgresql://`.

    Raises ValueError that names DATABASE_URL and the accepted form, and never repeats the URL: it may hold a password.
    """
    try:
        parsed = make_url(url)
    except Exception:
        # `from None`: the library's message may quote the piece of the URL that it could not read.
        raise ValueError(f"DATABASE_URL cannot be read as a URL; accepted form: {_ACCEPTED}") from None
    kind, _, driver = parsed.drivername.partition("+")
    if kind not in ("postgresql", "postgres"):
        raise ValueError(f"DATABASE_URL names {kind!r}, which is not PostgreSQL; accepted form: {_ACCEPTED}")
    return parsed.set(drivername=f"postgresql+{driver}" if driver else "postgresql")


def for_libpq(url: str) -> str:
    """The URL as libpq and psycopg take it: without a driver name."""
    # SQLAlchemy leaves a blank in a database's name as it is; libpq refuses it.
    return _text(parse(url).set(drivername="postgresql")).replace(" ", "%20")


def for_sqlalchemy(url: str) -> str:
    """The URL for our own SQLAlchemy engines, driver named: the default one changed with SQLAlchemy 2.1."""
    return _text(parse(url).set(drivername="postgresql+psycopg"))


def for_dagster(url: str, database: str = "dagster") -> str:
    """The URL of Dagster's own database on the same server.

    psycopg2, because Dagster's guard against two processes creating its tables at once reads `pgcode`, which only
    psycopg2 sets: under psycopg 3, three of eight processes failed on an empty database; under psycopg2, none.
    """
    return _text(parse(url).set(drivername="postgresql+psycopg2", database=database))


def with_database(url: str, name: str) -> str:
    """The same server and driver, another database."""
    return _text(parse(url).set(database=name))


def mask(url: str) -> str:
    """The URL with its passwords hidden, fit for logs and messages. Never raises: an unreadable one is hidden whole."""
    try:
        parsed = make_url(url)
        hidden = {name: "hidden" for name in _SECRET_PARAMETERS if name in parsed.query}
        return parsed.update_query_dict(hidden).render_as_string(hide_password=True)
    except Exception:
        return "***"


def _text(url: URL) -> str:
    return url.render_as_string(hide_password=False)
