"""The fine-tuning part of the embedded server on loopback, without models: what tests of its wire ask.

It is the product's own code under uvicorn, in a thread; only the trainer is a tiny one, and nobody chats.
"""

import json
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import openai
import uvicorn
from starlette.applications import Starlette

from glow_pipelines.providers.local.tuning.routes import tuning_routes
from glow_pipelines.providers.local.tuning.service import LocalTuning
from glow_pipelines.providers.local.tuning.trainer import Trainer

BASE = "tiny-base"
TINY = (sys.executable, str(Path(__file__).parent / "tiny_trainer.py"))
LINES = [
    {"messages": [{"role": "user", "content": f"What is {n}?"}, {"role": "assistant", "content": "x" * n}]}
    for n in range(1, 13)
]


def as_file(lines: list[Any], name: str = "train.jsonl") -> tuple[str, bytes]:
    return name, b"".join(json.dumps(line).encode() + b"\n" for line in lines)


@contextmanager
def tuning_server(home: Path, trainer: Trainer | None = None) -> Iterator[tuple[LocalTuning, str]]:
    """The service and its base URL; a second one over the same home goes on where the first was."""
    tuning = LocalTuning.open(home, BASE, home / "base.gguf", trainer or Trainer(TINY))
    base = {"id": BASE, "object": "model", "created": 0, "owned_by": "embedded"}
    app = Starlette(routes=tuning_routes(tuning, [base], lambda handler: handler))
    listener = socket.create_server(("127.0.0.1", 0))
    settings = uvicorn.Config(app, log_level="warning", access_log=False, lifespan="off", timeout_graceful_shutdown=1)
    server = uvicorn.Server(settings)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    tuning.runner.start()
    try:
        yield tuning, f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
    finally:
        server.should_exit = True
        thread.join()
        tuning.runner.stop()


def strict(url: str) -> openai.OpenAI:
    """A client that neither repeats a request nor overlooks anything in an answer."""
    return openai.OpenAI(api_key="k", base_url=url, max_retries=0, timeout=5, _strict_response_validation=True)


def create(client: openai.OpenAI, steps: int = 3, **changed: Any) -> Any:
    """A job over an uploaded file of its own."""
    file = client.files.create(file=as_file(LINES), purpose="fine-tune")
    method = {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": steps}}}
    return client.fine_tuning.jobs.create(
        **({"model": BASE, "training_file": file.id, "method": method, "suffix": "triage", "seed": 1} | changed)
    )


def until(check: Callable[[], Any], seconds: float = 30.0) -> Any:
    """What `check` gives as soon as it is true."""
    deadline = time.monotonic() + seconds
    while not (found := check()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
    return found
