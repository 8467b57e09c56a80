"""What people keep changing.

Belongs here: corrections counted by kind, topic and change, and which of those are patterns. Does not belong here:
telling the kind of one correction (corrections), the tests (enrichment, trends).
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from glow_pipelines.learning.datasets.corrections import Change, ChangeKind, Correction, changes, json_paths
from glow_pipelines.learning.datasets.enrichment import Enrichment, enrichment, false_discovery
from glow_pipelines.learning.datasets.screens.redact import redact
from glow_pipelines.learning.datasets.text import normalize
from glow_pipelines.learning.datasets.topics import Topic, marked
from glow_pipelines.learning.datasets.trends import FloatArray, Trend, by_week, trend_of
from glow_pipelines.learning.feedback.rates import Rate, rate_of

Standing = Literal["total", "named", "emerging"]
_EXAMPLES = 5
_TESTED = 1000
_CHARACTERS = 20_000
CONVERSATIONS, PEOPLE, Q = 3, 2, 0.05
"""What a pattern needs to have a name: independent conversations, different people, and not being everybody's word."""


@dataclass(frozen=True, slots=True)
class CorrectionPattern:
    """Corrections of one agent that make the same change.

    `detail` "" is a kind as a whole (`about` "" too) or a kind about one topic: standing `total`. Otherwise a JSON path
    or "before → after" seen at least twice: `named` with at least three conversations, two people and q below .05, else
    `emerging`. `share` is of all corrections of the agent; `experts` how many of them experts made; `people` the
    distinct known users and experts. `lift` and `q` compare with outputs that nobody corrected (a JSON path whose value
    changes: with the other paths); None where nothing can be compared. `feedback` and `annotations`: ids of the newest
    five.
    """

    agent: str
    kind: ChangeKind
    about: Topic
    detail: str
    standing: Standing
    count: int
    experts: int
    share: Rate
    people: int
    conversations: int
    lift: float | None
    q: float | None
    trend: Trend | None
    feedback: tuple[int, ...]
    annotations: tuple[int, ...]
    first_seen: datetime
    last_seen: datetime


_Key = tuple[ChangeKind, Topic, str]


def correction_patterns(
    corrections: Iterable[Correction], uncorrected: Iterable[tuple[str, str]] = (), most: int = 200
) -> list[CorrectionPattern]:
    """Patterns by agent, the named first, then most frequent first; the order of the corrections does not matter.

    `uncorrected`: (agent, output) that nobody corrected. `most`: patterns of one agent. Personal data and secrets in a
    change are placeholders: "<email_1> → <email_2>".
    """
    said: dict[str, list[Correction]] = defaultdict(list)
    for correction in corrections:
        said[correction.agent].append(correction)
    fine: dict[str, list[str]] = defaultdict(list)
    for agent, output in uncorrected:
        fine[agent].append(output)
    return [pattern for agent in sorted(said) for pattern in _of_agent(agent, said[agent], fine[agent])[:most]]


def _of_agent(agent: str, corrections: Sequence[Correction], fine: Sequence[str]) -> list[CorrectionPattern]:
    made: dict[_Key, list[Correction]] = defaultdict(list)
    phrases: dict[_Key, str] = {}
    held: Counter[str] = Counter()
    ordered = sorted(corrections, key=lambda c: (c.at, c.kind, c.source))
    for correction in ordered:
        found = _changes(correction)
        for change in found:
            phrases[change.kind, change.about, change.detail] = change.phrase
        held.update(json_paths(correction.before))
        keys: set[_Key] = {(change.kind, change.about, change.detail) for change in found}
        keys |= {(change.kind, change.about, "") for change in found} | {(change.kind, "", "") for change in found}
        for key in keys:
            made[key].append(correction)
    details = sorted((key for key in made if key[2] and len(made[key]) > 1), key=lambda key: (-len(made[key]), key))
    tested = _tests(details[:_TESTED], made, phrases, held, len(ordered), fine)
    kept = [key for key in made if not key[2]] + details[:_TESTED]
    weeks = by_week((c.at for c in ordered), ordered[-1].at)
    patterns = [_pattern(agent, key, made[key], ordered, weeks, tested.get(key)) for key in kept]
    rank = {"named": 0, "total": 1, "emerging": 2}
    return sorted(patterns, key=lambda p: (rank[p.standing], -p.count, p.kind, p.about, p.detail))


def _changes(correction: Correction) -> tuple[Change, ...]:
    """Of the texts without personal data: what is counted is stored and shown."""
    done = redact((correction.before, correction.after), lambda finding: finding.kind != "injection")
    return changes(*(done.texts if done.texts[0] != done.texts[1] else (correction.before, correction.after)))


def _tests(
    details: Sequence[_Key],
    made: Mapping[_Key, Sequence[Correction]],
    phrases: Mapping[_Key, str],
    held: Mapping[str, int],
    total: int,
    fine: Sequence[str],
) -> dict[_Key, Enrichment]:
    """Which changes are more frequent than chance, with q over all that could be tested."""
    occurs = _occurrences({phrases[key] for key in details} - {""}, fine)
    moved = {key[2]: len(made[key]) for key in details if key[2] in held and not phrases[key]}
    found: dict[_Key, Enrichment] = {}
    for key in details:
        count = len(made[key])
        if key[2] in moved:
            others = sum(moved.values()) - count, sum(held.values()) - held[key[2]]
            if others[1] > 0 and count <= held[key[2]]:
                found[key] = enrichment(count, held[key[2]], min(others), others[1])
        elif phrases[key] and fine:
            found[key] = enrichment(count, total, occurs[phrases[key]], len(fine))
    return false_discovery(found)


def _occurrences(phrases: set[str], fine: Sequence[str]) -> Counter[str]:
    """How many of the outputs hold each phrase. By the longest word first: a phrase is looked for where that one is."""
    anchored: dict[str, list[str]] = defaultdict(list)
    for phrase in phrases:
        anchored[max(phrase.split(), key=lambda word: (len(word), word))].append(phrase)
    counted: Counter[str] = Counter()
    for output in fine:
        text = normalize(marked(output[:_CHARACTERS]))
        for word in anchored.keys() & set(text.split()):
            counted.update(phrase for phrase in anchored[word] if f" {phrase} " in f" {text} ")
    return counted


def _pattern(
    agent: str,
    key: _Key,
    found: Sequence[Correction],
    everything: Sequence[Correction],
    weeks: FloatArray,
    tested: Enrichment | None,
) -> CorrectionPattern:
    people = {(c.kind, c.person) for c in found if c.person is not None}
    conversations = {c.conversation or c.execution_id for c in found}
    supported = len(conversations) >= CONVERSATIONS and len(people) >= PEOPLE
    standing: Standing = "total"
    if key[2]:
        standing = "named" if supported and (tested is None or tested.q < Q) else "emerging"
    newest = found[::-1]
    return CorrectionPattern(
        agent=agent,
        kind=key[0],
        about=key[1],
        detail=key[2],
        standing=standing,
        count=len(found),
        experts=sum(c.kind == "annotation" for c in found),
        share=rate_of(len(found), len(everything)),
        people=len(people),
        conversations=len(conversations),
        lift=None if tested is None else tested.lift,
        q=None if tested is None else tested.q,
        trend=trend_of(by_week((c.at for c in found), everything[-1].at), weeks),
        feedback=tuple(c.source for c in newest if c.kind == "feedback")[:_EXAMPLES],
        annotations=tuple(c.source for c in newest if c.kind == "annotation")[:_EXAMPLES],
        first_seen=found[0].at,
        last_seen=found[-1].at,
    )
