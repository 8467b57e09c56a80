"""What the documents say exists: commands, files, SQL, imports; and what no file may say.

Belongs here: checks of documents, Makefile and requirements as texts. Does not: .env.example (test_settings).
"""

import ast
import importlib
import os
import re
import shlex
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import click
import psycopg
import pytest

from glow_pipelines.cli import main as glow
from tests.role_turns import turn_with_roles

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "examples/README.md")]
DOCUMENTS += sorted(ROOT.glob("docs/**/*.md"))
MAKEFILE = (ROOT / "Makefile").read_text("utf-8")
TARGETS = {*re.findall(r"^([a-z]+):.*  ## ", MAKEFILE, re.MULTILINE)}
OTHERS = {"cd", "cp", "export", "git"}  # what a shell has; nothing of ours to check
OF_ROLES = re.compile(r"(create|alter) role |grant ")
LINK = re.compile(r"\]\(([^)\s]+)[^)]*\)|<(?:a|img)\b[^>]*\b(?:href|src)=\"([^\"]+)\"")


def blocks(document: Path, language: str) -> list[str]:
    """The fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", document.read_text("utf-8"), re.MULTILINE | re.DOTALL)


def refused(command: str) -> str | None:
    """Why a line of a shell block would not work, or None."""
    name, *arguments = shlex.split(command, comments=True) or ["cd"]
    if name == "make":
        unknown = {word for word in arguments if "=" not in word} - TARGETS
        return f"make has no target {', '.join(sorted(unknown))}" if unknown or not arguments else None
    if name != "glow":
        return None if name in OTHERS else f"{name} is neither make nor glow"
    node: click.Command = glow
    while isinstance(node, click.Group):
        if not arguments or arguments[0] not in node.commands:
            return f"glow has no command {' '.join(arguments)}"
        node = node.commands[arguments.pop(0)]
    context = click.Context(node, info_name=node.name)
    try:  # parsed only: a context made in full would ask for the confirmation of `glow reset`
        values, left, _ = node.make_parser(context).parse_args(arguments)
        for parameter in node.params:
            parameter.type_cast_value(context, values.get(str(parameter.name)))
    except click.ClickException as error:
        return error.format_message()
    return f"glow {node.name} takes no {' '.join(left)}" if left else None


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_shell_command_exists(document: Path) -> None:
    lines = [line for block in blocks(document, "sh") for line in block.splitlines()]
    assert [f"{line}: {why}" for line in lines if (why := refused(line))] == []


def test_the_readme_opens_with_the_two_commands() -> None:
    first = blocks(ROOT / "README.md", "sh")[0].splitlines()
    assert [shlex.split(line, comments=True) for line in first] == [["make", "demo"], ["make", "up"]]


@pytest.mark.parametrize(
    "command",
    ["make", "make nothing", "glow", "glow nothing", "glow demo --nothing", "glow up --port x", "glow up x", "x"],
)
def test_a_command_that_does_not_exist_is_refused(command: str) -> None:
    assert refused(command)


@pytest.mark.parametrize("command", ["# nothing", "make up  # why", "make check VENV=x", "glow up --port 3001", "cd x"])
def test_a_command_that_exists_is_not(command: str) -> None:
    assert refused(command) is None


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_relative_link_leads_somewhere(document: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", document.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    targets = (urlsplit(one or other) for one, other in LINK.findall(text))
    missing = [
        target.path
        for target in targets
        if not target.scheme and target.path and not (document.parent / unquote(target.path)).exists()
    ]
    assert missing == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_sql_statement_fits_the_schema(document: Path, request: pytest.FixtureRequest) -> None:
    """Queries are prepared; roles and grants, which cannot be, are made and taken back: later blocks may name them."""
    statements = [
        each for block in blocks(document, "sql") for each in re.split(r";\s*(?:\n|$)", block) if each.strip()
    ]
    if statements:
        connection: psycopg.Connection = request.getfixturevalue("connection")
        with turn_with_roles(), connection.transaction(force_rollback=True):
            for number, statement in enumerate(statements):
                prepare = "" if OF_ROLES.match(statement) else f"prepare s{number} as "
                connection.execute(f"{prepare}{statement}".encode())


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_python_import_exists(document: Path) -> None:
    for block in blocks(document, "python"):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and node.module:
                module = importlib.import_module(node.module)
                assert [name.name for name in node.names if not hasattr(module, name.name)] == []


def test_every_target_has_a_comment_and_every_file_of_a_recipe_exists() -> None:
    (phony,) = re.findall(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)
    assert set(phony.split()) == TARGETS
    named = set(re.findall(r"(?<![\w.])[\w/]+\.(?:py|txt|toml|sql)\b", MAKEFILE))
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


def test_requirements_are_pinned_by_name_alone() -> None:
    lines = (ROOT / "requirements/constraints.txt").read_text("utf-8").splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    assert [pin for pin in pins if not re.fullmatch(r"[a-z0-9-]+==[0-9][\w.]*( ; [^/@]+)?", pin)] == []
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    wanted = {re.split(r"[^a-z0-9-]", each, maxsplit=1)[0] for group in groups for each in group}
    assert wanted - {pin.partition("==")[0] for pin in pins} == set()


def of_this_machine() -> Iterator[str]:
    """Texts that tell where a file was written: this folder, this user's, the package index in use."""
    yield from (str(ROOT), str(ROOT.parent / "shared"), f"{Path.home()}/")
    for variable in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "UV_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX"):
        yield from (urlsplit(word).hostname or word for word in os.environ.get(variable, "").split())


def leaks(text: str) -> list[str]:
    """What a file of the project may not say."""
    hosts = r"(?:files\.pythonhosted|pypi)\.org/(?:simple|packages)|registry\.npmjs\.org|deb\.debian\.org"
    known = re.findall(rf"{hosts}|(?<![\w.])/(?:home|Users)/\w+/|--(?:extra-)?index-url|--find[-]links", text)
    return known + [each for each in of_this_machine() if each in text]


def test_no_file_names_a_registry_or_a_machine() -> None:
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: which files are the project's is not known")
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    texts = {}
    for name in filter(None, names):
        content = (ROOT / name).read_bytes() if (ROOT / name).is_file() else b""
        if b"\0" not in content:
            texts[name] = content.decode("utf-8")
    assert len(texts) > 100
    assert {name: found for name, text in texts.items() if (found := leaks(text))} == {}


@pytest.mark.parametrize("text", ["https://py{}pi.org/simple", "see /ho{}me/ann/x", f"{Path.home()}/x", str(ROOT)])
def test_a_leak_is_seen(text: str) -> None:
    assert leaks(text.replace("{}", ""))
