"""What opens doors: keys, tokens, passwords.

Belongs here: one rule for each published form, and assignments of something that looks random. Does not belong here:
personal data (personal). The forms are those that the issuers document.
"""

import math
import re

from glow_pipelines.learning.datasets.screens.findings import Rule, Span, stems

_BITS = 3.0  # a character: words of 20 letters have 2.9 to 3.6, random hex 3.5 to 4, random base64 4 to 4.6
_LONG = 16
_EXAMPLES = re.compile(
    r"(?i)x{4}|\*{3}|\.{3}|\$\{|\{\{|^<|^%|example|changeme|your[_-]|placeholder|redacted|1234567890"
)


_CHOSEN = re.compile(
    r"(?i)\b(?:pass(?:word|wd|phrase|code)|pwd|(?:api|access)[_-]?(?:key|token)|secret|pa(?:ss|sz)wort|kennwort|"
    r"mot de passe|mdp|contrasena|clave)\b[\"']?\s{0,3}"
    r"(?:[:=]|=>|\b(?:is|ist|lautet|est|es)\b)\s{0,3}[\"']?(?P<value>[^\s\"',;<>]{6,128})"
)


def entropy(text: str) -> float:
    """Bits a character by the frequencies in the text itself (Shannon 1948); 0 for the empty text."""
    shares = [text.count(c) / len(text) for c in set(text)]
    return -sum(share * math.log2(share) for share in shares)


def _random(match: re.Match[str]) -> Span | None:
    """A value that looks drawn by lot: letters and digits, and no example of a manual."""
    text = match["value"]
    drawn = any(c.isdigit() for c in text) and any(c.isalpha() for c in text) and entropy(text) >= _BITS
    return match.span("value") if drawn and not _EXAMPLES.search(text) else None


def _password(match: re.Match[str]) -> Span | None:
    """A chosen password is too short for entropy: that it holds a digit or a sign is what tells it from a sentence."""
    text = match["value"].rstrip(".!?)")
    chosen = len(text) >= 6 and any(c.isdigit() or c in "!@#$%^&*+=?~" for c in text) and any(map(str.isalpha, text))
    return (match.start("value"), match.start("value") + len(text)) if chosen and not _EXAMPLES.search(text) else None


def _rule(name: str, pattern: str, *hints: str) -> Rule:
    return Rule("secret", name, re.compile(pattern), hints=hints, long=_LONG)


RULES = (
    Rule(
        "secret",
        "private key",
        re.compile(
            r"-----BEGIN (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----"
            r"(?:[A-Za-z0-9+/=\s:,.-]{0,8000}?-----END (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----)?"
        ),
        hints=("private key",),
    ),
    _rule("AWS key", r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b", "akia", "asia"),
    Rule(
        "secret",
        "AWS secret",
        re.compile(r"(?i)\baws.{0,20}?(?:secret|key).{0,20}?[\"'\s:=](?P<value>[A-Za-z0-9/+]{40})(?![A-Za-z0-9/+=])"),
        _random,
        hints=("aws",),
        long=_LONG,
    ),
    _rule("GitHub token", r"\b(?:gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_[A-Za-z0-9_]{22,255})", "gh", "github_pat_"),
    _rule(
        "GitLab token", r"\bgl(?:pat|dt|rt|cbt|ptt)-[A-Za-z0-9_-]{20,}", "glpat-", "gldt-", "glrt-", "glcbt-", "glptt-"
    ),
    _rule(
        "Slack token",
        r"\bxox[abeprs]-[A-Za-z0-9-]{10,}|https://hooks\.slack\.com/services/T[A-Za-z0-9_]+/B[A-Za-z0-9_]+/[A-Za-z0-9_]{20,}",
        "xox",
        "hooks.slack.com",
    ),
    _rule("npm token", r"\bnpm_[A-Za-z0-9]{36}\b", "npm_"),
    _rule("PyPI token", r"\bpypi-AgE[A-Za-z0-9_-]{50,}", "pypi-age"),
    _rule("Hugging Face token", r"\bhf_[A-Za-z0-9]{30,}\b", "hf_"),
    _rule("SendGrid key", r"\bSG\.[A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{30,64}", "sg."),
    _rule("Telegram token", r"\b\d{8,10}:AA[A-Za-z0-9_-]{33}\b", ":aa"),
    _rule("DigitalOcean token", r"\bdo[opr]_v1_[a-f0-9]{64}\b", "_v1_"),
    _rule("Azure key", r"\bAccountKey=[A-Za-z0-9+/]{60,}={0,2}", "accountkey="),
    _rule("Google key", r"\bAIza[A-Za-z0-9_-]{35}|\bGOCSPX-[A-Za-z0-9_-]{20,}", "aiza", "gocspx-"),
    # Hyphens of prose ("sk-learn-and-a-few-more-words") are told apart by the digit.
    _rule(
        "API key",
        r"\b(?:sk|rk|pk)[-_](?=[A-Za-z0-9_-]{0,64}\d)(?:[a-z]+[-_])?[A-Za-z0-9_-]{20,}",
        *(f"{two}k{dash}" for two in "srp" for dash in "-_"),
    ),
    _rule("JWT", r"\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+", "eyj"),
    _rule("URL password", r"\b[A-Za-z][A-Za-z0-9+.-]{1,20}://[^\s/:@]{0,64}:[^\s/@]{1,128}@", "://"),
    Rule(
        "secret",
        "bearer token",
        re.compile(r"(?i)\b(?:bearer|basic)\s+(?P<value>[A-Za-z0-9._~+/-]{20,}={0,2})"),
        _random,
        words=stems("bear basi"),
        long=_LONG,
    ),
    Rule(
        "secret",
        "assignment",
        re.compile(
            r"(?i)(?:api|access|auth|client|secret|private|signing|encryption|service)[_. -]?(?:key|token|secret)s?"
            r"[\"']?\s{0,3}(?:[:=]|=>|\bis\b)\s{0,3}[\"']?(?P<value>[A-Za-z0-9._~+/=-]{16,})"
        ),
        _random,
        hints=("key", "token", "secret"),
        long=_LONG,
    ),
    *(
        Rule("secret", "assignment", _CHOSEN, _password, words=stems(words), hints=hints)
        for words, hints in (("pass pwd kenn mot mdp clav secr api apik acce", ()), ("", ("contrasena",)))
    ),
)
