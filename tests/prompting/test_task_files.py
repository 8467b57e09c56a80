"""Task folders: what is read, what is refused and how it is told, and that nobody sees the sealed rows."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.prompting.task_files import TaskError, _first, read_rows, read_task
from glow_pipelines.learning.prompts.types import Example
from tests.prompting.overlap_model import rows


def write(folder: Path, sizes: tuple[int, int, int] = (30, 10, 40), **replaced: list[dict[str, Any]] | bytes) -> Path:
    folder.mkdir(exist_ok=True)
    for seed, (split, size) in enumerate(zip(("train", "val", "test"), sizes, strict=True), start=1):
        content = replaced.get(split, rows(size, seed))
        if not isinstance(content, bytes):
            content = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in content).encode()
        (folder / f"{split}.jsonl").write_bytes(content)
    return folder


def test_a_task_is_read_whole(tmp_path: Path) -> None:
    task = read_task(write(tmp_path / "tickets"), "label")
    assert (task.name, len(task.train), len(task.val), len(task.gate), len(task.sealed)) == ("tickets", 30, 10, 16, 24)
    assert task.prompt.choices == ("meals", "office", "travel")
    assert all(name in task.prompt.instruction for name in task.prompt.choices)
    assert task.train[2].id == "train-000003"
    assert {row.split for row in (*task.gate, *task.sealed)} == {"test"}


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (b'{"input": "a", "target": "b"', "not JSON"),
        (b'["a", "b"]', "a list; give an object"),
        (b'{"input": "a"}', "field 'target' is missing; there are ['input']"),
        (b'{"input": "a", "target": 3}', "field 'target' is '3'; give a text"),
        (b'{"input": " ", "target": "b"}', "field 'input' is ' '; give a text that is not blank"),
        (b'{"input": "a", "target": "b", "group": null}', "field 'group' is 'None'"),
        (b'{"input": "\xff", "target": "b"}', "not UTF-8 at byte 11"),
        (b"", "not JSON"),
        (b"[" * 100_000, "not JSON"),
    ],
)
def test_what_is_wrong_is_named_by_file_line_and_field(tmp_path: Path, line: bytes, told: str) -> None:
    folder = write(tmp_path / "t", val=b'{"input": "x", "target": "y"}\n' + line + b"\n")
    with pytest.raises(TaskError) as error:
        read_task(folder, "label")
    assert f"{folder / 'val.jsonl'}, line 2: " in str(error.value)
    assert told in str(error.value)


def test_files_that_are_not_there_or_empty_are_named(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match="no such folder"):
        read_task(tmp_path / "nowhere", "label")
    folder = write(tmp_path / "t", test=b"")
    with pytest.raises(TaskError, match=r"test\.jsonl: is empty"):
        read_task(folder, "label")
    (folder / "test.jsonl").unlink()
    with pytest.raises(TaskError, match=r"test\.jsonl: cannot be read"):
        read_task(folder, "label")


def test_a_byte_order_mark_and_a_last_line_without_end_are_read(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"input": "a", "target": "b"}\r\n{"input": "c\\u2028d", "target": "e"}')
    assert [(row.input, row.target) for row in read_rows(path, "train")] == [("a", "b"), ("c\u2028d", "e")]


@pytest.mark.parametrize(
    ("train", "test", "field"),
    [
        ({"input": "Same  Text"}, {"input": "same text"}, "input"),
        ({"input": "one", "group": "g"}, {"input": "another", "group": "g"}, "group"),
        # Groups of their own must not hide that the question itself is the same.
        ({"input": "same", "group": "g"}, {"input": "same", "group": "h"}, "input"),
    ],
)
def test_a_leak_is_refused_with_both_places(
    tmp_path: Path, train: dict[str, str], test: dict[str, str], field: str
) -> None:
    folder = write(
        tmp_path / "t",
        train=[*rows(9, 1), {**train, "target": "x"}],
        test=[*rows(9, 3), {**test, "target": "x"}],
    )
    with pytest.raises(TaskError, match=f"test.jsonl line 10 repeats the {field} of train.jsonl line 10"):
        read_task(folder, "label")


def test_repetitions_within_a_file_are_told(tmp_path: Path) -> None:
    twice = [*rows(30, 1), {"input": "same", "target": "travel"}, {"input": "Same", "target": "meals"}]
    task = read_task(write(tmp_path / "t", train=twice), "label")
    assert task.notes == ("train.jsonl repeats 1 inputs, 1 with another target",)


def test_a_large_test_is_drawn_by_its_seed(tmp_path: Path) -> None:
    folder = write(tmp_path / "t", (30, 10, 100))
    drawn = [read_task(folder, "label", max_test=50, sample_seed=seed) for seed in (1, 1, 2)]
    ids = [{row.id for row in (*task.gate, *task.sealed)} for task in drawn]
    assert [len(each) for each in ids] == [50, 50, 50]
    assert ids[0] == ids[1] != ids[2]
    assert drawn[0].notes == ("50 of 100 rows of test.jsonl, drawn with seed 1",)


@given(st.lists(st.sampled_from("abcdefghij"), max_size=60), st.integers(0, 60), st.sampled_from(["seal", "sample 0"]))
def test_drawing_never_tears_a_group_apart(groups: list[str], count: int, salt: str) -> None:
    examples = [Example(f"test-{n}", f"{n}", "t", group, "test") for n, group in enumerate(groups)]
    chosen = _first(examples, count, salt)
    inside, outside = {row.group for row in chosen}, {row.group for row in set(examples) - set(chosen)}
    assert len(chosen) <= count
    assert not inside & outside
    smallest = min((groups.count(group) for group in outside), default=0)
    assert not outside or len(chosen) + smallest > count


def test_a_prompt_of_the_folder_is_used_and_checked(tmp_path: Path) -> None:
    folder = write(tmp_path / "t")
    path = folder / "prompt.json"
    path.write_text('{"instruction": "Which account?", "choices": ["meals", "office", "travel"], "max_tokens": 4}')
    assert read_task(folder, "label").prompt.instruction == "Which account?"
    for wrong in ('{"choices": ["a"]}', '{"instruction": "a", "colour": "red"}', "[", "[]"):
        path.write_text(wrong)
        with pytest.raises(TaskError, match=r"prompt\.json: no prompt"):
            read_task(folder, "label")


def test_free_text_has_no_allowed_answers(tmp_path: Path) -> None:
    free = [{"input": row["input"], "target": f"{row['target']} {number}"} for number, row in enumerate(rows(30, 1))]
    assert read_task(write(tmp_path / "t", train=free), "exact").prompt.choices is None


def test_a_share_that_leaves_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match="between 0 and 1"):
        read_task(write(tmp_path / "t"), "label", gate_share=1.0)
    with pytest.raises(TaskError, match="too few to divide"):
        read_task(write(tmp_path / "u", (30, 10, 1)), "label")
