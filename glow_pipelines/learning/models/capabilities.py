"""What each tuning service can do and takes: one row a provider. From the references, November 2026.

Belongs here: limits, formats, how a job is found again. Does not: prices (prices), the wires (providers/tuning),
whether a line keeps to the rules (formats).
"""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from glow_pipelines.learning.models.types import Limit, LineRules, TuningCapabilities

_MEGABYTE = 1024 * 1024
_ANY = math.inf
_EPOCHS = Limit(1, 50, whole=True)
_COMMON = {
    "n_epochs": _EPOCHS,
    "batch_size": Limit(1, 256, whole=True),
    "learning_rate_multiplier": Limit(0, _ANY, above=True),
}
_OPENAI_HYPERPARAMETERS = {
    "supervised": _COMMON,
    "dpo": {**_COMMON, "beta": Limit(0, 2, above=True)},
    "reinforcement": {
        **_COMMON,
        "compute_multiplier": Limit(1e-5, 10, above=True),
        "eval_interval": Limit(1, _ANY, whole=True),
        "eval_samples": Limit(1, _ANY, whole=True),
    },
}
# Both train adapters: a rate and a rank of their own instead of a multiplier, and no "auto" but for the batch.
_ADAPTER = {
    "learning_rate": Limit(0, 1, above=True, auto=False),
    "lora_rank": Limit(1, 256, whole=True, auto=False),
}
_TOGETHER = {"n_epochs": Limit(1, 20, whole=True, auto=False), "batch_size": Limit(1, _ANY, whole=True), **_ADAPTER}
_FIREWORKS = {"n_epochs": Limit(1, _ANY, whole=True, auto=False), **_ADAPTER}
_LOCAL = {
    **_COMMON,
    "learning_rate_multiplier": Limit(1e-6, 1e3),
    "rank": Limit(1, 256, whole=True, auto=False),
    "checkpoint_every": Limit(1, 1e6, whole=True, auto=False),
}

OPENAI: Final = TuningCapabilities(
    provider="openai",
    enabled=True,
    methods=frozenset({"supervised", "dpo", "reinforcement"}),
    lines=LineRules(roles=frozenset({"system", "developer", "user", "assistant", "tool"}), tools=True, weights=True),
    hyperparameters=_OPENAI_HYPERPARAMETERS,
    pauses=True,
)
PROVIDERS: Final[Mapping[str, TuningCapabilities]] = {
    "openai": OPENAI,
    # A file without the mark is refused there, and a longer suffix too.
    "azure": replace(
        OPENAI,
        provider="azure",
        byte_order_mark=True,
        suffix_characters=40,
        maximum_file_bytes=512 * _MEGABYTE - 1,
    ),
    "together": TuningCapabilities(
        provider="together",
        enabled=True,
        metadata_filter=False,
        methods=frozenset({"supervised", "dpo"}),
        minimum_examples=1,
        maximum_file_bytes=25 * 1024 * _MEGABYTE,
        suffix_characters=40,
        lines=LineRules(alternating=True, weights=True),
        hyperparameters={"supervised": _TOGETHER, "dpo": {**_TOGETHER, "beta": Limit(0, _ANY, above=True, auto=False)}},
        result_files=False,
    ),
    "fireworks": TuningCapabilities(
        provider="fireworks",
        enabled=True,
        metadata_filter=False,
        client_job_id=True,
        methods=frozenset({"supervised", "dpo"}),
        minimum_examples=3,
        maximum_examples=3_000_000,
        maximum_file_bytes=150 * _MEGABYTE,  # the single upload; larger files go by signed URL
        suffix_characters=63,
        lines=LineRules(weights=True),
        hyperparameters={"supervised": _FIREWORKS, "dpo": _FIREWORKS},
        events=False,
        checkpoints=False,
        result_files=False,
    ),
    "local": TuningCapabilities(
        provider="local",
        enabled=True,
        methods=frozenset({"supervised", "dpo"}),
        lines=LineRules(weights=True),
        hyperparameters={"supervised": _LOCAL, "dpo": {**_LOCAL, "beta": Limit(1e-6, 2)}},
        pauses=True,
    ),
}


def capabilities_of(provider: str) -> TuningCapabilities:
    """The provider's row; OpenAI's rules under its own name for a service nobody described: it speaks their wire."""
    return PROVIDERS.get(provider) or replace(OPENAI, provider=provider)


def hyperparameter_problems(
    capabilities: TuningCapabilities, method: str, hyperparameters: Mapping[str, int | float | str]
) -> list[str]:
    """What the service would not take, each with the accepted form; empty where all may be sent."""
    limits, found = capabilities.hyperparameters.get(method), list[str]()
    if limits is None:  # nobody wrote the service's limits down: it will say itself
        return found
    for name, value in hyperparameters.items():
        if (limit := limits.get(name)) is None:
            found.append(f"{capabilities.provider} takes no {name!r} for {method}; accepted: {', '.join(limits)}")
        elif not _within(limit, value):
            found.append(f"{name}={value!r} is not accepted by {capabilities.provider}; expected {_form(limit)}")
    return found


def _within(limit: Limit, value: object) -> bool:
    if value == "auto":
        return limit.auto
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return False
    if limit.whole and value != int(value):
        return False
    return (limit.low < value if limit.above else limit.low <= value) and value <= limit.high


def _form(limit: Limit) -> str:
    kind = "a whole number" if limit.whole else "a number"
    low = f"above {limit.low:g}" if limit.above else f"from {limit.low:g}"
    return f"{kind} {low}{'' if limit.high == _ANY else f' to {limit.high:g}'}{' or auto' if limit.auto else ''}"
