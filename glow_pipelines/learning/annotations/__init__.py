"""What experts judged, how far they agree, and what they say together.

Belongs here: annotation rows, agreement, consensus. Does not belong here: the review queue (store), and what an
annotation becomes (datasets).
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
from glow_pipelines.learning.annotations.rows import AnnotationRow

__all__ = [
    "AggregatorChoice",
    "AlphaEstimate",
    "AnnotationRow",
    "Consensus",
    "DawidSkene",
    "Label",
    "bootstrap_alpha",
    "choose_aggregator",
    "cohen_kappa",
    "coincidences",
    "dawid_skene",
    "krippendorff_alpha",
    "label_table",
    "majority",
]
