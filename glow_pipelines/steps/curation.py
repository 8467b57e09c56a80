"""Curation between the store and the learner: what is new, a slice at a time.

Belongs here: the order in which news become examples, and where it may stop and go on. Does not: Dagster (defs), SQL
(store), what an example is worth and which inputs belong together (learning/datasets).

Nothing here looks at a whole agent: the work follows what was said since the last time, whatever the history.
"""

from collections.abc import Sequence
from dataclasses import astuple, dataclass

from glow_pipelines.learning.datasets import BehaviorLearner, BehaviorSettings, LearningInput, is_bridge, placed
from glow_pipelines.services import Services
from glow_pipelines.steps.grouping import group_inputs, mark_again
from glow_pipelines.store import Transaction
from glow_pipelines.store.heard import News, Said
from glow_pipelines.store.input_groups import Embedded

CONSUMER = "learning_examples"
SLICE = 4000  # rows of a kind: some seconds of work, which is what a failure costs and how long the lock is held
BATCH = 2000  # inputs learned in one transaction


@dataclass(frozen=True)
class Curated:
    """What one agent's news came to. `inputs` were learned, `new_inputs` of them asked for the first time; `joined` a
    group that was there before; `bridges` lie between two splits."""

    agent: str
    inputs: int = 0
    new_inputs: int = 0
    written: int = 0
    closed: int = 0
    unchanged: int = 0
    joined: int = 0
    bridges: int = 0

    def __add__(self, other: "Curated") -> "Curated":
        return Curated(self.agent, *(a + b for a, b in zip(astuple(self)[1:], astuple(other)[1:], strict=True)))


def curate(services: Services) -> list[Curated]:
    """Learn from everything said since the last time; agents without news are not looked at.

    An agent's own watermark moves with each slice, so that a run that fails goes on where it stopped; that of all
    moves when all are done. What was done twice changes nothing.
    """
    with services.store.transaction() as t:
        since, horizon = t.operations.watermark(CONSUMER), t.feedback.horizon()
        for name in t.curation_policies.changed_agents(since, horizon):
            t.curation.mark_stale(name, "curation policy")
        names = {*t.feedback.touched_agents(since, horizon), *t.curation.stale_agents()}
    curated = [curate_agent(services, name, since, horizon) for name in sorted(names)]
    with services.store.transaction() as t:
        t.operations.set_watermark(CONSUMER, horizon)
    return curated


def curate_agent(services: Services, agent: str, since: str, horizon: str) -> Curated:
    """Learn from what was said of one agent between two transaction ids, and what is to be learned again."""
    with services.store.transaction() as t:
        settings = BehaviorSettings(shares=t.feedback.agent(agent).shares, policy=t.curation_policies.policy(agent))
        learner = BehaviorLearner(settings)
        since = max(since, t.operations.watermark(CONSUMER, agent), key=int)
    total = Curated(agent)
    while int(since) < int(horizon):
        with services.store.transaction() as t:
            t.curation.lock()
            until = t.curation.slice_end(agent, since, horizon, SLICE)
            news, new = t.curation.register(agent, since, until)
        total += Curated(agent, new_inputs=new)
        waiting = sorted(news)
        for begin in range(0, len(waiting), BATCH):
            total += learn(services, learner, agent, waiting[begin : begin + BATCH], news)
        with services.store.transaction() as t:
            t.operations.set_watermark(CONSUMER, until, agent)
        since = until
    while stale := _stale(services, agent):
        total += learn(services, learner, agent, stale)
    return total


def learn(
    services: Services, learner: BehaviorLearner, agent: str, inputs: Sequence[int], news: News | None = None
) -> Curated:
    """Learn some inputs anew from all that is said about them, in one transaction. `news` is what was said since they
    were last learned; without it, nothing that was kept of them is believed."""
    embedded = _embedded(services, learner, agent, inputs, news)
    with services.store.transaction() as t:
        at = t.curation.lock()
        said = t.heard.said_of(agent, inputs, news)
        t.heard.keep(said)
        learned, groups, unmarked = _learned(t, learner, agent, inputs, said)
        grouped = group_inputs(
            t, learner, agent, {id: each for id, each in learned.items() if id not in groups}, embedded
        )
        mark_again(t, agent, {id: each for id, each in learned.items() if id in unmarked}, groups, embedded)
        groups |= grouped.groups
        examples = {id: placed(each, groups[id]) for id, each in learned.items()}
        changes = t.curation.replace_examples(agent, inputs, examples, at)
        t.curation.forget_stale(inputs)
    return Curated(
        agent,
        inputs=len(inputs),
        written=changes.written,
        closed=changes.closed,
        unchanged=changes.unchanged,
        joined=grouped.joined,
        bridges=sum(map(is_bridge, grouped.groups.values())),
    )


def _stale(services: Services, agent: str) -> list[int]:
    with services.store.transaction() as t:
        return t.curation.stale_inputs(agent, BATCH)


def _learned(
    t: Transaction, learner: BehaviorLearner, agent: str, inputs: Sequence[int], said: Said
) -> tuple[dict[int, LearningInput], dict[int, str], set[int]]:
    """What the rows about some inputs amount to, and the groups that some of these have already; by input id. Third,
    those with a group that near-duplicates do not find."""
    known = t.input_groups.inputs(inputs)
    found = learner.learn_inputs(
        said.executions,
        said.feedback,
        said.annotations,
        said.demonstrations,
        comparisons=said.comparisons,
        weights=t.quality.reliability(agent),
    )
    groups = {id: group for id, group, _ in known.values() if group is not None}
    unmarked = {id for id, group, marked in known.values() if group is not None and not marked}
    return {known[each.key][0]: each for each in found}, groups, unmarked


def _embedded(
    services: Services, learner: BehaviorLearner, agent: str, inputs: Sequence[int], news: News | None
) -> Embedded | None:
    """The words of inputs that are about to be grouped, embedded; None where paraphrases are not looked for.

    Outside of the transaction that writes: a model takes seconds, and an open transaction holds every reader of news
    back. An input that is first seen there has no embedding then, as if it said what nobody else says.
    """
    if not services.settings.paraphrases:
        return None
    with services.store.transaction() as t:
        learned, groups, unmarked = _learned(t, learner, agent, inputs, t.heard.said_of(agent, inputs, news))
    words = sorted({each.words for id, each in learned.items() if id not in groups or id in unmarked})
    if not words:
        return None
    model = services.embeddings
    return Embedded(model.name, dict(zip(words, model.embed(words), strict=True)))
