"""`FineTuner`: from approved training lines to a plan that says whether a run may start, why not, and what it costs.

Pure: nothing is uploaded here (providers/tuning), nothing recorded (store/models.py), nothing waited for (sensors).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from glow_pipelines.learning.datasets.text import digest
from glow_pipelines.learning.models.capabilities import hyperparameter_problems
from glow_pipelines.learning.models.formats import line_problems, size_problems
from glow_pipelines.learning.models.prices import price_of
from glow_pipelines.learning.models.split import LineError, split_lines
from glow_pipelines.learning.models.types import (
    FineTuningOptions,
    PlanState,
    TrainingLine,
    TrainingPlan,
    TrainingSplit,
    TuningCapabilities,
)

_AUTO_EPOCHS = 3  # what services mostly choose for "auto"
_Obstacle = tuple[PlanState, str]


def manifest_sha256(train: Sequence[TrainingLine], validation: Sequence[TrainingLine] = ()) -> str:
    """Hash over the ordered example ids and the hashes of their lines: names the content of a training run.

    Which lines validate is part of it: the same lines split otherwise are another run, and other files.
    """
    parts = [part for line in train for part in (line.example_id, digest(line.text))]
    held = [part for line in validation for part in (line.example_id, digest(line.text))]
    return digest(*parts, *(("validation", *held) if held else ()))


def run_key(
    agent: str,
    manifest: str,
    provider: str,
    base_model: str,
    method: str,
    hyperparameters: Mapping[str, int | float | str],
    attempt: int = 1,
) -> str:
    """sha256 over all that determines a run. Equal inputs buy one job; a deliberate repeat is another attempt."""
    return digest(
        agent, manifest, provider, base_model, method, json.dumps(dict(hyperparameters), sort_keys=True), str(attempt)
    )


@dataclass(frozen=True)
class FineTuner:
    """Plans training runs under the settings for a tuning service. `token_counter` says how lines were counted."""

    options: FineTuningOptions
    capabilities: TuningCapabilities
    token_counter: str = "estimate"

    def plan(self, agent: str, lines: Sequence[TrainingLine], attempt: int = 1) -> TrainingPlan:
        """The plan for these lines in this order. Never raises for what a user may have: the state and reason tell it.

        `disabled` while switched off or without a service, `insufficient_data` below the minimum, `blocked` where the
        service could not take it, else `planned`. Counts, tokens and cost are told in every state.
        """
        options, service = self.options, self.capabilities
        split, obstacles = self._split(lines)
        obstacles = [*self._switched_off(), *self._too_few(lines, split), *obstacles, *self._cannot(split)]
        tokens = sum(line.tokens for line in split.train) * self._epochs()
        price = price_of(service.provider, self.base_model)
        cost = tokens * price.usd_per_million_tokens / 1e6 if price else None
        manifest = manifest_sha256(split.train, split.validation) if split.train else manifest_sha256(lines)
        told = f"about ${cost:,.2f} (price of {price.as_of})" if price and cost is not None else "at an unknown price"
        ready = f"{len(split.train)} examples to train on and {len(split.validation)} to validate, {told}"
        return TrainingPlan(
            state=obstacles[0][0] if obstacles else "planned",
            reason="; ".join(reason for _, reason in obstacles) or ready,
            agent=agent,
            provider=service.provider,
            base_model=self.base_model,
            method=options.method,
            hyperparameters=dict(options.hyperparameters),
            manifest_sha256=manifest,
            run_key=run_key(
                agent,
                manifest,
                service.provider,
                self.base_model,
                options.method,
                options.hyperparameters,
                attempt,
            ),
            train_count=len(split.train),
            validation_count=len(split.validation),
            estimated_tokens=tokens,
            estimated_cost_usd=cost,
            split=split,
            token_counter=self.token_counter,
        )

    @property
    def base_model(self) -> str:
        """The model asked for, else the service's own choice, else nothing."""
        return self.options.base_model or self.capabilities.default_base_model or ""

    def _split(self, lines: Sequence[TrainingLine]) -> tuple[TrainingSplit, list[_Obstacle]]:
        try:
            return split_lines(lines, self.options.validation_split), []
        except LineError as problem:
            return TrainingSplit((), ()), [("blocked", str(problem))]

    def _switched_off(self) -> list[_Obstacle]:
        found: list[_Obstacle] = []
        if not self.options.enabled:
            found.append(("disabled", "training is switched off; set OPENAI_FINE_TUNING_ENABLED=true to allow it"))
        if not self.capabilities.enabled:
            found.append(("disabled", self.capabilities.reason))
        return found

    def _too_few(self, lines: Sequence[TrainingLine], split: TrainingSplit) -> list[_Obstacle]:
        wanted, needed = self.options.minimum_examples, self.capabilities.minimum_examples
        if len(lines) < wanted:
            return [("insufficient_data", f"{len(lines)} approved examples of {wanted} (FINE_TUNING_MIN_EXAMPLES)")]
        if 0 < len(split.train) < needed:
            told = f"{len(split.train)} of {needed} examples that {self.capabilities.provider} trains on at least"
            return [("insufficient_data", f"after the split there are {told}")]
        return []

    def _cannot(self, split: TrainingSplit) -> list[_Obstacle]:
        service, found = self.capabilities, list[_Obstacle]()
        if not self.base_model:
            found.append(("blocked", "no base model; set GLOW_FINE_TUNING_BASE_MODEL"))
        if self.options.method not in service.methods and service.enabled:
            able = ", ".join(sorted(service.methods))
            found.append(("blocked", f"{service.provider} does not train by {self.options.method!r}; it offers {able}"))
        if self.options.method == "reinforcement" and not self.options.grader:
            found.append(("blocked", "reinforcement needs a grader that scores the answers"))
        wrong = hyperparameter_problems(service, self.options.method, self.options.hyperparameters)
        found += [("blocked", each) for each in wrong]
        if service.enabled and self.options.method in service.methods and split.train:
            found += [("blocked", each) for each in self._refused_lines(split)]
        return found

    def _refused_lines(self, split: TrainingSplit) -> list[str]:
        """What the service would refuse of the files: the first problems by example, and how many there are."""
        method, service = self.options.method, self.capabilities
        found = [
            f"example {line.example_id!r}: {problem.field or 'line'} = {problem.value}: {problem.remedy}"
            for line in (*split.train, *split.validation)
            for problem in line_problems(line.text, method, service)
        ]
        # Too few examples is said elsewhere, as what it is: no refusal but patience.
        whole = [
            f"the file has {problem.value} {problem.field}; {problem.remedy}"
            for problem in size_problems([line.text for line in split.train], method, service)
            if not (problem.field == "examples" and len(split.train) < service.minimum_examples)
        ]
        more = [f"and {len(found) - 3} more problems"] if len(found) > 3 else []
        return [*whole, *found[:3], *more]

    def _epochs(self) -> int:
        epochs = self.options.hyperparameters.get("n_epochs", _AUTO_EPOCHS)
        return epochs if isinstance(epochs, int) else _AUTO_EPOCHS
