"""What experts judged, how far they agree, and what they say together.

Belongs here: annotation rows, agreement, consensus, and what to judge next. Does not belong here: the review
queue (store), and what an annotation becomes (datasets).
"""

from glow_pipelines.learning.annotations.agreement import (
    AlphaEstimate,
    bootstrap_alpha,
    cohen_kappa,
    coincidences,
    krippendorff_alpha,
    label_table,
)
from glow_pipelines.learning.annotations.choice import AggregatorChoice, choose_aggregator
from glow_pipelines.learning.annotations.consensus import (
    Consensus,
    DawidSkene,
    Label,
    dawid_skene,
    majority,
)
from glow_pipelines.learning.annotations.control import ControlEstimate, ControlItem, control_estimate
from glow_pipelines.learning.annotations.drift import Drift, negative_drift
from glow_pipelines.learning.annotations.priority import Signals, expected_value, less_redundant, letter_vectors
from glow_pipelines.learning.annotations.rows import AnnotationRow, ComparisonRow, GoldReview

__all__ = [
    "AggregatorChoice",
    "AlphaEstimate",
    "AnnotationRow",
    "ComparisonRow",
    "Consensus",
    "ControlEstimate",
    "ControlItem",
    "DawidSkene",
    "Drift",
    "GoldReview",
    "Label",
    "Signals",
    "bootstrap_alpha",
    "choose_aggregator",
    "cohen_kappa",
    "coincidences",
    "control_estimate",
    "dawid_skene",
    "expected_value",
    "krippendorff_alpha",
    "label_table",
    "less_redundant",
    "letter_vectors",
    "majority",
    "negative_drift",
]
