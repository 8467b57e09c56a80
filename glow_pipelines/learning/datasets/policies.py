"""What an agent's owners decided about its training data.

Belongs here: `CurationPolicy`, what is accepted in it. Does not belong here: applying it (screens), storing it (store).
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from glow_pipelines.learning.datasets.language import LANGUAGES, UNSURE
from glow_pipelines.learning.datasets.screens.personal import NAMES

Handling = Literal["redact", "quarantine"]
_HANDLINGS = ("redact", "quarantine")
_LONGEST = 20_000


@dataclass(frozen=True, slots=True)
class CurationPolicy:
    """What happens to what screens find. Instructions to a model quarantine always: nothing can be cut out of them.

    `pii`, `secrets`: replaced by placeholders, or the example is quarantined. `keep`: names of personal data that stay
    as they are ("IP address" for an agent of a network team). `languages`: others are quarantined; None is all; "und"
    in it admits texts whose language cannot be told (short ones). Lengths are in characters without outer spaces.

    Raises ValueError naming the field, the value and what is accepted.
    """

    pii: Handling = "redact"
    secrets: Handling = "quarantine"
    keep: tuple[str, ...] = ()
    languages: tuple[str, ...] | None = None
    shortest_input: int = 1
    shortest_target: int = 1

    def __post_init__(self) -> None:
        for field in ("pii", "secrets"):
            _require(getattr(self, field) in _HANDLINGS, field, getattr(self, field), "redact or quarantine")
        _require(_texts(self.keep) and set(self.keep) <= set(NAMES), "keep", self.keep, f"any of {', '.join(NAMES)}")
        told = (*LANGUAGES, UNSURE)
        fits = self.languages is None or (
            _texts(self.languages) and len(self.languages) > 0 and {*self.languages} <= {*told}
        )
        _require(fits, "languages", self.languages, f"null, or one or more of {', '.join(told)}")
        for field in ("shortest_input", "shortest_target"):
            size = getattr(self, field)
            _require(type(size) is int and 1 <= size <= _LONGEST, field, size, f"a whole number from 1 to {_LONGEST}")

    @classmethod
    def from_json(cls, value: object) -> "CurationPolicy":
        """The policy that `to_json` wrote, or a person: what is not named is the default. Raises ValueError."""
        known = {field.name for field in fields(cls)}
        if not isinstance(value, Mapping):
            raise ValueError(
                f"policy: {str(value)[:80]!r} is not accepted; give an object of {', '.join(sorted(known))}"
            )
        for name in value:
            _require(name in known, "policy", name, f"the fields {', '.join(sorted(known))}")
        given: dict[str, Any] = {name: tuple(each) if isinstance(each, list) else each for name, each in value.items()}
        return cls(**given)

    def to_json(self) -> dict[str, object]:
        """All fields; lists for tuples."""
        return {name: list(given) if isinstance(given, tuple) else given for name, given in asdict(self).items()}


def _texts(value: object) -> bool:
    return isinstance(value, tuple) and all(isinstance(each, str) for each in value)


def _require(fits: object, field: str, value: object, accepted: str) -> None:
    if not fits:
        raise ValueError(f"{field}: {str(value)[:80]!r} is not accepted; give {accepted}")


STANDARD = CurationPolicy()
"""Of agents whose owners said nothing."""
