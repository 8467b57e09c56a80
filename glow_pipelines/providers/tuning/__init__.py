"""Tuning services: upload a file, submit a job once, find it again, ask how it goes, pause, resume, cancel.

One port (port.py), one module a wire. When to submit and what a status means belong to learning/models; recording to
store/models.py. Nobody waits in here.
"""

from glow_pipelines.learning.models.types import TuningCapabilities
from glow_pipelines.providers.tuning.disabled import DisabledTuning
from glow_pipelines.providers.tuning.errors import (
    NotFoundError,
    OutcomeUnknownError,
    TrainingBlockedError,
    TrainingRejectedError,
    TuningBusyError,
    TuningError,
)
from glow_pipelines.providers.tuning.fireworks import FireworksTuning
from glow_pipelines.providers.tuning.openai_wire import OpenAITuning
from glow_pipelines.providers.tuning.port import (
    Checkpoint,
    ModelInfo,
    TuningEvent,
    TuningFile,
    TuningRequest,
    TuningService,
    TuningStatus,
)
from glow_pipelines.providers.tuning.service import tuning_service
from glow_pipelines.providers.tuning.together import TogetherTuning

__all__ = [
    "Checkpoint",
    "DisabledTuning",
    "FireworksTuning",
    "ModelInfo",
    "NotFoundError",
    "OpenAITuning",
    "OutcomeUnknownError",
    "TogetherTuning",
    "TrainingBlockedError",
    "TrainingRejectedError",
    "TuningBusyError",
    "TuningCapabilities",
    "TuningError",
    "TuningEvent",
    "TuningFile",
    "TuningRequest",
    "TuningService",
    "TuningStatus",
    "tuning_service",
]
