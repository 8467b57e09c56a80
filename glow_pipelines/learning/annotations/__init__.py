"""What experts judged, how far they agree, what they say together, and what each one's word is worth.

Belongs here: annotation rows, agreement, consensus, calibration, and what to judge next. Does not belong here: the
review queue (store), and what an annotation becomes (datasets).
"""

from glow_pipelines.learning.annotations.agreement import (
    AlphaEstimate,
    Level,
    bootstrap_alpha,
    coincidences,
    krippendorff_alpha,
)
from glow_pipelines.learning.annotations.alerts import (
    AgreementVerdict,
    ReviewerWarning,
    WarningSettings,
    judge_agreement,
    warnings_of,
)
from glow_pipelines.learning.annotations.calibration import Calibration, GoldAccuracy, GoldDrift, Throughput, calibrate
from glow_pipelines.learning.annotations.choice import AggregatorChoice, choose_aggregator
from glow_pipelines.learning.annotations.consensus import Consensus, DawidSkene, Label, dawid_skene, majority
from glow_pipelines.learning.annotations.control import ControlEstimate, ControlItem, control_estimate
from glow_pipelines.learning.annotations.drift import Drift, negative_drift
from glow_pipelines.learning.annotations.judgements import Judgement
from glow_pipelines.learning.annotations.kappa import (
    KappaEstimate,
    bootstrap_cohen,
    bootstrap_fleiss,
    cohen_kappa,
    fleiss_kappa,
)
from glow_pipelines.learning.annotations.priority import Signals, expected_value, less_redundant, letter_vectors
from glow_pipelines.learning.annotations.quality import (
    Agreement,
    Measure,
    PairAgreement,
    Quality,
    QualitySettings,
    measure_quality,
)
from glow_pipelines.learning.annotations.rows import AnnotationRow, ComparisonRow, GoldReview
from glow_pipelines.learning.annotations.tendencies import Bias, ScaleUse
from glow_pipelines.learning.annotations.units import Units, codes_of, label_table, units_of
from glow_pipelines.learning.annotations.weights import reviewer_weights

__all__ = [
    "AggregatorChoice",
    "Agreement",
    "AgreementVerdict",
    "AlphaEstimate",
    "AnnotationRow",
    "Bias",
    "Calibration",
    "ComparisonRow",
    "Consensus",
    "ControlEstimate",
    "ControlItem",
    "DawidSkene",
    "Drift",
    "GoldAccuracy",
    "GoldDrift",
    "GoldReview",
    "Judgement",
    "KappaEstimate",
    "Label",
    "Level",
    "Measure",
    "PairAgreement",
    "Quality",
    "QualitySettings",
    "ReviewerWarning",
    "ScaleUse",
    "Signals",
    "Throughput",
    "Units",
    "WarningSettings",
    "bootstrap_alpha",
    "bootstrap_cohen",
    "bootstrap_fleiss",
    "calibrate",
    "choose_aggregator",
    "codes_of",
    "cohen_kappa",
    "coincidences",
    "control_estimate",
    "dawid_skene",
    "expected_value",
    "fleiss_kappa",
    "judge_agreement",
    "krippendorff_alpha",
    "label_table",
    "less_redundant",
    "letter_vectors",
    "majority",
    "measure_quality",
    "negative_drift",
    "reviewer_weights",
    "units_of",
    "warnings_of",
]
