"""Wording: sentences of an instruction, what binds in them, and what one says that another did not.

Belongs here: splitting, placeholders, comparing two instructions word by word. Does not belong here: the verdict
(lint).
"""

import re
from collections import Counter
from collections.abc import Iterable

from glow_pipelines.learning.prompts.vocabulary import words

_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|\n+")
_PLACEHOLDER = re.compile(r"\{\{[^{}]*\}\}")
_TEMPLATE_CODE = re.compile(r"\{%|%\}|\{#|#\}|\$\{|<%|%>|#\{")
_NO = """
not no never none nothing nobody neither nor without cannot don doesn didn mustn shouldn won isn aren avoid refuse
forbidden prohibited nicht kein keine keinen keiner nie niemals nichts ohne pas jamais aucun aucune sans nunca jamás
ningún ninguna sin non mai nessun senza não nenhum sem niet geen nooit zonder
"""
_MUST = """
must only unless except always shall required mandatory until keep nur muss müssen immer stets außer doit doivent
seulement toujours sauf debe deben solo sólo siempre excepto deve devono sempre tranne moet alleen altijd
"""
# Words that hold a sentence together, and the titles of sections. Nothing here tells anybody to do anything.
_HOLDING = """
a an the and or but if then when where that this these those of to in on at by for from with as is are was were be been
it its you your we our they their them he she his her who which what how than so there here also into about between per
via each every any all some one two both same other following below above first second next last role task input inputs
output procedure rules limits contract edge case cases answer answers allowed step steps section question text given
exactly nothing else written
"""
_NEGATIONS = frozenset(_NO.split())
_BINDING = _NEGATIONS | frozenset(_MUST.split())
_PLAIN = frozenset(_HOLDING.split())


def sentences(text: str) -> list[str]:
    """Sentences and lines, without blanks around them."""
    return [part.strip() for part in _SENTENCE_END.split(text) if part.strip()]


def placeholders(text: str) -> Counter[str]:
    """Every {{placeholder}} as it is spelled, with how often it stands there."""
    return Counter(_PLACEHOLDER.findall(text))


def template_code(text: str) -> Counter[str]:
    """Signs that some template language might run. Prompts are never run, but who reads ours later may be."""
    return Counter(_TEMPLATE_CODE.findall(text))


def binds(sentence: str) -> bool:
    """Whether the sentence forbids or requires."""
    return bool(_BINDING & set(words(sentence)))


def forbids(sentence: str) -> bool:
    """Whether the sentence has a negation."""
    return bool(_NEGATIONS & set(words(sentence)))


class Wording:
    """The words of one text, and how another departs from it."""

    def __init__(self, text: str, known: Iterable[str] = ()) -> None:
        said = sentences(text)
        self._said = {tuple(words(sentence)) for sentence in said}
        self._words = _content(" ".join((text, *known)))
        self._negated = [_content(sentence) for sentence in said if forbids(sentence)]
        self._binding = [sentence for sentence in said if binds(sentence)]

    def says(self, sentence: str) -> bool:
        """Whether the sentence is said here, or is made of words said here.

        A negation must stand where it stood: a sentence that negates must be part of one that does. One that does not
        must not be part of one that does: "reveal prices" is no part of "never reveal prices".
        """
        told = tuple(words(sentence))
        if not told or told in self._said:
            return True
        content = _content(sentence)
        if not content <= self._words:
            return False
        of_negated = any(content <= negated for negated in self._negated)
        return of_negated if forbids(sentence) else not (content and of_negated)

    def dropped(self, other: str) -> list[str]:
        """Sentences here that forbid or require and that the other text has no like of."""
        said = [(_content(sentence), forbids(sentence), binds(sentence)) for sentence in sentences(other)]
        whole = " ".join(words(other))
        missing = []
        for sentence in self._binding:
            content = _content(sentence)
            kept = any(
                bound and forbids(sentence) == forbid and len(content & told) >= 0.8 * len(content)
                for told, forbid, bound in said
            )
            if not kept and " ".join(words(sentence)) not in whole:
                missing.append(sentence)
        return missing


def _content(text: str) -> frozenset[str]:
    return frozenset(words(text)) - _PLAIN - _NEGATIONS
