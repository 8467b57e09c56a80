"""Training and validation lines: a split by groups that nothing moves, and the refusal of a prompt that is in both.

Which examples are training material at all belongs to datasets; a sealed test item never gets here.
"""

import json
from collections.abc import Sequence

from glow_pipelines.learning.datasets.text import digest, normalize
from glow_pipelines.learning.models.types import TrainingLine, TrainingSplit

_SALT = "glow-validation-1"


class LineError(ValueError):
    """A line that is no training example, or a prompt on both sides of the split."""


def split_lines(lines: Sequence[TrainingLine], validation_split: float) -> TrainingSplit:
    """Lines whose group hashes below the share validate, the others train; both keep the order given.

    More groups move no old one, except that a share above 0 with two groups or more puts at least one on either side;
    a single group trains. Raises LineError when the same
    prompt (normalised) is in both, or a line cannot be read.
    """
    groups = sorted({line.group for line in lines}, key=_place)
    chosen = sum(_place(group) < validation_split for group in groups)
    chosen = min(max(chosen, 1), len(groups) - 1) if validation_split > 0 and groups else 0
    aside = set(groups[:chosen])
    split = TrainingSplit(
        train=tuple(line for line in lines if line.group not in aside),
        validation=tuple(line for line in lines if line.group in aside),
    )
    trained = {prompt_key(line): line.example_id for line in split.train}
    for line in split.validation:
        if twin := trained.get(prompt_key(line)):
            raise LineError(
                f"examples {twin!r} and {line.example_id!r} ask the same but are in different groups; "
                "give both one group, else validation repeats training"
            )
    return split


def prompt_key(line: TrainingLine) -> str:
    """Hash of what a line asks: every message before the last answer, or the `input` of a preference."""
    try:
        row = json.loads(line.text)
        messages = row["input"]["messages"] if "input" in row else row["messages"]
        asked = messages if "input" in row or messages[-1]["role"] != "assistant" else messages[:-1]
        return digest(*(normalize(f"{message['role']} {message.get('content') or ''}") for message in asked))
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as problem:
        raise LineError(f"the line of example {line.example_id!r} holds no messages: {line.text[:80]!r}") from problem


def training_file(lines: Sequence[TrainingLine], *, byte_order_mark: bool = False) -> bytes:
    """The file to upload: UTF-8, one line each. Some services want a byte order mark first."""
    text = "".join(f"{line.text}\n" for line in lines)
    return text.encode("utf-8-sig" if byte_order_mark else "utf-8")


def _place(group: str) -> float:
    return int(digest(_SALT, group)[:13], 16) / float(16**13)
