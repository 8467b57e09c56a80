"""The borders between the rooms, read off the import statements of every module.

Belongs here: who may import whom, and what the pure rooms may not do. Does not: style (ruff), types (mypy).
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = "glow_pipelines"
ROOT = Path(__file__).parents[1] / PACKAGE

# A package -> the only modules that may import it, everything below them included.
ONLY_IN = {
    "dagster": ("defs", "definitions", "demo.turn"),
    "dagster_postgres": (),  # named in dagster.yaml only
    "psycopg": ("store", "database", "client"),
    "psycopg_pool": ("store", "database", "client"),
    "psycopg2": (),
    "sqlalchemy": ("store", "database", "client"),
    "openai": ("providers", "services"),
    "gepa": ("learning.prompts.operators.reflect_gepa",),  # optional, and with a pickle of its own: one door
    f"{PACKAGE}.defs": ("defs", "definitions"),
    f"{PACKAGE}.demo": ("demo", "cli"),
}
# A room -> the rooms of ours it may import from, itself aside.
OURS = {
    "learning": (),
    "database": ("files", "errors"),
    "client": ("database",),
    "settings": ("environment", "errors"),
    "providers": ("learning", "settings", "files", "errors"),
    "store": ("learning", "database", "providers.cache", "providers.embeddings", "providers.types"),
}
# A room -> the libraries it may import, the standard library aside.
LIBRARIES = {"learning": ("numpy", "scipy", "pandas", "gepa")}
# Values in, values out: these parts of the standard library reach for the world, the clock or chance.
WORLD = {"asyncio", "ctypes", "http", "io", "logging", "multiprocessing", "os", "pathlib", "random", "secrets"}
WORLD |= {"shutil", "signal", "socket", "sqlite3", "subprocess", "sys", "tempfile", "threading", "time", "urllib"}
CLOCK = {"now", "utcnow", "today"}
RUNS_SQL = {"execute", "executemany", "cursor"}


def within(name: str, places: tuple[str, ...]) -> bool:
    """Whether a dotted name is one of the places or below it."""
    return any(name == place or name.startswith(f"{place}.") for place in places)


def imported(tree: ast.AST, module: str) -> Iterator[tuple[int, str]]:
    """Line and full name of everything imported, wherever the statement stands: also for types only, also by name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = ".".join([PACKAGE, *module.split(".")][: -node.level]) if node.level else ""
            base = ".".join(part for part in (above, node.module) if part)
            yield from ((node.lineno, f"{base}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in ("import_module", "__import__"):
            yield from ((node.lineno, str(each.value)) for each in node.args[:1] if isinstance(each, ast.Constant))


def may_import(module: str, name: str) -> bool:
    """Whether a module's room lets it import what has the full name `name`."""
    room, root = module.split(".")[0], name.split(".")[0]
    if any(within(name, (place,)) and not within(module, rooms) for place, rooms in ONLY_IN.items()):
        return False
    if name.startswith(f"{PACKAGE}."):
        return room not in OURS or within(name.removeprefix(f"{PACKAGE}."), (room, *OURS[room]))
    if root in sys.stdlib_module_names:
        return room != "learning" or root not in WORLD
    return room not in LIBRARIES or root in LIBRARIES[room]


def trespasses(module: str, source: str) -> list[str]:
    """What a module does that its room may not; `module` is its dotted name within the package, `__init__` included."""
    tree = ast.parse(source)
    found = [f"{line}: imports {name}" for line, name in imported(tree, module) if not may_import(module, name)]
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        call = ast.unparse(node.func)
        if node.func.attr in RUNS_SQL and not within(module, ONLY_IN["psycopg"]):
            found.append(f"{node.lineno}: runs SQL by {call}")
        if within(module, ("learning",)):
            unseeded = call.endswith("default_rng") and not node.args
            if node.func.attr in CLOCK:
                found.append(f"{node.lineno}: asks the clock by {call}")
            if unseeded or call.startswith("np.random.rand"):
                found.append(f"{node.lineno}: draws by chance of its own by {call}")
    return found


def test_every_module_keeps_to_its_room() -> None:
    files = sorted(ROOT.rglob("*.py"))
    assert len(files) > 50
    found = []
    for path in files:
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        found += [f"{PACKAGE}/{path.relative_to(ROOT)}:{each}" for each in trespasses(module, path.read_text("utf-8"))]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("learning.prompts.race", "import dagster as dg"),
        ("learning.prompts.race", "from openai import OpenAI"),
        ("learning.prompts.race", "def f():\n    import psycopg"),
        ("learning.prompts.race", "from glow_pipelines.settings import Settings"),
        ("learning.prompts.race", "from ...store import Store"),
        ("learning.prompts.race", "from glow_pipelines import client"),
        ("learning.prompts.race", "import importlib\nimportlib.import_module('sqlalchemy')"),
        ("learning.prompts.race", "import time"),
        ("learning.prompts.operators.reflect", "from gepa import optimize"),
        ("steps.optimization", "import gepa"),
        ("learning.prompts.race", "from random import random"),
        ("learning.prompts.race", "from datetime import datetime, UTC\nx = datetime.now(UTC)"),
        ("learning.prompts.race", "import datetime as dt\nx = dt.date.today()"),
        ("learning.prompts.race", "import numpy as np\nx = np.random.default_rng()"),
        ("learning.prompts.race", "import numpy as np\nx = np.random.random(3)"),
        ("store.prompts", "import dagster"),
        ("store.prompts", "from glow_pipelines.providers.chat import OpenAIChat"),
        ("store.prompts", "from glow_pipelines.services import Services"),
        ("store.__init__", "from ..defs import jobs"),
        ("providers.chat", "from glow_pipelines.store import Store"),
        ("providers.chat", "import psycopg"),
        ("providers.local.server", "from ...database.files import exclusive"),
        ("database.urls", "from glow_pipelines.settings import Settings"),
        ("settings", "from glow_pipelines.database import connect"),
        ("client", "from glow_pipelines.store import Store"),
        ("client.openai", "import openai"),  # the caller brings its own
        ("defs.prompts", "import psycopg"),
        ("defs.prompts", "from sqlalchemy.engine import make_url"),
        ("defs.prompts", "def f(t):\n    t.connection.execute('select 1')"),
        ("steps.training", "import dagster as dg"),
        ("demo.run", "if True:\n    from dagster import DagsterInstance"),
        ("steps.training", "from glow_pipelines.demo.company import AGENTS"),
        ("demo.turn", "import psycopg2"),
        ("clients", "import psycopg"),  # a name that only begins like a room's is not in it
    ],
)
def test_a_trespass_is_found(module: str, source: str) -> None:
    assert trespasses(module, source), source


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("learning.prompts.race", "import math\nfrom datetime import datetime\nfrom scipy.stats import norm"),
        ("learning.prompts.race", "import numpy as np\nrng = np.random.default_rng(7)\nx = rng.random()"),
        ("learning.prompts.operators.reflect_gepa", "def f():\n    from gepa import optimize"),
        ("learning.prompts.race", "from . import budget\nfrom ..datasets import splits"),
        ("store.prompts", "import psycopg\nfrom glow_pipelines.learning.prompts.types import Prompt"),
        ("store.responses", "from glow_pipelines.providers.cache import CachedResponse"),
        ("store.__init__", "from glow_pipelines.store.store import Store\nfrom .noun import Noun"),
        ("client", "import psycopg\nfrom glow_pipelines.database import urls\nconnection.execute('select 1')"),
        ("client.spool", "import sqlite3"),
        ("providers.tuning", "from openai import OpenAI\nfrom glow_pipelines.settings import Settings"),
        ("defs.prompts", "import dagster as dg\nimport time\nfrom glow_pipelines.steps.training import plan"),
        ("demo.turn", "import dagster as dg\nfrom glow_pipelines.definitions import defs"),
        ("services", "from openai import OpenAI\nfrom glow_pipelines.store import Store"),
    ],
)
def test_what_is_allowed_is_not_found(module: str, source: str) -> None:
    assert trespasses(module, source) == []
