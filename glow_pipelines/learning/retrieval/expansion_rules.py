"""Rules "who says this also needs that", counted over sessions and corrections.

Belongs here: what a lesson is, support by people and sessions, lift, and the caps against loud users. Does not belong
here: whether a rule helps (``expansion_gain``). Texts are hostile: only words of bounded length and number are taken.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from glow_pipelines.learning.retrieval.index import RetrievalIndex
from glow_pipelines.learning.retrieval.reformulations import CorrectedAnswer, Reformulation
from glow_pipelines.learning.retrieval.text import terms
from glow_pipelines.learning.retrieval.types import Expansion

T = TypeVar("T")
_WORD = re.compile(r"\w+")
LONGEST_WORD = 40  # characters; longer ones are keys and hashes
LONGEST_TEXT = 100_000
MOST_ASKED, MOST_GAINED = 40, 20  # words of a query, and words it lacked, that are looked at


@dataclass(frozen=True)
class ExpansionSettings:
    """What a rule needs to be stored, and what it needs beyond that to have a weight."""

    least_sessions: int = 5
    least_users: int = 3
    least_lift: float = 2.0
    sessions_of_a_user: int = 2  # counted per rule; with three users asked for, none is more than two in five of them
    adds: int = 3  # words a phrase may add, each by a rule of its own with its own evidence
    rules: int = 200
    strengths: tuple[float, ...] = (0.25, 0.5, 1.0)
    folds: int = 3
    least_questions: int = 5  # held-out ones that a rule must have changed or might have
    false_rules: float = 0.1  # share of the rules with a weight that may owe it to chance


@dataclass(frozen=True)
class Lesson:
    """What one person's one session says: these words were asked, those were lacking."""

    asked: frozenset[tuple[str, ...]]
    gained: frozenset[str]
    groups: frozenset[str]
    user_id: str
    session: str
    event_ids: tuple[str, ...]


class Vocabulary:
    """Stems the index knows, how telling they are, and the words they are written as."""

    def __init__(self, index: RetrievalIndex) -> None:
        self._chunks = len(index.chunks)
        self._holding: Counter[str] = Counter()
        self._written: dict[str, Counter[str]] = defaultdict(Counter)
        self._stem: dict[str, str] = {}
        for chunk in index.chunks:
            self._holding.update(self.hear(chunk.text))

    def hear(self, text: str) -> set[str]:
        """The stems of ``text``, whose words are remembered as ways to write them."""
        found = set()
        for word in set(_WORD.findall(text[:LONGEST_TEXT].casefold())):
            if word not in self._stem:
                stems = terms(word) if len(word) <= LONGEST_WORD else []
                self._stem[word] = stems[0] if stems else ""
            if self._stem[word]:
                found.add(self._stem[word])
                self._written[self._stem[word]][word] += 1
        return found

    def telling(self, text: str) -> frozenset[str]:
        """The rarest words of ``text`` that the index has, none that is in more than ten chunks and a tenth of all."""
        most = max(10, 0.1 * self._chunks)
        have = {word for word in terms(text[:LONGEST_TEXT]) if 0 < self._holding[word] <= most}
        return frozenset(sorted(have, key=lambda word: (self._holding[word], word))[:MOST_GAINED])

    def written(self, stems: Iterable[str]) -> str:
        """The stems as the words most often used for them; ``text.terms`` gives the same stems again."""
        return " ".join(
            min(forms, key=lambda form: (-forms[form], form)) for forms in map(self._written.get, stems) if forms
        )


def lessons_of(
    pairs: Sequence[Reformulation],
    corrections: Sequence[CorrectedAnswer],
    group_of: Mapping[str, str],
    known: Vocabulary,
) -> list[Lesson]:
    """One per person, session and words lacked; without a user, or a lacking word that the index has, there is none."""
    found: dict[tuple[str, str, frozenset[str]], Lesson] = {}

    def learn(asked: str, lacking: str, others: Sequence[str], user: str, session: str, sources: Sequence[str]) -> None:
        heard = known.hear(asked)
        own = [word for word in terms(asked[:LONGEST_TEXT]) if word in heard][:MOST_ASKED]
        pairs_of = {tuple(sorted(both)) for both in itertools.pairwise(own) if both[0] != both[1]}
        phrases = frozenset({(word,) for word in own} | pairs_of)
        gained = known.telling(lacking) - heard
        groups = frozenset(group_of.get(query, query) for query in (asked, *others))
        if user and phrases and gained:
            key = (user, session, gained)
            same = found.get(key, Lesson(frozenset(), gained, frozenset(), user, session, ()))
            found[key] = Lesson(
                same.asked | phrases,
                gained,
                same.groups | groups,
                user,
                session,
                tuple(sorted({*same.event_ids, *sources})),
            )

    for pair in pairs:
        learn(pair.first, pair.then, [pair.then], pair.user_id, pair.conversation_id, pair.event_ids)
    for correction in corrections:
        learn(correction.query, correction.text, [], correction.user_id, correction.source_id, [correction.source_id])
    return [found[key] for key in sorted(found, key=lambda key: (*key[:2], sorted(key[2])))]


def rules_of(
    lessons: Sequence[Lesson], known: Vocabulary, settings: ExpansionSettings
) -> tuple[list[Expansion], dict[str, int]]:
    """Rules with enough support and lift, weight and gain still 0, and how many fell short of what."""
    share = _shares(lessons)
    total = sum(share)
    of_phrase: dict[tuple[str, ...], float] = defaultdict(float)
    of_word: dict[str, float] = defaultdict(float)
    for at, lesson in enumerate(lessons):
        for phrase in lesson.asked:
            of_phrase[phrase] += share[at]
        for word in lesson.gained:
            of_word[word] += share[at]
    often = _often(lesson.asked for lesson in lessons), _often(lesson.gained for lesson in lessons)
    of_both: dict[tuple[tuple[str, ...], str], list[int]] = defaultdict(list)
    for at, lesson in enumerate(lessons):
        for word in lesson.gained & often[1]:
            for phrase in lesson.asked & often[0]:
                of_both[phrase, word].append(at)
    refused: Counter[str] = Counter()
    kept: dict[tuple[str, ...], list[Expansion]] = defaultdict(list)
    for (phrase, word), places in sorted(of_both.items(), key=lambda item: (len(item[0][0]), item[0])):
        support = [lessons[at] for at in places]
        lift = sum(share[at] for at in places) * total / (of_phrase[phrase] * of_word[word])
        rule = Expansion(
            phrase=known.written(phrase),
            adds=(known.written([word]),),
            weight=0.0,
            queries=_sessions(support, settings),
            users=len({lesson.user_id for lesson in support}),
            lift=round(lift, 4),
            gain=0.0,
            event_ids=tuple(sorted({source for lesson in support for source in lesson.event_ids})),
        )
        if rule.users < settings.least_users:
            refused["users"] += 1
        elif rule.queries < settings.least_sessions:
            refused["sessions"] += 1
        elif lift < settings.least_lift:
            refused["lift"] += 1
        elif len(phrase) > 1 and any(rule.adds == other.adds for one in phrase for other in kept.get((one,), ())):
            refused["said by a shorter rule"] += 1
        else:
            kept[phrase].append(rule)
    rules = [rule for of in kept.values() for rule in sorted(of, key=lambda r: (-r.lift, r.adds))[: settings.adds]]
    rules.sort(key=lambda rule: (-rule.queries * rule.lift, rule.phrase, rule.adds))
    refused["more than are kept"] += sum(map(len, kept.values())) - len(rules[: settings.rules])
    rules = sorted(rules[: settings.rules], key=lambda rule: (rule.phrase, rule.adds))
    return rules, {reason: n for reason, n in sorted(refused.items()) if n}


def _often(sets: Iterable[frozenset[T]], least: int = 3) -> set[T]:
    """What is in several of the sets: most words are said once, and every pair of them would be a rule."""
    return {each for each, n in Counter(itertools.chain.from_iterable(sets)).items() if n >= least}


def _shares(lessons: Sequence[Lesson]) -> list[float]:
    """Weight of each lesson: no user has more than 3, or 5 % of the others' if that is more."""
    of_user = Counter(lesson.user_id for lesson in lessons)
    return [
        min(1.0, max(3.0, (len(lessons) - of_user[lesson.user_id]) * 0.05 / 0.95) / of_user[lesson.user_id])
        for lesson in lessons
    ]


def _sessions(lessons: Sequence[Lesson], settings: ExpansionSettings) -> int:
    of_user: dict[str, set[str]] = defaultdict(set)
    for lesson in lessons:
        of_user[lesson.user_id].add(lesson.session)
    return sum(min(len(sessions), settings.sessions_of_a_user) for sessions in of_user.values())
