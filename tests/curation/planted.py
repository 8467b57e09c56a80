"""Conversations with planted near-duplicates, and what kind each is.

Belongs here: our own writing, by templates: what employees ask a company's desk, and how others ask the same. Does not:
what is asserted. Kinds: `spelling` (case, spaces, punctuation), `pleasantry` (words added before or after), `words` (one
or two words another), `clauses` (the same clauses in another order).
"""
# ruff: noqa: E501 -- lists of our own words

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tests.curation.arrivals import Run

KINDS = ("spelling", "pleasantry", "words", "clauses")
_WHO = ("my manager", "the team in Lyon", "a new colleague", "our client in Oslo", "the intern", "our supplier Kestrel")
_WHAT = (
    "a train ticket from {a} to {b}", "two nights in a hotel in {a}", "a taxi between {a} and {b}", "a laptop of {n} inches",
    "the invoice {n} of the printer lease", "a visa for the trip to {b}", "a chair for the office in {a}",
    "the phone bill of {n} euros", "a course on bookkeeping in {b}", "parking for {n} hours in {a}",
    "a dinner for {n} people in {b}", "the translation of contract {n}", "a parcel of {n} kilos to {b}",
)  # fmt: skip
_WHEN = (
    "last Monday",
    "in the second week of May",
    "on the 3rd of June",
    "before the fair",
    "during the strike",
    "at year end",
)
_ASK = (
    "which account does it belong to", "may I claim the tax back", "who has to sign the form", "do I need a receipt for it",
    "is there a limit I should know of", "how long must I keep the paper copy", "can it be split over two cost centres",
)  # fmt: skip
_NOTE = (
    "it was paid with the company card", "I paid in cash and have the receipt", "the amount was higher than agreed",
    "nobody told me about the new rule", "the supplier sent it twice by mistake", "the booking was changed on the way",
)  # fmt: skip
_TOWNS = ("Berlin", "Ghent", "Turin", "Malmo", "Porto", "Graz", "Leeds", "Gdansk", "Bilbao", "Cork", "Split", "Tartu")
_BEFORE = ("Hi all, ", "Good morning! ", "Sorry to ask again: ", "Quick one - ")
_AFTER = (" Thanks a lot!", " Many thanks in advance.", " Cheers", " Please help")
_SWAPS = {"ticket": "fare", "nights": "days", "taxi": "cab", "invoice": "bill", "paid": "settled", "receipt": "slip", "claim": "get", "sign": "approve", "keep": "store", "amount": "sum", "supplier": "vendor", "booking": "order"}  # fmt: skip


@dataclass(frozen=True)
class Planted:
    """An execution of a conversation. Those with one `label` ask the same; the first of a label has the kind `base`."""

    run: Run
    label: int
    kind: str


def conversations(count: int, seed: int) -> list[list[Planted]]:
    """Conversations of one to three questions; in more than half of them somebody asks what was asked elsewhere."""
    rng = np.random.default_rng(seed)
    bases: list[tuple[str, ...]] = []
    seen: set[str] = set()
    result = []
    for talk in range(count):
        said = []
        for turn in range(int(rng.integers(1, 4))):
            id, minute = f"e{talk:05}-{turn}", 3 * talk + turn
            if bases and rng.random() < 0.4:
                label, kind = int(rng.integers(len(bases))), str(rng.choice(KINDS))
                text = variant(bases[label], kind, rng)
            else:
                clauses = _clauses(rng, seen)
                bases.append(clauses)
                label, kind, text = len(bases) - 1, "base", _sentence(clauses)
            said.append(Planted(Run(id, text, f"answer {label}", f"talk-{talk}", minute), label, kind))
        result.append(said)
    return result


def variant(clauses: tuple[str, ...], kind: str, rng: np.random.Generator) -> str:
    """The same question as somebody else would put it."""
    text = _sentence(clauses)
    match kind:
        case "spelling":
            words = text.upper().split() if rng.random() < 0.3 else text.casefold().replace(",", "").split()
            return ("  " if rng.random() < 0.5 else " ").join(words).rstrip("?.") + str(
                rng.choice(["??", "!", " ...", ""])
            )
        case "pleasantry":
            return str(rng.choice(_BEFORE)) + text if rng.random() < 0.5 else text + str(rng.choice(_AFTER))
        case "words":
            words = text.split()
            places = [n for n, word in enumerate(words) if word.casefold().strip(",.?") in _SWAPS]
            for place in places[: int(rng.integers(1, 3))]:
                words[place] = _SWAPS[words[place].casefold().strip(",.?")]
            return " ".join(words)
    first, *rest = clauses
    return _sentence((*rest, first))


def _sentence(clauses: tuple[str, ...]) -> str:
    text = ", ".join(clauses)
    return text[0].upper() + text[1:] + "?"


def _clauses(rng: np.random.Generator, seen: set[str]) -> tuple[str, ...]:
    """Clauses of a question that nobody has asked yet."""
    while True:
        a, b = rng.choice(_TOWNS, size=2, replace=False)
        bought = str(rng.choice(_WHAT)).format(a=a, b=b, n=int(rng.integers(2, 9000)))
        clauses = (
            f"{rng.choice(_WHO)} bought {bought} {rng.choice(_WHEN)}",
            str(rng.choice(_NOTE)),
            f"project {int(rng.integers(10**8, 10**9))} pays",
            str(rng.choice(_ASK)),
        )
        if (text := " ".join(clauses)) not in seen:
            seen.add(text)
            return clauses


def pairs(planted: list[Planted]) -> Iterator[tuple[Planted, Planted]]:
    """Every base with each of its variants."""
    base = {each.label: each for each in planted if each.kind == "base"}
    return ((base[each.label], each) for each in planted if each.kind != "base")
