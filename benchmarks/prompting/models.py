"""The models of a benchmark: the endpoint of the usual settings, behind the product's own cache of answers.

Belongs here: opening them, and stopping what was started for them. Does not: who asks what (meter, peers).
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.prompting.meter import Memory
from glow_pipelines.database import ensure_database, migrate
from glow_pipelines.learning.prompts.types import Example
from glow_pipelines.project import open_services
from glow_pipelines.services import Services

PATIENCE_S = 900.0  # a busy machine is slow, not broken: a written prompt took minutes beside eight others
Vectors = Mapping[str, Sequence[float]]


@dataclass(frozen=True)
class Models:
    """The model of the task, the one that writes prompts, embeddings by example id, and what they are called."""

    model: Memory
    writer: Memory
    services: Services
    name: str
    writer_name: str

    def embed(self, examples: Sequence[Example]) -> Vectors:
        found = self.services.embeddings.embed([example.input for example in examples])
        return {example.id: vector.tolist() for example, vector in zip(examples, found, strict=True)}


@contextmanager
def open_models(writer: str | None = None) -> Iterator[Models]:
    """The models. `writer`: another one for writing prompts, a GGUF file or NAME or NAME@BASE_URL (with the key of
    OPENAI_API_KEY); the task's own model by default. What ran before keeps running.
    """
    settings = open_services().settings
    services = Services(replace(settings, chat_timeout_seconds=max(PATIENCE_S, settings.chat_timeout_seconds)))
    services.settings.home.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        if services.settings.database_url is None and not services.embedded_server.status().running:
            stack.callback(services.embedded_server.stop)
        stack.callback(lambda: services.store.close())
        ensure_database(services.database_url)
        migrate(services.database_url)
        _stop_after(stack, services)
        model = Memory(services.answer, _Progress())
        if writer is None:
            yield Models(model, model, services, services.chat.name, services.chat.name)
            return
        other = _writer(services, writer)
        stack.callback(lambda: other.store.close())
        _stop_after(stack, other)
        yield Models(model, Memory(other.answer), services, services.chat.name, other.chat.name)


class _Progress:
    """A line every so many answers."""

    def __init__(self, every: int = 200) -> None:
        self._every, self._told, self._began = every, 0, time.monotonic()

    def __call__(self, known: int) -> None:
        if known // self._every > self._told:
            self._told = known // self._every
            print(f"  {known} answers, {time.monotonic() - self._began:.0f} s", flush=True)


def _writer(services: Services, named: str) -> Services:
    settings = replace(services.settings, database_url=services.database_url)
    if named.endswith(".gguf"):
        own = replace(settings, openai_base_url=None, openai_api_key=None, chat_model=None, local_model=Path(named))
        return Services(replace(own, home=settings.home / "writer"))
    name, _, url = named.partition("@")
    # An endpoint that has no embeddings is fine here: the name is never asked for.
    embedding = settings.embedding_model or "none"
    return Services(
        replace(settings, chat_model=name, openai_base_url=url or settings.openai_base_url, embedding_model=embedding)
    )


def _stop_after(stack: ExitStack, services: Services) -> None:
    if services.uses_local_models and not services.local_models.status().running:
        stack.callback(services.local_models.stop)
