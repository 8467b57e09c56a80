"""The gate: is the finalist better than the incumbent on items nobody has looked at?

Belongs here: the sequential test, its guardrails, its reasons. Does not belong here: promotion itself. A passed gate
only makes a candidate worth an experiment.
"""

import math
from collections.abc import Sequence

from glow_pipelines.learning.intervals import mcnemar_midp, newcombe_paired, wilson
from glow_pipelines.learning.prompts.budget import BudgetExhaustedError
from glow_pipelines.learning.prompts.eprocess import log_e_value
from glow_pipelines.learning.prompts.evaluate import Evaluator
from glow_pipelines.learning.prompts.evidence import Example
from glow_pipelines.learning.prompts.prompt import Prompt
from glow_pipelines.learning.prompts.results import Gate, Verdict
from glow_pipelines.learning.prompts.settings import GateSettings
from glow_pipelines.learning.prompts.tally import Tally, continued

_MUCH_LONGER = 1.5


def gate(
    incumbent: Prompt,
    finalist: Prompt,
    items: Sequence[Example],
    evaluator: Evaluator,
    settings: GateSettings,
    limit: int,
    earlier: Gate | None = None,
) -> Gate:
    """Compares the two on `items` in the order given (random, so that pairs are exchangeable), `limit` evaluations at
    most.

    Stops early only to drop: promotion is decided with all items in, for a better estimate at no cost in validity.
    `earlier` continues a gate that carried over; its items are not used again. Raises ValueError when it is about other
    prompts.
    """
    if earlier and (earlier.incumbent_sha256, earlier.finalist_sha256) != (incumbent.sha256, finalist.sha256):
        raise ValueError("the earlier gate compared other prompts; start a new gate without it")
    tally = continued(earlier)
    used = set(tally.spent)
    fresh = [item for item in items if item.id not in used][: limit // 2]
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
    return _gate(incumbent, finalist, tally, settings)


def shrunken_gain(tally: Tally, prior_sd: float) -> float:
    """Posterior mean gain under a N(0, prior_sd^2) prior: what passed a gate was partly lucky (winner's curse).

    The variance adds one pair to each discordant cell (Bonett and Price 2012), so few pairs never look exact.
    """
    b, c, n = tally.b + 1, tally.c + 1, tally.n + 2
    variance = ((b + c) / n - ((b - c) / n) ** 2) / n
    return tally.gain * prior_sd**2 / (prior_sd**2 + variance)


def _gate(incumbent: Prompt, finalist: Prompt, tally: Tally, settings: GateSettings) -> Gate:
    failed = tally.failed_guardrails(settings.guardrail_alpha, settings.slice_min_pairs)
    verdict, reason = _verdict(tally, settings, failed)
    notes = []
    if finalist.tokens > _MUCH_LONGER * incumbent.tokens:
        notes.append(
            f"the prompt grows from about {incumbent.tokens} to {finalist.tokens} tokens: dearer, slower calls"
        )
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
        log_e=log_e_value(tally.b, tally.c),
        alpha=settings.alpha,
        incumbent_accuracy=wilson(tally.both_right + tally.c, tally.n),
        finalist_accuracy=wilson(tally.both_right + tally.b, tally.n),
        difference=newcombe_paired(tally.both_right, tally.b, tally.c, tally.neither_right),
        p_value=mcnemar_midp(tally.b, tally.c),
        shrunken_gain=shrunken_gain(tally, settings.prior_sd),
        format_gained=tally.format_gained,
        format_lost=tally.format_lost,
        slices=tuple(each for _, each in sorted(tally.slices.items())),
        failed_guardrails=failed,
        notes=tuple(notes),
        spent=tuple(tally.spent),
    )


def _drop_reason(tally: Tally, settings: GateSettings) -> str | None:
    e_value = math.exp(min(log_e_value(tally.b, tally.c), 700.0))
    if e_value < settings.drop_below:
        return f"E = {e_value:.2g} fell below {settings.drop_below}"
    if tally.b + tally.c >= settings.max_discordant and e_value < 1:
        return f"E = {e_value:.2g} is still below 1 after {tally.b + tally.c} discordant pairs"
    return None


def _verdict(tally: Tally, settings: GateSettings, failed: Sequence[str]) -> tuple[Verdict, str]:
    e_value, bar = math.exp(min(log_e_value(tally.b, tally.c), 700.0)), 1 / settings.alpha
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
    return "promote", f"Passed: {counts}; no guardrail failed."
