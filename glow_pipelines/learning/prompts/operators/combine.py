"""Combine: the best wording with the best demonstrations. Runs after a first round, when there is a best of each."""

from collections.abc import Sequence
from dataclasses import replace

from glow_pipelines.learning.prompts.evidence import Candidate


def combine(standing: Sequence[Candidate], most: int = 2) -> list[Candidate]:
    """The best reworded candidate with each of the `most` best few-shot ones; `standing` is ordered best first.

    Rewording is clarify if there is one, else restructure: definitions and demonstrations help each other, section
    titles rarely add to them.
    """
    reworded = [each for each in standing if each.operator == "clarify"]
    reworded = reworded or [each for each in standing if each.operator == "restructure"]
    shots = [each for each in standing if each.operator == "few_shot"]
    return [
        Candidate(
            prompt=replace(
                reworded[0].prompt,
                demonstrations=shown.prompt.demonstrations,
                demonstration_layout=shown.prompt.demonstration_layout,
            ),
            operator="combine",
            parent_sha256=shown.parent_sha256,
            lineage=(*reworded[0].lineage, *shown.lineage),
        )
        for shown in shots[:most]
        if reworded
    ]
