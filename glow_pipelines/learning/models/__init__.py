"""Models: planning training runs that pay once, and the states such a run may be in.

Pure: values in, values out. Services belong to providers/tuning, rows to store/models.py, assets to defs/.
"""

from glow_pipelines.learning.models.fine_tuner import FineTuner
from glow_pipelines.learning.models.split import training_file
from glow_pipelines.learning.models.states import IllegalTransitionError, event_of_status, submission_step, transition
from glow_pipelines.learning.models.tokens import estimated_tokens
from glow_pipelines.learning.models.types import FineTuningOptions, TrainingLine, TrainingPlan, TuningCapabilities

__all__ = [
    "FineTuner",
    "FineTuningOptions",
    "IllegalTransitionError",
    "TrainingLine",
    "TrainingPlan",
    "TuningCapabilities",
    "estimated_tokens",
    "event_of_status",
    "submission_step",
    "training_file",
    "transition",
]
