"""Which tuning service the settings name, opened with its key. Whether a run may start is the plan's business."""

from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from glow_pipelines.learning.models.capabilities import capabilities_of
from glow_pipelines.providers.tuning import fireworks, together
from glow_pipelines.providers.tuning.disabled import DisabledTuning
from glow_pipelines.providers.tuning.errors import TrainingBlockedError
from glow_pipelines.providers.tuning.openai_wire import OpenAITuning
from glow_pipelines.providers.tuning.port import TuningService
from glow_pipelines.providers.tuning.rest import Rest
from glow_pipelines.settings import Settings

if TYPE_CHECKING:
    from openai import OpenAI

_AZURE_HOSTS = (".openai.azure.com", ".services.ai.azure.com", ".cognitiveservices.azure.com")


def tuning_service(settings: Settings) -> TuningService:
    """The service of GLOW_TUNING_PROVIDER; unset: OpenAI's wire with a key or base URL, else the local one.

    Nothing is asked and nothing started here: a connection, and the local server, are opened by the first request.
    """
    match provider_named(settings):
        case "together":
            if not settings.together_api_key:
                return DisabledTuning("GLOW_TUNING_PROVIDER=together needs a key; set TOGETHER_API_KEY")
            return together.TogetherTuning(_rest(settings, together.BASE_URL, settings.together_api_key))
        case "fireworks":
            if not (settings.fireworks_api_key and settings.fireworks_account_id):
                needs = "a key and an account; set FIREWORKS_API_KEY and FIREWORKS_ACCOUNT_ID"
                return DisabledTuning(f"GLOW_TUNING_PROVIDER=fireworks needs {needs}")
            rest = _rest(settings, fireworks.BASE_URL, settings.fireworks_api_key)
            return fireworks.FireworksTuning(rest, settings.fireworks_account_id)
        case "local":
            return _local(settings)
        case _:
            return _openai_wire(settings)


def provider_named(settings: Settings) -> str:
    """The provider the settings name, or what they lead to where they name none."""
    if settings.tuning_provider:
        return settings.tuning_provider
    outside = settings.openai_api_key or settings.openai_base_url or settings.tuning_base_url
    return "openai" if outside else "local"


def provider_of_url(base_url: str | None) -> str:
    """The provider behind a base URL of OpenAI's wire: openai, azure, else the host's name."""
    host = (urlsplit(base_url).hostname if base_url else None) or "api.openai.com"
    if host.endswith(_AZURE_HOSTS):
        return "azure"
    return "openai" if host == "api.openai.com" else host


def _openai_wire(settings: Settings) -> TuningService:
    url = settings.tuning_base_url or settings.openai_base_url
    key = settings.tuning_api_key or settings.openai_api_key
    if not (key or url):
        return DisabledTuning("GLOW_TUNING_PROVIDER=openai needs a key; set OPENAI_API_KEY, or GLOW_TUNING_BASE_URL")

    def opened() -> "OpenAI":
        from glow_pipelines.providers.wire import open_client

        # Services without keys still want the header.
        return open_client(key or "none", url).with_options(timeout=settings.chat_timeout_seconds)

    return OpenAITuning(opened, capabilities_of(provider_of_url(url)))


def _local(settings: Settings) -> TuningService:
    from glow_pipelines.providers.local.weights import CHAT_NAME, ModelUnavailable

    base_model = CHAT_NAME if settings.local_model is None else settings.local_model.stem.lower()

    def opened() -> "OpenAI":
        from glow_pipelines.providers.local.supervisor import LocalModels
        from glow_pipelines.providers.wire import open_client

        models = LocalModels(
            settings.home,
            settings.local_model,
            threads=settings.local_threads,
            workers=settings.local_workers,
            trainer=settings.trainer_command,
        )
        try:
            endpoint = models.start()
        except ModelUnavailable as problem:
            raise TrainingBlockedError(str(problem)) from problem
        return open_client(endpoint.api_key, endpoint.base_url).with_options(timeout=settings.chat_timeout_seconds)

    return OpenAITuning(opened, replace(capabilities_of("local"), default_base_model=base_model))


def _rest(settings: Settings, base_url: str, key: str) -> Rest:
    return Rest(settings.tuning_base_url or base_url, key, settings.chat_timeout_seconds)
