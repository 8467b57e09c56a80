"""Jobs, events, checkpoints and lists in OpenAI's form.

Belongs here: values into JSON objects, errors, pages. Does not: routes.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.responses import JSONResponse, Response

from glow_pipelines.providers.local.tuning.jobs import Job
from glow_pipelines.providers.local.tuning.registry import Checkpoint, TunedModel

_METRICS = (
    *("step", "train_loss", "train_mean_token_accuracy", "valid_loss", "valid_mean_token_accuracy"),
    *("full_valid_loss", "full_valid_mean_token_accuracy"),
)


def job_object(job: Job) -> dict[str, Any]:
    """A fine_tuning.job."""
    kind = {"hyperparameters": dict(job.hyperparameters)}
    return {
        "id": job.id,
        "object": "fine_tuning.job",
        "created_at": int(job.created),
        "error": job.error,
        "fine_tuned_model": job.fine_tuned_model,
        "finished_at": None if job.finished is None else int(job.finished),
        "hyperparameters": dict(job.hyperparameters),
        "model": job.model,
        "organization_id": "org-local",
        "result_files": list(job.result_files),
        "seed": job.seed,
        "status": job.status,
        "trained_tokens": job.trained_tokens,
        "training_file": job.training_file,
        "validation_file": job.validation_file,
        "estimated_finish": None,
        "integrations": [],
        "metadata": job.metadata,
        "method": {"type": job.method, job.method: kind},
    }


def event_object(event: Mapping[str, Any]) -> dict[str, Any]:
    """A fine_tuning.job.event."""
    shown = {name: event[name] for name in ("id", "level", "type", "message", "data")}
    return {**shown, "object": "fine_tuning.job.event", "created_at": int(event["at"])}


def checkpoint_object(checkpoint: Checkpoint) -> dict[str, Any]:
    """A fine_tuning.job.checkpoint."""
    job, metrics = checkpoint.model.job, checkpoint.metrics
    return {
        "id": f"ftckpt_{job.id.removeprefix('ftjob-')}_{checkpoint.step}",
        "object": "fine_tuning.job.checkpoint",
        "created_at": int(checkpoint.model.created),
        "fine_tuned_model_checkpoint": checkpoint.model.name,
        "fine_tuning_job_id": job.id,
        "metrics": {name: metrics[name] for name in _METRICS if isinstance(metrics.get(name), int | float)},
        "step_number": checkpoint.step,
    }


def model_object(model: TunedModel) -> dict[str, Any]:
    """A model that was trained here; it is not announced to be shut down."""
    return {
        "id": model.name,
        "object": "model",
        "created": int(model.created),
        "owned_by": "local",
        "shutdown_date": None,
    }


def page(objects: Sequence[dict[str, Any]], query: Mapping[str, str], most: int = 100, usual: int = 20) -> Response:
    """The objects after the cursor `after`, `limit` of them. A cursor nobody knows is an error, not the first page."""
    try:
        limit = int(query.get("limit", usual))
    except ValueError:
        limit = 0
    if not 1 <= limit <= most:
        return refusal(400, f"limit: give a whole number from 1 to {most}", "limit")
    start, after = 0, query.get("after")
    if after:
        start = next((place + 1 for place, each in enumerate(objects) if each["id"] == after), 0)
        if not start:
            return refusal(400, f"after: {after[:60]!r} is in no list asked for so", "after")
    data = list(objects[start : start + limit])
    ends = {"first_id": data[0]["id"] if data else None, "last_id": data[-1]["id"] if data else None}
    return JSONResponse({"object": "list", "data": data, **ends, "has_more": start + limit < len(objects)})


def refusal(status: int, message: str, parameter: str | None = None, code: str | None = None) -> Response:
    """An error in OpenAI's form."""
    kind = "server_error" if status >= 500 else "invalid_request_error"
    error = {"message": message, "type": kind, "param": parameter, "code": code}
    return JSONResponse({"error": error}, status_code=status)
