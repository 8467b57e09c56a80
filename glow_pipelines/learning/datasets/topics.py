"""What a changed word is about: a number, a date, a unit, a citation, a hedge, manners, rules.

Belongs here: word lists and forms (English, German, French, Spanish) and telling by them. Does not belong here: the diff
(corrections).
"""
# ruff: noqa: E501 -- lists of words are read best unbroken

import re
from datetime import date
from typing import Literal

Topic = Literal["", "number", "date", "unit", "citation", "hedge", "manners", "rules"]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_MANNERS = _words(
    "please sorry thank thanks unfortunately kindly dear hi hello hey apologies apologize apologise regards welcome glad happy obviously simply just sincerely certainly absolutely sure afraid appreciate bitte danke leider gerne liebe lieber hallo grüße entschuldigung merci bonjour désolé cordialement hola gracias lamentablemente estimado"
)
POLICY = _words(
    "policy policies guideline guidelines regulation regulations compliance compliant permitted prohibited forbidden mandatory approval approved disclaimer confidential consult advisor adviser escalate richtlinie genehmigung vertraulich verboten zulässig confidentiel interdit obligatoire política prohibido obligatorio"
)
_HEDGES = _words(
    "maybe perhaps might may could possibly probably likely unlikely presumably seems seem appears apparently approximately roughly around circa generally usually typically often vielleicht möglicherweise wahrscheinlich vermutlich ungefähr etwa könnte dürfte meistens peut-être probablement environ semble quizás quizá probablemente aproximadamente parece"
)
_UNITS = _words(
    "eur usd gbp chf jpy € $ £ ¥ % percent prozent pct bps kg g mg t km m cm mm mi ft in l ml kwh mwh h hr hrs hour hours min minutes sec seconds day days week weeks month months year years tag tage woche wochen monat monate jahr jahre stunden jour jours mois an ans día días mes meses año años thousand million billion mio mrd k net gross netto brutto"
)
_CALENDAR = _words(
    "january february march april june july august september october november december jan feb mar apr jun jul aug sep sept oct nov dec januar februar märz mai juni juli oktober dezember janvier février mars avril juin juillet août septembre octobre novembre décembre enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre monday tuesday wednesday thursday friday saturday sunday montag dienstag mittwoch donnerstag freitag samstag sonntag today tomorrow yesterday heute morgen gestern"
)
_CITED = _words("citation paragraphsign http https www doi isbn ibid source sources quelle fundstelle")
_BRACKET = re.compile(r"\[(\d{1,3})\]")
_DATE = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})|(\d{1,2})[./-](\d{1,2})[./-](\d{4})")
_NUMBER = re.compile(r"[-+]?[€$£]?\d[\d.,]*%?")


def marked(text: str) -> str:
    """The text with signs that normalising would drop as words: [3] and § cite."""
    return _BRACKET.sub(r" citation\1 ", text).replace("§", " paragraphsign ")


def topic_of(out: list[str], new: list[str]) -> Topic:
    """What a change of these words (normalised) is about; "" when it is about nothing in particular.

    Words of manners, hedges and units decide only when they are much of the change: "sorry, 42" → "43" is a number.
    """
    touched = {*out, *new}
    for topic, words in (("manners", _MANNERS), ("hedge", _HEDGES)):
        if 2 * len(touched & words) >= len(touched):
            return "manners" if topic == "manners" else "hedge"
    if touched & _CITED or any(word.startswith("citation") for word in touched):
        return "citation"
    if touched & POLICY:
        return "rules"
    if touched & _CALENDAR or any(_DATE.fullmatch(word) for word in touched):
        return "date"
    plain = {word for word in touched if not _NUMBER.fullmatch(word)}
    if plain and plain <= _UNITS:
        return "unit"
    return "number" if touched and 2 * len(plain) < len(touched) else ""


def same_value(out: list[str], new: list[str]) -> bool:
    """Whether the words are one number, or one date, in two spellings: 1,234.50 and 1234.5; 2026-03-01 and 01.03.2026."""
    if len(out) != 1 or len(new) != 1:
        return False
    dates = {_date(out[0]), _date(new[0])}
    if None not in dates:
        return len(dates) == 1
    values = [_values(word) for word in (out[0], new[0])]
    return bool(values[0] & values[1])


def _date(word: str) -> date | None:
    found = _DATE.fullmatch(word)
    if found is None:
        return None
    year, month, day = found.group(1, 2, 3) if found[1] else found.group(6, 5, 4)
    try:
        return date(int(year), int(month), int(day))
    except ValueError:
        return None


def _values(word: str) -> frozenset[float]:
    """What a number may mean: 1.234 is one and a bit here, a thousand there."""
    if not _NUMBER.fullmatch(word) or len(word) > 30:
        return frozenset()
    digits = word.strip("€$£%")
    readings = []
    for thousands, point in ((",", "."), (".", ",")):
        whole, _, rest = digits.partition(point)
        grouped = whole.replace(thousands, "")
        split = whole.lstrip("+-").split(thousands)
        if all(len(part) == 3 for part in split[1:]) and thousands not in rest and point not in rest:
            readings.append(f"{grouped}.{rest or 0}")
    found = set()
    for reading in readings:
        try:
            found.add(float(reading))
        except ValueError:
            continue
    return frozenset(found)
