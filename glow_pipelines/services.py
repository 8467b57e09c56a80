"""From settings to the things that work: database, store, models.

Belongs here: choosing between embedded and outside services, and starting the embedded ones on demand. Does not:
how each works (database, store, providers), Dagster (defs).
"""

from functools import cached_property
from typing import TYPE_CHECKING

from glow_pipelines.settings import Settings, SettingsError

if TYPE_CHECKING:  # numpy, openai and psycopg are loaded by whoever needs them: the code location must import fast
    from collections.abc import Sequence

    from openai import OpenAI

    from glow_pipelines.database import EmbeddedServer
    from glow_pipelines.learning.prompts.types import Answer, RenderedPrompt
    from glow_pipelines.providers.chat import ChatModel
    from glow_pipelines.providers.choices import StructuredOutput
    from glow_pipelines.providers.embeddings import EmbeddingModel
    from glow_pipelines.providers.local.supervisor import LocalModels
    from glow_pipelines.store import Store


class Services:
    """Opens what is asked for, once, when it is asked for."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def close(self) -> None:
        """Close connections to the database and to models. Servers that were started stay up."""
        if "store" in vars(self):
            self.store.close()
        if "_endpoint" in vars(self):
            self._endpoint[0].close()

    @cached_property
    def embedded_server(self) -> "EmbeddedServer":
        from glow_pipelines.database import EmbeddedServer

        return EmbeddedServer(self.settings.home)

    @cached_property
    def database_url(self) -> str:
        """The product's database; starts the embedded server when no DATABASE_URL is set."""
        if self.settings.database_url is not None:
            return self.settings.database_url
        self.embedded_server.start()
        return self.embedded_server.url("glow")

    @cached_property
    def dagster_url(self) -> str:
        """Dagster's own database, with the driver it needs."""
        from glow_pipelines.database import urls

        named = self.settings.dagster_database_url
        if named is not None:
            return urls.for_dagster(named, database=urls.parse(named).database or "dagster")
        return urls.for_dagster(self.database_url)

    @cached_property
    def store(self) -> "Store":
        from glow_pipelines.store import Store

        return Store(self.database_url)

    @cached_property
    def local_models(self) -> "LocalModels":
        from glow_pipelines.providers.local.supervisor import LocalModels

        settings = self.settings
        return LocalModels(
            settings.home,
            settings.local_model,
            threads=settings.local_threads,
            workers=settings.local_workers,
            trainer=settings.trainer_command,
        )

    @property
    def uses_local_models(self) -> bool:
        """Whether no model endpoint is configured."""
        return self.settings.openai_base_url is None and self.settings.openai_api_key is None

    @cached_property
    def _endpoint(self) -> "tuple[OpenAI, str, str]":
        """The client, and the names of the chat and embedding models behind it."""
        from glow_pipelines.providers.wire import open_client

        settings = self.settings
        if self.uses_local_models:
            local = self.local_models.start()
            client = open_client(local.api_key, local.base_url)
            return client, settings.chat_model or local.chat_model, settings.embedding_model or local.embedding_model
        if settings.chat_model is None or settings.embedding_model is None:
            raise SettingsError(
                ("GLOW_CHAT_MODEL and GLOW_EMBEDDING_MODEL: name the models of OPENAI_BASE_URL to use",)
            )
        client = open_client(settings.openai_api_key or "none", settings.openai_base_url)
        return client, settings.chat_model, settings.embedding_model

    @property
    def _structured_output(self) -> "StructuredOutput":
        """llama.cpp, which the embedded model runs on, takes a grammar; every other endpoint a JSON schema."""
        named = self.settings.structured_output or ("grammar" if self.uses_local_models else "json_schema")
        return "grammar" if named == "grammar" else "json_schema"

    @cached_property
    def chat(self) -> "ChatModel":
        """The chat model behind the response cache; starts the embedded one when no endpoint is configured."""
        from glow_pipelines.providers.cache import CachedChat
        from glow_pipelines.providers.chat import OpenAIChat
        from glow_pipelines.store.responses import StoredResponses

        settings = self.settings
        client, model, _ = self._endpoint
        return CachedChat(
            OpenAIChat(
                client,
                model,
                structured_output=self._structured_output,
                # Enough in line for the embedded server to choose what continues a prompt it has just read.
                concurrency=8 * settings.local_workers if self.uses_local_models else settings.chat_concurrency,
                timeout=settings.chat_timeout_seconds,
                prices={model: settings.chat_prices},
            ),
            StoredResponses(self.store),
        )

    @cached_property
    def embeddings(self) -> "EmbeddingModel":
        """The embedding model behind the embedding cache."""
        from glow_pipelines.providers.embeddings import OpenAIEmbeddings
        from glow_pipelines.store.responses import StoredEmbeddings

        client, _, model = self._endpoint
        return StoredEmbeddings(
            OpenAIEmbeddings(client, model, dimensions=self.settings.embedding_dimensions), self.store
        )

    def answer(self, requests: "Sequence[RenderedPrompt]") -> "list[Answer]":
        """What the prompt engine asks the chat model through: answers with what they cost when they were fresh."""
        from glow_pipelines.providers.asking import chat_request, engine_answer

        return [engine_answer(each) for each in self.chat.complete_many([chat_request(each) for each in requests])]
