"""The only sentences the template operators write. Lint knows them, so a user who repeats one blocks nothing."""

from collections.abc import Sequence

ROLE, TASK, ALLOWED, OUTPUT = "Role:", "Task:", "Allowed answers:", "Output:"
OUTPUT_LINE = "One of the allowed answers, exactly as written above, and nothing else."


def answer_line(choices: Sequence[str]) -> str:
    return f"Answer with exactly one of: {', '.join(choices)}."


def allowed_line(choices: Sequence[str]) -> str:
    return f"{ALLOWED} {', '.join(choices)}."


def written_lines(choices: Sequence[str] | None) -> frozenset[str]:
    """Every line the operators may add for this contract."""
    named = tuple(choices or ())
    listed = {f"- {choice}" for choice in named}
    return frozenset({ROLE, TASK, ALLOWED, OUTPUT, OUTPUT_LINE, answer_line(named), allowed_line(named), *listed})
