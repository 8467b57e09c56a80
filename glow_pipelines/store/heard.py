"""What is heard of inputs: executions and what people said of them, read where it lies or from where it was kept.

Belongs here: SQL over sets of inputs, and the form in which what was heard is kept. Does not: what follows from it
(learning/datasets), which inputs have news (curation).
"""

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from glow_pipelines.learning.annotations import AnnotationRow, ComparisonRow
from glow_pipelines.learning.datasets import DemonstrationRow
from glow_pipelines.learning.feedback import ExecutionRow, FeedbackRow
from glow_pipelines.store.noun import Noun, Row

HEARD = 200
"""Executions of one input that are heard, words of users on one execution, own examples of experts for one input.

Those that experts judged come first, then the newest. Two hundred people say what is the right answer as well as a
hundred thousand do; reading them all, each night anew, took minutes for one input."""
FEW = 4  # executions; what is said of fewer is read where it lies, and not written twice
LARGEST = 500_000  # characters; more is read where it lies: writing it each night costs more than reading

News = Mapping[int, Collection[tuple[str, str]]]
"""Input id → tenants and ids of its executions that somebody said something new about."""


@dataclass(frozen=True, slots=True)
class HeardRun:
    """An execution that is heard, and the newest words of users on it."""

    tenant: str
    execution_id: str
    judged: bool
    recorded_at: datetime
    execution: ExecutionRow
    feedback: tuple[FeedbackRow, ...] = ()

    @property
    def name(self) -> tuple[str, str]:
        return self.tenant, self.execution_id


@dataclass(frozen=True)
class Said:
    """All that is heard about some inputs. `runs` is by input id: what `keep` keeps."""

    executions: list[ExecutionRow]
    feedback: list[FeedbackRow]
    annotations: list[AnnotationRow]
    comparisons: list[ComparisonRow]
    demonstrations: list[DemonstrationRow]
    runs: Mapping[int, Sequence[HeardRun]] = field(default_factory=dict)


class Heard(Noun):
    queries = "heard"

    def said_of(self, agent: str, inputs: Sequence[int], news: News | None = None, most: int = HEARD) -> Said:
        """What people say of these inputs now: see HEARD for what is heard of an input that many spoke of.

        With `news`, all that is new since it was kept, only that is read, and the rest as it was kept.
        """
        runs = self._runs(agent, inputs, news, most)
        heard = sorted((run for found in runs.values() for run in found), key=lambda run: run.name)
        judged = [run for run in heard if run.judged]
        where = {"agent": agent, **_names(run.name for run in judged)}
        return Said(
            [run.execution for run in heard],
            [row for run in heard for row in run.feedback],
            [AnnotationRow(**row) for row in self._rows("annotations_of_executions", **where)],
            [ComparisonRow(**row) for row in self._rows("comparisons_of_executions", **where)],
            [DemonstrationRow(**row) for row in self._rows("demonstrations_of_inputs", inputs=list(inputs), most=most)],
            runs,
        )

    def keep(self, said: Said) -> None:
        """Keep what was heard, so that `said_of` need not read it again."""
        kept, others = {}, []
        for id, runs in said.runs.items():
            form = _written(runs) if len(runs) >= FEW else ""
            if 0 < len(form) <= LARGEST:
                kept[id] = form
            else:
                others.append(id)
        oldest = [
            min(at for run in said.runs[id] for at in (run.recorded_at, *(row.recorded_at for row in run.feedback)))
            for id in kept
        ]
        self._run("keep", inputs=list(kept), oldest=oldest, said=list(kept.values()))
        self._run("let_go", inputs=others)

    def _runs(self, agent: str, inputs: Sequence[int], news: News | None, most: int) -> dict[int, list[HeardRun]]:
        kept = self._kept(agent, [id for id in inputs if id in news], most) if news is not None else {}
        names = {id: set((news or {})[id]) for id in kept}
        fresh = self._with_feedback(
            agent,
            self._rows("executions_with_news", **_names(name for found in names.values() for name in found)),
            most,
        )
        for id in list(kept):
            # One that is gone may have kept another from being heard.
            if {run.name for run in fresh[id]} != names[id]:
                del kept[id]
        whole = self._with_feedback(
            agent,
            self._rows("heard_executions", inputs=[id for id in inputs if id not in kept], most=most),
            most,
        )
        for id, runs in kept.items():
            both = [*fresh[id], *(run for run in runs if run.name not in names[id])]
            both.sort(key=lambda run: run.name)
            both.sort(key=lambda run: (run.judged, run.recorded_at), reverse=True)
            whole[id] = both[:most]
        return dict(whole)

    def _kept(self, agent: str, inputs: Sequence[int], most: int) -> dict[int, list[HeardRun]]:
        rows = self._rows("kept", inputs=list(inputs)) if inputs else []
        return {row["input_id"]: _read(agent, row["said"]) for row in rows}

    def _with_feedback(self, agent: str, rows: Sequence[Row], most: int) -> defaultdict[int, list[HeardRun]]:
        said: dict[str, list[FeedbackRow]] = defaultdict(list)
        names = _names((row["tenant"], row["execution_id"]) for row in rows)
        for row in self._rows("feedback_of_executions", agent=agent, **names, most=most) if rows else []:
            said[row["execution_id"]].append(FeedbackRow(**{**row, "issues": tuple(row["issues"])}))
        found: defaultdict[int, list[HeardRun]] = defaultdict(list)
        for row in rows:
            id, tenant, name, judged, at = (row.pop(key) for key in _OWN)
            execution = ExecutionRow(**row)
            found[id].append(HeardRun(tenant, name, judged, at, execution, tuple(said[execution.id])))
        return found


_OWN = ("input_id", "tenant", "execution_id", "judged", "recorded_at")


def _names(names: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    listed = list(names)
    return {"tenants": [tenant for tenant, _ in listed], "executions": [name for _, name in listed]}


def _written(runs: Sequence[HeardRun]) -> str:
    """Executions as they are kept. Texts once: most of an input's executions say the same."""
    texts: dict[str, int] = {}
    rows = [
        [
            run.tenant,
            run.execution_id,
            run.judged,
            run.recorded_at.isoformat(),
            run.execution.id,
            texts.setdefault(run.execution.input, len(texts)),
            texts.setdefault(run.execution.output, len(texts)),
            run.execution.user_id,
            run.execution.conversation_id,
            run.execution.prompt_version,
            [
                [
                    row.id,
                    row.user_id,
                    row.kind,
                    row.thumbs,
                    row.rating,
                    row.issues,
                    row.comment,
                    row.correction,
                    row.conversation_id,
                    row.recorded_at.isoformat(),
                ]
                for row in run.feedback
            ],
        ]
        for run in runs
    ]
    return json.dumps([list(texts), rows], ensure_ascii=False, separators=(",", ":"))


def _read(agent: str, form: Any) -> list[HeardRun]:
    """The same executions again."""
    texts, rows = form
    return [
        HeardRun(
            tenant,
            name,
            judged,
            datetime.fromisoformat(at),
            ExecutionRow(id, agent, texts[asked], texts[answered], user, talk, prompt),
            tuple(
                FeedbackRow(
                    number,
                    agent,
                    id,
                    who,
                    kind,
                    thumbs,
                    rating,
                    tuple(issues),
                    comment,
                    correction,
                    where,
                    datetime.fromisoformat(when),
                )
                for number, who, kind, thumbs, rating, issues, comment, correction, where, when in said
            ),
        )
        for tenant, name, judged, at, id, asked, answered, user, talk, prompt, said in rows
    ]
