"""`BehaviorLearner`: the charter's face of this noun.

Belongs here: the five methods and `learn`, each a few calls. Does not belong here: any rule; they have rooms of their
own (claims, candidates, resolve, groups, versions, patterns).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from numpy.typing import ArrayLike

from glow_pipelines.learning.annotations.rows import AnnotationRow, ComparisonRow
from glow_pipelines.learning.datasets.candidates import by_input, candidates_of, earliest, weighted
from glow_pipelines.learning.datasets.claims import claims_of
from glow_pipelines.learning.datasets.corrections import Correction
from glow_pipelines.learning.datasets.examples import DemonstrationRow, LearningExample
from glow_pipelines.learning.datasets.groups import GroupItem, assign_groups, is_bridge
from glow_pipelines.learning.datasets.inputs import LearningInput, key_of
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
        weights: Mapping[str, float] | None = None,
        comparisons: Iterable[ComparisonRow] = (),
    ) -> list[LearningExample]:
        """Every example the rows support, by id, in whatever order they are given.

        `embeddings` (input text → vector) let paraphrases share a group. `groups` (input key → group) and `splits`
        (group → split) are what was persisted before; they win, and a new input between two splits is quarantined.
        `weights` is what each expert's word counts (1 where missing). Stored examples missing from the result have lost
        their support: see `withdrawn`. Give all rows about an input or none of them. Rows of one agent only are fine;
        groups then do not see the other agents' conversations.
        """
        inputs = self.learn_inputs(
            executions, feedback, annotations, demonstrations, weights=weights, comparisons=comparisons
        )
        extra = paraphrases(inputs, embeddings, self.settings.paraphrase) if embeddings else ()
        found = self.group(inputs, groups, splits, extra_pairs=extra)
        return sorted((e for each in inputs for e in placed(each, found[each.key])), key=lambda example: example.id)

    def learn_inputs(
        self,
        executions: Iterable[ExecutionRow],
        feedback: Iterable[FeedbackRow],
        annotations: Iterable[AnnotationRow],
        demonstrations: Iterable[DemonstrationRow],
        *,
        weights: Mapping[str, float] | None = None,
        comparisons: Iterable[ComparisonRow] = (),
    ) -> list[LearningInput]:
        """The inputs the rows speak of that support an example, each with its examples, before they are grouped."""
        said = claims_of(executions, feedback, annotations, demonstrations, comparisons=comparisons)
        claims = weighted(said, weights or {})
        found = []
        for (agent, normal), claimed in by_input(claims).items():
            examples = resolve(candidates_of(claimed), self.settings)
            if examples:
                examples.sort(key=lambda example: (example.status == "rejected", example.id))
                run, words = earliest(claimed), examples[0].input
                conversation = None if run is None else run.conversation_id
                found.append(LearningInput(agent, key_of(normal), words, conversation, tuple(examples)))
        return found

    def group(
        self,
        inputs: Iterable[LearningInput],
        groups: Mapping[str, str] | None = None,
        splits: Mapping[str, str] | None = None,
        *,
        neighbours: Iterable[GroupItem] = (),
        near_pairs: Sequence[tuple[str, str]] | None = None,
        extra_pairs: Sequence[tuple[str, str]] = (),
    ) -> dict[str, str]:
        """Input key → group, for ever. `neighbours` are inputs known before, for their groups only; the rest as in
        `assign_groups`."""
        known = splits or {}
        items = [GroupItem(each.key, each.words, each.conversation) for each in inputs]
        return assign_groups(
            [*items, *neighbours],
            groups,
            split=lambda group: known.get(group) or split_of(group, self.settings.shares, self.settings.salt),
            threshold=self.settings.near_duplicate,
            cap=self.settings.group_cap,
            extra_pairs=extra_pairs,
            near_pairs=near_pairs,
        )

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

    def analyze_correction_patterns(
        self, corrections: Iterable[Correction], uncorrected: Iterable[tuple[str, str]] = ()
    ) -> list[CorrectionPattern]:
        """What people keep changing, the named patterns first; `uncorrected` is (agent, output) to compare with."""
        return correction_patterns(corrections, uncorrected)

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


def placed(learned: LearningInput, group: str) -> list[LearningExample]:
    """The examples of an input in their group; what lies between two splits is quarantined."""
    result = []
    for example in learned.examples:
        if is_bridge(group) and example.status in ("approved", "pending"):
            reason = "near rows of two splits: it can be in neither"
            example = replace(example, status="quarantined", expert_approved=False, reason=reason)
        result.append(replace(example, group=group))
    return result
