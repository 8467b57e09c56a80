"""Operations: whether the system reaches what it was built for, and how sure that is.

Pure: counts in, measurements out. Counting belongs to store/operations.py, assets and checks to defs/operations.py.
"""

from glow_pipelines.learning.operations.success_metrics import SUCCESS_METRICS, measure, measure_all, shown
from glow_pipelines.learning.operations.types import Measurement, OperationCounts, Reading, SuccessMetric

__all__ = [
    "SUCCESS_METRICS",
    "Measurement",
    "OperationCounts",
    "Reading",
    "SuccessMetric",
    "measure",
    "measure_all",
    "shown",
]
