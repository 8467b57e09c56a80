"""`glow dataset` against a real database: what it prints, what it writes, and how it says no."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner, Result

from glow_pipelines.cli import main
from glow_pipelines.store import Store
from tests.datasets.seeding import Seed, learn, seeds
from tests.datasets.test_exporting import revoke


@pytest.fixture
def glow(store: Store, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Runs a command; its output is one text."""
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("GLOW_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: object) -> Result:
        return CliRunner().invoke(main, ["dataset", *map(str, arguments)])

    return run


def ok(result: Result) -> str:
    assert result.exit_code == 0, result.output
    return result.output


def told(result: Result) -> str:
    """What a refusal says: one line, no traceback."""
    assert result.exit_code in (1, 2), result.output
    assert isinstance(result.exception, SystemExit)
    return " ".join(result.output.split())


def built(glow: Callable[..., Result], *arguments: object) -> str:
    """The id of the version that a build made."""
    output = ok(glow("build", "coder", *arguments))
    return next(line for line in output.splitlines() if ": " in line and " rows, " in line).partition(":")[0]


def test_from_build_to_files(glow: Callable[..., Result], connection: psycopg.Connection, tmp_path: Path) -> None:
    assert "no dataset yet" in ok(glow("list"))
    learn(connection, seeds(30))
    output = ok(glow("build", "coder"))
    assert "leakage" in output
    assert "failed" not in output
    dataset = built(glow)
    assert f"{dataset}: 30 rows, as before" in ok(glow("build", "coder"))
    listed = ok(glow("list", "coder"))
    assert dataset in listed
    assert "in force" in listed
    shown = ok(glow("show", dataset[:16]))
    assert dataset in shown
    assert '"rule_version": "dataset-2"' in shown
    exported = ok(glow("export", dataset))
    path = tmp_path / "home" / "exports" / dataset
    assert {"train.jsonl", "README.md", "croissant.json"} <= {each.name for each in path.iterdir()}
    assert str(path / "train.jsonl") in exported
    assert f"exports/{dataset}/train.jsonl  done" in ok(glow("show", dataset))
    assert "holds: 30 rows" in ok(glow("verify", dataset))


def test_options_and_a_file_make_one_rule(
    glow: Callable[..., Result], connection: psycopg.Connection, tmp_path: Path
) -> None:
    given = seeds(12, split="train", rejected="no")
    learn(connection, [*(replace(each, domain="tax") for each in given[:8]), *given[8:], Seed("else", quality=0.2)])
    rule = tmp_path / "rule.json"
    rule.write_text(json.dumps({"domain": "tax", "kind": "preference", "minimum_quality": 0.1}))
    dataset = built(glow, "--rule", rule, "--minimum-quality", "0.5", "--source", "annotation", "--source", "vote")
    assert dataset.startswith("coder-preference-")
    shown = ok(glow("show", dataset))
    assert '"minimum_quality": 0.5' in shown
    assert "rows            8" in shown
    assert "in force        no" in shown
    system = tmp_path / "system.txt"
    system.write_text("Which account?\n")
    ok(glow("export", dataset, "--split", "train", "--system", system))
    line = (tmp_path / "home" / "exports" / dataset / "train.jsonl").read_text("utf-8").splitlines()[0]
    assert json.loads(line)["input"]["messages"][0] == {"role": "system", "content": "Which account?"}


def test_what_changed_and_why(glow: Callable[..., Result], connection: psycopg.Connection) -> None:
    given = seeds(10)
    learn(connection, given)
    first = built(glow)
    learn(connection, [replace(given[0], status="rejected"), Seed("a new question")])
    second = built(glow)
    changed = ok(glow("diff", first, second))
    assert "1 added, 1 removed, 0 changed, 0 moved" in changed
    assert "annotation, rejected today: 1 expert(s) for" in changed
    why = ok(glow("why", second, given[1].id[:12]))
    assert given[1].id in why
    assert "annotation" in why
    assert "gone" in why  # the seeds are of no annotation that is there
    assert "is not in" in told(glow("why", second, given[0].id))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("build", "nobody"), "agent 'nobody' is not registered; known: coder"),
        (
            ("build", "coder", "--minimum-quality", "2"),
            "minimum_quality: '2.0' is not accepted; accepted: a number from 0",
        ),
        (
            ("build", "coder", "--since", "soon"),
            "since: 'soon' is not accepted; accepted: a date or an instant such as",
        ),
        (("build", "coder", "--as-of", "soon"), "'soon': a date or an instant such as"),
        (("build", "coder", "--as-of", "2199-01-01"), "that is to come"),
        (("build", "coder", "--from", "nobody"), "agent 'nobody' is not registered"),
        (("build", "coder", "--kind", "dpo"), "'dpo' is not one of 'sft', 'preference'"),
        (("build", "coder", "--least", "500"), "refused: minimum_size; nothing was written"),
        (("show", "nothing"), "dataset 'nothing' is not known; `glow dataset list` tells the ids"),
        (("show", ""), "is not known"),
        (("show", "coder-"), "it could be coder-"),
        (("export", "nothing"), "dataset 'nothing' is not known"),
        (("verify", "nothing"), "dataset 'nothing' is not known"),
        (("diff", "nothing", "nothing"), "dataset 'nothing' is not known"),
        (("export", "coder-sft", "--format", "xml"), "'xml' is not one of"),
    ],
)
def test_a_refusal_is_one_clear_line(
    glow: Callable[..., Result], connection: psycopg.Connection, arguments: tuple[str, ...], says: str
) -> None:
    learn(connection, seeds(6))
    built(glow)
    built(glow, "--kind", "evaluation")
    assert says in told(glow(*arguments))


@pytest.mark.parametrize(
    ("content", "says"), [("{", "not JSON"), ("[]", "an object is wanted"), ('{"x": 1}', "x: '1'")]
)
def test_a_file_that_is_no_rule(glow: Callable[..., Result], tmp_path: Path, content: str, says: str) -> None:
    path = tmp_path / "rule.json"
    path.write_text(content)
    assert says in told(glow("build", "coder", "--rule", path))


def test_a_check_that_fails_stops_the_build(glow: Callable[..., Result], connection: psycopg.Connection) -> None:
    learn(connection, [*seeds(5), Seed("write to ann.smith@example.com", split="train", group="p")])
    said = told(glow("build", "coder"))
    assert "1 rows show personal data" in said
    assert "refused: pii; nothing was written" in said
    assert "no dataset yet" in ok(glow("list"))


def test_nothing_to_freeze(glow: Callable[..., Result]) -> None:
    assert "the rule admits no example" in ok(glow("build", "coder"))


def test_a_revoked_version_names_its_successor_everywhere(
    glow: Callable[..., Result], connection: psycopg.Connection
) -> None:
    given = seeds(8)
    versions = learn(connection, given)
    first = built(glow)
    connection.execute(
        "update glow.learning_examples set input = null, target = null, erased_at = now() where example_version = %s",
        (versions[0],),
    )
    connection.commit()
    second = built(glow)
    revoke(connection, first, second)
    assert f"use {second}" in told(glow("export", first))
    assert f"use {second}" in ok(glow("show", first))
    assert f"revoked; use {second}" in ok(glow("list"))
    assert "holds but for what was erased since" in ok(glow("verify", first))


def test_what_does_not_hold_fails(glow: Callable[..., Result], connection: psycopg.Connection) -> None:
    given = seeds(8)
    versions = learn(connection, given)
    dataset = built(glow)
    connection.execute(
        "update glow.learning_examples set status = 'rejected' where example_version = %s", (versions[2],)
    )
    connection.commit()
    said = told(glow("verify", dataset))
    assert given[2].id[:16] in said
    assert "does not hold" in said
