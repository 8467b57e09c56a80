"""S3. Claim: in the world of rules our engine with gepa's proposals ends at most a point below gepa alone, at equal
total calls, and what it claims comes true.

Real gepa 0.1.4 either way, with the same mock reflection. Alone it spends all calls and returns the best of its
validation set. Ours gives it a share on train items only, races its best candidates on validation items and tests the
winner on test items; reflections count as calls on both sides. `finalist` is the prompt that came out of the race,
`deployed` what a user would have afterwards: the finalist where the gate passed, else the seed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np

from benchmarks.prompting.rule_world import (
    RIGHT,
    MockReflection,
    RuleModel,
    RuleWorld,
    rule_world,
    said_in,
    seed_prompt,
)
from glow_pipelines.learning.prompts import Budget, OptimizerSettings
from glow_pipelines.learning.prompts.evaluate import Evaluator
from glow_pipelines.learning.prompts.gate import gate
from glow_pipelines.learning.prompts.metrics import metric_named
from glow_pipelines.learning.prompts.order import shuffled, stratified
from glow_pipelines.learning.prompts.race import race
from glow_pipelines.learning.prompts.types import Candidate, Example, Prompt

BUDGETS = (300, 600, 1200, 2400)
MINIBATCH = 3
HELD = 20  # train items on which gepa compares its candidates when it only proposes; 40 leave it too few steps
FRONT = 4  # candidates it hands to the race
REFLECT_SHARE, RACE_SHARE = 0.60, 0.20  # the gate has the rest
WEAK = 0.80  # share of hallucinated rules of a weak reflector
LABEL_NOISE = 0.10


def simulate(full: bool) -> dict[str, Any]:
    """Mean true accuracy in points by calls and optimizer, with claims; unfavourable settings at 1,200 calls."""
    seeds, budgets = (range(16), BUDGETS) if full else (range(2), (300,))
    found: dict[str, Any] = {"seeds": len(seeds)}
    found["accuracy of the seed"] = _points([rule_world(seed).accuracy(()) for seed in seeds])
    found["oracle"] = _points([rule_world(seed).oracle() for seed in seeds])
    for calls in budgets:
        found[f"{calls} calls"] = _compare(seeds, calls)
    if full:
        found["1200 calls, weak reflector"] = _compare(seeds, 1200, hallucinated=WEAK)
        found["1200 calls, 10 % of labels wrong"] = _compare(seeds, 1200, label_noise=LABEL_NOISE)
    return found


def _compare(seeds: Sequence[int], calls: int, hallucinated: float = 0.35, label_noise: float = 0.0) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for val in (100, 40):
        runs = [alone(rule_world(seed, label_noise), calls, val, seed, hallucinated) for seed in seeds]
        found[f"gepa, val {val}"] = _summary(runs)
    for name, unite in (("glow with gepa", False), ("glow with gepa, rules united", True)):
        found[name] = _summary(
            [ours(rule_world(seed, label_noise), calls, seed, hallucinated, unite) for seed in seeds]
        )
    return found


@dataclass(frozen=True)
class Run:
    """What came of one optimization, in accuracies."""

    start: float
    finalist: float
    deployed: float
    claimed: float | None  # None: nothing was claimed
    calls: int


def _summary(runs: Sequence[Run]) -> dict[str, float | None]:
    told = [run for run in runs if run.claimed is not None]
    true = float(np.mean([run.deployed - run.start for run in told])) if told else 0.0
    return {
        "finalist": _points([run.finalist for run in runs]),
        "standard error": round(100 * float(np.std([run.finalist for run in runs])) / len(runs) ** 0.5, 1),
        "deployed": _points([run.deployed for run in runs]),
        "promoted": round(len(told) / len(runs), 2),
        "claimed": _points([cast(float, run.claimed) for run in told]) if told else None,
        "claimed over true": round(float(np.mean([cast(float, run.claimed) for run in told])) / true, 2)
        if true
        else None,
        "calls": round(float(np.mean([run.calls for run in runs]))),
    }


def alone(world: RuleWorld, calls: int, val: int, seed: int, hallucinated: float) -> Run:
    """gepa as its users run it: the best of validation is the result, its validation gain the claim."""
    splits = _splits(world)
    search = Search(world, MockReflection(world, np.random.default_rng([seed, calls]), hallucinated))
    result = search.run(splits["train"], splits["val"][:val], calls, seed, overshoot=True)
    best = int(np.argmax(result.val_aggregate_scores))
    found = world.accuracy(said_in(result.candidates[best]["rules"]))
    claimed = result.val_aggregate_scores[best] - result.val_aggregate_scores[0]
    return Run(world.accuracy(()), found, found, claimed, search.calls)


def ours(world: RuleWorld, calls: int, seed: int, hallucinated: float, unite: bool) -> Run:
    """gepa proposes from train, our race chooses on validation, our gate tests on test items. `unite` adds one arm: the
    rules of all that gepa kept, together."""
    splits, start = _splits(world), seed_prompt()
    search = Search(world, MockReflection(world, np.random.default_rng([seed, calls]), hallucinated))
    train = splits["train"]
    result = search.run(train[HELD:], train[:HELD], int(calls * REFLECT_SHARE), seed)
    incumbent = Candidate(start, "incumbent", start.sha256)
    proposed = [
        Candidate(Prompt(text, choices=start.choices, max_tokens=start.max_tokens), "reflect", start.sha256)
        for text in [*(_united(result) if unite else []), *_best(result)]
        if text != start.instruction
    ][:FRONT]
    rng, settings = np.random.default_rng([seed, 1]), OptimizerSettings()
    evaluator = Evaluator(RuleModel(world), metric_named("label"), Budget(calls - search.calls))
    raced = race(incumbent, proposed, stratified(splits["val"], rng), evaluator, settings, int(calls * RACE_SHARE))
    best = next(each for each in [incumbent, *proposed] if each.prompt.sha256 == raced.survivors[0])
    finalist = world.accuracy(said_in(best.prompt.instruction))
    deployed, claimed = world.accuracy(()), None
    if best is not incumbent:
        tests = shuffled(splits["test"], rng)
        found = gate(start, best.prompt, tests, evaluator, settings.gate, evaluator.budget.remaining)
        if found.verdict == "promote":
            deployed, claimed = finalist, found.claimed_gain
    return Run(world.accuracy(()), finalist, deployed, claimed, search.calls + evaluator.evaluations)


@dataclass
class Search:
    """gepa's side: an adapter that answers from the world, and a stop before the first call too many."""

    world: RuleWorld
    reflection: MockReflection
    asked: int = 0
    limit: int = field(default=0)
    propose_new_texts: Any = None  # gepa looks whether an adapter writes by itself

    @property
    def calls(self) -> int:
        return self.asked + self.reflection.calls

    def run(
        self, train: Sequence[Example], val: Sequence[Example], calls: int, seed: int, overshoot: bool = False
    ) -> Any:
        """gepa's own result."""
        from gepa.api import optimize

        self.limit, reserve = calls, 1 if overshoot else 2 * MINIBATCH + 1 + len(val)
        return optimize(
            seed_candidate={"rules": seed_prompt().instruction},
            trainset=list(train),
            valset=list(val),
            adapter=cast(Any, self),
            custom_candidate_proposer=self.propose,
            reflection_minibatch_size=MINIBATCH,
            # It looks before an iteration only. Ours leaves room for two minibatches, a reflection and a validation;
            # alone it goes over its limit, as it does by itself.
            stop_callbacks=lambda state: self.calls + reserve > self.limit,
            logger=_Silence(),
            seed=seed,
        )

    def evaluate(self, batch: list[Example], candidate: dict[str, str], capture_traces: bool = False) -> Any:
        from gepa.core.adapter import EvaluationBatch

        self.asked += len(batch)
        said = said_in(candidate["rules"])
        scores = [float(self.world.right(said, each.input) == (each.target == RIGHT)) for each in batch]
        return EvaluationBatch(
            outputs=[None] * len(batch), scores=scores, trajectories=list(zip(batch, scores, strict=True))
        )

    def make_reflective_dataset(
        self, candidate: dict[str, str], eval_batch: Any, components_to_update: list[str]
    ) -> Mapping[str, Sequence[Mapping[str, Any]]]:
        failed = [{"Inputs": each.input} for each, score in eval_batch.trajectories if score < 1]
        return dict.fromkeys(components_to_update, failed)

    def propose(
        self,
        candidate: dict[str, str],
        reflective_dataset: Mapping[str, Sequence[Mapping[str, Any]]],
        components_to_update: list[str],
    ) -> dict[str, str]:
        text = candidate["rules"]
        failed = [str(record["Inputs"]) for record in reflective_dataset["rules"]]
        rule = self.reflection(said_in(text), failed)
        return {"rules": text if rule in text else f"{text}\n- {rule}"}


def _best(result: Any) -> list[str]:
    """gepa's candidates, best on the held items first."""
    order = np.argsort(result.val_aggregate_scores, kind="stable")[::-1]
    return list(dict.fromkeys(result.candidates[index]["rules"] for index in order))


def _united(result: Any) -> list[str]:
    """The rules of all candidates that did no worse on the held items for their last rule, in one prompt."""
    scores, kept = result.val_aggregate_scores, dict[str, None]()
    for index, parents in enumerate(result.parents):
        if parents[0] is not None and scores[index] >= scores[parents[0]]:
            before = said_in(result.candidates[parents[0]]["rules"])
            kept.update((rule, None) for rule in said_in(result.candidates[index]["rules"]) if rule not in before)
    return ["\n- ".join([seed_prompt().instruction, *kept])] if len(kept) > 1 else []


class _Silence:
    def log(self, message: str) -> None: ...


def _splits(world: RuleWorld) -> dict[str, list[Example]]:
    return {name: [each for each in world.examples if each.split == name] for name in ("train", "val", "test")}


def _points(accuracies: Sequence[float]) -> float:
    return round(100 * float(np.mean(accuracies)), 2)
