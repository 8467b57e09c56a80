"""What users said of executions, and what it adds up to.

Belongs here: the rows of feedback and of the executions they judge, the issue vocabulary, summaries per agent.
Does not belong here: what an expert judged (annotations), what becomes training data (datasets), reading rows (store).
"""

from glow_pipelines.learning.feedback.issues import STANDARD_ISSUES
from glow_pipelines.learning.feedback.rates import Rate, rate_of
from glow_pipelines.learning.feedback.rows import ExecutionRow, FeedbackRow, sentiment
from glow_pipelines.learning.feedback.summary import FeedbackSummary, IssueCount, summarize

__all__ = [
    "STANDARD_ISSUES",
    "ExecutionRow",
    "FeedbackRow",
    "FeedbackSummary",
    "IssueCount",
    "Rate",
    "rate_of",
    "sentiment",
    "summarize",
]
