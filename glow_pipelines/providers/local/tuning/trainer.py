"""What trains: the command, and whether it can run here.

Belongs here: choosing and checking the command. Does not: running it (runner, worker).
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec

REMEDY = "pip install 'glow-pipelines[train]'"
_NEEDED = ("torch", "transformers", "gguf")


@dataclass(frozen=True)
class Trainer:
    """A command; `--job FOLDER` is added to it. `missing` names what must be installed before it can run."""

    command: tuple[str, ...]
    missing: tuple[str, ...] = ()

    @classmethod
    def of(cls, command: Sequence[str] | None) -> "Trainer":
        """The command given, else our own, where its libraries are installed. They are not imported here."""
        if command:
            return cls(tuple(command))
        missing = tuple(name for name in _NEEDED if find_spec(name) is None)
        return cls((sys.executable, "-m", "glow_pipelines.training"), missing)

    @property
    def refusal(self) -> str | None:
        """Why no job can be taken, None where one can."""
        return f"training needs {', '.join(self.missing)}: {REMEDY}" if self.missing else None
