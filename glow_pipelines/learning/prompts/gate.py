"""The gate: is the finalist better than the incumbent on items nobody has looked at?

Belongs here: the sequential test, its reasons, the verdict. Does not belong here: promotion itself (a passed gate only
makes a candidate worth an experiment), the level of this test among many (levels).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from glow_pipelines.learning.intervals import Interval, mcnemar_midp, newcombe_paired, paired_bootstrap, wilson
from glow_pipelines.learning.prompts import guardrails
from glow_pipelines.learning.prompts.betting import log_wealth
from glow_pipelines.learning.prompts.budget import BudgetExhaustedError
from glow_pipelines.learning.prompts.eprocess import log_e_value
from glow_pipelines.learning.prompts.evaluate import Evaluator
from glow_pipelines.learning.prompts.evidence import Example
from glow_pipelines.learning.prompts.power import DISCORDANCE, items_expected, power_table
from glow_pipelines.learning.prompts.prompt import Prompt
from glow_pipelines.learning.prompts.results import Gate, Verdict
from glow_pipelines.learning.prompts.settings import GateSettings
from glow_pipelines.learning.prompts.shrinkage import shrunken_gain
from glow_pipelines.learning.prompts.tally import Tally, continued

_FEWEST_FOR_DISCORDANCE = 20  # below, a planning number says more about the items left than a count of two


@dataclass(frozen=True)
class _Terms:
    """What one gate is held to."""

    settings: GateSettings
    level: float
    may_pass: bool
    why_not: str


def gate(
    incumbent: Prompt,
    finalist: Prompt,
    items: Sequence[Example],
    evaluator: Evaluator,
    settings: GateSettings,
    limit: int,
    earlier: Gate | None = None,
    *,
    level: float | None = None,
    graded: bool = False,
    may_pass: bool = True,
    why_not: str = "",
) -> Gate:
    """Compares the two on `items` in the order given (random, so that pairs are exchangeable), `limit` evaluations at
    most.

    One item of a group is asked: the others are not independent of it, and counting them would make chance look like
    evidence. Stops early only to drop: promotion is decided with all items in, for a better estimate at no cost in
    validity. `level` is what this gate may spend of `settings.alpha` (all of it when None). `graded` scores are
    compared by their differences. With `may_pass` False (a judge that is not calibrated) the verdict is never
    "promote", and `why_not` says why. `earlier` continues a gate of the same two prompts; its items are not used again.
    Raises ValueError when it is about other prompts, or kept no scores and they are needed.
    """
    if earlier and (earlier.incumbent_sha256, earlier.finalist_sha256) != (incumbent.sha256, finalist.sha256):
        raise ValueError("the earlier gate compared other prompts; start a new gate without it")
    if earlier and earlier.n and earlier.graded != graded:
        raise ValueError("the earlier gate had another kind of metric; start a new gate without it")
    terms = _Terms(settings, settings.alpha if level is None else level, may_pass, why_not)
    tally = continued(earlier, graded)
    fresh = _one_of_a_group(items, set(tally.spent))[: limit // 2]
    for start in range(0, len(fresh), settings.look):
        batch = fresh[start : start + settings.look]
        try:
            evaluator.ask((prompt, item) for item in batch for prompt in (incumbent, finalist))
        except BudgetExhaustedError:
            break
        for item in batch:
            tally.add(item, evaluator.outcome(finalist, item), evaluator.outcome(incumbent, item))
        if _drop_reason(tally, settings):
            break
    return _gate(incumbent, finalist, tally, terms)


def _one_of_a_group(items: Sequence[Example], used: set[str]) -> list[Example]:
    seen = {item.group for item in items if item.id in used}
    fresh = []
    for item in items:
        if item.group not in seen:
            seen.add(item.group)
            fresh.append(item)
    return fresh


def _log_e(tally: Tally) -> float:
    return log_wealth(tally.differences) if tally.graded else log_e_value(tally.b, tally.c)


def _gate(incumbent: Prompt, finalist: Prompt, tally: Tally, terms: _Terms) -> Gate:
    failed, noted = guardrails.check(tally, incumbent.tokens, finalist.tokens, terms.settings.guardrails)
    verdict, reason = _verdict(tally, terms, failed)
    return Gate(
        incumbent_sha256=incumbent.sha256,
        finalist_sha256=finalist.sha256,
        verdict=verdict,
        reason=reason,
        n=tally.n,
        b=tally.b,
        c=tally.c,
        both_right=tally.both_right,
        neither_right=tally.neither_right,
        log_e=_log_e(tally),
        alpha=terms.settings.alpha,
        incumbent_accuracy=wilson(tally.both_right + tally.c, tally.n),
        finalist_accuracy=wilson(tally.both_right + tally.b, tally.n),
        difference=_difference(tally),
        p_value=mcnemar_midp(tally.b, tally.c),
        shrunken_gain=shrunken_gain(tally, terms.settings.prior_sd),
        format_gained=tally.format_gained,
        format_lost=tally.format_lost,
        slices=tuple(each for _, each in sorted(tally.slices.items())),
        failed_guardrails=failed,
        notes=(*noted, *_pace(tally, terms, verdict)),
        spent=tuple(tally.spent),
        level=terms.level,
        graded=tally.graded,
        scores=tuple(tally.scores),
        seconds=tuple(tally.seconds),
        incumbent_tokens=incumbent.tokens,
        finalist_tokens=finalist.tokens,
        power=power_table(_discordance(tally), level=terms.level),
        ranks_only=not terms.may_pass,
    )


def _difference(tally: Tally) -> Interval:
    if not tally.graded or not tally.n:
        return newcombe_paired(tally.both_right, tally.b, tally.c, tally.neither_right)
    before, after = zip(*tally.scores, strict=True)
    return paired_bootstrap(after, before, np.random.default_rng(0), resamples=2000)


def _discordance(tally: Tally) -> float:
    counted = tally.b + tally.c
    return counted / tally.n if counted >= _FEWEST_FOR_DISCORDANCE else DISCORDANCE


def _pace(tally: Tally, terms: _Terms, verdict: Verdict) -> list[str]:
    """How far the bar is when the finalist goes on as it did, for whoever wonders whether to wait."""
    share, log_e = _discordance(tally), _log_e(tally)
    if verdict != "carry_over" or tally.graded or not 0 < tally.gain <= share or log_e >= -math.log(terms.level):
        return []
    more = items_expected(tally.gain, terms.level, share, log_e)
    return [f"about {more} more items would decide it, if the true gain is the {100 * tally.gain:.1f} points seen"]


def _drop_reason(tally: Tally, settings: GateSettings) -> str | None:
    e_value = math.exp(min(_log_e(tally), 700.0))
    differing = sum(gap != 0 for gap in tally.differences) if tally.graded else tally.b + tally.c
    if e_value < settings.drop_below:
        return f"E = {e_value:.2g} fell below {settings.drop_below}"
    if differing >= settings.max_discordant and e_value < 1:
        kind = "differing" if tally.graded else "discordant"
        return f"E = {e_value:.2g} is still below 1 after {differing} {kind} pairs"
    return None


def _verdict(tally: Tally, terms: _Terms, failed: Sequence[str]) -> tuple[Verdict, str]:
    settings, e_value, bar = terms.settings, math.exp(min(_log_e(tally), 700.0)), 1 / terms.level
    counts = (
        f"of {tally.n} unseen items the finalist alone was right on {tally.b}, the incumbent alone on {tally.c} "
        f"({100 * tally.gain:+.1f} points, E = {e_value:.3g}, needed {bar:.3g})"
    )
    dropped = _drop_reason(tally, settings)
    if dropped:
        return "drop", f"Dropped: {dropped}; {counts}."
    if failed:
        return "drop", f"Dropped by guardrail ({'; '.join(failed)}); {counts}."
    wanting = [
        text
        for text, lacks in (
            (f"at least {settings.min_pairs} items", tally.n < settings.min_pairs),
            (f"E of at least {bar:.3g}", e_value < bar),
            (f"a gain of at least {100 * settings.min_gain:g} points", tally.gain < settings.min_gain),
        )
        if lacks
    ]
    if wanting:
        return "carry_over", f"Undecided, needs {' and '.join(wanting)}; {counts}. Continues on fresh items."
    if not terms.may_pass:
        return "carry_over", f"Ranks only: {terms.why_not or 'this metric may not promote'}; {counts}."
    return "promote", f"Passed: {counts}; no guardrail failed."
