"""What curation reads and writes: news, the inputs that have some, examples.

Belongs here: SQL over sets of inputs, none of it over a whole agent. Does not: what is said of them (heard), their
groups (input_groups), what an example is worth (learning/datasets), in which order it is done (steps/curation),
versions (datasets).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import count

from glow_pipelines.learning.datasets import LearningExample, SourceRef, input_key, text_key
from glow_pipelines.store.heard import News
from glow_pipelines.store.input_groups import Embedded, literal
from glow_pipelines.store.noun import Noun, Row, json

_Span = tuple[int, int, str, str, str]  # first record of an example, the record at hand, kind, source, role


@dataclass(frozen=True)
class ExampleChanges:
    """What `replace_examples` did: new and changed examples written, old ones closed, the rest left alone."""

    written: int
    closed: int
    unchanged: int


class Curation(Noun):
    queries = "curation"

    def lock(self) -> datetime:
        """Wait for any other curation; held until the transaction ends. Returns the instant it was got."""
        row = self._row("lock")
        assert row is not None
        at: datetime = row["at"]
        return at

    def slice_end(self, agent: str, since: str, horizon: str, most: int) -> str:
        """The transaction id at which about `most` rows of news since `since` end."""
        row = self._row("slice_end", agent=agent, since=since, horizon=horizon, most=most)
        assert row is not None
        return str(row["until"])

    def register(self, agent: str, since: str, until: str) -> tuple[News, int]:
        """The inputs with news between two transaction ids, known from now on, and how many of them were not before."""
        runs = self._rows("spoken_of", agent=agent, since=since, until=until)
        demos = self._rows("new_demonstrations", agent=agent, since=since, until=until)
        new = [row for row in (*runs, *demos) if row["input_id"] is None]
        keys = [input_key(row["input"]) for row in new]
        ids, made = self.register_inputs(agent, keys)
        for row, key in zip(new, keys, strict=True):
            row["input_id"] = ids[key]
        news: dict[int, list[tuple[str, str]]] = {row["input_id"]: [] for row in (*runs, *demos)}
        for row in runs:
            news[row["input_id"]].append((row["tenant"], row["execution_id"]))
        runs = [row for row in runs if row["known_judged"] is None or (row["judged"] and not row["known_judged"])]
        self._run(
            "register_executions",
            tenants=[row["tenant"] for row in runs],
            executions=[row["execution_id"] for row in runs],
            inputs=[row["input_id"] for row in runs],
            judged=[row["judged"] for row in runs],
            recorded=[row["recorded_at"] for row in runs],
        )
        self._run(
            "register_demonstrations",
            demonstrations=[row["demonstration_id"] for row in demos],
            inputs=[row["input_id"] for row in demos],
        )
        return news, made

    def register_inputs(self, agent: str, keys: Iterable[str]) -> tuple[dict[str, int], int]:
        """Input key → id, made where it is new; and how many were."""
        wanted = [bytes.fromhex(key) for key in keys]
        rows = self._rows("register_inputs", agent=agent, keys=wanted) if wanted else []
        return {row["key"]: row["input_id"] for row in rows}, sum(row["made"] for row in rows)

    def replace_examples(
        self,
        agent: str,
        inputs: Sequence[int],
        examples: Mapping[int, Sequence[LearningExample]],
        at: datetime,
    ) -> ExampleChanges:
        """Make these the examples in force of some inputs from an instant on: what changed gets a new row, what
        vanished is closed.

        Not what rests on an execution that retention removed: the text is gone, what was learned from it stays, and
        what experts approved there yields to experts only: to another answer of theirs to the same question.
        """
        current = {row["example_id"]: row for row in self._rows("current_examples", inputs=list(inputs))}
        fresh = [(id, example) for id, found in examples.items() for example in found]
        kept = {example.id for _, example in fresh if example.id in current and _same(current[example.id], example)}
        fresh = [(id, example) for id, example in fresh if example.id not in kept]
        answered = {id for id, found in examples.items() if any(each.expert_approved for each in found)}
        gone = current.keys() - {example.id for found in examples.values() for example in found}
        unanswered = {id for id in gone if current[id]["input_id"] not in answered}
        yielding = {
            example.id for _, example in fresh if example.id in current and _yields(current[example.id], example)
        }
        expired = self._resting_on_expired(current[id]["example_version"] for id in unanswered | yielding)
        outlasting = {id for id in unanswered | yielding if current[id]["example_version"] in expired}
        fresh = [(id, example) for id, example in fresh if example.id not in outlasting]
        unchanged = len(kept) + len(outlasting & yielding)
        replaced = [current[example.id]["example_version"] for _, example in fresh if example.id in current]
        vanished = [current[id]["example_version"] for id in gone - outlasting]
        self._run("close_examples", at=at, versions=[*replaced, *vanished])
        self._insert(agent, fresh, current, at)
        return ExampleChanges(len(fresh), len(vanished), unchanged)

    def _resting_on_expired(self, versions: Iterable[int]) -> set[int]:
        asked = list(versions)
        rows = self._rows("resting_on_expired", versions=asked) if asked else []
        return {row["example_version"] for row in rows}

    def _insert(
        self, agent: str, examples: Sequence[tuple[int, LearningExample]], before: Mapping[str, Row], at: datetime
    ) -> None:
        """New records of examples, and what changed of their sources; `before` are those they take the place of."""
        written = [
            _written(id, each) | {"continues": before[each.id]["first_version"] if each.id in before else None}
            for id, each in examples
        ]
        record = {
            row["example_id"]: (row["first_version"], row["example_version"])
            for row in self._rows("insert_examples", agent=agent, at=at, examples=json(written))
        }
        begun: list[_Span] = []
        ended: list[_Span] = []
        for _, each in examples:
            now = {(source.kind, source.id, source.role) for source in each.sources}
            then = {tuple(source) for source in before[each.id]["sources"]} if each.id in before else set()
            begun += [(*record[each.id], *source) for source in sorted(now - then)]
            ended += [(*record[each.id], *source) for source in sorted(then - now)]
        self._run("insert_sources", **_spans(begun))
        self._run("end_sources", **_spans(ended))

    def expert_examples(
        self, agent: str, embedded: Embedded, query: str, label: str | None = None, k: int = 5
    ) -> list[LearningExample]:
        """The k expert-approved examples in train nearest to the query (one of the embedded words), best first; of one
        answer when `label` is given.

        The store's way of `BehaviorLearner.get_expert_examples`: nothing but the nearest leaves the database. Found is
        only what was embedded by the same model when it was grouped.
        """
        found: list[LearningExample] = []
        where = {"agent": agent, "model": embedded.model, "query": literal(embedded.vectors[query])}
        most = 4 * max(k, 1)
        for page in count():
            rows = self._rows("expert_examples", **where, most=most, skip=page * most)
            # What makes two answers the same is not for SQL to say.
            fit = (row for row in rows if label is None or text_key(row["target"]) == text_key(label))
            found += [_example(row) for row in fit]
            if len(found) >= k or len(rows) < most:
                break
        return found[: max(k, 0)]

    def stale_agents(self) -> list[str]:
        """Agents with inputs to learn again although nothing new was said."""
        return [row["agent"] for row in self._rows("stale_agents")]

    def stale_inputs(self, agent: str, most: int) -> list[int]:
        return [row["input_id"] for row in self._rows("stale_inputs", agent=agent, most=most)]

    def forget_stale(self, inputs: Sequence[int]) -> None:
        self._run("forget_stale", inputs=list(inputs))

    def mark_stale(self, agent: str, because: str) -> int:
        """Have all inputs of an agent learned again by the next curation; returns how many were not waiting yet."""
        return self._run("mark_stale", agent=agent, because=because)

    def mark_stale_of_reviewers(self, agent: str, reviewers: Iterable[str], because: str) -> int:
        """The same for the inputs that some experts spoke about: for when what their word counts has changed."""
        return self._run("mark_stale_of_reviewers", agent=agent, reviewers=list(reviewers), because=because)


def _same(row: Row, example: LearningExample) -> bool:
    return bool(
        row["content_hash"] == example.content_hash
        and row["status"] == example.status
        and row["source"] == example.source
        and row["expert_approved"] == example.expert_approved
        and abs(row["quality"] - example.quality) < 1e-9
        and row["quality_parts"] == example.quality_parts
        and row["rejected_target"] == example.rejected_target
        and row["domain"] == example.domain
        and row["language"] == example.language
        and row["sources"] == sorted([source.kind, source.id, source.role] for source in example.sources)
    )


def _yields(row: Row, example: LearningExample) -> bool:
    """Whether experts approved an answer that only users speak of now. It does not yield where the execution that the
    experts judged is gone."""
    heard = example.quality_parts["experts_for"] or example.quality_parts["experts_against"]
    approved = row["expert_approved"] and row["status"] == "approved"
    return bool(approved and not heard and example.status in ("approved", "pending"))


def _spans(rows: Sequence[_Span]) -> dict[str, list[int] | list[str]]:
    return {
        "firsts": [first for first, *_ in rows],
        "versions": [version for _, version, *_ in rows],
        "kinds": [kind for *_, kind, _, _ in rows],
        "sources": [source for *_, source, _ in rows],
        "roles": [role for *_, role in rows],
    }


def _written(input_id: int, example: LearningExample) -> dict[str, object]:
    return {
        "input_id": input_id,
        "example_id": example.id,
        "input": example.input,
        "target": example.target,
        "source": example.source,
        "status": example.status,
        "quality": example.quality,
        "expert_approved": example.expert_approved,
        "group_key": example.group,
        "content_hash": example.content_hash,
        "rule_version": example.rule_version,
        "reason": example.reason,
        "rejected_target": example.rejected_target,
        "domain": example.domain,
        "language": example.language,
        "quality_parts": dict(example.quality_parts),
    }


def _example(row: Row) -> LearningExample:
    values = {key: value for key, value in row.items() if key not in ("example_version", "group_key", "sources")}
    return LearningExample(
        **values, group=row["group_key"], sources=tuple(SourceRef(*source) for source in row["sources"])
    )
