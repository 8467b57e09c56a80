"""A training run between the store, the engine and the service.

Belongs here: planning a run, and its way up to the submitted job. Does not: Dagster (models.py), what is legal
(learning/models), the wire (providers/tuning). What comes after submission is watched by a sensor, never waited for.
"""

from dataclasses import asdict

from glow_pipelines.learning.datasets import sft_line
from glow_pipelines.learning.models import FineTuner, FineTuningOptions, TrainingLine, TrainingPlan
from glow_pipelines.learning.models import training_file as encode
from glow_pipelines.learning.models.states import State, transition
from glow_pipelines.providers.tuning import (
    OutcomeUnknownError,
    TrainingBlockedError,
    TrainingRejectedError,
    TuningBusyError,
    TuningRequest,
    tuning_service,
)
from glow_pipelines.providers.tuning.tokenizers import token_counter
from glow_pipelines.services import Services


def plan_run(services: Services, agent: str, base_model: str | None = None) -> TrainingPlan | None:
    """Plan the run of the agent's newest dataset and record it once; None without a dataset.

    `base_model` is the one somebody asked for; without it, that of the settings.
    """
    settings = services.settings
    with services.store.transaction() as t:
        dataset = t.datasets.in_force(agent)
        if dataset is None:
            return None
        rows = [row for row in t.datasets.rows(dataset["dataset_id"]) if row.split != "test"]
        prompt = t.prompts.in_force(agent)
    texts = [(row, sft_line(row, "" if prompt is None else prompt.prompt.system)) for row in rows]
    service = tuning_service(settings).capabilities
    wanted = base_model or settings.fine_tuning_base_model
    counter = token_counter(service.provider, wanted or "", settings)
    lines = [TrainingLine(row.example.id, row.example.group, text, counter.line(text)) for row, text in texts]
    options = FineTuningOptions(
        enabled=settings.fine_tuning_enabled,
        minimum_examples=settings.fine_tuning_min_examples,
        validation_split=settings.fine_tuning_validation_split,
        base_model=wanted,
    )
    plan = FineTuner(options, service, counter.name).plan(agent, lines)
    with services.store.transaction() as t:
        t.models.plan_run(
            plan.run_key,
            agent,
            dataset["dataset_id"],
            plan.provider,
            plan.base_model or "none",
            plan.state,
            plan.reason,
            plan.manifest_sha256,
            {key: value for key, value in asdict(plan).items() if key != "split"},
        )
        row = t.models.run(plan.run_key)
        if row is not None and plan.state == "planned" and row["state"] in ("disabled", "insufficient_data"):
            t.models.move_run(plan.run_key, row["state"], transition(row["state"], "replanned"), plan.reason, {}, None)
    return plan


def submit_run(services: Services, plan: TrainingPlan) -> tuple[str, str]:
    """Take a planned run to its job: price, upload, commit the intent, submit. Returns the state reached and why.

    The intent is committed before the POST, and the service is asked for a job of this run before any other POST: a
    crash in between finds the job again instead of paying for a second one.
    """
    service = tuning_service(services.settings)
    state = _state(services, plan)
    if state == "planned":
        state = _move(services, plan, state, "priced", {"usd": plan.estimated_cost_usd})
    if state == "priced":
        state = _move(services, plan, state, "files_uploaded", {})
    if state not in ("uploaded", "submitting"):
        return state, plan.reason
    try:
        mark = service.capabilities.byte_order_mark
        name, held = plan.manifest_sha256[:16], plan.split.validation
        train = service.upload(encode(plan.split.train, byte_order_mark=mark), f"{name}-train.jsonl")
        validation = None
        if held:
            validation = service.upload(encode(held, byte_order_mark=mark), f"{name}-validation.jsonl")
        if state == "uploaded":
            state = _move(services, plan, state, "intent_committed", {"training_file": train})
        job = service.submit(
            TuningRequest(
                plan.run_key,
                plan.manifest_sha256,
                plan.base_model,
                train,
                validation,
                plan.method,
                plan.hyperparameters,
                plan.agent,
            )
        )
    except TrainingBlockedError as error:
        return _stop(services, plan, state, "training_not_available", str(error))
    except TrainingRejectedError as error:
        return _stop(services, plan, state, "request_refused", str(error))
    except TuningBusyError as error:
        return _stop(services, plan, state, "rate_limited", str(error))
    except OutcomeUnknownError as error:
        return state, f"not known whether the job exists; it is looked for before anything is paid again: {error}"
    return _move(services, plan, state, "job_found", {"job": job}, job), f"job {job}"


def _state(services: Services, plan: TrainingPlan) -> State:
    with services.store.transaction() as t:
        row = t.models.run(plan.run_key)
    assert row is not None
    state: State = row["state"]
    return state


def _stop(services: Services, plan: TrainingPlan, state: State, event: str, reason: str) -> tuple[str, str]:
    if state == "uploaded":  # nothing was asked for yet: the next turn tries again
        return state, reason
    return _move(services, plan, state, event, {"reason": reason}), reason


def _move(
    services: Services, plan: TrainingPlan, state: State, event: str, detail: dict[str, object], job: str | None = None
) -> State:
    to_state = transition(state, event)  # type: ignore[arg-type]
    with services.store.transaction() as t:
        moved = t.models.move_run(plan.run_key, state, to_state, event, detail, job)
    return to_state if moved else _state(services, plan)
