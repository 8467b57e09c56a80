"""The four stages, each reading what the one before wrote and writing what it found.

Belongs here: calling the engine, writing its findings in one transaction each. Does not: opening (work), what the
checks look at (checks), what follows from a passed gate (hand_over).
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256

from glow_pipelines.learning.prompts.counters import count_all
from glow_pipelines.learning.prompts.levels import level
from glow_pipelines.learning.prompts.metrics import Metric
from glow_pipelines.learning.prompts.operators.written import WRITTEN
from glow_pipelines.learning.prompts.types import Analysis, Candidate, Gate, Prompt, Race, Rule
from glow_pipelines.steps.optimization import spending
from glow_pipelines.steps.optimization.asking import Paused
from glow_pipelines.steps.optimization.work import Optimization
from glow_pipelines.store.noun import Row
from glow_pipelines.store.optimizations import AlreadySpent
from glow_pipelines.store.store import Transaction

STATES = {"promote": "finalist", "drop": "no_improvement", "carry_over": "carry_over"}


def analyze(work: Optimization) -> Analysis:
    """Where the prompt in force fails, written with the plan."""
    with _account(work, "analysis"):
        vectors = _embeddings(work)
        analysis = work.engine.analyze(work.incumbent, work.usable, work.corrections, work.votes, vectors)
        with work.services.store.transaction() as t:
            t.optimizations.record_plan(work.id, work.plan.to_json())
            t.optimizations.record_analysis(work.id, {**analysis.to_json(), "calls": work.budget.calls})
            t.optimizations.record_evaluations(_evaluations(work, ()))
    return analysis


def propose(work: Optimization) -> tuple[Candidate, ...]:
    """Candidates, written as prompt versions with their lineage; none while too little data or a carried finalist."""
    if work.missing or work.carried is not None:
        return ()
    with _account(work, "candidates"):
        found = _candidates(work)
        _write(work, found)
    return found


def race(work: Optimization, log: Callable[[str], object] = lambda line: None) -> Race:
    """The race; candidates that it bred are written too."""
    if work.missing or work.carried is not None:
        return Race((), (), (), 0, 0)
    with _account(work, "race"):
        candidates = _candidates(work)
        _write(work, candidates)
        log(f"racing {sum(not each.findings for each in candidates)} candidates of {work.agent}")
        found = work.engine.race(work.incumbent, candidates, work.usable, work.corrections)
        everyone = (*candidates, *found.grown)
        _write(work, everyone)
        with work.services.store.transaction() as t:
            t.optimizations.record_race(work.id, found.to_json())
            t.optimizations.record_evaluations(_evaluations(work, [each.prompt for each in everyone]))
            t.prompts.count_rules(work.agent, _rule_counts(work, [each.prompt for each in everyone]), work.id)
    return found


def gate(work: Optimization) -> Gate | None:
    """The gate of the finalist, written once; None when there is no finalist, or the metric may only rank.

    Raises Paused before the race is over, and where another gate was faster to spend the same test items.
    """
    row = work.now()
    if not work.missing and work.carried is None and row["race"] is None:
        raise Paused("the race is not over: run it again to go on")
    finalist = _finalist(work)
    if finalist is None:
        with work.services.store.transaction() as t:
            t.optimizations.close(work.id, "insufficient_data" if work.missing else "no_improvement", _why(work))
        return None
    gate_id = gate_id_of(work, finalist)
    tests = {example.id: example.group for example in work.examples if example.split == "test"}
    with work.services.store.transaction() as t:
        known = t.optimizations.gate(gate_id)
        spent = t.optimizations.spent(work.agent, set(tests.values()))
        if known is not None:
            return Gate.from_json(known["evidence"])
        may_pass, why_not = may_promote(t, work)
        if not may_pass:  # test items are for who may pass; the finalist would hold the agent for ever
            reason = f"Ranks only: {why_not}; the best on validation items waits, no test item was spent."
            t.optimizations.close(work.id, "carry_over", reason)
            return None
        before = t.optimizations.open_gate(work.id, finalist.sha256)
        test = open_test(t, work, finalist, before)
    earlier = None if before is None else Gate.from_json(before["evidence"])
    fresh = tuple(example for example in work.examples if example.group not in spent)
    engine = work.engine_for_gate()
    with _account(work, "gate"):
        found = engine.gate(work.incumbent, finalist, fresh, earlier, level=test.level)
        groups = {tests[id] for id in set(found.spent) - set(earlier.spent if earlier else ())}
        try:
            _record(work, finalist, found, groups, test)
        except AlreadySpent as late:
            raise Paused(f"{late}: run it again to go on with what is left") from late
    return found


def _record(work: Optimization, finalist: Prompt, found: Gate, groups: set[str], test: "OpenTest") -> None:
    with work.services.store.transaction() as t:
        t.optimizations.record_gate(gate_id_of(work, finalist), work.id, work.agent, found, groups, test.key)
        t.prompts.decide_level(test.key, found.verdict, test.level)
        t.optimizations.close(work.id, STATES[found.verdict], found.reason)
        t.optimizations.record_evaluations(_evaluations(work, [finalist]))


def _why(work: Optimization) -> str:
    """Why there is no finalist, in words."""
    if work.missing:
        return f"insufficient data: {'; '.join(work.missing)}"
    race = work.now()["race"]
    if race is not None and not race["rounds"]:
        return f"nothing was compared: {work.limits.calls:,} calls and the other limits leave no race; allow for more"
    if race is not None and race["survivors"][:1] not in ([], [work.incumbent.sha256]):
        return "the best candidate lost a part to an erasure since the race; no test item was spent"
    return "no candidate did better than the prompt in force on validation items; no test item was spent"


def gate_id_of(work: Optimization, finalist: Prompt) -> str:
    return sha256(f"{work.id}\x1f{finalist.sha256}".encode()).hexdigest()[:32]


def may_promote(t: Transaction, work: Optimization) -> tuple[bool, str]:
    """Whether the metric may decide, and why not: nearness in meaning never, a judge once calibrated."""
    if isinstance(work.metric, Metric):
        return work.metric.may_gate, "" if work.metric.may_gate else f"metric {work.metric.id} may rank, never decide"
    judge, model = work.metric, work.services.chat.name
    calibration = t.judges.calibration(work.agent, judge.id, judge.version, model)
    if calibration is None:
        return False, f"judge {work.metric.id} was never compared with experts (asset judge_calibration)"
    return calibration.may_gate, "" if calibration.may_gate else calibration.why


def _candidates(work: Optimization) -> tuple[Candidate, ...]:
    """Proposed once by one engine: a second time it would find its share used. Another process gets them anew, from the
    cache, in the same order."""
    if work.proposed is None:
        vectors = _embeddings(work)
        analysis = work.engine.analyze(work.incumbent, work.usable, work.corrections, work.votes, vectors)
        work.proposed = work.engine.propose(work.incumbent, work.usable, work.corrections, analysis, vectors)
    return work.proposed


def _embeddings(work: Optimization) -> dict[str, list[float]]:
    train = [example for example in work.examples if example.split == "train"]
    vectors = work.services.embeddings.embed([example.input for example in train])
    return {example.id: vector.tolist() for example, vector in zip(train, vectors, strict=True)}


def _finalist(work: Optimization) -> Prompt | None:
    if work.carried is not None:
        return work.carried.finalist.prompt
    if work.missing:
        return None
    survivors = work.now()["race"]["survivors"]
    if not survivors or survivors[0] == work.incumbent.sha256:
        return None
    with work.services.store.transaction() as t:
        return t.prompts.prompt(work.agent, survivors[0])


@dataclass(frozen=True)
class OpenTest:
    """A test in the ledger, and what it may spend of the error of all tests."""

    key: str
    level: float


def open_test(t: Transaction, work: Optimization, finalist: Prompt, before: Row | None) -> OpenTest:
    """The test that `before` (its newest gate, nothing decided) was a look at, else a new one.

    Whoever was tested and decided before is tested anew: under another key, since it is one more chance to err.
    """
    metric = work.metric
    measured = (f"{metric.id}-{metric.version}", metric.settings_sha256, work.services.chat.name)
    parts = [work.agent, work.incumbent.sha256, finalist.sha256, *measured]
    key = sha256("\x1f".join(parts).encode()).hexdigest()
    if before is not None:
        key = before["gate_key"] or key
    elif (known := t.prompts.level(key)) is not None and known["verdict"] is not None:
        key = sha256("\x1f".join([*parts, work.id]).encode()).hexdigest()
    number, rejections = t.prompts.open_level(key, work.agent)
    return OpenTest(key, level(number, rejections, work.settings.gate.alpha))


def _evaluations(work: Optimization, written: Sequence[Prompt]) -> list[dict[str, object]]:
    """What prompts that are written answered, for whoever asks later. Steps on the way to a prompt are not."""
    known = {work.incumbent.sha256, *(prompt.sha256 for prompt in written)}
    split = {example.id: example.split for example in work.examples}
    return [
        {
            "agent": work.agent,
            "prompt_version": prompt,
            "example_id": example,
            "metric": work.metric.id,
            "metric_version": work.metric.version,
            "model": work.services.chat.name,
            "output": outcome.text,
            "score": outcome.score,
            "valid": outcome.valid,
            "prompt_tokens": outcome.prompt_tokens,
            "completion_tokens": outcome.completion_tokens,
            "seconds": outcome.seconds,
            "stage": _STAGE.get(split[example], "analysis" if prompt == work.incumbent.sha256 else "reflect"),
        }
        for (prompt, example), outcome in work.engine.outcomes.items()
        if prompt in known and example in split
    ]


_STAGE = {"val": "race", "test": "gate"}


def _rule_counts(work: Optimization, prompts: Sequence[Prompt]) -> list[Rule]:
    return list(count_all([work.incumbent, *prompts], work.engine.outcomes))


def _write(work: Optimization, candidates: Sequence[Candidate]) -> None:
    listed: list[dict[str, object]] = [
        {
            "version": each.prompt.sha256,
            "operator": each.operator,
            "reason": each.reason,
            "findings": list(each.findings),
        }
        for each in candidates
    ]
    with work.services.store.transaction() as t:
        for each in candidates:
            wrote = work.services.chat.name if each.operator in WRITTEN else None
            t.prompts.add(work.agent, each, operator_model=wrote)
        t.optimizations.record_candidates(work.id, listed)


@contextmanager
def _account(work: Optimization, stage: str) -> Iterator[None]:
    """Whatever happens in the stage, what it used is written."""
    try:
        yield
    finally:
        spending.record(work, stage)
