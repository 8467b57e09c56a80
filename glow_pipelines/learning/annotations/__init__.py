"""What experts judged, how far they agree, and what they say together.

Belongs here: annotation rows, agreement, consensus. Does not belong here: the review queue (store), and what an
annotation becomes (datasets).
"""

from glow_pipelines.learning.annotations.agreement import (
    AlphaEstimate,
    Level,
    bootstrap_alpha,
    coincidences,
    krippendorff_alpha,
)
from glow_pipelines.learning.annotations.choice import AggregatorChoice, choose_aggregator
from glow_pipelines.learning.annotations.consensus import (
    Consensus,
    DawidSkene,
    Label,
    dawid_skene,
    majority,
)
from glow_pipelines.learning.annotations.kappa import (
    KappaEstimate,
    bootstrap_cohen,
    bootstrap_fleiss,
    cohen_kappa,
    fleiss_kappa,
)
from glow_pipelines.learning.annotations.rows import AnnotationRow
from glow_pipelines.learning.annotations.units import Units, codes_of, label_table, units_of

__all__ = [
    "AggregatorChoice",
    "AlphaEstimate",
    "AnnotationRow",
    "Consensus",
    "DawidSkene",
    "KappaEstimate",
    "Label",
    "Level",
    "Units",
    "bootstrap_alpha",
    "bootstrap_cohen",
    "bootstrap_fleiss",
    "choose_aggregator",
    "codes_of",
    "cohen_kappa",
    "coincidences",
    "dawid_skene",
    "fleiss_kappa",
    "krippendorff_alpha",
    "label_table",
    "majority",
    "units_of",
]
