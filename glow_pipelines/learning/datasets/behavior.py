"""`BehaviorLearner`: the charter's face of this noun.

Belongs here: the five methods and `learn`, each a few calls. Does not belong here: any rule; they have rooms of their
own (claims, candidates, resolve, groups, versions, patterns).
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from numpy.typing import ArrayLike

from glow_pipelines.learning.annotations.rows import AnnotationRow
from glow_pipelines.learning.datasets.candidates import by_input, candidates_of
from glow_pipelines.learning.datasets.claims import claims_of
from glow_pipelines.learning.datasets.corrections import Correction
from glow_pipelines.learning.datasets.examples import DemonstrationRow, LearningExample
from glow_pipelines.learning.datasets.groups import GroupItem, assign_groups, is_bridge
from glow_pipelines.learning.datasets.patterns import CorrectionPattern, correction_patterns
from glow_pipelines.learning.datasets.resolve import resolve
from glow_pipelines.learning.datasets.rules import DatasetRule
from glow_pipelines.learning.datasets.settings import BehaviorSettings
from glow_pipelines.learning.datasets.similar import Vectors, nearest, paraphrases
from glow_pipelines.learning.datasets.splits import split_of
from glow_pipelines.learning.datasets.text import text_key
from glow_pipelines.learning.datasets.versions import DatasetVersion, build_version
from glow_pipelines.learning.feedback.rows import ExecutionRow, FeedbackRow


class BehaviorLearner:
    """Turns what people said into learning examples, and those into datasets. Holds nothing but its settings."""

    def __init__(self, settings: BehaviorSettings | None = None) -> None:
        self.settings = settings or BehaviorSettings()

    def learn_from_demonstration(self, demo: DemonstrationRow) -> LearningExample:
        """An expert's own example."""
        return self.learn((), (), (), (demo,))[0]

    def learn_from_correction(self, execution: ExecutionRow, feedback: Iterable[FeedbackRow]) -> list[LearningExample]:
        """What users' corrections (and votes) of one execution amount to."""
        return self.learn((execution,), feedback, (), ())

    def learn_from_annotation(
        self, execution: ExecutionRow, annotations: Iterable[AnnotationRow]
    ) -> list[LearningExample]:
        """What experts' judgements of one execution amount to."""
        return self.learn((execution,), (), annotations, ())

    def learn(
        self,
        executions: Iterable[ExecutionRow],
        feedback: Iterable[FeedbackRow],
        annotations: Iterable[AnnotationRow],
        demonstrations: Iterable[DemonstrationRow],
        embeddings: Vectors | None = None,
        *,
        groups: Mapping[str, str] | None = None,
        splits: Mapping[str, str] | None = None,
    ) -> list[LearningExample]:
        """Every example the rows support, by id, in whatever order they are given.

        `embeddings` (input text → vector) let paraphrases share a group. `groups` (example id → group) and `splits`
        (group → split) are what was persisted before; they win, and a new row between two splits is quarantined.
        Stored examples missing from the result have lost their support: see `withdrawn`. Rows of one agent only are
        fine; groups then do not see the other agents' conversations.
        """
        runs = {execution.id: execution for execution in executions}
        claims = by_input(claims_of(runs.values(), feedback, annotations, demonstrations))
        drafts = [draft for said in claims.values() for draft in resolve(candidates_of(said), self.settings)]
        known = splits or {}
        found = assign_groups(
            (GroupItem(draft.id, draft.input, _conversation(draft, runs)) for draft in drafts),
            groups,
            split=lambda group: known.get(group) or split_of(group, self.settings.shares, self.settings.salt),
            threshold=self.settings.near_duplicate,
            cap=self.settings.group_cap,
            extra_pairs=paraphrases(drafts, embeddings, self.settings.paraphrase) if embeddings else (),
        )
        return sorted((_placed(draft, found[draft.id]) for draft in drafts), key=lambda example: example.id)

    def generate_training_dataset(
        self,
        rule: DatasetRule,
        examples: Iterable[LearningExample],
        assignments: Mapping[str, str],
        as_of: datetime,
        learned: Mapping[str, datetime] | None = None,
    ) -> DatasetVersion:
        """The immutable version a rule makes of the examples; `assignments` is group → split, `learned` example id →
        when it was first learned, for rules with dates."""
        return build_version(rule, examples, assignments, as_of, learned)

    def analyze_correction_patterns(self, corrections: Iterable[Correction]) -> list[CorrectionPattern]:
        """What people keep changing, most frequent first."""
        return correction_patterns(corrections)

    def get_expert_examples(
        self,
        query_embedding: ArrayLike,
        examples: Iterable[LearningExample],
        embeddings: Vectors,
        label: str | None = None,
        k: int = 5,
        *,
        splits: Mapping[str, str] | None = None,
    ) -> list[LearningExample]:
        """The k expert-approved training examples nearest to the query, of one answer when `label` is given.

        Only train: a demonstration in a prompt that is later measured on it would be a leak.
        """
        known = splits or {}
        fit = [
            example
            for example in examples
            if example.status == "approved"
            and example.expert_approved
            and (label is None or text_key(example.target) == text_key(label))
            and (known.get(example.group) or split_of(example.group, self.settings.shares, self.settings.salt))
            == "train"
        ]
        return nearest(query_embedding, fit, embeddings, k)


def _conversation(example: LearningExample, runs: Mapping[str, ExecutionRow]) -> str | None:
    """The conversation of the execution the example carries the text of, not of every one that repeats it.

    "Hello" was said in each of them: linking all would make one group of everything.
    """
    ids = (source.id for source in example.sources if source.kind == "execution")
    first = min(ids, key=lambda id: (len(id), id), default=None)
    return None if first is None else runs[first].conversation_id


def _placed(example: LearningExample, group: str) -> LearningExample:
    if is_bridge(group) and example.status in ("approved", "pending"):
        reason = "near rows of two splits: it can be in neither"
        return replace(example, group=group, status="quarantined", expert_approved=False, reason=reason)
    return replace(example, group=group)
