"""Guardrails: what must not get worse while the score gets better.

Belongs here: format, slices, prompt length, answer time, each with its test and its words. Does not belong here: the
score itself (gate), and which goal makes which guardrail stricter (goals).
"""

import numpy as np

from glow_pipelines.learning.intervals import sign_midp
from glow_pipelines.learning.prompts.settings import Guardrails
from glow_pipelines.learning.prompts.tally import Tally


def check(
    tally: Tally, incumbent_tokens: int, finalist_tokens: int, rails: Guardrails
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(what failed, what is only noted), in words."""
    longer, slower = _longer(incumbent_tokens, finalist_tokens, rails), _slower(tally, rails)
    failed = [*_format(tally, rails), *_slices(tally, rails)]
    noted: list[str] = []
    for found, decides in ((longer, rails.tokens_decide), (slower, rails.latency_decides)):
        (failed if decides else noted).extend(found)
    return tuple(failed), tuple(noted)


def _format(tally: Tally, rails: Guardrails) -> list[str]:
    if sign_midp(tally.format_lost, tally.format_gained) >= rails.alpha:
        return []
    return [f"format: {tally.format_lost} answers left the output contract, {tally.format_gained} entered it"]


def _slices(tally: Tally, rails: Guardrails) -> list[str]:
    """Targets and parts of the traffic with enough pairs that got significantly worse (Holm 1979 over all)."""
    tested = [each for each in tally.slices.values() if each.n >= rails.slice_min_pairs]
    worst = sorted((sign_midp(each.c, each.b), each.target, each) for each in tested)
    failed = []
    for rank, (p_value, _, each) in enumerate(worst):
        if p_value >= rails.alpha / (len(worst) - rank):
            break
        failed.append(f"slice {each.target!r}: {each.c} lost, {each.b} won of {each.n}")
    return failed


def _longer(incumbent: int, finalist: int, rails: Guardrails) -> list[str]:
    if finalist <= rails.max_token_ratio * incumbent:
        return []
    return [f"the prompt grows from about {incumbent} to {finalist} tokens: dearer, slower calls"]


def _slower(tally: Tally, rails: Guardrails) -> list[str]:
    """p95 of the answer times beyond the ratio, and not by chance.

    The p95 of 100 times is off by 10 % in either direction, so the plain comparison would refuse one in ten finalists
    that are exactly as fast. Instead the finalist's times are divided by the ratio; at the limit both then exceed their
    common p95 equally often, which a sign test on pairs checks.
    """
    if len(tally.seconds) < rails.latency_min_pairs:
        return []
    before, after = np.array(tally.seconds).T
    scaled = after / rails.max_latency_ratio
    common = float(np.quantile(np.concatenate([before, scaled]), 0.95))
    over, under = (
        int(((scaled > common) & (before <= common)).sum()),
        int(((before > common) & (scaled <= common)).sum()),
    )
    if sign_midp(over, under) >= rails.alpha:
        return []
    was, becomes = (float(np.quantile(times, 0.95)) for times in (before, after))
    return [f"latency: 95 % of answers within {becomes:.2f} s instead of {was:.2f} s"]
