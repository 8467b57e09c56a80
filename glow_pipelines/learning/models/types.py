"""What goes into the fine tuner and what comes out: lines, options, what a tuning service can do, the plan.

Values only. How a line is written belongs to datasets, how a service is called to providers/tuning.
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
    """What the settings ask for. `validation_split` is a share of groups; "auto" lets the service choose a value.

    `grader` scores answers where the method is reinforcement; it means nothing to the others.
    """

    enabled: bool
    minimum_examples: int
    validation_split: float
    base_model: str | None
    method: Method = "supervised"
    hyperparameters: Mapping[str, int | float | str] = field(default_factory=lambda: {"n_epochs": 3})
    grader: Mapping[str, object] | None = None


@dataclass(frozen=True)
class Limit:
    """What a hyperparameter may be: low <= value <= high (`above`: low < value), `whole` only, "auto" or not."""

    low: float
    high: float
    whole: bool = False
    above: bool = False
    auto: bool = True


@dataclass(frozen=True)
class LineRules:
    """What a service asks of a training line beyond the common shape.

    `roles` a message may have; `alternating`: user and assistant take turns after the system's message; `tools` may be
    offered and called; `weights` 0 and 1 may say which answers are trained on.
    """

    roles: frozenset[str] = frozenset({"system", "user", "assistant"})
    alternating: bool = False
    tools: bool = False
    weights: bool = False


@dataclass(frozen=True)
class TuningCapabilities:
    """What a tuning service can do. `enabled` False comes with a `reason` that says what a user can do about it.

    `metadata_filter`: jobs can be listed by a tag, which is how a job is found again after an unknown outcome;
    `client_job_id`: the caller chooses the job's id, which is the other way; where there is neither, the tag is in the
    model's suffix. `byte_order_mark`: files begin with one. `hyperparameters` by method: a name that is not there is
    not taken. `default_base_model` is what a run starts from where nothing else is said.
    """

    provider: str
    enabled: bool
    reason: str = ""
    metadata_filter: bool = True
    client_job_id: bool = False
    methods: frozenset[str] = frozenset({"supervised"})
    minimum_examples: int = 10
    maximum_examples: int | None = None
    maximum_file_bytes: int = 512 * 1024 * 1024
    suffix_characters: int = 64
    byte_order_mark: bool = False
    lines: LineRules = LineRules()
    hyperparameters: Mapping[str, Mapping[str, Limit]] = field(default_factory=dict)
    pauses: bool = False
    events: bool = True
    checkpoints: bool = True
    result_files: bool = True
    default_base_model: str | None = None


@dataclass(frozen=True)
class TrainingSplit:
    """Lines to train on and lines to validate on; no group and no prompt is in both."""

    train: tuple[TrainingLine, ...]
    validation: tuple[TrainingLine, ...]


@dataclass(frozen=True)
class TrainingPlan:
    """One training run as it would be bought. Same inputs, same `run_key`, hence one paid job.

    `estimated_tokens` are training tokens over all epochs, counted by `token_counter`; `estimated_cost_usd` is None
    where no price is known.
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
    token_counter: str = "estimate"
