"""Learning examples and the datasets made of them.

Belongs here: what rows of feedback, annotations and demonstrations amount to (`BehaviorLearner`), groups and splits,
versions, checks, lines for export. Does not belong here: SQL (store), assets (defs), files, training (models).
"""

from glow_pipelines.learning.datasets.admission import Drops, Facts, admit
from glow_pipelines.learning.datasets.behavior import BehaviorLearner, placed
from glow_pipelines.learning.datasets.checks import (
    BLOCKING,
    OTHER_SEED,
    WARNING,
    Findings,
    Verdict,
    check_version,
    judge,
)
from glow_pipelines.learning.datasets.contamination import Demonstrations
from glow_pipelines.learning.datasets.corrections import Change, Correction, changes, corrections_of
from glow_pipelines.learning.datasets.drift import Drift, drift
from glow_pipelines.learning.datasets.examples import (
    DemonstrationRow,
    LearningExample,
    SourceRef,
    example_hash,
    example_id,
)
from glow_pipelines.learning.datasets.export import (
    LINE_KINDS,
    Manifest,
    export_lines,
    line_row,
    manifest,
    manifest_hash,
    preference_line,
    sft_line,
)
from glow_pipelines.learning.datasets.groups import GroupItem, assign_groups, is_bridge
from glow_pipelines.learning.datasets.inputs import LearningInput, NearMarks, input_key, near_marks, rare_keys
from glow_pipelines.learning.datasets.inspection import Faults, Inspection, TextRow
from glow_pipelines.learning.datasets.language import language_of
from glow_pipelines.learning.datasets.leaks import SplitLeaks
from glow_pipelines.learning.datasets.lines import LineKind, Problem, problems_of_block, validate_line, validate_row
from glow_pipelines.learning.datasets.minhash import near_duplicates
from glow_pipelines.learning.datasets.patterns import CorrectionPattern, correction_patterns
from glow_pipelines.learning.datasets.policies import CurationPolicy
from glow_pipelines.learning.datasets.repeats import Repeats
from glow_pipelines.learning.datasets.resolve import withdrawn
from glow_pipelines.learning.datasets.rules import DatasetRule, Kind, RuleProblem, read_rule
from glow_pipelines.learning.datasets.screens import Finding, screen, screen_example
from glow_pipelines.learning.datasets.screens.redact import Redacted, redact
from glow_pipelines.learning.datasets.settings import BehaviorSettings
from glow_pipelines.learning.datasets.splits import SALT, SHARES, SPLITS, Split, assign_splits, split_of
from glow_pipelines.learning.datasets.text import canonical_json, normalize, text_key
from glow_pipelines.learning.datasets.versions import (
    ContentHash,
    DatasetVersion,
    VersionRow,
    build_version,
    version_hash,
)

__all__ = [
    "BLOCKING",
    "LINE_KINDS",
    "OTHER_SEED",
    "SALT",
    "SHARES",
    "SPLITS",
    "WARNING",
    "BehaviorLearner",
    "BehaviorSettings",
    "Change",
    "ContentHash",
    "Correction",
    "CorrectionPattern",
    "CurationPolicy",
    "DatasetRule",
    "DatasetVersion",
    "DemonstrationRow",
    "Demonstrations",
    "Drift",
    "Drops",
    "Facts",
    "Faults",
    "Finding",
    "Findings",
    "GroupItem",
    "Inspection",
    "Kind",
    "LearningExample",
    "LearningInput",
    "LineKind",
    "Manifest",
    "NearMarks",
    "Problem",
    "Redacted",
    "Repeats",
    "RuleProblem",
    "SourceRef",
    "Split",
    "SplitLeaks",
    "TextRow",
    "Verdict",
    "VersionRow",
    "admit",
    "assign_groups",
    "assign_splits",
    "build_version",
    "canonical_json",
    "changes",
    "check_version",
    "correction_patterns",
    "corrections_of",
    "drift",
    "example_hash",
    "example_id",
    "export_lines",
    "input_key",
    "is_bridge",
    "judge",
    "language_of",
    "leakage",
    "line_row",
    "manifest",
    "manifest_hash",
    "near_duplicates",
    "near_marks",
    "normalize",
    "placed",
    "preference_line",
    "problems_of_block",
    "rare_keys",
    "read_rule",
    "redact",
    "screen",
    "screen_example",
    "sft_line",
    "split_of",
    "text_key",
    "validate_line",
    "validate_row",
    "version_hash",
    "withdrawn",
]
