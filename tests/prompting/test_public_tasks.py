"""Task folders made of public data: reduced by their rule, the same every time, and fit for the reader."""

import csv
import json
from collections import Counter
from pathlib import Path

import pytest

from benchmarks.prompting.task_files import read_task
from benchmarks.prompting.tasks import write_task


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Files of the public layout with rows of our own; some test inputs also stand in train, as in the originals."""
    for folder in ("banking77", "formula", "xsum"):
        (tmp_path / folder).mkdir()
    for part, count in (("train", 30), ("test", 40)):
        with (tmp_path / "banking77" / f"{part}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(("text", "category"))
            for intent in range(12):
                more = intent if part == "train" else 0
                writer.writerows(
                    (f"Question {n}, on topic {intent} {part if n else ''}", f"topic_{intent:02d}")
                    for n in range(count + more)
                )
    for name, start in (("train_subset_500", 0), ("val_subset_300", 50), ("test", 80)):
        lines = (json.dumps({"context": f"Double {n}.", "target": f"{2 * n}.0"}) for n in range(start, start + 30))
        (tmp_path / "formula" / f"formula_{name}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    with (tmp_path / "xsum" / "factuality_annotations_xsum_summaries.csv").open("w", encoding="utf-8") as file:
        file.write("bbcid,system,summary,is_factual,worker_id\n")
        for n in range(300):
            votes = (
                ("yes", "yes", "no") if n % 3 == 0 else ("no", "no", "NULL") if n % 3 == 1 else ("yes", "no", "NULL")
            )
            for worker, vote in enumerate(votes):
                file.write(f"{n // 2},S,summary {n},{vote},w{worker}\n")
    return tmp_path


def test_ten_intents_are_chosen_by_the_rule_that_is_stated(data: Path, tmp_path: Path) -> None:
    first = read_task(write_task(data, tmp_path / "out", "banking77-first"), "label")
    frequent = read_task(write_task(data, tmp_path / "out", "banking77-frequent"), "label")
    assert first.prompt.choices == tuple(f"topic_{n:02d}" for n in range(10))
    assert frequent.prompt.choices == tuple(f"topic_{n:02d}" for n in range(2, 12))
    for task in (first, frequent):
        assert set(Counter(row.target for row in task.train).values()) == {15}
        assert set(Counter(row.target for row in task.val).values()) == {8}
        assert len(task.gate) + len(task.sealed) == 400
        assert task.prompt.choices is not None
        assert all(name in task.prompt.instruction for name in task.prompt.choices)


def test_summaries_are_balanced_and_their_articles_kept_together(data: Path, tmp_path: Path) -> None:
    folder = write_task(data, tmp_path / "out", "xsum-factual")
    place: dict[int, str] = {}
    targets: Counter[str] = Counter()
    for part in ("train", "val", "test"):
        for line in (folder / f"{part}.jsonl").read_text("utf-8").splitlines():
            row = json.loads(line)
            targets[row["target"]] += 1
            number = int(row["input"].split()[1])
            assert row["target"] == ("yes" if number % 3 == 0 else "no")  # the majority; ties are left out
            assert place.setdefault(number // 2, part) == part
    assert targets["yes"] == targets["no"] == 100
    read_task(folder, "label")


def test_formulas_stay_as_published(data: Path, tmp_path: Path) -> None:
    task = read_task(write_task(data, tmp_path / "out", "formula"), "exact")
    assert (len(task.train), len(task.val)) == (30, 30)
    assert task.prompt.choices is None
    assert task.prompt.instruction == "Answer the question with a number and nothing else."


def test_the_same_data_give_the_same_files(data: Path, tmp_path: Path) -> None:
    texts = []
    for name in ("a", "b"):
        folder = write_task(data, tmp_path / name, "banking77-first")
        texts.append({path.name: path.read_bytes() for path in folder.iterdir()})
    assert texts[0] == texts[1]
    assert set(texts[0]) == {"train.jsonl", "val.jsonl", "test.jsonl", "prompt.json"}
