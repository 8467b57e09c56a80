"""Where a text could be cut, and what cited spans teach about where it should be.

Belongs here: candidate boundaries, their features, and the logistic model of "cited spans begin or end here" against
"a cited span crosses here". Does not belong here: choosing the cuts (``segmentation``), judging them (``rechunking``).
"""

from __future__ import annotations

import itertools
import re
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glow_pipelines.learning.retrieval.citations import CitedSpan
from glow_pipelines.learning.retrieval.text import terms
from glow_pipelines.learning.retrieval.types import Vector

FEATURES = (
    "blank_line",
    "line",
    "heading_next",
    "heading_before",
    "list_next",
    "list_before",
    "connective",
    "colon_before",
    "forced",
    "short_next",
    "short_before",
    "cohesion",
)
"""Names of the weights, beside "intercept". The order is that of the columns."""

SHORTEST = 16  # characters between two candidates: "FAQ" stays with its answer, and "a\n" a million times is bounded
LONGEST = 300  # characters between two candidates; a longer sentence may be cut between words, a longer word anywhere
SHORT = 60  # characters under which a sentence is hardly more than what it stands beside
WINDOW = 3  # sentences on either side whose words are compared
PER_USER = 3.0  # votes of one user about one boundary class in one document count no more than this
RIDGE = 2.0  # pull of each weight to 0, in votes: few citations change little

# A sentence ends after two letters or a bracket, so that "1." and "e.g." end none.
_END = re.compile(r"(?<=[\w\])»”\"'’][\w\])»”\"'’%])[.!?…:;]?[.!?…][\"'”’»)\]]{0,3}\s+(?=\S)|\n\s*(?=\S)")
_LIST = re.compile(r"(?:[-*•–]|\(?\d{1,3}[.)]|\(?[a-z][.)])\s")
_HEADING = re.compile(r"#{1,6}\s|\d{1,2}(?:\.\d{1,2}){1,3}\s|(?:chapter|section|part|article)\s\d", re.IGNORECASE)
_CONNECTIVES = (
    "however therefore thus hence moreover furthermore besides also but and or so yet because since although though "
    "then instead otherwise nevertheless nonetheless still likewise similarly conversely consequently accordingly "
    "this that these those it its they their them he she his her such here there both either neither if unless"
)
_CONNECTIVE = frozenset(_CONNECTIVES.split())


@dataclass(frozen=True)
class Candidates:
    """Positions (ascending, inside the text) at which it may be cut, and their features, shape (positions, features).

    A cut at p makes the characters before p one chunk and those from p on another; white space stays before the cut.
    """

    positions: NDArray[np.int64]
    features: Vector


@dataclass(frozen=True)
class BoundaryVotes:
    """Weighted counts per candidate of one document: how often cited spans end at it and how often they cross it."""

    cut: Vector
    crossed: Vector


@dataclass(frozen=True)
class BoundaryModel:
    """``weights`` by feature name and "intercept", on the log-odds scale; ``votes``: (cut, crossed) they rest on."""

    weights: Mapping[str, float]
    votes: tuple[float, float]
    spans: int
    users: int


def candidates(text: str) -> Candidates:
    """All places at which ``text`` may be cut: ends of sentences and lines, and ``forced`` ones inside long ones."""
    # Up to the last word only: on a million trailing newlines every one was tried against the end, for hours.
    soft = [match.end() for match in _END.finditer(text, 0, len(text.rstrip()))]
    positions, forced = _with_forced(text, soft)
    edges = [0, *positions, len(text)]
    pieces = [text[a:b] for a, b in itertools.pairwise(edges)]
    rows = _features(pieces, forced)
    return Candidates(np.array(positions, dtype=np.int64), rows)


def log_odds(found: Candidates, weights: Mapping[str, float]) -> Vector:
    """Log-odds of cut against cross, shape (positions,). Absent weights are 0.

    Raises ValueError for a weight this version does not know or that is no finite number: a newer chunking must not be
    cut in half its way.
    """
    for name, weight in weights.items():
        if name != "intercept" and name not in FEATURES:
            raise ValueError(f"chunking weights: unknown feature {name!r}; upgrade, or give {', '.join(FEATURES)}")
        if not np.isfinite(weight):
            raise ValueError(f"chunking weights: {name}={weight!r}; give a finite number")
    vector = np.array([weights.get(name, 0.0) for name in FEATURES])
    total: Vector = found.features @ vector + weights.get("intercept", 0.0)
    return total


def votes(
    found: Candidates, spans: Iterable[CitedSpan], borders: Sequence[int] = (), most: float = PER_USER
) -> BoundaryVotes:
    """What the spans of one document say of its candidates.

    A span votes to cut at the last candidate up to its start and at the first from its end on, and against every one
    inside it. It has one vote for and one against to share, so that a long one does not outvote three short ones. All
    votes of one user on one candidate weigh at most ``most``.

    ``borders`` are where chunks were cut when the spans were read off them. A span ends there because the chunk did:
    such candidates vote for nothing, or the model would learn the chunking that made the log.
    """
    positions, after_heading = found.positions, FEATURES.index("heading_before")
    censored = set(borders)
    cut: dict[int, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    crossed: dict[int, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for span in spans:
        first, last = bisect_right(positions, span.starts) - 1, bisect_left(positions, span.ends)
        # Nobody cites a heading, yet it belongs to what follows: else headings would become chunks of their own.
        while first >= 0 and found.features[first, after_heading]:
            first -= 1
        for at in (first, last):
            if 0 <= at < len(positions) and int(positions[at]) not in censored:
                cut[at][span.user_id] += 0.5
        inside = [at for at in range(first + 1, last) if int(positions[at]) not in censored]
        for at in inside:
            crossed[at][span.user_id] += 1.0 / len(inside)
    return BoundaryVotes(_summed(cut, len(positions), most), _summed(crossed, len(positions), most))


def fit(
    parts: Sequence[tuple[Candidates, BoundaryVotes]], spans: int, users: int, ridge: float = RIDGE
) -> BoundaryModel:
    """Weighted logistic regression with a ridge on every weight but the intercept, by Newton's method (IRLS).

    ``parts``: one per document. Both classes have the same total weight: the intercept says nothing about how long
    chunks should be, that is what the target of the segmentation says. Raises ValueError without votes of both kinds.
    """
    rows = np.vstack([found.features for found, _ in parts]) if parts else np.zeros((0, len(FEATURES)))
    cut = np.concatenate([vote.cut for _, vote in parts]) if parts else np.zeros(0)
    crossed = np.concatenate([vote.crossed for _, vote in parts]) if parts else np.zeros(0)
    if not (cut.any() and crossed.any()):
        raise ValueError("chunking model: no cited span crosses one candidate boundary and ends at another")
    totals = float(cut.sum()), float(crossed.sum())
    half = sum(totals) / 2
    cut, crossed = cut * half / totals[0], crossed * half / totals[1]
    voted = (cut + crossed) > 0
    design = np.column_stack([np.ones(int(voted.sum())), rows[voted]])
    penalty = np.diag([1e-6, *[ridge] * len(FEATURES)])
    weights = np.zeros(design.shape[1])
    for _ in range(50):
        chance = 1 / (1 + np.exp(-np.clip(design @ weights, -30, 30)))
        mass = (cut + crossed)[voted]
        gradient = design.T @ (cut[voted] - mass * chance) - penalty @ weights
        hessian = (design.T * (mass * chance * (1 - chance))) @ design + penalty
        step = np.linalg.solve(hessian, gradient)
        weights += step
        if np.abs(step).max() < 1e-9:
            break
    names = ("intercept", *FEATURES)
    return BoundaryModel(
        {name: round(float(weight), 4) for name, weight in zip(names, weights, strict=True)}, totals, spans, users
    )


def _summed(by_user: Mapping[int, Mapping[str, float]], size: int, most: float) -> Vector:
    total = np.zeros(size)
    for at, users in by_user.items():
        total[at] = sum(min(weight, most) for weight in users.values())
    return total


def _with_forced(text: str, soft: Sequence[int]) -> tuple[list[int], list[bool]]:
    """Candidates no more than LONGEST apart: the ends of sentences, else of words, else anywhere."""
    positions: list[int] = []
    forced: list[bool] = []
    last = 0
    for end in [*soft, len(text)]:
        while end - last > LONGEST:
            space = max(text.rfind(white, last + LONGEST // 2, last + LONGEST) for white in " \t\n")
            last = space + 1 if space > last else last + LONGEST
            positions.append(last)
            forced.append(True)
        if last + SHORTEST <= end < len(text):
            positions.append(end)
            forced.append(False)
            last = end
    return positions, forced


def _features(pieces: Sequence[str], forced: Sequence[bool]) -> Vector:
    """One row per boundary between neighbouring pieces."""
    bare = [piece.strip() for piece in pieces]
    headings = [_begins_with_heading(piece) for piece in bare]
    ends_heading = [heading and "\n" not in piece for heading, piece in zip(headings, bare, strict=True)]
    lists = [bool(_LIST.match(piece[:12])) for piece in bare]
    short = [max(0.0, 1 - len(piece) / SHORT) for piece in bare]
    cohesion = _cohesion(bare)
    rows = np.zeros((len(forced), len(FEATURES)))
    for at in range(len(forced)):
        before, after = pieces[at], bare[at + 1]
        gap = before[len(before.rstrip()) :]
        word = re.match(r"\w+", after)
        rows[at] = (
            gap.count("\n") > 1,
            "\n" in gap,
            headings[at + 1],
            ends_heading[at],
            lists[at + 1],
            lists[at],
            word is not None and word.group().casefold() in _CONNECTIVE,
            bare[at].endswith(":"),
            forced[at],
            short[at + 1],
            short[at],
            cohesion[at],
        )
    return rows


def _begins_with_heading(piece: str) -> bool:
    """A marked heading, or a short first line of its own that ends without a full stop and is no list item."""
    line, _, rest = piece[:200].partition("\n")
    line = line.rstrip()
    if _HEADING.match(line[:20]):
        return True
    alone = 0 < len(line) <= 80 and (bool(rest.strip()) or len(piece) == len(line))
    return alone and line[-1] not in ".!?…:;," and not _LIST.match(line[:12]) and line[:1].isupper()


def _cohesion(pieces: Sequence[str]) -> list[float]:
    """Cosine of the words in the WINDOW pieces before and after each boundary (Hearst 1997, TextTiling)."""
    words = [Counter(terms(piece)) for piece in pieces]
    found = []
    for at in range(1, len(pieces)):
        left: Counter[str] = Counter()
        right: Counter[str] = Counter()
        for count in words[max(0, at - WINDOW) : at]:
            left.update(count)
        for count in words[at : at + WINDOW]:
            right.update(count)
        shared = sum(times * right[word] for word, times in left.items())
        size = sum(n * n for n in left.values()) * sum(n * n for n in right.values())
        found.append(shared / size**0.5 if size else 0.0)
    return found
