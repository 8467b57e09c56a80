"""The life of a training run: its states, what may happen in each, and where that leads. Data, and one function on it.

Committing a transition (compare-and-set, with its event) belongs to the store; acting on a state to assets and sensors.
"""

from collections.abc import Mapping
from typing import Final, Literal, get_args

State = Literal[
    "disabled", "insufficient_data", "planned", "priced", "uploaded", "submitting", "submitted", "running", "stalled",
    "trained", "evaluating", "canary", "live",
    "failed", "rejected", "rejected_gate", "refused_budget", "refused_retiring", "blocked", "cancelled", "lost",
    "rolled_back", "superseded",
]  # fmt: skip
Event = Literal[
    "replanned", "dataset_refused", "priced", "budget_refused", "model_retiring", "files_uploaded", "intent_committed",
    "job_found", "outcome_unknown", "rate_limited", "training_not_available", "request_refused",
    "job_progressed", "no_progress", "job_succeeded", "job_failed", "job_vanished", "cancelled",
    "evaluation_started", "gate_passed", "gate_failed", "promoted", "guard_breached", "rolled_back", "superseded",
]  # fmt: skip

_JOB_ENDS: dict[Event, State] = {
    "job_progressed": "running",
    "job_succeeded": "trained",
    "job_failed": "failed",
    "job_vanished": "lost",
    "no_progress": "stalled",
    "cancelled": "cancelled",
}

# In "submitting" nothing is cancelled: whether a paid job exists is not known there, so it is looked for first.
TRANSITIONS: Final[Mapping[State, Mapping[Event, State]]] = {
    "disabled": {"replanned": "planned", "cancelled": "cancelled"},
    "insufficient_data": {"replanned": "planned", "cancelled": "cancelled"},
    "planned": {"priced": "priced", "dataset_refused": "rejected", "cancelled": "cancelled"},
    "priced": {
        "files_uploaded": "uploaded",
        "budget_refused": "refused_budget",
        "model_retiring": "refused_retiring",
        "cancelled": "cancelled",
    },
    "uploaded": {"intent_committed": "submitting", "cancelled": "cancelled"},
    "submitting": {
        "job_found": "submitted",
        "outcome_unknown": "submitting",
        "rate_limited": "uploaded",
        "training_not_available": "blocked",
        "request_refused": "rejected",
    },
    "submitted": _JOB_ENDS,
    "running": _JOB_ENDS,
    "stalled": _JOB_ENDS,
    "trained": {"evaluation_started": "evaluating", "cancelled": "cancelled"},
    "evaluating": {"gate_passed": "canary", "gate_failed": "rejected_gate", "cancelled": "cancelled"},
    "canary": {"promoted": "live", "guard_breached": "rolled_back", "rolled_back": "rolled_back"},
    "live": {"promoted": "live", "rolled_back": "rolled_back", "superseded": "superseded"},
}
STATES: Final[tuple[State, ...]] = get_args(State)
EVENTS: Final[tuple[Event, ...]] = get_args(Event)
TERMINAL: Final[frozenset[State]] = frozenset(STATES) - frozenset(TRANSITIONS)


class IllegalTransitionError(ValueError):
    """An event that may not happen in this state."""


def transition(state: State, event: Event) -> State:
    """The state after `event`. Raises IllegalTransitionError, which names what would be legal."""
    legal = TRANSITIONS.get(state, {})
    if event not in legal:
        accepted = ", ".join(legal) or "nothing: it is final"
        raise IllegalTransitionError(
            f"{event!r} cannot happen to a training run that is {state!r}; accepted: {accepted}"
        )
    return legal[event]


Phase = Literal["waiting", "running", "pausing", "paused", "stopping", "succeeded", "failed", "cancelled", "unknown"]

# The words of all services in one table: they do not collide, and a word of one is never an end under another.
_PHASES: dict[Phase, tuple[str, ...]] = {
    "waiting": (
        "validating_files", "queued", "pending", "JOB_STATE_CREATING", "JOB_STATE_PENDING", "JOB_STATE_VALIDATING",
        "JOB_STATE_CREATING_INPUT_DATASET", "JOB_STATE_RE_QUEUEING",
    ),
    "running": ("running", "compressing", "uploading", "JOB_STATE_RUNNING", "JOB_STATE_WRITING_RESULTS"),
    "pausing": ("pausing", "JOB_STATE_PAUSING"),
    "paused": ("paused", "JOB_STATE_PAUSED", "JOB_STATE_IDLE"),
    "stopping": ("cancelling", "cancel_requested", "JOB_STATE_CANCELLING", "JOB_STATE_DELETING"),
    "succeeded": ("succeeded", "completed", "JOB_STATE_COMPLETED", "JOB_STATE_EARLY_STOPPED"),
    "failed": ("failed", "error", "user_error", "JOB_STATE_FAILED", "JOB_STATE_EXPIRED"),
    "cancelled": ("cancelled", "canceled", "JOB_STATE_CANCELLED", "JOB_STATE_DELETING_CLEANING_UP"),
}  # fmt: skip
_PHASE_OF = {word: phase for phase, words in _PHASES.items() for word in words}


def phase_of_status(status: str) -> Phase:
    """What a service's word for a job means; "unknown" for a word nobody knew yet, which is to be told, not feared."""
    return _PHASE_OF.get(status, "unknown")


def event_of_status(status: str) -> Event:
    """What a service's job status means. An unknown status is progress, never an end: services add statuses."""
    ends: dict[Phase, Event] = {"succeeded": "job_succeeded", "failed": "job_failed", "cancelled": "job_failed"}
    return ends.get(phase_of_status(status), "job_progressed")


def submission_step(
    jobs_found: int, seconds_since_intent: float, polls: int, *, grace_seconds: float = 120, grace_polls: int = 3
) -> Literal["adopt", "wait", "post"]:
    """What to do in "submitting" after an unknown outcome, having listed the service's jobs by run key `polls` times.

    A list may lag behind a create. With 1 s of lag, 0.3 s of grace bought two jobs and 3 s bought one.
    """
    if jobs_found:
        return "adopt"
    return "post" if seconds_since_intent > grace_seconds and polls >= grace_polls else "wait"
