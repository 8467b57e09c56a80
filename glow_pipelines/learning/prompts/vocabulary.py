"""Vocabulary: which single words are characteristic of a target.

Belongs here: splitting texts into words and weighing them. Single words are all that user text ever gives to a rule; a
sentence cannot pass through here. Does not belong here: the wording of rules (clarify).
"""

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from glow_pipelines.learning.prompts.evidence import Example

_WORD = re.compile(r"\w+")
# Function words carry no meaning; words that steer a model could be strung into an order by repeated hostile input.
_STOP_WORDS = """
the and for with from that this was were are not but you your our his her its they them have has had will would can
could should must may might into onto over under about after before then than there here what when where which who how
all any each some more most other out off per via one two also just only very please ignore disregard forget override
bypass previous prior above instruction instructions rule rules prompt system assistant user developer always never
answer answers answered reply respond response output say says reveal print send http https www com secret password
instead admin act pretend now jailbreak rating
"""
_STOP = frozenset(_STOP_WORDS.split())


@dataclass(frozen=True)
class CharacteristicWord:
    """A word with the z score of its log-odds for a target, and the examples of that target that contain it."""

    word: str
    z: float
    example_ids: tuple[str, ...]


def words(text: str) -> list[str]:
    """Casefolded words in order, compatibility forms unified, hidden format characters removed."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return _WORD.findall("".join(each for each in folded if unicodedata.category(each) != "Cf"))


def characteristic_words(
    examples: Sequence[Example],
    min_groups: int = 2,
    min_z: float = 0.5,
    person: Callable[[Example], str] = lambda example: example.group,
) -> dict[str, tuple[CharacteristicWord, ...]]:
    """Per target its characteristic words, strongest first; a word serves the one target it speaks for most.

    z of the log-odds of a word's document counts in the target against the rest, with an informative Dirichlet prior
    from all texts (Monroe, Colaresi, Quinn 2008, "Fightin' Words"). `person` says who speaks in an example: whoever
    repeats a word for a target is counted once, and a word needs `min_groups` of them, so that one eager user can
    neither put it there nor push it up alone.
    """
    said: set[tuple[str, str, str]] = set()
    documents = []
    for example in examples:
        used = {word for word in words(example.input) if usable(word)}
        fresh = {word for word in used if (person(example), example.target, word) not in said}
        said |= {(person(example), example.target, word) for word in fresh}
        documents.append((example, fresh))
    overall = Counter(word for _, used in documents for word in used)
    best: dict[str, tuple[float, str]] = {}
    for target in sorted({example.target for example in examples}):
        inside = Counter(word for example, used in documents for word in used if example.target == target)
        for word, count in inside.items():
            z = _z(count, inside.total(), overall[word], overall.total())
            if z >= min_z and z > best.get(word, (-math.inf, ""))[0]:
                best[word] = (z, target)
    found: dict[str, list[CharacteristicWord]] = {}
    for word, (z, target) in best.items():
        holders = [example for example, used in documents if word in used and example.target == target]
        if len({person(example) for example in holders}) >= min_groups:
            ids = tuple(sorted(example.id for example in holders))
            found.setdefault(target, []).append(CharacteristicWord(word, z, ids))
    return {target: tuple(sorted(members, key=lambda each: (-each.z, each.word))) for target, members in found.items()}


def usable(word: str) -> bool:
    """Whether a single word may be taken from an example: letters only, and neither empty nor steering."""
    return 3 <= len(word) <= 24 and word.isalpha() and word not in _STOP


def _z(inside: int, inside_total: int, overall: int, overall_total: int) -> float:
    """The prior is worth as much as a tenth of all words: small counts shrink, hundreds of examples speak for
    themselves.
    """
    if overall == overall_total:  # the only word there is: nothing to compare it with
        return 0.0
    prior, prior_total = overall / 10, overall_total / 10
    outside, outside_total = overall - inside, overall_total - inside_total
    here = math.log((inside + prior) / (inside_total + prior_total - inside - prior))
    there = math.log((outside + prior) / (outside_total + prior_total - outside - prior))
    return (here - there) / math.sqrt(1 / (inside + prior) + 1 / (outside + prior))
