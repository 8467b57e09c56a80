"""The chapter on experiments: what is tried on users, what that can show, and what it has said so far.

Belongs here: saying it plainly, above all that a handful of users shows nothing. Does not: the figures (figures), other
chapters (sections). A figure may be missing anywhere.
"""

from typing import Any

from glow_pipelines.demo.blocks import Block, Items, Section, Text
from glow_pipelines.demo.wording import amount, number

Figures = dict[str, Any]


def experiments_section(prompts: list[Figures], retrieval: Figures) -> Section:
    """Every experiment that runs, each with its plan and its warnings."""
    running = [(str(each.get("agent")), each["experiment"]) for each in prompts if each.get("experiment")]
    if retrieval.get("experiment"):
        running.append(("retrieval", retrieval["experiment"]))
    if not running:
        return Section(
            "Experiments",
            (Text("No experiment is running: no candidate passed its gate, so there is nothing to try on users."),),
        )
    intro = "Some users get the candidate, the others what is in force: their votes decide."
    blocks: list[Block] = [Text(intro)]
    for agent, found in running:
        blocks.append(Items(tuple(_told(agent, found))))
    return Section("Experiments", tuple(blocks))


def _told(agent: str, found: Figures) -> list[tuple[str, str]]:
    told = [(agent, f"{found.get('id')}, {found.get('state')}: {found.get('plan')}. {_can_show(found)}".strip())]
    # The plan's own sentence has said that it is hopeless, or slow.
    warnings = [str(each) for each in found.get("warnings") or []]
    if others := [each for each in warnings if not each.startswith(("hopeless", "slow"))]:
        told.append(("Warnings", "; ".join(others) + "."))
    control, treatment = [*(found.get("exposed") or ()), 0, 0][:2]
    people = f"{control} exposed in control, {treatment} in treatment" if control + treatment else "nobody was exposed"
    said = [f"{people}.", str(found.get("said") or "No look was made yet.")]
    if found.get("next_look"):
        then = str(found["next_look"])[:16].replace("T", " ")
        said.append(f"The next look is in the night after {then} UTC.")
    return [*told, ("So far", " ".join(said))]


def _can_show(found: Figures) -> str:
    """What its users can show in its time."""
    planned, longest = [*(found.get("days") or ()), None, None][:2]
    if number(planned) is None:
        return ""
    shown = found.get("detectable")
    if shown and f"enough for a difference of {shown}" in str(found.get("plan")):
        return ""
    what = f"a difference of {shown}" if shown else "no difference that is possible"
    return f"Its {amount(planned, 'day')} (at most {longest}) can show {what}."
