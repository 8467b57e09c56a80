"""The training run's state machine: only the specified transitions exist, and no walk reaches what it must not."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glow_pipelines.learning.models.states import (
    EVENTS,
    STATES,
    TERMINAL,
    TRANSITIONS,
    Event,
    IllegalTransitionError,
    State,
    event_of_status,
    submission_step,
    transition,
)

SPECIFIED_TERMINAL = {
    "failed", "rejected", "rejected_gate", "refused_budget", "refused_retiring", "blocked", "cancelled", "lost",
    "rolled_back", "superseded",
}  # fmt: skip
# Written out a second time, by hand from the specification: who may come directly before whom.
BEFORE: dict[str, set[str]] = {
    "submitting": {"uploaded", "submitting"},
    "submitted": {"submitting"},
    "trained": {"submitted", "running", "stalled"},
    "evaluating": {"trained"},
    "canary": {"evaluating"},
    "live": {"canary", "live"},
    "blocked": {"submitting"},
    "rolled_back": {"canary", "live"},
    "rejected_gate": {"evaluating"},
    "lost": {"submitted", "running", "stalled"},
}


@given(st.sampled_from(STATES), st.sampled_from(EVENTS))
def test_an_event_is_in_the_table_or_refused(state: State, event: Event) -> None:
    if event in TRANSITIONS.get(state, {}):
        assert transition(state, event) in STATES
    else:
        with pytest.raises(IllegalTransitionError, match=event):
            transition(state, event)


@settings(max_examples=200)
@given(st.lists(st.integers(0, 10_000), max_size=40), st.lists(st.sampled_from(EVENTS), max_size=10))
def test_no_walk_makes_an_illegal_step(choices: list[int], stray: list[Event]) -> None:
    """Walks follow legal events; stray ones are thrown in and must change nothing or be legal too."""
    state: State = "planned"
    path = [state]
    for choice in choices:
        if stray and choice % 3 == 0:
            try:
                state = transition(state, stray[choice % len(stray)])
            except IllegalTransitionError:
                continue
        elif legal := list(TRANSITIONS.get(state, {})):
            state = transition(state, legal[choice % len(legal)])
        path.append(state)
    for before, after in pairwise(path):
        assert before not in SPECIFIED_TERMINAL or before == after
        assert after not in BEFORE or before == after or before in BEFORE[after]
    if "live" in path:
        order = [path.index(step) for step in ("submitting", "submitted", "trained", "evaluating", "canary", "live")]
        assert order == sorted(order)


def test_terminal_states_are_the_specified_ones() -> None:
    assert set(TERMINAL) == SPECIFIED_TERMINAL


def test_every_state_is_reachable_and_can_end() -> None:
    def reach(start: State) -> set[State]:
        seen, todo = {start}, [start]
        while todo:
            for after in TRANSITIONS.get(todo.pop(), {}).values():
                if after not in seen:
                    seen.add(after)
                    todo.append(after)
        return seen

    assert reach("planned") | reach("disabled") | reach("insufficient_data") == set(STATES)
    assert all(reach(state) & TERMINAL for state in STATES)


def test_every_event_is_used() -> None:
    assert {event for legal in TRANSITIONS.values() for event in legal} == set(EVENTS)


def test_a_run_whose_job_may_exist_cannot_be_cancelled_unseen() -> None:
    with pytest.raises(IllegalTransitionError, match="accepted: job_found, outcome_unknown"):
        transition("submitting", "cancelled")


@pytest.mark.parametrize("status", ["validating_files", "queued", "running", "pausing", "paused", "not yet invented"])
def test_unknown_statuses_never_end_a_run(status: str) -> None:
    assert transition("running", event_of_status(status)) == "running"


def test_ended_statuses_end_it() -> None:
    assert [transition("running", event_of_status(s)) for s in ("succeeded", "failed", "cancelled")] == [
        "trained",
        "failed",
        "failed",
    ]


@given(st.integers(0, 3), st.floats(0, 1e6), st.integers(0, 100))
def test_nothing_is_posted_again_before_the_grace_is_over_or_when_a_job_exists(
    found: int, seconds: float, polls: int
) -> None:
    step = submission_step(found, seconds, polls)
    assert (step == "adopt") == (found > 0)
    assert step != "post" or (seconds > 120 and polls >= 3)


def test_it_is_posted_again_in_the_end() -> None:
    assert submission_step(0, 121, 3) == "post"
