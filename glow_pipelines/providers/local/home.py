"""What the server and those who start it agree on: the files of a home, and the configuration that is wanted.

Belongs here: names of files, the key, the configuration's identity. Does not: starting, serving.
"""

import json
import secrets
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from glow_pipelines.files import write_whole
from glow_pipelines.providers.local.remembered import Remembered, identity
from glow_pipelines.providers.local.weights import ModelUnavailable

REVISION = 3
"""Raise it when the server's code changes what it answers or offers: running servers are then replaced."""
_RUNTIMES = ("xllamacpp", "onnxruntime", "tokenizers")


@dataclass(frozen=True)
class Wanted:
    """A configuration. `chat_model` is the path of a GGUF file, None the installed model; `trainer` a command line,
    None our own."""

    chat_model: str | None
    threads: int
    workers: int
    trainer: str | None = None

    @classmethod
    def of(cls, chat_model: Path | None, threads: int, workers: int, trainer: str | None = None) -> "Wanted":
        """Raises ValueError for less than one thread or worker."""
        for name, value in (("threads", threads), ("workers", workers)):
            if value < 1:
                raise ValueError(f"{name}: {value}; give a whole number of at least 1")
        return cls(None if chat_model is None else str(chat_model.resolve()), threads, workers, trainer or None)

    @property
    def chat_path(self) -> Path | None:
        return None if self.chat_model is None else Path(self.chat_model)

    def fingerprint(self) -> dict[str, Any]:
        """Equal when a running server is the one that would be started. Raises ModelUnavailable without a runtime."""
        try:
            runtimes = {package: version(package) for package in _RUNTIMES}
        except PackageNotFoundError as error:
            raise ModelUnavailable(
                f"package {error.name} is not installed: pip install 'glow-pipelines[local]', or set OPENAI_BASE_URL"
            ) from error
        file = None if self.chat_path is None else identity(self.chat_path)
        return {**asdict(self), "file": file, "revision": REVISION, **runtimes}


@dataclass(frozen=True)
class Home:
    """The folder that server and users share; others keep their files in it too."""

    folder: Path

    def make(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)

    def api_key(self) -> str:
        """The key, made on first use (mode 0600)."""
        path = self.folder / "models.key"
        if not path.exists():
            write_whole(path, secrets.token_urlsafe(24))
        return path.read_text(encoding="ascii")

    def read_address(self) -> dict[str, Any] | None:
        """Where a server of this home listened last: pid, port, chat_name, wanted. It may be dead."""
        try:
            address = json.loads(self.address.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return address if isinstance(address, dict) and "wanted" in address else None

    @property
    def remembered(self) -> Remembered:
        return Remembered(self.folder / "models.checked.json")

    @property
    def tuning(self) -> Path:
        return self.folder / "tuning"

    @property
    def lock(self) -> Path:
        return self.folder / "models.lock"

    @property
    def alive(self) -> Path:
        return self.folder / "models.alive"

    @property
    def address(self) -> Path:
        return self.folder / "models.json"

    @property
    def log(self) -> Path:
        return self.folder / "models.log"
