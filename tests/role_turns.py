"""Roles belong to the server that all workers of a session share.

Belongs here: turns for transactions that make or grant several roles: each `grant` keeps its role locked until the end,
and two that take them in another order would wait for each other for ever. Does not: making roles.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from glow_pipelines.files import exclusive


@contextmanager
def turn_with_roles() -> Iterator[None]:
    """Hold the turn."""
    with exclusive(Path(os.environ["GLOW_TEST_HOME"]) / "roles.lock"):
        yield
