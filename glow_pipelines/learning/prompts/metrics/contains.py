"""`contains` and `regex`: what must stand in an answer, and what must not.

Belongs here: texts and patterns within an answer. Does not belong here: matching a pattern (automaton).
"""

from collections.abc import Mapping
from typing import Any

from glow_pipelines.learning.prompts.metrics.automaton import Automaton, PatternError
from glow_pipelines.learning.prompts.metrics.metric import Metric
from glow_pipelines.learning.prompts.metrics.settings import Settings
from glow_pipelines.learning.prompts.metrics.text import normalize


def contains(settings: Mapping[str, Any] | None = None) -> Metric:
    """1.0 when everything wanted stands in the answer, as whole words, apart from case, Unicode form and white space.

    Settings: `target` true (default when no other text is named): the target must occur; `all`, `any`, `none`: texts
    of which every one, at least one, none must occur; `words` false: inside words too.
    """
    read = Settings("contains", settings)
    every, some, no = (tuple(normalize(each) for each in read.texts(name, 100)) for name in ("all", "any", "none"))
    wants_target = read.flag("target", not (every or some or no))
    words = read.flag("words", True)
    given = read.finish()
    if not (every or some or no or wants_target):
        raise read.wrong("target", False, "true, or texts in all, any or none")
    if blank := [each for each in (*every, *some, *no) if not each]:
        raise read.wrong("all, any, none", blank, "texts that are not only white space")

    def score(answer: str, target: str) -> float:
        plain = normalize(answer)
        wanted = (*every, normalize(target)) if wants_target else every
        found = all(each and occurs(each, plain, words) for each in wanted)
        found = found and (not some or any(occurs(each, plain, words) for each in some))
        return float(found and not any(occurs(each, plain, words) for each in no))

    return Metric("contains", 1, score, settings=given)


def regex(settings: Mapping[str, Any] | None = None) -> Metric:
    """1.0 when the answer matches a pattern. The target is not looked at: a pattern is about form.

    Settings: `pattern` (required, see automaton for what it may hold); `match` 'search' (default) or 'full';
    `ignore_case` false; `negate` true: right when it does not match. Time is linear in the length of the answer
    whatever the pattern, and an answer longer than `LONGEST` characters is wrong unread.
    """
    read = Settings("regex", settings)
    pattern = read.text("pattern", 500)
    full = read.choice("match", ("search", "full"), "search") == "full"
    ignore_case = read.flag("ignore_case", False)
    negate = read.flag("negate", False)
    given = read.finish()
    try:
        automaton = Automaton(pattern, ignore_case)
    except PatternError as wrong:
        raise read.wrong("pattern", pattern, str(wrong)) from None

    def score(answer: str, target: str) -> float:
        found = automaton.matches(answer, full)
        return 0.0 if found is None else float(found != negate)

    return Metric("regex", 1, score, settings=given)


def occurs(part: str, text: str, words: bool) -> bool:
    """Whether a normalized part stands in a normalized text, not continued by letters or digits on either side."""
    at = text.find(part)
    while at >= 0:
        before, after = text[at - 1 : at], text[at + len(part) : at + len(part) + 1]
        joined = (before.isalnum() and part[0].isalnum()) or (after.isalnum() and part[-1].isalnum())
        if not (words and joined):
            return True
        at = text.find(part, at + 1)
    return False
