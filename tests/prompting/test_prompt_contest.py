"""One whole contest, small, against a model of this machine; and the table that is made of it."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.prompting.gepa_peer import gepa_bare
from benchmarks.prompting.meter import Memory, Meter
from benchmarks.prompting.models import Vectors
from benchmarks.prompting.peers import Goal, random_search, random_shots, tokens_to_match
from benchmarks.prompting.real import GEPA, GLOW, SEARCH, SHOTS, UNGATED, accuracy, contest, difference
from benchmarks.prompting.report import markdown
from benchmarks.prompting.task_files import Task, TaskError, read_task
from benchmarks.prompts import keep, main, simulators
from tests.prompting.overlap_model import OverlapModel
from tests.prompting.test_task_files import write

CALLS = 500
LABEL = Goal("label", {}, CALLS)


@pytest.fixture
def task(tmp_path: Path) -> Task:
    return read_task(write(tmp_path / "tickets", (60, 60, 250)), "label", gate_share=0.5)


def vectors(task: Task) -> Vectors:
    rng = np.random.default_rng(0)
    return {row.id: rng.normal(size=4).tolist() for row in task.train}


def test_everybody_has_the_same_calls_and_nobody_sees_the_sealed_rows(task: Task) -> None:
    pytest.importorskip("gepa")
    model = OverlapModel()
    memory = Memory(model)
    told: list[str] = []
    before_the_test = []

    def log(line: object) -> None:
        told.append(str(line))
        if "final test" in str(line):
            before_the_test.extend(model.asked)

    figures = contest(task, LABEL, memory, memory, vectors(task), 2, log)
    sealed, asked = {row.input for row in task.sealed}, {each.messages[-1][1] for each in before_the_test}
    assert before_the_test
    assert not sealed & asked
    assert not any(text in content for each in before_the_test for _, content in each.messages for text in sealed)
    assert len(set(model.asked)) == len(model.asked)  # the model itself is asked each question once
    assert list(figures["contestants"]) == [GLOW, UNGATED, GEPA, SHOTS, SEARCH]
    rounds = [row for each in figures["contestants"].values() for row in each["by seed"]]
    assert all(row["calls"] <= CALLS for row in rounds)
    assert all(row["batches refused"] == 0 for row in figures["contestants"][GLOW]["by seed"])
    assert figures["contestants"][GEPA]["of them to write"] >= 1
    assert figures["contestants"][SHOTS]["calls"] == 0
    glow = figures["contestants"][GLOW]
    assert glow["gain"]["estimate"] > 0.2  # the words of the labels are easily learned
    assert glow["gain"]["low"] < glow["gain"]["estimate"] < glow["gain"]["high"]
    assert all(row["state"] == "finalist" for row in glow["by seed"])
    json.dumps(figures)


def test_the_same_contest_ends_the_same(task: Task) -> None:
    pytest.importorskip("gepa")
    found = []
    for _ in range(2):
        memory = Memory(OverlapModel())
        figures = contest(task, LABEL, memory, memory, vectors(task), 1, lambda line: None)
        found.append({key: value for key, value in figures.items() if key != "seconds"})
    assert found[0] == found[1]


def test_gepa_returns_what_it_has_when_its_calls_end(task: Task) -> None:
    pytest.importorskip("gepa")
    for calls in (20, 61, 63, 67, 80, 130):
        meter = Meter(calls, Memory(OverlapModel()))
        entry = gepa_bare(task, Goal("label", {}, calls), meter, 0)
        assert entry.calls == meter.calls <= calls
        assert entry.state == ("seed" if entry.prompt == task.prompt else "promoted")
        assert entry.claimed is not None
        assert entry.claimed >= 0


def test_random_sets_are_as_long_as_allowed_and_differ_by_seed(task: Task) -> None:
    tokens = tokens_to_match(task, task.prompt) * 2
    drawn = [random_shots(task, tokens, seed).prompt for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]
    longest = max(row.input for row in task.train)
    for prompt in drawn:
        assert tokens - len(longest) < prompt.tokens <= tokens
        assert {shown.example_id for shown in prompt.demonstrations} <= {row.id for row in task.train}
    assert tokens_to_match(task, drawn[0]) == drawn[0].tokens


def test_random_search_pays_for_whole_sets_only(task: Task) -> None:
    for calls, sets in ((59, 0), (60, 0), (150, 1), (240, 3)):
        meter = Meter(calls, Memory(OverlapModel()))
        entry = random_search(task, Goal("label", {}, calls), meter, 200, 0)
        assert entry.detail["sets"] == sets
        assert meter.calls == (0 if calls < 60 else 60 * (sets + 1))
        assert entry.claimed is not None
        assert entry.claimed >= 0


def test_intervals_of_one_seed_are_exact_and_of_many_keep_rows_together() -> None:
    one, other, groups = [[1.0, 1.0, 0.0, 1.0]], [[0.0, 1.0, 0.0, 0.0]], list("abcd")
    assert accuracy(one, groups).method == "wilson"
    assert difference(one, other, groups).method == "newcombe-paired"
    assert difference(one, other, groups).estimate == pytest.approx(0.5)
    rng = np.random.default_rng(1)
    first = (rng.random(80) < 0.6).astype(float).tolist()
    second, rows = (rng.random(80) < 0.5).astype(float).tolist(), [str(n) for n in range(80)]
    twice = difference([first] * 5, [second] * 5, rows)
    graded = difference([[each * 0.5 for each in first]], [[each * 0.5 for each in second]], rows)
    assert twice.method == graded.method == "paired-bootstrap"
    # Five times the same answers are no more data than once.
    single = difference([first], [second], rows)
    assert twice.high - twice.low == pytest.approx(single.high - single.low, rel=0.15)


def test_a_metric_nobody_knows_is_told_before_anything_starts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write(tmp_path / "t")
    results = tmp_path / "r.json"
    assert main(["--task", str(folder), "--metric", "taste", "--results", str(results)]) == 2
    assert "--metric taste: " in capsys.readouterr().err
    assert main(["--task", str(tmp_path / "no"), "--metric", "label", "--results", str(results)]) == 2
    assert "no such folder" in capsys.readouterr().err
    assert not results.exists()
    with pytest.raises(TaskError, match="taste"):
        Goal("taste", {}, 10).check()


def test_results_stand_side_by_side_and_the_table_is_made_of_them(task: Task, tmp_path: Path) -> None:
    pytest.importorskip("gepa")
    memory = Memory(OverlapModel())
    figures = contest(task, LABEL, memory, memory, vectors(task), 1, lambda line: None)
    path = tmp_path / "results" / "prompts.json"
    keep("tasks", "tick|ets\n<b>", {"model": "m", "writer": "w"} | figures, path)
    keep("simulators", "null", {"runs": 48, "promoted": {"Glow": 0.02, "argmax": [0.9, 0.5]}}, path)
    kept = json.loads(path.read_text("utf-8"))
    assert kept["tasks"]["tick|ets\n<b>"]["contestants"] == figures["contestants"]
    assert kept["simulators"]["null"]["date"]
    text = path.with_suffix(".md").read_text("utf-8")
    assert text == markdown(kept)
    assert "### tick\\|ets &lt;b>" in text
    assert "| promoted | Glow 0.02; argmax 0.9, 0.5 |" in text
    rows = [line for line in text.splitlines() if line.startswith(f"| {GLOW} |")]
    gain = 100 * figures["contestants"][GLOW]["gain"]["estimate"]
    assert len(rows) == 1
    assert f"| {gain:+.1f} [" in rows[0]


def test_simulators_are_the_modules_that_simulate() -> None:
    assert not {"meter", "peers", "real", "report", "tasks", "task_files", "models", "__init__"} & set(simulators())
    with pytest.raises(SystemExit):
        main(["--only", "nonsense"])
