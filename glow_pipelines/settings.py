"""The environment, read once into one frozen, validated object: every setting of the product is a line of `Settings`.

The class is also the table: `.env.example` and the tests are made from it, so a setting cannot exist undocumented.
How text becomes a value belongs to environment.py. What a setting switches belongs to whom it switches. Nothing heavy
is imported here: the code location, the command line and every run worker load this first.
"""
# ruff: noqa: RUF009 -- `setting` is dataclasses.field with the row of the table in its metadata

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from glow_pipelines.environment import (
    BOOLEAN,
    CRON,
    HTTP,
    PATH,
    POSTGRES,
    PRICES,
    TEXT,
    TIME_ZONE,
    Parser,
    choice,
    number,
    whole,
)
from glow_pipelines.errors import Actionable


class SettingsError(Actionable, ValueError):
    """Every variable that could not be read, all at once: a user repairs the file in one go. Secrets are masked."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("invalid settings:\n" + "\n".join(f"  {problem}" for problem in problems))
        self.problems = problems


def setting(variable: str, parser: Parser, default: str, about: str, *, secret: bool = False) -> Any:
    """One row of the table. An empty default means unset: the attribute is None, or derived where `about` says so."""
    meta = {"variable": variable, "parser": parser, "default": default, "about": about, "secret": secret}
    return field(repr=not secret, metadata=meta)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All settings. Database URLs are libpq URLs without a driver; database/urls.py names one where one is wanted."""

    learning_enabled: bool = setting(
        "LEARNING_ENABLED",
        BOOLEAN,
        "true",
        "false stops every schedule and sensor that learns; guardrails and rollbacks of what is on users go on",
    )
    learning_auto_optimize: bool = setting(
        "LEARNING_AUTO_OPTIMIZE", BOOLEAN, "true", "optimize prompts by schedule and threshold, not only on request"
    )
    learning_min_feedback_count: int = setting(
        "LEARNING_MIN_FEEDBACK_COUNT",
        whole(1, 1_000_000),
        "10",
        "new feedback an agent needs before it is optimized again",
    )
    learning_optimization_schedule: str = setting(
        "LEARNING_OPTIMIZATION_SCHEDULE", CRON, "0 2 * * *", "when the nightly turn runs, in GLOW_TIME_ZONE"
    )
    fine_tuning_enabled: bool = setting(
        "OPENAI_FINE_TUNING_ENABLED", BOOLEAN, "false", "allow training runs that cost money"
    )
    fine_tuning_min_examples: int = setting(
        "FINE_TUNING_MIN_EXAMPLES",
        whole(10, 10_000_000),
        "50",
        "approved examples a training run needs (services refuse fewer than 10)",
    )
    fine_tuning_validation_split: float = setting(
        "FINE_TUNING_VALIDATION_SPLIT", number(0, 0.5), "0.2", "share of example groups kept aside for validation"
    )
    ab_test_min_sample_size: int = setting(
        "AB_TEST_MIN_SAMPLE_SIZE",
        whole(2, 1_000_000_000),
        "1000",
        "users (not executions) of both arms together that an experiment needs before it may decide",
    )
    ab_test_confidence_threshold: float = setting(
        "AB_TEST_CONFIDENCE_THRESHOLD",
        number(0.5, 1, open_ends=True),
        "0.95",
        "confidence of an experiment's intervals and of its decision, over all looks together",
    )
    rag_learning_enabled: bool = setting(
        "RAG_LEARNING_ENABLED", BOOLEAN, "true", "learn retrieval from clicks, citations and feedback"
    )
    rag_embedding_update_threshold: int = setting(
        "RAG_EMBEDDING_UPDATE_THRESHOLD",
        whole(1, 1_000_000_000),
        "1000",
        "new searches of an agent that start a turn before the night",
    )
    database_url: str | None = setting(
        "DATABASE_URL", POSTGRES, "", "PostgreSQL >= 15 with pgvector; unset: the embedded server", secret=True
    )
    openai_api_key: str | None = setting("OPENAI_API_KEY", TEXT, "", "key of the model endpoint", secret=True)
    openai_base_url: str | None = setting("OPENAI_BASE_URL", HTTP, "", "any OpenAI-compatible endpoint")
    home: Path = setting(
        "GLOW_HOME",
        PATH,
        "",
        "data of the embedded services; unset: .glow beside the project's dagster.yaml, else ~/.local/share/glow",
    )
    chat_model: str | None = setting("GLOW_CHAT_MODEL", TEXT, "", "name of the chat model; unset: the embedded one")
    embedding_model: str | None = setting(
        "GLOW_EMBEDDING_MODEL", TEXT, "", "name of the embedding model; unset: the embedded one"
    )
    embedding_dimensions: int = setting(
        "GLOW_EMBEDDING_DIMENSIONS", whole(1, 4000), "384", "length of an embedding; must be what the model gives"
    )
    paraphrases: bool = setting(
        "GLOW_PARAPHRASES",
        BOOLEAN,
        "false",
        "embed new inputs, so that those whose embeddings are nearly the same share a split; costs time with history",
    )
    structured_output: str | None = setting(
        "GLOW_STRUCTURED_OUTPUT",
        choice("grammar", "json_schema"),
        "",
        "how the endpoint learns of the allowed labels; unset: grammar for the embedded model, json_schema elsewhere",
    )
    chat_prices: tuple[float, float] = setting(
        "GLOW_CHAT_PRICES", PRICES, "0/0", "what the chat model costs; the embedded one costs nothing"
    )
    chat_concurrency: int = setting("GLOW_CHAT_CONCURRENCY", whole(1, 1024), "8", "model calls in flight at once")
    chat_timeout_seconds: float = setting(
        "GLOW_CHAT_TIMEOUT_SECONDS", number(0.1, 3600), "60", "time limit of one model call"
    )
    local_model: Path | None = setting(
        "GLOW_LOCAL_MODEL", PATH, "", "a GGUF file for the embedded chat server; unset: SmolLM2-135M-Instruct"
    )
    local_threads: int = setting("GLOW_LOCAL_THREADS", whole(1, 256), "1", "threads of one embedded model")
    local_workers: int = setting(
        "GLOW_LOCAL_WORKERS", whole(1, 64), "2", "answers the embedded chat server works on at once"
    )
    trainer_command: str | None = setting(
        "GLOW_TRAINER_COMMAND", TEXT, "", "what trains adapters of the embedded chat model; unset: our own trainer"
    )
    optimization_max_calls: int = setting(
        "GLOW_OPTIMIZATION_MAX_CALLS", whole(1, 10_000_000), "2000", "model calls one prompt optimization may spend"
    )
    optimization_max_tokens: int | None = setting(
        "GLOW_OPTIMIZATION_MAX_TOKENS",
        whole(1, 1_000_000_000_000),
        "",
        "tokens one prompt optimization may spend, prompts and answers together; unset: no limit",
    )
    optimization_max_usd: float | None = setting(
        "GLOW_OPTIMIZATION_MAX_USD",
        number(0, 1_000_000),
        "",
        "US dollars one prompt optimization may spend, by GLOW_CHAT_PRICES; unset: no limit",
    )
    optimization_seconds: float | None = setting(
        "GLOW_OPTIMIZATION_SECONDS",
        number(1, 10_000_000),
        "",
        "seconds one run may ask models for a prompt optimization; the next run goes on; unset: no limit",
    )
    optimization_writing: bool | None = setting(
        "GLOW_OPTIMIZATION_WRITING",
        BOOLEAN,
        "",
        "let the chat model write prompts too; unset: yes, but for the embedded one, which is too small to",
    )
    time_zone: str = setting("GLOW_TIME_ZONE", TIME_ZONE, "UTC", "time zone of schedules and reports")
    dataset_min_new_examples: int = setting(
        "GLOW_DATASET_MIN_NEW_EXAMPLES",
        whole(1, 10_000_000),
        "50",
        "newly approved examples of an agent that build a dataset version before the night",
    )
    retention_months: int | None = setting(
        "GLOW_RETENTION_MONTHS",
        whole(1, 1200),
        "",
        "months that executions, feedback and searches are kept, dropped by whole months; unset: for ever",
    )
    fine_tuning_base_model: str | None = setting(
        "GLOW_FINE_TUNING_BASE_MODEL", TEXT, "", "model a training run starts from; unset: the embedded one, locally"
    )
    tuning_provider: str | None = setting(
        "GLOW_TUNING_PROVIDER",
        choice("local", "openai", "together", "fireworks"),
        "",
        "who trains; openai is its wire, so Azure Foundry too; unset: openai with a key or base URL, else local",
    )
    tuning_base_url: str | None = setting(
        "GLOW_TUNING_BASE_URL", HTTP, "", "endpoint that trains; unset: OPENAI_BASE_URL, or the provider's own"
    )
    tuning_api_key: str | None = setting(
        "GLOW_TUNING_API_KEY", TEXT, "", "key of GLOW_TUNING_BASE_URL; unset: OPENAI_API_KEY", secret=True
    )
    together_api_key: str | None = setting("TOGETHER_API_KEY", TEXT, "", "key of Together, to train there", secret=True)
    fireworks_api_key: str | None = setting(
        "FIREWORKS_API_KEY", TEXT, "", "key of Fireworks, to train there", secret=True
    )
    fireworks_account_id: str | None = setting("FIREWORKS_ACCOUNT_ID", TEXT, "", "account at Fireworks that trains")
    dagster_database_url: str | None = setting(
        "GLOW_DAGSTER_DATABASE_URL",
        POSTGRES,
        "",
        "Dagster's own database; unset: database dagster on the server of DATABASE_URL",
        secret=True,
    )
    pg_bin: Path | None = setting(
        "GLOW_PG_BIN", PATH, "", "folder with initdb and postgres for the embedded server; unset: the wheel's"
    )
    pg_data: Path | None = setting(
        "GLOW_PG_DATA", PATH, "", "data directory of the embedded server; unset: inside GLOW_HOME"
    )

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ, directory: Path | None = None) -> "Settings":
        """Settings of the given environment; an empty variable counts as unset.

        `directory` (default: the working directory) is where the search for the project's dagster.yaml starts, upwards.
        Raises SettingsError with one line per problem: variable, value (masked where secret), accepted form.
        """
        values: dict[str, Any] = {}
        problems: list[str] = []
        for item in fields(cls):
            meta = item.metadata
            text = environ.get(meta["variable"], "").strip() or meta["default"]
            try:
                values[item.name] = meta["parser"].read(text) if text else None
            except ValueError:
                shown = _shown(text, secret=meta["secret"])
                problems.append(f"{meta['variable']}={shown} is not accepted; expected {meta['parser'].form}")
        if problems:
            raise SettingsError(tuple(problems))
        values["home"] = values["home"] or _default_home(environ, directory or Path.cwd())
        if values["dagster_database_url"] is None and values["database_url"]:
            values["dagster_database_url"] = urlunsplit(urlsplit(values["database_url"])._replace(path="/dagster"))
        return cls(**values)


def example_file() -> str:
    """The text of .env.example: every setting with what it does, its accepted form and its default."""
    lines = ["# Copy to .env and change what you need. Every line is optional; what is commented out is unset.", ""]
    for meta in (item.metadata for item in fields(Settings)):
        lines += [f"# {meta['about']}", f"# {'secret; ' if meta['secret'] else ''}{meta['parser'].form}"]
        value = f'"{meta["default"]}"' if " " in meta["default"] else meta["default"]
        lines += [f"{meta['variable']}={value}" if value else f"# {meta['variable']}=", ""]
    return "\n".join(lines)


def _shown(text: str, *, secret: bool) -> str:
    """A value fit for a message: no secret, no password inside a URL, no control characters, not the whole file."""
    return "***" if secret else repr(re.sub(r"//[^/@\s]*@", "//***@", text)[:80])


def _default_home(environ: Mapping[str, str], directory: Path) -> Path:
    for folder in (directory, *directory.parents):
        if (folder / "dagster.yaml").is_file():
            return folder / ".glow"
    return Path(environ.get("HOME") or Path.home()) / ".local" / "share" / "glow"


if __name__ == "__main__":
    sys.stdout.write(example_file())
