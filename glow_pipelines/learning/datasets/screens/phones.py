"""Phone numbers, which no check digit tells from an amount.

Belongs here: the forms that are phone numbers by themselves, and the words that make one of other digits. Does not
belong here: other personal data (personal).
"""
# ruff: noqa: E501 -- patterns are read best unbroken

import re

from glow_pipelines.learning.datasets.screens.checksums import digits_of
from glow_pipelines.learning.datasets.screens.findings import Rule, Span, stems

# Words after which, with nothing but filling words between, a number is a phone number; folded (ä is a).
_WORDS = (
    r"(?:tele)?phone|tel|cell(?:phone)?|mobile|fax|whats ?app|signal|sms|hotline|call(?:ed|ing)?|ring|dial|text|reach|"
    r"telefon(?:nummer)?|ruckruf\w*|handy(?:nummer)?|mobil(?:nummer|telefon)?|festnetz|durchwahl|rufnummer|anruf\w*|ruf\w*|erreich\w*|"
    r"telephone|portable|appel\w*|joindre|joignable|"
    r"telefono|movil|celular|llam\w+|marc\w+|cellulare|contact|my (?:new )?number|telefone|celular|telemovel|ligue|telefoon|gsm|bel"
)
_FILLING = (
    r"number|no|nr|num|nummer|numero|is|ist|est|es|e|at|on|under|unter|via|per|au|al|le|la|el|the|my|our|his|her|me|us|"
    r"him|them|back|mich|uns|ihn|sie|bitte|please|du|de|moi|nous|or|oder|ou|o|sur|en|mi|su|mon|ma|son|lautet|auf|der|die|"
    r"das|meine|meiner|home|work|office|mobile|cell|direct|now|today|anytime|later|so|can|be|reached|you|i"
)
_BEFORE = re.compile(rf"\b(?:{_WORDS})\b(?:[\s:.,()#/*–-]|(?<!\w)(?:{_FILLING})\b){{0,16}}$")
_AFTER = re.compile(
    r"[\s,]{0,3}\(?(?:phone|mobile|cell|tel|fax|handy|mobil|telefon|portable|movil|whats ?app|zu erreichen|erreichbar|is my (?:new )?number)\b"
)
_MONEY_AFTER = re.compile(
    r"(?i)\s?(?:[€$£¥%]|(?:eur|usd|gbp|chf|jpy|euros?|dollars?|franken|pounds?|mio|million|units?)\b)"
)
_MONEY_BEFORE = re.compile(r"(?i)(?:[€$£¥]|\b(?:eur|usd|gbp|chf|jpy))\s?$")
_AREA = r"\([2-9]\d\d\)[ -]?[2-9]\d\d[ .-]\d{4}(?!\w|[.,]\d)"
_DATE = re.compile(r"(?:19|20)\d\d[-./ ]?[01]\d[-./ ]?[0-3]\d|[0-3]?\d[-./ ][01]?\d[-./ ](?:19|20)\d\d")
_STEMS = (
    "phon tele tel ruck cell mobi fax what sign sms hotl call ring dial text reac hand fest durc rufn anru ruf rufe erre "
    "port appe join movi celu llam marc liga ligu telf gsm bel bell"
)
_ANY = re.compile(r"(?<![\w.,/+-])\(?\d(?:[ .()/–-]{0,3}\d){6,14}(?!\w|[.,]\d|[-/]\w)")


def _number(match: re.Match[str]) -> Span | None:
    """Neither a date nor an amount, and with as many digits as phone numbers have (ITU-T E.164: at most 15)."""
    start, end = match.span()
    text, around = match.group(), match.string
    money = _MONEY_AFTER.match(around, end) or _MONEY_BEFORE.search(around, max(0, start - 6), start)
    return None if money or not 7 <= len(digits_of(text)) <= 15 or _DATE.fullmatch(text) else (start, end)


def _told(match: re.Match[str]) -> Span | None:
    start, end = match.span()
    before, after = match.string[max(0, start - 60) : start].lower(), match.string[end : end + 20].lower()
    return _number(match) if _BEFORE.search(before) or _AFTER.match(after) else None


RULES = (
    Rule(
        "pii",
        "phone",
        re.compile(
            r"(?:\+ ?[1-9]|(?<![\w.,/+(-])(?<!\d )00[1-9])(?:[ .()/–-]{0,3}\d){7,13}(?!\w|[.,]\d|[-/]\w)|" + _AREA
        ),
        _number,
        hints=("+", "00", "("),
        digits=9,
        reach=(4, 3),
    ),
    *(
        Rule("pii", "phone", _ANY, _told, words=stems(words), hints=hints, digits=7, reach=(2, 3))
        for words, hints in ((_STEMS, ()), ("", ("zu erreichen", "erreichbar", " is my ", "contact", "number")))
    ),
)
