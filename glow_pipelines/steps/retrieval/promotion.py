"""From a candidate to users: the gate on held-out verdicts, an experiment if it passes, and word to people.

Belongs here: the order of these, and that nothing happens twice. Does not: the test (learning/retrieval/gate), starting
an experiment (steps/experiments/start), putting the winner in force (experiments), learning (training).

What the gate decided, the configuration and the experiment are written in one transaction: a process that dies before
leaves what is in force alone, and the next run does the same again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from hashlib import sha256
from typing import Literal

import numpy as np

from glow_pipelines.learning.experiments import ExperimentPlan
from glow_pipelines.learning.retrieval import Comparison, Judgement, RetrievalGate, RetrievalIndex
from glow_pipelines.learning.retrieval.carrying import carry_judgements
from glow_pipelines.learning.retrieval.evaluation import JudgedQuery, judged_queries
from glow_pipelines.learning.retrieval.gate import gate
from glow_pipelines.learning.retrieval.signals import heirs
from glow_pipelines.learning.retrieval.types import Vector
from glow_pipelines.services import Services
from glow_pipelines.settings import Settings
from glow_pipelines.steps.experiments.changes import Change
from glow_pipelines.steps.experiments.start import start
from glow_pipelines.steps.knowledge import index_of, query_split
from glow_pipelines.store import Transaction
from glow_pipelines.store.retrieval import text_hash

BETWEEN_GATES = timedelta(hours=20)
"""Each look at the held-out questions asks for more evidence of the next one: not four of them a day."""
SEED = 7
Heirs = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Judged:
    """Held-out queries as the configuration in force knows them, and the same as the candidate does."""

    before: tuple[JudgedQuery, ...] = ()
    after: tuple[JudgedQuery, ...] = ()


@dataclass(frozen=True)
class Promotion:
    """What became of a candidate. `waiting`: it was not tested now, `reason` says why; `passed`: it has, or had, an
    experiment, unless something stood in its way (`experiment_id` None)."""

    state: Literal["nothing", "waiting", "kept", "passed"]
    reason: str
    incumbent: str | None = None
    candidate: str | None = None
    gate_id: str | None = None
    gate: RetrievalGate | None = None
    judged: Judged = field(default_factory=Judged, repr=False)
    before: RetrievalIndex | None = field(default=None, repr=False)
    after: RetrievalIndex | None = field(default=None, repr=False)
    experiment_id: str | None = None
    plan: ExperimentPlan | None = None
    told: bool = False


def promote(services: Services, agent: str, candidate: RetrievalIndex | None, what: str = "learned") -> Promotion:
    """Test a candidate against what is in force, and hand it to users if it passes; the same again changes nothing."""
    with services.store.transaction() as t:
        current = t.retrieval.in_force(agent)
        if candidate is None or current is None:
            return Promotion("nothing", "nothing was learned that differs from the untuned hybrid")
        address, incumbent = candidate.configuration.sha256, current.configuration
        here = Promotion("waiting", "", incumbent, address)
        if address == incumbent:
            return replace(here, state="nothing", reason="what was learned is in force already")
        running = t.experiments.running(agent, "retrieval")
        if running is not None:
            reason = f"experiment {running['experiment_id']} runs: no second candidate meanwhile"
            return replace(here, reason=reason)
        before = index_of(t, agent, incumbent)
        judged = _held_out(t, services, agent, before, candidate)
        gate_id = _gate_id(agent, incumbent, address, judged)
        known, looks = t.retrieval.gate(gate_id), t.retrieval.looks(agent)
        last = t.retrieval.since_last_gate(agent, candidate.configuration.chunking, candidate.configuration.model)
    here = replace(here, gate_id=gate_id, judged=judged, before=before, after=candidate)
    if known is None and last is not None and last < BETWEEN_GATES:
        hours = (BETWEEN_GATES - last) / timedelta(hours=1)
        return replace(here, reason=f"the next look at the held-out questions is due in {hours:.1f} hours")
    rng = np.random.default_rng(SEED)
    look = looks if known else looks + 1
    tested = gate(before, candidate, judged.before, rng, condensed=True, look=look, retold=judged.after)
    here = replace(here, gate=tested, reason=tested.reason if known is None else known["evidence"]["reason"])
    verdict = tested.verdict if known is None else known["verdict"]
    with services.store.transaction() as t:
        now = t.retrieval.in_force(agent)
        if now is None or now.configuration != incumbent:
            return replace(here, reason="what is in force was changed meanwhile")
        t.retrieval_configurations.write(agent, candidate, incumbent)
        t.retrieval.record_gate(gate_id, agent, incumbent, address, verdict, tested.to_json())
        if verdict != "ship" or tested.overall is None:
            return replace(here, state="kept")
        change = Change(agent, "retrieval", incumbent, address)
        passed = replace(here, state="passed")
        return _hand_over(t, services.settings, passed, change, gate_id, tested.overall, what)


def _held_out(t: Transaction, services: Services, agent: str, before: RetrievalIndex, after: RetrievalIndex) -> Judged:
    """Experts' verdicts on test queries, of chunks that are searched now; users' clicks judge nothing here."""
    shares = t.feedback.agent(agent).shares
    said = [each for each in t.retrieval_analytics.verdicts(agent) if query_split(each.query, shares) == "test"]
    successors = t.retrieval_signals.successors(agent)
    alive = heirs(successors, before.position, {each.chunk_id for each in said})
    grades: dict[tuple[str, str], float] = {}
    for each in said:
        if each.chunk_id in alive:
            key = each.query, alive[each.chunk_id]
            grades[key] = max(grades.get(key, 0.0), each.grade)
    told = [Judgement(query, chunk, grade) for (query, chunk), grade in sorted(grades.items())]
    retold = told
    if after.configuration.chunking != before.configuration.chunking:
        told, retold = carry_judgements(told, t.documents.heirs(agent, after.configuration.chunking))
    queries = list(dict.fromkeys(each.query for each in told))
    asked = [_vectors(t, services, model, queries) for model in (before.configuration.model, after.configuration.model)]
    both = set(asked[0]) & set(asked[1])  # a model that is served no more knows what it was asked, and nothing else
    one, other = (
        judged_queries([each for each in some if each.query in both], vectors, condensed=True)
        for some, vectors in zip((told, retold), asked, strict=True)
    )
    ours = {each.query: each for each in other}
    one = [each for each in one if each.query in ours]
    # Groups are those of what is in force: they decide how sure the test may be, and must be the same on both sides.
    return Judged(tuple(one), tuple(replace(ours[each.query], group=each.group) for each in one))


def _vectors(t: Transaction, services: Services, model: str, queries: Sequence[str]) -> dict[str, Vector]:
    if model == services.embeddings.name:
        return dict(zip(queries, services.embeddings.embed(queries).astype(float), strict=True)) if queries else {}
    known = t.retrieval.cached_embeddings(model, [text_hash(query) for query in queries])
    return {query: known[text_hash(query)] for query in queries if text_hash(query) in known}


def _gate_id(agent: str, incumbent: str, candidate: str, judged: Judged) -> str:
    """The judgements are part of a gate: the same candidate on other evidence is another gate, and another look."""
    seen = [(each.query, sorted(each.grades.items())) for each in (*judged.before, *judged.after)]
    evidence = sha256(repr(seen).encode()).hexdigest()
    return sha256(f"{agent}\x1f{incumbent}\x1f{candidate}\x1f{evidence}".encode()).hexdigest()[:32]


def _hand_over(
    t: Transaction, settings: Settings, passed: Promotion, change: Change, gate_id: str, gain: Comparison, what: str
) -> Promotion:
    hypothesis = f"{what}: more thumbs up than with the retrieval in force"
    started = start(t, settings, change, hypothesis, gate_id=gate_id)
    begun = t.experiments.find(started.experiment_id)
    experiment_id = started.experiment_id if begun is not None else None
    told = t.notifications.add(
        change.agent,
        "retrieval_candidate",
        f"Retrieval of {change.agent} passed its gate: nDCG@10 {gain.current:.3f} to {gain.candidate:.3f}",
        {
            "gate_id": gate_id,
            "configuration": change.treatment,
            "reason": passed.reason,
            "difference": [gain.gain.low, gain.gain.high],
            "queries": gain.queries,
            "experiment_id": experiment_id,
            "users_per_arm": started.plan.users_per_arm,
            "planned_days": started.plan.planned_days,
            "reachable": started.plan.reachable,
            "plan": started.plan.summary,
            "warnings": list(started.plan.warnings),
        },
        key=gate_id,
    )
    return replace(passed, experiment_id=experiment_id, plan=started.plan, told=told)
