"""Experiments: who sees what, how many users are needed, and decisions that survive peeking and clustered votes.

Pure: values in, values out. Rows and exposures belong to store/experiments.py, assets to defs/experiments.py.
"""

from glow_pipelines.learning.experiments.assignment import Assignment, exp_bucket
from glow_pipelines.learning.experiments.experiment import Experiment
from glow_pipelines.learning.experiments.former import ArmStatistics, Decision, ExperimentPlan, Look, Traffic
from glow_pipelines.learning.experiments.planning import intra_user_correlation, plan_experiment

__all__ = [
    "ArmStatistics",
    "Assignment",
    "Decision",
    "Experiment",
    "ExperimentPlan",
    "Look",
    "Traffic",
    "exp_bucket",
    "intra_user_correlation",
    "plan_experiment",
]
