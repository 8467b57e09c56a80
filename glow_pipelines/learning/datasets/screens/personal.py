"""Who somebody is: addresses, accounts, numbers of the state.

Belongs here: forms with their check digits, and forms that only words around them make personal. Does not belong here:
phone numbers (phones), what happens to a finding (redact). The order decides: where two overlap, the first is taken.
"""
# ruff: noqa: E501 -- patterns are read best unbroken

import re
from ipaddress import ip_address

from glow_pipelines.learning.datasets.screens import checksums
from glow_pipelines.learning.datasets.screens.findings import Rule, Span, stems, value
from glow_pipelines.learning.datasets.screens.phones import RULES as PHONES

_CARD = (  # an issuer's prefix and a card's grouping, so that a long invoice number is not a card one time in ten
    r"(?<![\w.,-])(?:3[47]\d{2}[ -]?\d{6}[ -]?\d{5}|(?:4\d{3}|5[1-5]\d{2}|2[2-7]\d{2}|6(?:011|5\d{2}))"
    r"([ -]?)\d{4}\1\d{4}\1\d{4})(?![\w-]|[.,]\d)"
)
_SSN_WORDS = re.compile(r"\b(?:ssn|social security|social[- ]sec|social(?: is| number| no| #|:)|itin|taxpayer id)")
_IP_WORDS = re.compile(
    r"\b(?:ip|ipv4|ipv6|ips|host|client|visitor|login|logged in|signed in|connect(?:ed|ion)?|request|address|adresse|"
    r"direccion|angemeldet|zugriff|connexion|connexion depuis|from)\b[^.\n]{0,30}$"
)
_VERSION_WORDS = re.compile(r"\b(?:version|v|release|update|build|firmware|section|chapter|paragraph|clause)\s{0,2}$")
_DAY = r"(?:\d{1,2}[./ -]\d{1,2}[./ -](?:19|20)\d\d|(?:19|20)\d\d-\d\d-\d\d|\d{1,2}\.? ?[^\W\d]{3,10}\.?,? (?:19|20)\d\d|[A-Z][a-z]{2,8} \d{1,2}(?:st|nd|rd|th)?,? (?:19|20)\d\d)"
_NAME = r"(?P<value>[A-Z][^\W\d_]{1,20}(?:[ -](?:(?:van|von|der|den|de|del|da|di|la|le|bin|el|al)[ -]){0,2}[A-Z][^\W\d_]{1,20}){0,3})"


def _luhn(match: re.Match[str]) -> Span | None:
    return match.span() if checksums.luhn(match.group()) else None


def _iban(match: re.Match[str]) -> Span | None:
    size = checksums.iban(match.group())
    return (match.start(), match.start() + size) if size else None


def _social_security(match: re.Match[str]) -> Span | None:
    around = match.string[max(0, match.start() - 50) : match.end() + 30].lower()
    return match.span() if _SSN_WORDS.search(around) else None


def _tax_id(match: re.Match[str]) -> Span | None:
    return match.span() if checksums.german_tax_id(checksums.digits_of(match.group())) else None


def _insee(match: re.Match[str]) -> Span | None:
    return match.span() if checksums.french_insee("".join(match.group().split())) else None


def _dni(match: re.Match[str]) -> Span | None:
    return match.span() if checksums.spanish_dni(match.group().replace("-", "").replace(" ", "")) else None


def _fiscal_code(match: re.Match[str]) -> Span | None:
    start, end = match.start() - 8, match.end()  # a pattern that begins with a set of letters is quickly passed over
    return (start, end) if checksums.italian_fiscal_code(match.string[start:end]) else None


def _swiss(match: re.Match[str]) -> Span | None:
    return match.span() if checksums.ean13(checksums.digits_of(match.group())) else None


def _address(match: re.Match[str]) -> Span | None:
    """Only where words around say so: a version number has the same form. The machine itself and nowhere are nobody."""
    text, (start, end) = match.string, match.span()
    while start and text[start - 1] in _ADDRESS_SIGNS and end - start <= _LONGEST_ADDRESS:
        start -= 1
    while end < len(text) and text[end] in _ADDRESS_SIGNS and end - start <= _LONGEST_ADDRESS:
        end += 1
    end -= text[start:end].endswith((".", ":"))
    before = text[max(0, start - 50) : start].lower()
    if (
        end - start > _LONGEST_ADDRESS
        or not _IP_WORDS.search(before)
        or _VERSION_WORDS.search(before)
        or text[end : end + 1].isalnum()
    ):
        return None
    try:
        found = ip_address(text[start:end])
    except ValueError:
        return None
    return None if found.is_loopback or found.is_unspecified or found.is_multicast else (start, end)


_LONGEST_ADDRESS = 45
_ADDRESS_SIGNS = frozenset("0123456789abcdefABCDEF:.")
_IP_STEMS = stems("ip ipv ips host clie visi logi logg sign conn requ addr adre dire ange zugr from")

RULES = (
    Rule(
        "pii",
        "e-mail",
        re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8}"),
        hints=("@",),
    ),
    Rule(
        "pii",
        "IBAN",
        re.compile(r"\b[A-Za-z]{2}\d{2}(?: ?[A-Za-z0-9]{1,4}){3,9}"),
        check=_iban,
        digits=6,
        reach=(16, 36),
    ),
    Rule("pii", "card", re.compile(_CARD), check=_luhn, digits=15),
    Rule(
        "pii",
        "US social security number",
        re.compile(r"(?<![\w-])(?!000|666|9\d\d)\d{3}([- ]?)(?!00)\d{2}\1(?!0000)\d{4}(?![\w-]|[.,]\d)"),
        _social_security,
        words=stems("ssn soci itin taxp"),
        digits=9,
    ),
    Rule(
        "pii",
        "Swiss social security number",
        re.compile(r"(?<![\w.])756[. ]?\d{4}[. ]?\d{4}[. ]?\d{2}(?!\w|[.,]\d)"),
        _swiss,
        digits=13,
    ),
    Rule(
        "pii",
        "French social security number",
        re.compile(
            r"(?<![\w.])[12] ?\d{2} ?(?:0[1-9]|1[0-2]|[2-9]\d) ?(?:\d{2}|2[ABab]) ?\d{3} ?\d{3} ?\d{2}(?!\w|[.,]\d)"
        ),
        check=_insee,
        digits=8,
        reach=(14, 3),
    ),
    Rule(
        "pii",
        "German tax number",
        re.compile(r"(?<![\w.,/-])[1-9]\d ?\d{3} ?\d{3} ?\d{3}(?![\w-]|[.,]\d)"),
        check=_tax_id,
        digits=11,
    ),
    Rule(
        "pii",
        "UK insurance number",
        re.compile(r"\b(?!BG|GB|NK|KN|TN|NT|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d{2} ?\d{2} ?\d{2} ?[A-D]\b"),
        digits=6,
        reach=(4, 4),
    ),
    Rule(
        "pii",
        "Spanish identity number",
        re.compile(r"\b(?:\d{8}|[XYZ]-?\d{7})[- ]?[A-HJ-NP-TV-Z]\b"),
        check=_dni,
        digits=7,
        reach=(3, 4),
    ),
    Rule(
        "pii",
        "Italian fiscal code",
        re.compile(r"[A-EHLMPRST](?<=\b[A-Z]{6}\d\d[A-Z])\d{2}[A-Z]\d{3}[A-Z]\b"),
        check=_fiscal_code,
        long=16,
    ),
    Rule(
        "pii",
        "passport",
        re.compile(
            r"(?i)\b(?:passport|reisepass|passnummer|ausweisnummer|personalausweis|passeport|pasaporte)\b"
            r"(?:[^.\n\d]|\bn[ro]\.){0,30}?(?P<value>\b(?=[A-Z]{0,3}\d)[A-Z0-9]{7,10})\b"
        ),
        value,
        words=stems("pass reis ausw pers pasa"),
    ),
    Rule(
        "pii",
        "birth date",
        re.compile(
            r"(?i)\b(?:born|date of birth|birth ?date|birthday|dob|geboren|geburtsdatum|geb\.|nee? le|ne\(e\) le|naissance|"
            rf"nacid[oa]|nacimiento)\b[^.\n\d]{{0,20}}?(?P<value>{_DAY})"
        ),
        value,
        words=stems("born date birt dob gebo gebu geb ne nee nais naci"),
    ),
    *(
        Rule("pii", "IP address", re.compile(pattern), _address, words=_IP_STEMS, digits=digits)
        for pattern, digits in ((r"\d\.\d{1,3}\.\d{1,3}\.\d", 4), (r":[0-9A-Fa-f]{0,4}:", 0))
    ),
    *PHONES,
    Rule(
        "pii",
        "name",
        re.compile(
            r"(?:\b(?i:my (?:full )?name is|mein name ist|ich heiss?e|je m['’]appelle|mon nom est|me llamo|mi nombre es|"
            rf"mi chiamo|meu nome e|mijn naam is)\s{{1,3}}){_NAME}"
        ),
        value,
        hints=(
            "name is",
            "name ist",
            "ich heis",
            "appelle",
            "mon nom",
            "me llamo",
            "mi nombre",
            "mi chiamo",
            "meu nome",
            "mijn naam",
        ),
    ),
)

NAMES = tuple(dict.fromkeys(rule.name for rule in RULES))
"""What personal data is called in findings and policies."""
