"""Provenance: whether a rule that was written after reading evidence may enter a prompt.

Belongs here: checks of one new rule against everything people said: form, support, borrowed words, steering. Stricter
than lint, which also judges prompts that nobody wrote after reading strangers' texts. Does not belong here: whether the
rule is any good (race, gate).
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence

from glow_pipelines.learning.datasets.language import UNSURE, language_of
from glow_pipelines.learning.datasets.screens import screen
from glow_pipelines.learning.prompts.evidence import Correction, Example
from glow_pipelines.learning.prompts.hygiene import hidden_characters, hits
from glow_pipelines.learning.prompts.influence import QUORUM, Support
from glow_pipelines.learning.prompts.metrics import normalize
from glow_pipelines.learning.prompts.prompt import Prompt
from glow_pipelines.learning.prompts.records import Case
from glow_pipelines.learning.prompts.vocabulary import words

LONGEST_RULE = 240  # characters
LONGEST_WORD = 30
# Content words in a row that are somebody's, not the writer's: of what people said of an answer, of what they asked,
# and of either when it is a whole sentence. Rules about real inputs share pairs of words with them ("card payment").
OF_COMMENTS, OF_INPUTS, OF_SENTENCES = 2, 3, 4
_PUNCTUATION = set(" .,;:'\"()/%&+-–—=?!€$£’“”")
_FUNCTION_WORDS = """
a an the and or but if then when where that this these those of to in on at by for from with without as is are was
were be been it its not no do does did has have had can may must will would should which who whose than so there
their they them he she his her we our you your i my me into about between also
"""
# Words that make a rule hold for everything; with the name of an answer beside them it decides every input.
_UNIVERSAL_WORDS = """
all always any anything each every everything everyone everybody ever never nothing whatever whichever whenever
regardless unconditionally default otherwise henceforth matter entire whole immer alle alles allen jede jeder jedes
jedem jeden stets nie niemals egal toujours tout toute tous toutes chaque jamais siempre todo toda todos todas cada
nunca cualquier sempre tutto tutti ogni mai
"""
# Tools, money on its way, secrets and ratings are a person's decision, unless the task is about them.
_SENSITIVE_WORDS = """
tool tools function functions password passwords credential credentials secret secrets token key rating ratings rate
star stars review reviews score feedback survey approve approved approval transfer wire pay payment refund refunds
link links url website email mail contact call phone download install click policy confidential system prompt
instruction instructions developer admin administrator execute run delete
"""
_FUNCTION, _UNIVERSAL, _SENSITIVE = (
    frozenset(each.split()) for each in (_FUNCTION_WORDS, _UNIVERSAL_WORDS, _SENSITIVE_WORDS)
)


class Provenance:
    """Judges new rules against one incumbent, its train examples and its corrections."""

    def __init__(self, incumbent: Prompt, train: Sequence[Example], corrections: Sequence[Correction]) -> None:
        self._support = Support(train, corrections)
        self._choices = {choice: tuple(words(choice)) for choice in incumbent.choices or ()}
        own = " ".join((incumbent.system, *(incumbent.choices or ())))
        labels = "|".join(map(re.escape, sorted(self._choices, key=len, reverse=True)))
        self._labels = re.compile(rf"(?<!\w)(?:{labels})(?!\w)" if labels else "(?!)", re.IGNORECASE)
        self._scripts = {"LATIN", *_scripts(own)}
        self._language = language_of(incumbent.instruction)
        self._own = _content(own)
        self._own_words = {*words(own), *words(own.replace("_", " "))}
        self._voices: dict[tuple[str, ...], set[str]] = {}  # whoever said these words in a row
        self._unconfirmed: set[tuple[str, ...]] = set()  # what nobody confirmed, as long as may not be borrowed
        self._asked: dict[str, set[str]] = {}  # word -> voices whose inputs have it
        approved = {normalize(example.input) for example in train if example.approved}
        for example in train:
            voices = self._support.people([example.id])
            self._hear(example.input, voices, None if example.approved else OF_INPUTS)
            self._hear(example.target, voices, None if example.approved else OF_INPUTS)
            for word in set(words(example.input)):
                self._asked.setdefault(word, set()).update(voices)
        for each in corrections:
            voices = self._support.people([each.id])
            for text in (each.comment or "", *each.issues):
                self._hear(text, voices, OF_COMMENTS)
            for text in (each.expected, "" if normalize(each.input) in approved else each.input):
                self._hear(text, voices, OF_INPUTS)

    def _hear(self, text: str, voices: Iterable[str], least: int | None) -> None:
        """Keeps who said what; from `least` words in a row on it may not be borrowed."""
        if normalize(text) in {normalize(choice) for choice in self._choices}:
            return
        told = _content(text)
        for size in (OF_COMMENTS, OF_INPUTS, OF_SENTENCES):
            for span in _spans(told, size):
                self._voices.setdefault(span, set()).update(voices)
                if least is not None and size >= least:
                    self._unconfirmed.add(span)

    def findings(self, text: str, cited: Sequence[Case]) -> tuple[str, ...]:
        """Every reason why the rule may not be taken; empty when it may."""
        found = [*self._form(text), *self._supported(text, cited), *self._borrowed(text), *self._steering(text)]
        return tuple(dict.fromkeys(found))

    def _form(self, text: str) -> Iterable[str]:
        if not text.strip() or text != text.strip() or len(text.splitlines()) != 1 or len(text) > LONGEST_RULE:
            yield f"must be one line of 1 to {LONGEST_RULE} characters"
        bare = self._labels.sub("it", text)  # what the labels of the contract look like is the owner's business
        odd = {each for each in bare if not each.isalnum() and each not in _PUNCTUATION}
        if odd:
            yield f"characters that a rule does not need: {', '.join(f'U+{ord(each):04X}' for each in sorted(odd))}"
        if unicodedata.normalize("NFKC", bare) != bare:
            yield "letters in a compatibility form"
        if hidden_characters(bare):
            yield "hidden characters"
        strange = _scripts(bare) - self._scripts
        if strange:
            yield f"letters of another script: {', '.join(sorted(strange))}"
        if any(len(word) > LONGEST_WORD for word in bare.split()):
            yield f"a word of more than {LONGEST_WORD} characters"
        told = language_of(bare)
        if self._language not in (None, UNSURE, told) and told not in (None, UNSURE):
            yield f"written in {told}, the prompt is in {self._language}"
        yield from (f"{kind}: {match!r}" for kind, match in hits(bare))
        yield from (f"{found.kind}: {found.name}" for found in screen(bare))

    def _supported(self, text: str, cited: Sequence[Case]) -> Iterable[str]:
        ids = [case.example.id for case in cited]
        places = self._support.places(ids)
        if len(places) < QUORUM:
            yield f"supported by {len(places)} groups of train examples, {QUORUM} needed"
        elif not self._support.enough(ids):
            yield f"supported by {len(self._support.people(ids))} persons and no expert, {QUORUM} persons needed"
        named = set(self._named(text))
        if named and len({case.example.group for case in cited if case.example.target in named}) < QUORUM:
            yield f"names {', '.join(sorted(named))}, the answer of fewer than {QUORUM} of the cited groups"

    def _borrowed(self, text: str) -> Iterable[str]:
        """Words that few use; and sentences of the unconfirmed, however many say the same: agreeing is cheap."""
        told = _content(text)
        for size in (OF_COMMENTS, OF_INPUTS, OF_SENTENCES):
            own = set(_spans(self._own, size))
            for span in (each for each in _spans(told, size) if each in self._unconfirmed and each not in own):
                voices = len(self._voices[span])
                if size == OF_SENTENCES or voices < QUORUM:
                    yield f"words of {voices} voices: {' '.join(span)!r}"

    def _steering(self, text: str) -> Iterable[str]:
        told = words(text)
        named = self._named(text)
        of_answers = {word for choice in named for word in self._choices[choice]}
        if named and _UNIVERSAL & set(told):
            yield f"decides for {', '.join(named)} without a condition: {', '.join(sorted(_UNIVERSAL & set(told)))}"
        if named and not set(_content(text)) - of_answers:
            yield f"names {', '.join(named)} and no condition"
        for word in sorted(_SENSITIVE & set(told) - self._own_words):
            if len(self._asked.get(word, ())) < QUORUM:
                yield f"needs a person's approval: mentions {word!r}, which the task does not"

    def _named(self, text: str) -> list[str]:
        told = words(text)
        return [choice for choice, name in self._choices.items() if name and name in set(_spans(told, len(name)))]


def _content(text: str) -> list[str]:
    return [word for word in words(text) if word not in _FUNCTION]


def _spans(told: Sequence[str], size: int) -> Iterable[tuple[str, ...]]:
    return (tuple(told[start : start + size]) for start in range(len(told) - size + 1))


def _scripts(text: str) -> set[str]:
    """The scripts of the letters, by the first word of their Unicode names."""
    return {
        unicodedata.name(each, "UNNAMED").split()[0] for each in unicodedata.normalize("NFKC", text) if each.isalpha()
    }
