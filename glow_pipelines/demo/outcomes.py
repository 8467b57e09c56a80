"""What was learned of prompts and of retrieval, and what was not, in plain words.

Belongs here: the two chapters where something may have become better. Does not: the other chapters (sections).

A dropped, kept or undecided change is told as neutrally as a shipped one; only a passed gate is toned as good.
"""

from typing import Any

from glow_pipelines.demo.blocks import Block, Diff, Mark, Plot, Section, Table, Text, Whisker, diff
from glow_pipelines.demo.wording import (
    against_zero,
    amount,
    gain,
    limits,
    number,
    points,
    score,
    sentence,
    share,
    whisker,
)

Figures = dict[str, Any]

_VERDICTS = {
    "promote": Mark("Improved on the sealed test", "good"),
    "drop": Mark("No improvement"),
    "carry_over": Mark("Undecided"),
}
_STATES = {
    "running": Mark("Not finished"),
    "no_improvement": Mark("No improvement"),
    "carry_over": Mark("Undecided"),
    "insufficient_data": Mark("Not enough data"),
    "no exact metric": Mark("Not optimized"),
}
_AFTERWARDS = {
    "promote": "The prompt in force stays until an experiment with users decides.",
    "drop": "The prompt in force stays.",
    "carry_over": "The prompt in force stays; the test goes on with fresh items.",
}
_METRICS = {
    "ndcg_at_10": "nDCG@10",
    "mrr_at_10": "MRR@10",
    "recall_at_10": "recall@10",
    "hit_at_1": "right passage first",
}


def outcome(prompt: Figures) -> Mark:
    """The verdict on an agent's optimization."""
    gate = prompt.get("gate") or {}
    if gate.get("verdict") in _VERDICTS and _is_of_this_optimization(prompt):
        return _VERDICTS[gate["verdict"]]
    state = str(prompt.get("state") or "")
    return _STATES.get(state, Mark(f"State: {state}" if state else "Not optimized"))


def prompt_news(prompt: Figures) -> str:
    """The outcome in half a sentence."""
    gate, said = prompt.get("gate") or {}, outcome(prompt).text.lower()
    if not gate or not _is_of_this_optimization(prompt):
        return said
    return (
        f"{said}, {points(gate.get('difference'))} on {amount(gate.get('n'), 'item')}"
        if limits(gate.get("difference"))
        else said
    )


def retrieval_news(found: Figures) -> str:
    """The outcome in half a sentence."""
    overall = found.get("difference") or {}
    if not overall:
        return "no held-out question could be compared"
    if _unchanged(found):
        return "no change, the untuned hybrid stays in force"
    return (
        f"nDCG@10 {gain(overall.get('gain'))} over the untuned hybrid on {amount(found.get('questions'), 'question')} "
        f"that nobody asked"
    )


def prompt_sections(prompts: list[Figures]) -> tuple[Section, ...]:
    """A chapter with a part for each agent."""
    if not prompts:
        return (Section("Prompts", (Text("No agent has a prompt yet."),)),)
    intro = (
        "Prompts made from feedback and examples race on validation items; the best one meets sealed test items, seen "
        "by nothing before and used once. What passes is a candidate, not yet in force."
    )
    parts = (Section(str(each.get("agent")), _prompt(each), level=3) for each in prompts)
    return (Section("Prompts", (Text(intro),)), *parts)


def _is_of_this_optimization(prompt: Figures) -> bool:
    """The newest gate may belong to an earlier dataset: an optimization without a finalist makes none."""
    gate = prompt.get("gate") or {}
    return bool(gate) and bool(prompt.get("gate_is_of_this_optimization", True))


def _prompt(prompt: Figures) -> tuple[Block, ...]:
    gate, mine = prompt.get("gate") or {}, _is_of_this_optimization(prompt)
    reason = sentence(prompt.get("reason"))
    blocks: list[Block] = []
    if gate and not mine:
        blocks.append(Text(reason, outcome(prompt)))
        blocks.append(Text("The test below is of an earlier optimization."))
    elif not gate:
        blocks.append(Text(reason, outcome(prompt)))
    if gate:
        blocks += _test(prompt, gate, outcome(prompt) if mine else None)
    race = _race(prompt, gate)
    return (*blocks, *race, _change(prompt))


def _test(prompt: Figures, gate: Figures, lead: Mark | None) -> tuple[Block, ...]:
    n, verdict = number(gate.get("n")) or 0, str(gate.get("verdict"))
    before, after = gate.get("incumbent_accuracy"), gate.get("finalist_accuracy")
    said = (
        f"Right on {amount(n, 'sealed test item')}: {share(before)} → {share(after)}, a difference of "
        f"{points(gate.get('difference'))}; {against_zero(gate.get('difference'))}. Gate: {verdict}. "
        f"{sentence(gate.get('reason'))} {_AFTERWARDS.get(verdict, '')}"
    )
    notes = f" {sentence('; '.join(map(str, gate['notes'])))}" if gate.get("notes") else ""
    calls = f"Answers compared: {_raced(prompt)}{2 * int(n):,} in the test, two for each item.{notes}"
    drawn = (whisker("prompt in force", before, "in force"), whisker("tried prompt", after, "tried"))
    return (
        Text(said, lead),
        Text(calls),
        Plot("Right answers on sealed test items", tuple(each for each in drawn if each), page_only=True),
    )


def _raced(prompt: Figures) -> str:
    """An interrupted race asks again for what it knows, so calls alone would tell too little."""
    arms = [each for each in prompt.get("arms") or [] if each]
    asked, paid = sum(int(number(each.get("n")) or 0) for each in arms), int(number(prompt.get("race_calls")) or 0)
    if not asked:
        return ""
    how = "all new model calls" if paid >= asked else f"{amount(paid, 'new model call')}, the others were known"
    return f"{asked:,} in the race ({how}), "


def _race(prompt: Figures, gate: Figures) -> tuple[Block, ...]:
    arms = [each for each in prompt.get("arms") or [] if each]
    drawn: list[tuple[float, Whisker]] = []
    for arm in arms:
        version, operator = str(arm.get("prompt_sha256") or "")[:6], str(arm.get("operator"))
        incumbent = operator == "incumbent"
        tried = bool(gate) and arm.get("prompt_sha256") == gate.get("finalist_sha256")
        name = "in force" if incumbent else f"{operator.replace('_', ' ')} {version}"
        found = whisker(
            f"{name}, {arm.get('n')} items",
            arm.get("accuracy"),
            "in force" if incumbent else "tried" if tried else "other",
        )
        if found:
            drawn.append((-2.0 if incumbent else -found.value, found))
    if not drawn:
        return ()
    ranked = tuple(each for _, each in sorted(drawn, key=lambda pair: pair[0]))
    caption = f"The race of {amount(len(arms), 'prompt')}: right on validation items. It ranks; it proves no gain."
    return (Plot(caption, ranked),)


def _change(prompt: Figures) -> Diff:
    before, after = str(prompt.get("before") or ""), prompt.get("after")
    if not after:
        return Diff("Prompt in force, no other was tested", diff(before, before))
    if after == before:
        return Diff("The tried prompt is the one in force now", diff(before, before))
    return Diff("From the prompt in force (−) to the tried one (+)", diff(before, str(after)))


def retrieval_section(found: Figures) -> Section:
    """Held-out questions through three configurations, and what the pipeline itself decided without them."""
    overall = found.get("difference") or {}
    own = found.get("pipeline_gate") or {}
    decided = _decided(own, found.get("experiment") or {})
    learned = amount(found.get("pairs"), "training pair")
    if not overall:
        return Section(
            "Retrieval", (Text("No held-out question could be compared.", Mark("Not enough data")), Text(decided))
        )
    now = "Candidate" if found.get("candidate") else "Now"
    told = (
        "the untuned hybrid is in force, so there is no difference."
        if _unchanged(found)
        else f"nDCG@10 {gain(overall.get('gain'))}; {against_zero(overall.get('gain'))}."
    )
    compared = (
        f"{now} minus untuned hybrid: {told} Measured on {amount(found.get('questions'), 'question')} that nobody "
        "asked: other phrasings of what users did ask, judged by the truth table, which the pipeline never reads. "
        f"Learned from clicks: {learned}. {decided}"
    )
    columns = {"dense": "Dense only", "before": "Untuned hybrid", "after": now}
    rows = tuple(
        (name, *(score((found.get(column) or {}).get(key)) for column in columns)) for key, name in _METRICS.items()
    )
    kinds: dict[str, Any] = {"dense": "other", "before": "in force", "after": "tried"}
    drawn = (
        whisker(name, (found.get(column) or {}).get("ndcg_at_10"), kinds[column], percent=False)
        for column, name in columns.items()
    )
    caption = "Quality of the first ten passages, 1 is best, with 95 % intervals"
    return Section(
        "Retrieval",
        (
            Text(compared, _retrieval_outcome(found)),
            Table(caption, ("Measure", *columns.values()), rows),
            Plot("nDCG@10 on held-out questions", tuple(each for each in drawn if each), False, page_only=True),
        ),
    )


def _decided(own: Figures, experiment: Figures) -> str:
    """What the pipeline itself decided, on what it knows."""
    if not own:
        return "The pipeline's own gate has decided nothing: there was no other configuration to test."
    said = sentence(own.get("reason"))
    if own.get("verdict") != "ship":
        return f"The pipeline's own gate, on experts' verdicts: kept. {said}"
    after = f"experiment {experiment['id']} asks users" if experiment.get("id") else "no experiment is running"
    return f"The pipeline's own gate, on experts' verdicts: passed; {after}, what is in force stays. {said}"


def _retrieval_outcome(found: Figures) -> Mark:
    interval = limits((found.get("difference") or {}).get("gain"))
    if interval is None or _unchanged(found):
        return Mark("No change")
    if interval[1] > 0:
        return Mark("Improved on held-out questions", "good")
    return Mark("Worse on held-out questions", "bad") if interval[2] < 0 else Mark("Not shown to be better")


def _unchanged(found: Figures) -> bool:
    """Both rankings are the same: what is in force is the untuned hybrid."""
    interval = limits((found.get("difference") or {}).get("gain"))
    return not found.get("configuration") or interval == (0.0, 0.0, 0.0)
