"""The A/A probe: the same prompt against itself. What flips there is the floor below which no gain can be seen.

Belongs here: asking twice and counting. Does not belong here: what the gate says about it.
"""

from collections.abc import Sequence

from glow_pipelines.learning.prompts.evidence import Answerer, Example
from glow_pipelines.learning.prompts.metrics import Metric
from glow_pipelines.learning.prompts.prompt import Prompt
from glow_pipelines.learning.prompts.results import Noise

PROBE_ITEMS = 30
MUCH = 0.02


def probe(prompt: Prompt, items: Sequence[Example], answer: Answerer, metric: Metric) -> Noise:
    """Asks the first 30 items twice, 60 calls at most, and counts the items whose score changes.

    `answer` must not remember: a cached answer is equal to itself whatever the model does, so an item with one is not
    counted, and a probe of nothing but cached answers has n = 0.
    """
    asked = list(items[:PROBE_ITEMS])
    rendered = [prompt.render(item.input) for item in asked]
    first, second = answer(rendered), answer(rendered)
    scored = [
        (metric.score(one.text, item.target), metric.score(other.text, item.target))
        for item, one, other in zip(asked, first, second, strict=True)
        if not (one.cached or other.cached)
    ]
    return Noise(len(scored), sum(one != other for one, other in scored))


def remark(noise: Noise | None) -> list[str]:
    """What a reader of the gate should know, if anything."""
    if noise is None or not noise.n or noise.rate <= MUCH:
        return []
    return [
        f"identical requests changed their score on {noise.flips} of {noise.n} items: the model is not deterministic, "
        "and gains of this size need more items or repeated answers"
    ]
