"""Experiments: who sees what, how many users are needed, and decisions that survive peeking and clustered votes.

Pure: values in, values out. Rows and exposures belong to store/experiments.py, assets to defs/experiments.
"""

from glow_pipelines.learning.experiments.assignment import Assignment, exp_bucket
from glow_pipelines.learning.experiments.estimates import ArmMoments, CrossedMoments
from glow_pipelines.learning.experiments.experiment import Experiment
from glow_pipelines.learning.experiments.looks import replay, take_look
from glow_pipelines.learning.experiments.metrics import METRICS, MetricPlan
from glow_pipelines.learning.experiments.moments import Moments
from glow_pipelines.learning.experiments.plan import ExperimentPlan
from glow_pipelines.learning.experiments.planning import Judged, plan_experiment
from glow_pipelines.learning.experiments.precision import intra_user_correlation
from glow_pipelines.learning.experiments.ramp import Ramp, RampMove, advance, open_ramp
from glow_pipelines.learning.experiments.stages import RampPlan, Stage, default_stages
from glow_pipelines.learning.experiments.types import Look, MetricLook, Statistics, Traffic

__all__ = [
    "METRICS",
    "ArmMoments",
    "Assignment",
    "CrossedMoments",
    "Experiment",
    "ExperimentPlan",
    "Judged",
    "Look",
    "MetricLook",
    "MetricPlan",
    "Moments",
    "Ramp",
    "RampMove",
    "RampPlan",
    "Stage",
    "Statistics",
    "Traffic",
    "advance",
    "default_stages",
    "exp_bucket",
    "intra_user_correlation",
    "open_ramp",
    "plan_experiment",
    "replay",
    "take_look",
]
