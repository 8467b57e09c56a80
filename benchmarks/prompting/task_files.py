"""A task as three files of JSON lines, read with errors that name file, line and field, and split without leaks.

Belongs here: train.jsonl, val.jsonl, test.jsonl of {"input", "target"} and perhaps "group", and an optional prompt.json
with the prompt to begin with. Does not: where such files come from (tasks), what is done with them (peers, real).
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from glow_pipelines.learning.prompts.metrics import normalize
from glow_pipelines.learning.prompts.types import Example, Prompt, Split

SPLITS: tuple[Split, ...] = ("train", "val", "test")
MOST_CHOICES = 50  # more distinct targets than this are no labels
ROWS_PER_CHOICE = 3


class TaskError(ValueError):
    """The files are no task; the message names file, line and field, and what would be accepted."""


@dataclass(frozen=True)
class Task:
    """Examples by use. `gate` and `sealed` are both from test.jsonl: the gate may spend the one, and only the final
    test reads the other. Their `split` is "test".
    """

    name: str
    prompt: Prompt
    train: tuple[Example, ...]
    val: tuple[Example, ...]
    gate: tuple[Example, ...]
    sealed: tuple[Example, ...]
    notes: tuple[str, ...] = ()


def read_task(
    folder: Path, metric: str, gate_share: float = 0.4, max_test: int | None = None, sample_seed: int = 0
) -> Task:
    """The task in a folder. `max_test` rows of test.jsonl at most, drawn by `sample_seed`. Raises TaskError."""
    if not 0 < gate_share < 1:
        raise TaskError(f"gate share {gate_share}: give a number between 0 and 1, both left out")
    if not folder.is_dir():
        raise TaskError(f"{folder}: no such folder; give one with {', '.join(f'{split}.jsonl' for split in SPLITS)}")
    rows = {split: read_rows(folder / f"{split}.jsonl", split) for split in SPLITS}
    _refuse_leaks(folder, rows["train"] + rows["val"] + rows["test"])
    notes = _notes(rows)
    test = rows["test"]
    if max_test is not None and len(test) > max_test:
        test = tuple(sorted(_first(test, max_test, f"sample {sample_seed}"), key=lambda row: row.id))
        notes += (f"{len(test)} of {len(rows['test'])} rows of test.jsonl, drawn with seed {sample_seed}",)
    gate = _first(test, round(gate_share * len(test)), "seal")
    chosen = {row.id for row in gate}
    sealed = tuple(row for row in test if row.id not in chosen)
    if not gate or not sealed:
        raise TaskError(f"{folder / 'test.jsonl'}: {len(test)} rows are too few to divide into gate and sealed test")
    return Task(folder.name, _prompt(folder, metric, rows["train"]), rows["train"], rows["val"], gate, sealed, notes)


def read_rows(path: Path, split: Split) -> tuple[Example, ...]:
    """The rows of one file as examples with the ids `split-line`. Raises TaskError."""
    try:
        lines = path.read_bytes().removeprefix(b"\xef\xbb\xbf").split(b"\n")
    except OSError as error:
        raise TaskError(f"{path}: cannot be read ({error.strerror})") from error
    if lines[-1] == b"":
        lines.pop()
    if not lines:
        raise TaskError(f'{path}: is empty; give one JSON object {{"input": …, "target": …}} a line')
    return tuple(_row(path, split, number, line) for number, line in enumerate(lines, start=1))


def _row(path: Path, split: Split, number: int, line: bytes) -> Example:
    where = f"{path}, line {number}"
    try:
        data = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise TaskError(f"{where}: not UTF-8 at byte {error.start}") from error
    except (ValueError, RecursionError) as error:
        raise TaskError(f"{where}: not JSON ({error}): {line[:60].decode('utf-8', 'replace')!r}") from error
    if not isinstance(data, dict):
        raise TaskError(f'{where}: a {type(data).__name__}; give an object {{"input": …, "target": …}}')
    for field in ("input", "target", "group"):
        value = data.get(field)
        if field not in data and field != "group":
            raise TaskError(f"{where}: field {field!r} is missing; there are {sorted(data)}")
        if field in data and (not isinstance(value, str) or not value.strip()):
            raise TaskError(f"{where}: field {field!r} is {str(value)[:60]!r}; give a text that is not blank")
    group = data.get("group") or hashlib.sha256(normalize(data["input"]).encode("utf-8", "replace")).hexdigest()[:16]
    return Example(f"{split}-{number:06d}", data["input"], data["target"], group, split)


def _refuse_leaks(folder: Path, rows: Sequence[Example]) -> None:
    seen: dict[tuple[str, str], Example] = {}
    leaks: list[str] = []
    for row in rows:
        for field, key in (("input", normalize(row.input)), ("group", row.group)):
            first = seen.setdefault((field, key), row)
            if first.split != row.split:
                leaks.append(f"{_place(row)} repeats the {field} of {_place(first)}")
                break
    if leaks:
        shown = "; ".join(leaks[:3])
        raise TaskError(f"{folder}: {len(leaks)} rows leak between the files, remove them from one: {shown}")


def _place(row: Example) -> str:
    split, _, line = row.id.partition("-")
    return f"{split}.jsonl line {int(line)}"


def _notes(rows: dict[Split, tuple[Example, ...]]) -> tuple[str, ...]:
    notes = []
    for split, members in rows.items():
        targets: dict[str, set[str]] = {}
        for row in members:
            targets.setdefault(normalize(row.input), set()).add(row.target)
        if repeated := len(members) - len(targets):
            torn = sum(len(each) > 1 for each in targets.values())
            notes.append(f"{split}.jsonl repeats {repeated} inputs, {torn} with another target")
    return tuple(notes)


def _first(rows: Sequence[Example], count: int, salt: str) -> tuple[Example, ...]:
    """Whole groups in the order of a hash until `count` rows are there, never more: no group is torn apart."""
    groups: dict[str, list[Example]] = {}
    for row in rows:
        groups.setdefault(row.group, []).append(row)
    chosen: list[Example] = []
    for group in sorted(
        groups, key=lambda each: hashlib.sha256(f"{salt}\x1f{each}".encode("utf-8", "replace")).digest()
    ):
        if len(chosen) + len(groups[group]) <= count:
            chosen += groups[group]
    return tuple(chosen)


def _prompt(folder: Path, metric: str, train: Sequence[Example]) -> Prompt:
    """The prompt of prompt.json, or a plain one: with the labels named when the targets are labels."""
    path = folder / "prompt.json"
    if path.exists():
        try:
            return Prompt.from_json(json.loads(path.read_text("utf-8")))
        except (ValueError, KeyError, TypeError) as error:
            raise TaskError(f"{path}: no prompt ({error}); give at least an instruction") from error
    targets = sorted({row.target for row in train})
    if metric in ("label", "exact") and len(targets) <= min(MOST_CHOICES, len(train) // ROWS_PER_CHOICE):
        return Prompt(f"Answer with exactly one of: {', '.join(targets)}.", choices=tuple(targets))
    longest = max(len(target.encode("utf-8", "replace")) for target in targets)
    return replace(Prompt("Answer the question. Give the answer only."), max_tokens=max(16, min(512, longest)))
