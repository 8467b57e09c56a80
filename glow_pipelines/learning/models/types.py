"""What goes into the fine tuner and what comes out: lines, options, what a tuning service can do, the plan.

Values only. How a line is written belongs to datasets, how a service is called to providers/tuning.py.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

PlanState = Literal["planned", "disabled", "blocked", "insufficient_data"]
Method = Literal["supervised", "dpo", "reinforcement"]


@dataclass(frozen=True)
class TrainingLine:
    """One line of a training file: its JSON text, the learning example it came from and its group, its tokens."""

    example_id: str
    group: str
    text: str
    tokens: int


@dataclass(frozen=True)
class FineTuningOptions:
    """What the settings ask for. `validation_split` is a share of groups; "auto" lets the service choose a value."""

    enabled: bool
    minimum_examples: int
    validation_split: float
    base_model: str | None
    method: Method = "supervised"
    hyperparameters: Mapping[str, int | float | str] = field(default_factory=lambda: {"n_epochs": 3})


@dataclass(frozen=True)
class TuningCapabilities:
    """What a tuning service can do. `enabled` False comes with a `reason` that says what a user can do about it.

    `metadata_filter`: jobs can be listed by a tag, which is how a job is found again after an unknown outcome;
    `client_job_id`: the caller chooses the job's id, which is the other way. `byte_order_mark`: files begin with one.
    """

    provider: str
    enabled: bool
    reason: str = ""
    metadata_filter: bool = True
    client_job_id: bool = False
    methods: frozenset[str] = frozenset({"supervised"})
    minimum_examples: int = 10
    maximum_file_bytes: int = 512 * 1024 * 1024
    suffix_characters: int = 64
    byte_order_mark: bool = False


@dataclass(frozen=True)
class TrainingSplit:
    """Lines to train on and lines to validate on; no group and no prompt is in both."""

    train: tuple[TrainingLine, ...]
    validation: tuple[TrainingLine, ...]


@dataclass(frozen=True)
class TrainingPlan:
    """One training run as it would be bought. Same inputs, same `run_key`, hence one paid job.

    `estimated_tokens` are training tokens over all epochs; `estimated_cost_usd` is None where no price is known.
    `split` holds the lines themselves, empty where they could not be split.
    """

    state: PlanState
    reason: str
    agent: str
    provider: str
    base_model: str
    method: Method
    hyperparameters: Mapping[str, int | float | str]
    manifest_sha256: str
    run_key: str
    train_count: int
    validation_count: int
    estimated_tokens: int
    estimated_cost_usd: float | None
    split: TrainingSplit = field(repr=False)
