"""Reading a metric's settings: every field checked, every mistake named with what is accepted.

Belongs here: typed access to the settings object of an agent. Does not belong here: which settings a metric has.
"""

from collections.abc import Mapping, Sequence
from typing import Any


class Settings:
    """The settings of one metric. Read each field once, then `finish()`: what was not read is unknown."""

    def __init__(self, metric: str, given: Mapping[str, Any] | None) -> None:
        if given is not None and not isinstance(given, Mapping):
            raise ValueError(f"metric_settings={given!r} of metric {metric!r}: give an object")
        self.metric = metric
        self._given: dict[str, Any] = dict(given or {})
        self._known: list[str] = []

    def choice(self, name: str, accepted: Sequence[str], default: str) -> str:
        value = self._take(name, default)
        if value not in accepted or not isinstance(value, str):
            raise self.wrong(name, value, "one of " + ", ".join(map(repr, accepted)))
        return value

    def number(self, name: str, low: float, high: float, default: float) -> float:
        value = self._take(name, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise self.wrong(name, value, f"a number from {low:g} to {high:g}")
        return float(value)

    def flag(self, name: str, default: bool) -> bool:
        value = self._take(name, default)
        if not isinstance(value, bool):
            raise self.wrong(name, value, "true or false")
        return value

    def text(self, name: str, most: int, default: str | None = None) -> str:
        """Not empty, at most so many characters; without a default the field is required."""
        value = self._take(name, default)
        if not isinstance(value, str) or not 0 < len(value) <= most:
            raise self.wrong(name, value, f"a text of 1 to {most} characters")
        return value

    def texts(self, name: str, most: int, length: int = 1000) -> tuple[str, ...]:
        """Distinct texts, none empty; without the field, none."""
        value = self._take(name, [])
        fine = isinstance(value, list | tuple) and len(value) <= most
        if not fine or not all(isinstance(each, str) and 0 < len(each) <= length for each in value):
            raise self.wrong(name, value, f"at most {most} texts of 1 to {length} characters")
        if len(set(value)) < len(value):
            raise self.wrong(name, value, "texts that differ")
        return tuple(value)

    def mapping(self, name: str, most: int) -> dict[str, Any]:
        """An object with at most so many fields; without the field, an empty one."""
        value = self._take(name, {})
        if not isinstance(value, Mapping) or len(value) > most or not all(isinstance(key, str) for key in value):
            raise self.wrong(name, value, f"an object of at most {most} fields")
        return dict(value)

    def objects(self, name: str, most: int) -> list[Mapping[str, Any]]:
        """A list of objects; without the field, an empty one."""
        value = self._take(name, [])
        if not isinstance(value, list | tuple) or len(value) > most or not all(isinstance(v, Mapping) for v in value):
            raise self.wrong(name, value, f"a list of at most {most} objects")
        return list(value)

    def any(self, name: str, default: object) -> Any:
        """A field the metric checks itself."""
        return self._take(name, default)

    def finish(self) -> dict[str, Any]:
        """The settings as given. Raises ValueError for a field this metric does not have."""
        for name, value in self._given.items():
            if name not in self._known:
                accepted = ", ".join(self._known) or "no settings"
                raise self.wrong(name, value, f"another field: this metric takes {accepted}")
        return dict(self._given)

    def wrong(self, name: str, value: object, accepted: str) -> ValueError:
        """The error of a field, shortened where the value is long."""
        shown = repr(value)
        shown = shown if len(shown) <= 200 else shown[:199] + "…"
        return ValueError(f"metric_settings.{name}={shown} of metric {self.metric!r}: give {accepted}")

    def _take(self, name: str, default: object) -> Any:
        self._known.append(name)
        return self._given.get(name, default)
