"""What an experiment varies: a version of a kind against the one in force.

Belongs here: reading a change off what was asked, and naming its experiment. Does not: whether it may be asked
(glow_api.create_experiment), starting it (start).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from glow_pipelines.errors import Actionable
from glow_pipelines.store.experiments import Kind
from glow_pipelines.store.store import Transaction


class CannotStart(Actionable):
    """An experiment that was asked for cannot start, and why."""


@dataclass(frozen=True)
class Change:
    """Control is what is in force. `configs` are the settings of control and treatment, for kind `config` alone."""

    agent: str
    kind: Kind
    control: str
    treatment: str
    configs: tuple[Mapping[str, Any], Mapping[str, Any]] | None = None

    @property
    def name(self) -> str:
        """The experiment of this change: the same change is the same experiment."""
        if self.kind == "prompt":
            return f"{self.agent}-{self.treatment[:12]}"
        # A model's name may hold anything.
        return f"{self.agent}-{self.kind}-{sha256(self.treatment.encode()).hexdigest()[:12]}"


def change_asked(t: Transaction, agent: str, asked: Mapping[str, Any]) -> Change:
    """The change somebody asked for, against what is in force now. Raises CannotStart where nothing would change."""
    kind: Kind = asked.get("kind", "prompt")
    treatment, control = asked.get("treatment", asked.get("prompt_version")), asked.get("control")
    configs = None
    in_force = t.experiments.in_force(agent, kind)
    if kind == "config":
        before = asked.get("control_config") if in_force is None else t.experiments.config_in_force(agent)
        if before is None:
            raise CannotStart(f"{agent}: no settings are in production, and the request names none in control_config")
        configs = (before, asked["config"])
        control, treatment = (t.experiments.config_version(each) for each in configs)
    if in_force is not None:
        control = in_force
    if control is None or treatment is None or control == treatment:
        raise CannotStart(f"{agent}: the {kind} asked for is in production by now, or nothing is")
    return Change(agent, kind, control, treatment, configs)
