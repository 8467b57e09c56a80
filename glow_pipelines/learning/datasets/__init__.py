"""Learning examples and the datasets made of them.

Belongs here: what rows of feedback, annotations and demonstrations amount to (`BehaviorLearner`), groups and splits,
versions, checks, lines for export. Does not belong here: SQL (store), assets (defs), files, training (models).
"""

from glow_pipelines.learning.datasets.behavior import BehaviorLearner, placed
from glow_pipelines.learning.datasets.checks import (
    Verdict,
    balance,
    check_version,
    conflicts,
    duplicates,
    leakage,
    minimum_size,
)
from glow_pipelines.learning.datasets.corrections import Change, Correction, changes, corrections_of
from glow_pipelines.learning.datasets.examples import (
    DemonstrationRow,
    LearningExample,
    SourceRef,
    example_hash,
    example_id,
)
from glow_pipelines.learning.datasets.export import (
    Manifest,
    export_lines,
    manifest,
    manifest_hash,
    preference_line,
    sft_line,
)
from glow_pipelines.learning.datasets.groups import GroupItem, assign_groups, is_bridge
from glow_pipelines.learning.datasets.inputs import LearningInput, NearMarks, input_key, near_marks
from glow_pipelines.learning.datasets.language import language_of
from glow_pipelines.learning.datasets.lines import Problem, validate_line
from glow_pipelines.learning.datasets.minhash import near_duplicates
from glow_pipelines.learning.datasets.patterns import CorrectionPattern, correction_patterns
from glow_pipelines.learning.datasets.policies import CurationPolicy
from glow_pipelines.learning.datasets.resolve import withdrawn
from glow_pipelines.learning.datasets.screens import Finding, screen, screen_example
from glow_pipelines.learning.datasets.screens.redact import Redacted, redact
from glow_pipelines.learning.datasets.settings import BehaviorSettings
from glow_pipelines.learning.datasets.splits import SALT, SHARES, SPLITS, Split, assign_splits, split_of
from glow_pipelines.learning.datasets.text import canonical_json, normalize, text_key
from glow_pipelines.learning.datasets.versions import (
    DatasetRule,
    DatasetVersion,
    VersionRow,
    build_version,
    version_hash,
)

__all__ = [
    "SALT",
    "SHARES",
    "SPLITS",
    "BehaviorLearner",
    "BehaviorSettings",
    "Change",
    "Correction",
    "CorrectionPattern",
    "CurationPolicy",
    "DatasetRule",
    "DatasetVersion",
    "DemonstrationRow",
    "Finding",
    "GroupItem",
    "LearningExample",
    "LearningInput",
    "Manifest",
    "NearMarks",
    "Problem",
    "Redacted",
    "SourceRef",
    "Split",
    "Verdict",
    "VersionRow",
    "assign_groups",
    "assign_splits",
    "balance",
    "build_version",
    "canonical_json",
    "changes",
    "check_version",
    "conflicts",
    "correction_patterns",
    "corrections_of",
    "duplicates",
    "example_hash",
    "example_id",
    "export_lines",
    "input_key",
    "is_bridge",
    "language_of",
    "leakage",
    "manifest",
    "manifest_hash",
    "minimum_size",
    "near_duplicates",
    "near_marks",
    "normalize",
    "placed",
    "preference_line",
    "redact",
    "screen",
    "screen_example",
    "sft_line",
    "split_of",
    "text_key",
    "validate_line",
    "version_hash",
    "withdrawn",
]
