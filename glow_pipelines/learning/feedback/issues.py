"""The vocabulary of issues a user may tick.

Belongs here: the names and one sentence each. Does not belong here: counting them (summary), or guessing an issue
from an edit (datasets/patterns).
"""

from collections.abc import Mapping
from types import MappingProxyType

STANDARD_ISSUES: Mapping[str, str] = MappingProxyType(
    {
        "wrong_answer": "The answer is not the right one.",
        "incomplete": "The answer is right as far as it goes and leaves out something needed.",
        "outdated": "The answer was right once and no longer is.",
        "wrong_source": "The answer leans on a document that does not support it.",
        "irrelevant": "The answer does not address what was asked.",
        "unclear": "The answer cannot be understood without guessing.",
        "format": "The content is right and its form is not: layout, units, JSON, length.",
        "tone": "The wording is unsuitable for the reader.",
        "policy": "The answer breaks a rule of the company.",
        "hallucination": "The answer states something that no source says.",
        "other": "Something else, told in the comment.",
    }
)
