"""Advice: rules for free-text answers, from what is wrong with them.

Belongs here: faults → rules of templates. No word of a user enters: what is taken from targets is how long they are,
whether they are numbers or JSON, and names of fields that experts use. Does not belong here: telling faults (faults),
changing prompts (clarify).
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from glow_pipelines.learning.prompts.evidence import Correction, Example
from glow_pipelines.learning.prompts.faults import faults, is_json, is_number
from glow_pipelines.learning.prompts.influence import QUORUM, Support, quorum
from glow_pipelines.learning.prompts.performance import Analysis
from glow_pipelines.learning.prompts.prompt import Rule
from glow_pipelines.learning.prompts.templates import ADVICE, fields_line, most_words_line
from glow_pipelines.learning.prompts.vocabulary import usable

_NEARLY_ALL, _MOST = 0.9, 0.5  # of the targets
_MOST_EVIDENCE = 50
_MOST_FIELDS = 12
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,29}")
_PARTS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")


def advise(examples: Sequence[Example], corrections: Sequence[Correction], analysis: Analysis) -> list[Rule]:
    """Rules against the faults seen, form first. Each is supported by three places, and by three persons or an expert.

    Corrections count when three users, or an expert, make the same kind of change.
    """
    support = Support(examples, corrections)
    seen = _evidence(examples, corrections, analysis)
    targets = [example.target for example in examples]
    advised: list[tuple[str, str, list[str]]] = []
    if _share(map(is_json, targets)) >= _NEARLY_ALL:
        advised.append(("format:json", ADVICE["format:json"], seen.get("not_json", [])))
        if names := _fields(examples):
            wrong = [*seen.get("missing", []), *seen.get("hallucination", []), *seen.get("not_json", [])]
            advised.append(("format:fields", fields_line(names), wrong))
    elif _share(map(is_number, targets)) >= _NEARLY_ALL:
        advised.append(("format:number", ADVICE["format:number"], seen.get("not_a_number", [])))
    else:
        if _share("\n" not in target.strip() for target in targets) >= _NEARLY_ALL:
            advised.append(("format:line", ADVICE["format:line"], seen.get("several_lines", [])))
        advised.append(("length:most", most_words_line(_most_words(targets)), seen.get("too_long", [])))
    advised += [
        (id, text, seen.get(id.removeprefix("fault:"), [])) for id, text in ADVICE.items() if id.startswith("fault:")
    ]
    return [
        Rule(id, text, _spread(ids, support)) for id, text, ids in advised if support.enough(list(dict.fromkeys(ids)))
    ]


def is_form(rule: Rule) -> bool:
    """Whether a rule is about the form of the answer, which even a small model can follow."""
    return rule.id.startswith(("format:", "length:"))


def _evidence(
    examples: Sequence[Example], corrections: Sequence[Correction], analysis: Analysis
) -> dict[str, list[str]]:
    known = {example.id for example in examples}
    found: dict[str, list[str]] = {
        count.kind: [id for id in count.example_ids if id in known] for count in analysis.faults
    }
    told: dict[str, list[Correction]] = {}
    for each in corrections:
        for kind in faults(each.observed, each.expected):
            told.setdefault(kind, []).append(each)
    for fault, agreeing in told.items():
        if quorum(agreeing):
            found.setdefault(fault, []).extend(each.id for each in agreeing)
    return found


def _spread(ids: Sequence[str], support: Support) -> tuple[str, ...]:
    """At most fifty ids, one of each person before a second of any."""
    turn: Counter[str] = Counter()
    keyed = []
    for id in sorted(set(ids)):
        person = support.person(id) or ""
        keyed.append((turn[person], id))
        turn[person] += 1
    return tuple(sorted(id for _, id in sorted(keyed)[:_MOST_EVIDENCE]))


def _most_words(targets: Sequence[str]) -> int:
    """What nine of ten targets keep to, in steps of five."""
    longest = float(np.quantile([len(target.split()) for target in targets] or [1], 0.9))
    return max(5, 5 * int(np.ceil(longest / 5)))


def _fields(examples: Sequence[Example]) -> list[str]:
    """Names of fields in most objects experts approved, each in three groups, in the order experts write them."""
    groups: dict[str, set[str]] = {}
    objects = 0
    for example in examples:
        value = json.loads(example.target) if example.approved and is_json(example.target) else None
        if isinstance(value, dict):
            objects += 1
            for name in value:
                groups.setdefault(name, set()).add(example.group)
    common = [name for name, held in groups.items() if len(held) >= max(QUORUM, _MOST * objects) and _harmless(name)]
    return common if len(common) <= _MOST_FIELDS else []


def _harmless(name: str) -> bool:
    """A name of at most three plain words: a field, not a sentence without blanks."""
    if not _NAME.fullmatch(name):
        return False
    parts = [part.lower() for part in _PARTS.findall(name)]
    return 1 <= len(parts) <= 3 and all(len(part) < 3 or part.isdigit() or usable(part) for part in parts)


def _share(hits: Iterable[bool]) -> float:
    found = list(hits)
    return sum(found) / len(found) if found else 0.0
