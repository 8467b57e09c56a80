"""A proposal to cut documents another way on its way to users: indexed beside what is served, tested, tried.

Belongs here: when a proposal is made and what follows from it. Does not: the proposal and its index (chunkings), the
test and the experiment (promotion).
"""

from dataclasses import dataclass
from datetime import timedelta

from glow_pipelines.learning.retrieval.rechunking import ChunkingProposal
from glow_pipelines.services import Services
from glow_pipelines.steps.knowledge import index_in_force, index_of
from glow_pipelines.steps.retrieval.chunkings import index_proposal, propose_chunking
from glow_pipelines.steps.retrieval.promotion import Promotion, promote

BETWEEN = timedelta(days=7)
"""A proposal that is applied embeds the whole library once more; one that comes daily would do so daily."""
SEED = 7


@dataclass(frozen=True)
class Cut:
    """A proposal and what became of it; `promotion` None where it says keep, or one was tried within the week."""

    proposal: ChunkingProposal | None
    promotion: Promotion | None
    reason: str


def consider_cuts(services: Services, agent: str) -> Cut:
    """Propose, and try what the proposal says to apply. Raises ProviderError when chunks cannot be embedded."""
    with services.store.transaction() as t:
        proposals, ago = t.documents.proposed(agent)
        running = t.experiments.running(agent, "retrieval")
    recent = ago is not None and ago < BETWEEN  # then this is the look that made it: it may have to be gone on with
    proposal = propose_chunking(services, agent, SEED, look=proposals if recent else proposals + 1)
    if proposal is None:
        return Cut(None, None, "no document is indexed yet")
    if proposal.verdict != "apply":
        return Cut(proposal, None, proposal.reason)
    if running is not None:
        return Cut(proposal, None, f"experiment {running['experiment_id']} runs: no second candidate meanwhile")
    with services.store.transaction() as t:  # a process that died between its index and its gate goes on with it
        new = proposal.parameters is None or not t.documents.was_proposed(agent, proposal.parameters)
    if new and recent and ago is not None:
        return Cut(proposal, None, f"another proposal was tried {ago / timedelta(days=1):.1f} days ago")
    current, parent = index_in_force(services, agent)
    made = index_proposal(services, agent, proposal, current, parent)
    assert made is not None
    with services.store.transaction() as t:
        candidate = index_of(t, agent, made.configuration)
    promotion = promote(services, agent, candidate, "other cuts")
    return Cut(proposal, promotion, promotion.reason)
