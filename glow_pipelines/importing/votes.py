"""What other products call a score, as feedback: thumbs, stars, dimensions, comment.

Belongs here: the meaning of a score's name and value. Does not: where a format keeps its scores (parsers).
"""

import re
from typing import Any

from glow_pipelines.importing import values
from glow_pipelines.importing.records import Record, Unacceptable

DIMENSIONS = ("accuracy", "helpfulness", "clarity", "completeness")
_UP = {"up", "thumbs up", "thumb up", "like", "liked", "positive", "good", "yes", "true", "correct", "helpful", "pass"}
_UP |= {"passed", "approved", "👍", "👍🏻", "+1"}
_DOWN = {"down", "thumbs down", "thumb down", "dislike", "disliked", "negative", "bad", "no", "false", "incorrect"}
_DOWN |= {"unhelpful", "not helpful", "wrong", "fail", "failed", "rejected", "👎", "👎🏻", "-1"}
_MAIN = {"userfeedback", "feedback", "thumbs", "thumb", "rating", "vote", "score", "stars"}
# Under these names 1 is the better end; under a name of stars it is the worse one; under any other it could be either.
_THUMBS = re.compile(r"thumb|\blike|feedback|correct|helpful$|good|satisf|upvote|\bvote")
_STARS = re.compile(r"\bstar|\brating|out of 5")


def said(name: str, value: Any, comment: str | None, scale: tuple[float, float] | None, yes_no: bool = False) -> Record:
    """The feedback fields of one score; `yes_no` when the product says that 0 and 1 are no and yes.

    Numbers between 0 and 1 are of that scale, those from 2 to 5 are stars; `scale` says otherwise. Raises Unacceptable
    for a number that could be the best of one scale or the worst of the other, and for one outside both.
    """
    plain = re.sub(r"[^a-z0-9👍👎+-]+", " ", name.casefold()).strip()
    found: Record = {} if not comment else {"comment": comment}
    if plain in DIMENSIONS:
        if value is not None:
            found["dimensions"] = {plain: _grade(name, value, scale)}
    elif isinstance(value, str) and not _number_like(value):
        thumbs = _word(value)
        if thumbs is not None:
            found["thumbs"] = thumbs
        elif value.strip():
            found["comment"] = "\n".join(filter(None, (value, comment)))
    elif isinstance(value, bool):
        found["thumbs"] = 1 if value else -1
    elif value is not None:
        found |= _number(plain, values.number(name, value), scale, yes_no)
    return found


def together(several: list[Record]) -> Record:
    """One person's scores of one execution as one vote: of two that say the same thing the later counts."""
    merged: Record = {}
    comments = list(dict.fromkeys(each["comment"] for each in several if "comment" in each))
    for each in several:
        merged |= {key: value for key, value in each.items() if key != "dimensions"}
        if "dimensions" in each:
            merged["dimensions"] = merged.get("dimensions", {}) | each["dimensions"]
    return merged | ({"comment": "\n".join(comments)} if comments else {})


def person(who: str, name: str) -> str:
    """The user of a score that comes on its own: votes of one person on one execution replace each other, so that all
    but the vote itself are kept apart by their name."""
    plain = re.sub(r"[^a-z]+", "", name.casefold())
    return who if plain in _MAIN else f"{who}#{name}"


def _number(name: str, value: float, scale: tuple[float, float] | None, yes_no: bool) -> Record:
    if yes_no and value in (0, 1):
        return {"thumbs": 1 if value else -1}
    if scale is not None:
        return {"rating": values.stars(values.scaled("score", value, *scale))}
    if _STARS.search(name):
        return {"rating": values.stars(values.scaled("score", value, 1, 5))}
    if value == -1 or (value in (0, 1) and _THUMBS.search(name)):
        return {"thumbs": 1 if value == 1 else -1}
    if value == 1 or not 0 <= value <= 5:
        raise Unacceptable("score", value, "with --scale 0:1 or --scale 1:5: which end 1 is, nothing else tells")
    return {"rating": values.stars(values.scaled("score", value, 0, 1) if value < 1 else value)}


def _grade(name: str, value: Any, scale: tuple[float, float] | None) -> float:
    if isinstance(value, bool):
        return 5 if value else 1
    found = values.number(name, value)
    if scale is not None:
        return values.scaled(name, found, *scale)
    if found == 1 or not 0 <= found <= 5:
        raise Unacceptable(name, value, "with --scale 0:1 or --scale 1:5: which end 1 is, nothing else tells")
    return values.scaled(name, found, 0, 1) if found < 1 else found


def _word(value: str) -> int | None:
    word = re.sub(r"[_\s-]+", " ", value.casefold()).strip() if value not in ("+1", "-1") else value
    return 1 if word in _UP else -1 if word in _DOWN else None


def _number_like(value: str) -> bool:
    return re.fullmatch(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*", value) is not None
