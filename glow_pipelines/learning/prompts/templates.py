"""The only sentences the template operators write. Lint knows them, so a user who repeats one blocks nothing."""

import re
from collections.abc import Mapping, Sequence

ROLE, TASK, LIMITS, ALLOWED, OUTPUT = "Role:", "Task:", "Limits:", "Allowed answers:", "Output:"
OUTPUT_LINE = "One of the allowed answers, exactly as written above, and nothing else."


def answer_line(choices: Sequence[str]) -> str:
    return f"Answer with exactly one of: {', '.join(choices)}."


def allowed_line(choices: Sequence[str]) -> str:
    return f"{ALLOWED} {', '.join(choices)}."


def written_lines(choices: Sequence[str] | None) -> frozenset[str]:
    """Every line the operators may add for this contract."""
    named = tuple(choices or ())
    listed = {f"- {choice}" for choice in named}
    return frozenset(
        {ROLE, TASK, LIMITS, ALLOWED, OUTPUT, OUTPUT_LINE, answer_line(named), allowed_line(named), *listed}
    )


ADVICE: Mapping[str, str] = {
    "format:json": "Answer with one JSON value and put nothing around it.",
    "format:number": "Answer with the number alone, without words around it.",
    "format:line": "Answer in one line.",
    "fault:missing": "Answer every part of what is asked and leave none out.",
    "fault:wrong_value": "Check each number, date and name against the input before you answer.",
    "fault:hallucination": "Use what the input says and add nothing to it.",
    "fault:format": "Write numbers, dates and units in one and the same form.",
    "fault:tone": "Keep a plain, polite and professional tone.",
    "fault:policy": "Name the rule or condition that the answer depends on.",
}
"""Rules for free-text answers, by their ids. Nothing in them comes from a user."""

_MOST_WORDS = re.compile(r"Use at most \d{1,4} words\.")
_FIELDS = re.compile(r"Give these fields: [A-Za-z]\w{0,29}(?:, [A-Za-z]\w{0,29})*\.")


def most_words_line(most: int) -> str:
    return f"Use at most {most} words."


def fields_line(names: Sequence[str]) -> str:
    return f"Give these fields: {', '.join(names)}."


def is_written(line: str, choices: Sequence[str] | None) -> bool:
    """Whether the operators write such a line for this contract."""
    if line in written_lines(choices) or line in ADVICE.values():
        return True
    return bool(_MOST_WORDS.fullmatch(line) or _FIELDS.fullmatch(line))
