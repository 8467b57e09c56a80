"""Combine: the best wording with the best demonstrations. Runs after a first round, when there is a best of each."""

from collections.abc import Sequence
from dataclasses import replace

from glow_pipelines.learning.prompts.evidence import Candidate
from glow_pipelines.learning.prompts.prompt import Prompt

_RULES = ("clarify", "clarify_written", "reflect")
_LAYOUTS = ("restructure", "restructure_written")


def combine(standing: Sequence[Candidate], most: int = 2) -> list[Candidate]:
    """The best rule set with each of the `most` best sets of demonstrations; `standing` is ordered best first.

    The wording is the best of those that say more (clarify, reflect), else of those that say it otherwise: definitions
    and demonstrations help each other, section titles rarely add to them. What stands already is not made again.
    """
    said = [each for each in standing if each.operator in _RULES]
    said = said or [each for each in standing if each.operator in _LAYOUTS]
    shots = [each for each in standing if each.operator == "few_shot" and each.prompt.demonstrations]
    if not said:
        return []
    made = [_joined(said[0], shown) for shown in shots[:most]]
    known = {each.prompt.sha256 for each in standing}
    return [each for each in made if each.prompt.sha256 not in known]


def _joined(said: Candidate, shown: Candidate) -> Candidate:
    prompt: Prompt = replace(
        said.prompt,
        demonstrations=shown.prompt.demonstrations,
        demonstration_layout=shown.prompt.demonstration_layout,
    )
    rules = tuple(line for line in said.lineage if line.role != "demo")
    demonstrations = tuple(line for line in shown.lineage if line.role == "demo")
    return Candidate(
        prompt=prompt,
        operator="combine",
        parent_sha256=said.parent_sha256,
        lineage=(*rules, *demonstrations),
        reason=f"the best wording ({said.operator}) with the best demonstrations",
        edits=said.edits,
    )
