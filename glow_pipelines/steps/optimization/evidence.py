"""Rows as the evidence of an optimization.

Belongs here: examples of a dataset version, corrections and votes on the prompt in force. Does not: what they mean
(learning/prompts).
"""

from glow_pipelines.learning.datasets import VersionRow
from glow_pipelines.learning.feedback.rows import sentiment
from glow_pipelines.learning.prompts.types import Correction, Example, Source, Vote
from glow_pipelines.store.store import Transaction


def examples(t: Transaction, dataset_id: str) -> tuple[Example, ...]:
    """The rows of a dataset version."""
    return tuple(_example(each) for each in t.datasets.rows(dataset_id))


def feedback(t: Transaction, agent: str, prompt: str, until: int) -> tuple[tuple[Correction, ...], tuple[Vote, ...]]:
    """What users corrected and how they voted, up to the feedback that was the newest when the optimization began."""
    runs = {run.id: run for run in t.feedback.executions_of_agent(agent, prompt)}
    corrections, votes = [], []
    for row in t.feedback.feedback_of_agent(agent, prompt, until=until):
        run, who = runs[row.execution_id], row.user_id or ""
        if row.correction is not None:
            corrections.append(
                Correction(
                    feedback_id=str(row.id),
                    execution_id=row.execution_id,
                    input=run.input,
                    observed=run.output,
                    expected=row.correction,
                    user_id=who,
                    issues=row.issues,
                    comment=row.comment,
                )
            )
        if (said := sentiment(row)) is not None and said != 0:
            slices = (run.domain,) if run.domain else ()
            votes.append(Vote(str(row.id), row.execution_id, who, said > 0, row.issues, slices))
    return tuple(corrections), tuple(votes)


def _example(row: VersionRow) -> Example:
    kept = row.example
    sources = tuple(Source(source.kind, source.id) for source in kept.sources)
    language = kept.language if kept.language not in (None, "und") else None
    slices = tuple(each for each in (kept.domain, language and f"language {language}") if each)
    return Example(kept.id, kept.input, kept.target, kept.group, row.split, kept.quality, sources, slices)
