"""What the assets of retrieval share.

Belongs here: helpers, no definitions.
"""

from typing import Any

import dagster as dg

from glow_pipelines.defs.metadata import line

GROUP = "retrieval"
OWNERS = ["team:retrieval"]


def check(name: str, passed: bool, said: str, asset: str | None = None, warn: bool = False) -> dg.AssetCheckResult:
    """The outcome of a check in words."""
    severity = dg.AssetCheckSeverity.WARN if warn else dg.AssetCheckSeverity.ERROR
    key: dict[str, Any] = {} if asset is None else {"asset_key": asset}
    return dg.AssetCheckResult(check_name=name, passed=passed, severity=severity, description=line(said), **key)


def rounded(value: float | None, digits: int = 3) -> str:
    return "–" if value is None else f"{value:.{digits}f}"
