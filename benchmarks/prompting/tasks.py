"""Task folders from public data that is at hand but not ours to publish: read, reduced by a stated rule, written.

Belongs here: one function a task. Does not: reading task folders (task_files), running them (real). Every draw is by a
hash of the text with SEED, so that the same data give the same files; inputs that repeat are dropped first.

Usage: python benchmarks/prompting/tasks.py DATA OUT [--only TASK,…]
"""

import argparse
import csv
import hashlib
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))  # run as a file, its folder is where Python looks first

from glow_pipelines.learning.prompts.metrics import normalize

SEED = 5
INTENTS = 10
Row = tuple[str, str]
Split = Mapping[str, Sequence[Row]]


def banking_first(data: Path) -> tuple[Split, dict[str, Any]]:
    """banking77: the ten intents that come first in the alphabet."""
    return _banking(data, lambda counts: sorted(counts)[:INTENTS])


def banking_frequent(data: Path) -> tuple[Split, dict[str, Any]]:
    """banking77: the ten intents with the most training rows. They are near one another: charges, transfers, cash."""
    return _banking(data, lambda counts: sorted(each for each, _ in counts.most_common(INTENTS)))


def formula(data: Path) -> tuple[Split, dict[str, Any]]:
    """formula as published: a number computed by a formula that the question states."""
    files = {"train": "train_subset_500", "val": "val_subset_300", "test": "test"}
    rows = {
        split: [(each["context"], each["target"]) for each in _jsonl(data / "formula" / f"formula_{name}.jsonl")]
        for split, name in files.items()
    }
    return {split: _drawn(each, len(each)) for split, each in rows.items()}, {
        "instruction": "Answer the question with a number and nothing else.",
        "max_tokens": 16,
    }


def xsum(data: Path) -> tuple[Split, dict[str, Any]]:
    """xsum: is this summary factual, as most of three readers found? The article is not there to compare with; as many
    yes as no, so that half is right by chance. All summaries of an article stay in one file.
    """
    votes: dict[tuple[str, str], list[str]] = {}
    with (data / "xsum" / "factuality_annotations_xsum_summaries.csv").open(encoding="utf-8", newline="") as file:
        for each in csv.DictReader(file):
            votes.setdefault((each["bbcid"], each["summary"]), []).append(each["is_factual"])
    judged: dict[str, list[tuple[Row, str]]] = {"yes": [], "no": []}
    for (article, summary), given in votes.items():
        for verdict in judged:
            if 2 * given.count(verdict) > len(given):
                judged[verdict].append(((summary, verdict), article))
    few = min(map(len, judged.values()))
    split: dict[str, list[Row]] = {"train": [], "val": [], "test": []}
    for members in judged.values():
        for row, article in sorted(members, key=lambda each: _lot(each[0][0]))[:few]:
            place = int(_lot(article)[:8], 16) % 100
            split["train" if place < 35 else "val" if place < 55 else "test"].append(row)
    return {name: _drawn(rows, len(rows)) for name, rows in split.items()}, {
        "instruction": "Is this summary of a news article factual? Answer with exactly one of: no, yes.",
        "choices": ["no", "yes"],
    }


TASKS: Mapping[str, Callable[[Path], tuple[Split, dict[str, Any]]]] = {
    "banking77-first": banking_first,
    "banking77-frequent": banking_frequent,
    "formula": formula,
    "xsum-factual": xsum,
}


def write_task(data: Path, out: Path, name: str) -> Path:
    """Write the files of one task and return its folder. Inputs of val and test are dropped from train."""
    split, prompt = TASKS[name](data)
    folder = out / name
    folder.mkdir(parents=True, exist_ok=True)
    taken: set[str] = set()
    for part in ("test", "val", "train"):
        rows = [row for row in split[part] if normalize(row[0]) not in taken]
        taken |= {normalize(row[0]) for row in rows}
        lines = (json.dumps({"input": given, "target": target}, ensure_ascii=False) for given, target in rows)
        (folder / f"{part}.jsonl").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    (folder / "prompt.json").write_text(json.dumps(prompt, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return folder


def _banking(data: Path, choose: Callable[[Counter[str]], list[str]]) -> tuple[Split, dict[str, Any]]:
    """15 rows an intent to learn from, 8 to choose by, the rest of the training rows unused; all 40 test rows."""
    train, test = (_csv(data / "banking77" / f"{part}.csv") for part in ("train", "test"))
    names = choose(Counter(name for _, name in train))
    held_out = {normalize(text) for text, _ in test}
    split: dict[str, list[Row]] = {"train": [], "val": [], "test": []}
    for name in names:
        rows = _drawn([row for row in train if row[1] == name and normalize(row[0]) not in held_out], 23)
        split["train"] += rows[:15]
        split["val"] += rows[15:]
        split["test"] += _drawn([row for row in test if row[1] == name], 40)
    listed = ", ".join(names)
    return {part: _drawn(rows, len(rows)) for part, rows in split.items()}, {
        "instruction": f"Which topic does this customer's question belong to? Answer with exactly one of: {listed}.",
        "choices": names,
    }


def _csv(path: Path) -> list[Row]:
    with path.open(encoding="utf-8", newline="") as file:
        return [(each["text"].strip(), each["category"]) for each in csv.DictReader(file)]


def _jsonl(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def _drawn(rows: Iterable[Row], count: int) -> list[Row]:
    """The first `count` in the order of their lot, each input once."""
    distinct = {normalize(given): (given, target) for given, target in rows}
    return sorted(distinct.values(), key=lambda row: _lot(row[0]))[:count]


def _lot(text: str) -> str:
    return hashlib.sha256(f"{SEED}\x1f{text}".encode()).hexdigest()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path, help="folder with banking77, formula, xsum")
    parser.add_argument("out", type=Path, help="where to write; keep it out of the repository")
    parser.add_argument("--only", help=f"tasks, by comma: {', '.join(TASKS)}; default all")
    arguments = parser.parse_args()
    chosen = arguments.only.split(",") if arguments.only else list(TASKS)
    if unknown := set(chosen) - set(TASKS):
        parser.error(f"--only {', '.join(sorted(unknown))}: no such task; there are {', '.join(TASKS)}")
    for name in chosen:
        folder = write_task(arguments.data, arguments.out, name)
        sizes = [len((folder / f"{part}.jsonl").read_text("utf-8").splitlines()) for part in ("train", "val", "test")]
        print(f"{folder}: train {sizes[0]}, val {sizes[1]}, test {sizes[2]}")


if __name__ == "__main__":
    main()
