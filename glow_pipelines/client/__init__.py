"""What a Python app uses: the functions of glow_api with types, singly, in batches, or from a queue that outlives it.

Belongs here: clients, writer, spool, and the wrapper of the openai client (`client.openai`). Does not: validation (the
functions refuse what they do not accept, the same for every language), SQL beyond the calls themselves.
"""

from glow_pipelines.client.asynchronous import AsyncGlowClient
from glow_pipelines.client.asynchronous_writer import AsyncGlowWriter
from glow_pipelines.client.curating import CorrectionPattern, CurationPolicy
from glow_pipelines.client.errors import (
    Conflict,
    Forbidden,
    GlowError,
    Incompatible,
    InvalidToken,
    InvalidValue,
    Malformed,
    NotFound,
    NotSent,
    QueueFull,
    RateLimited,
    SpoolFull,
    SpoolUnusable,
    TooLarge,
    Unavailable,
)
from glow_pipelines.client.experimenting import (
    Experiment,
    ExperimentDecision,
    ExperimentForecast,
    ExperimentLook,
    ExperimentMove,
    Holdout,
    HoldoutReceipt,
    WayToTest,
)
from glow_pipelines.client.prompting import Notification, PromptMove, PromptSource, PromptVersion, Rollback
from glow_pipelines.client.results import (
    AgentReceipt,
    AnnotationReceipt,
    Dataset,
    DemonstrationReceipt,
    Effect,
    ExecutionReceipt,
    FeedbackReceipt,
    FeedbackStats,
    FeedbackToken,
    Issue,
    LearningStats,
    Metric,
    Participation,
    Reason,
    Refusal,
    Request,
    ResolvedPrompt,
    RetrievalReceipt,
)
from glow_pipelines.client.retries import Retries
from glow_pipelines.client.review_results import (
    ComparisonReceipt,
    Disagreement,
    ReviewItem,
    ReviewPolicy,
    ReviewQueue,
    ReviewReceipt,
    WaitingReviews,
)
from glow_pipelines.client.rolling import Rollout, RolloutMove
from glow_pipelines.client.searching import SearchHit, SearchResult
from glow_pipelines.client.spool import Spool
from glow_pipelines.client.sync import GlowClient
from glow_pipelines.client.writer import (
    GlowWriter,
    WriterStatus,
)

__all__ = [
    "AgentReceipt",
    "AnnotationReceipt",
    "AsyncGlowClient",
    "AsyncGlowWriter",
    "ComparisonReceipt",
    "Conflict",
    "CorrectionPattern",
    "CurationPolicy",
    "Dataset",
    "DemonstrationReceipt",
    "Disagreement",
    "Effect",
    "ExecutionReceipt",
    "Experiment",
    "ExperimentDecision",
    "ExperimentForecast",
    "ExperimentLook",
    "ExperimentMove",
    "FeedbackReceipt",
    "FeedbackStats",
    "FeedbackToken",
    "Forbidden",
    "GlowClient",
    "GlowError",
    "GlowWriter",
    "Holdout",
    "HoldoutReceipt",
    "Incompatible",
    "InvalidToken",
    "InvalidValue",
    "Issue",
    "LearningStats",
    "Malformed",
    "Metric",
    "NotFound",
    "NotSent",
    "Notification",
    "Participation",
    "PromptMove",
    "PromptSource",
    "PromptVersion",
    "QueueFull",
    "RateLimited",
    "Reason",
    "Refusal",
    "Request",
    "ResolvedPrompt",
    "Retries",
    "RetrievalReceipt",
    "ReviewItem",
    "ReviewPolicy",
    "ReviewQueue",
    "ReviewReceipt",
    "Rollback",
    "Rollout",
    "RolloutMove",
    "SearchHit",
    "SearchResult",
    "Spool",
    "SpoolFull",
    "SpoolUnusable",
    "TooLarge",
    "Unavailable",
    "WaitingReviews",
    "WayToTest",
    "WriterStatus",
]
