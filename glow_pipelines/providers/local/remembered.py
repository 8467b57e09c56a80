"""What was found out once and need not be found out at every start: hashes that were right, proofs that held.

Belongs here: keeping small facts about files in the home. Does not: finding them out.
"""

import json
from pathlib import Path

from glow_pipelines.files import write_whole


class Remembered:
    """Facts in one JSON file. A file that is gone or broken only means that things are found out again."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def get(self, fact: str) -> bool | None:
        """The fact, None when it is not known."""
        return self._facts().get(fact)

    def put(self, fact: str, value: bool) -> None:
        write_whole(self._path, json.dumps({**self._facts(), fact: value}, indent=1))

    def _facts(self) -> dict[str, bool]:
        try:
            facts = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return facts if isinstance(facts, dict) else {}


def identity(file: Path) -> str:
    """Equal as long as the file was not written to: path, size and time of change."""
    stat = file.stat()
    return f"{file.resolve()} {stat.st_size} {stat.st_mtime_ns}"
