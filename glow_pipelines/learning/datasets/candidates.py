"""Claims about one input, counted by answer.

Belongs here: who stands for and against each answer now. Does not belong here: what follows from it (resolve).
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from glow_pipelines.learning.datasets.claims import ANONYMOUS, Claim
from glow_pipelines.learning.datasets.examples import ExampleSource, SourceRef, example_hash, example_id
from glow_pipelines.learning.datasets.text import text_key
from glow_pipelines.learning.feedback.rows import ExecutionRow

_STRENGTH: dict[ExampleSource, int] = {"demonstration": 0, "annotation": 1, "correction": 2, "vote": 3}
# How likely an answer of this origin is right before anyone else speaks; worth two experts' words.
_PRIOR: dict[ExampleSource, float] = {"demonstration": 0.95, "annotation": 0.9, "correction": 0.6, "vote": 0.55}
_PRIOR_WEIGHT, _USER_WEIGHT = 2.0, 0.5


@dataclass(frozen=True, slots=True)
class Candidate:
    """One answer to one input. People are counted once; the anonymous count among those against, never for.

    `experts_elsewhere` deny it because they hold another answer: in a contest that is one voice, not two.
    """

    lead: Claim
    claims: tuple[Claim, ...]
    supported: bool
    experts_for: int
    experts_against: int
    experts_elsewhere: int
    users_for: int
    users_against: int

    @property
    def id(self) -> str:
        """The identity of the example it would become."""
        return example_id(self.lead.agent, self.lead.input, self.lead.target)

    @property
    def quality(self) -> float:
        """Posterior mean of the chance that the answer is right: origin as prior, an expert 1, a user 1/2."""
        ups = self.experts_for + _USER_WEIGHT * self.users_for
        downs = self.experts_against + self.experts_elsewhere + _USER_WEIGHT * self.users_against
        prior = _PRIOR[self.lead.source] * _PRIOR_WEIGHT
        return round((prior + ups) / (_PRIOR_WEIGHT + ups + downs), 6)

    @property
    def execution(self) -> ExecutionRow | None:
        """The earliest execution the answer was claimed for; None for an expert's own example."""
        found = {c.execution.id: c.execution for c in self.claims if c.execution is not None}
        first = min(found, key=lambda id: (len(id), id), default=None)
        return None if first is None or self.lead.source == "demonstration" else found[first]

    @property
    def input(self) -> str:
        """The input in the words of that execution."""
        return self.lead.input if self.execution is None else self.execution.input

    @property
    def rejected_target(self) -> str | None:
        """The output that the answer was first put in for."""
        return next((c.replaces for c in self.claims if c.replaces is not None), None)

    @property
    def content_hash(self) -> str:
        """The hash of what may be exported."""
        return example_hash(self.input, self.lead.target, self.rejected_target)

    @property
    def sources(self) -> tuple[SourceRef, ...]:
        """Every row that spoke, and every execution it spoke of."""
        of = {SourceRef("execution", c.execution.id, "input") for c in self.claims if c.execution is not None}
        return tuple(sorted(of | {c.ref for c in self.claims}))


def by_input(claims: Iterable[Claim]) -> dict[tuple[str, str], list[Claim]]:
    """Claims about the same input of the same agent, keys sorted."""
    found: dict[tuple[str, str], list[Claim]] = defaultdict(list)
    for claim in claims:
        found[claim.agent, text_key(claim.input)].append(claim)
    return dict(sorted(found.items()))


def candidates_of(claims: Sequence[Claim]) -> list[Candidate]:
    """The answers claimed for one input. A person holds one answer at a time, the one they named last."""
    holds: dict[tuple[bool, str], str] = {}
    denies: dict[str, set[tuple[bool, str]]] = defaultdict(set)
    about: dict[str, list[Claim]] = defaultdict(list)
    for claim in claims:
        who, answer = (claim.expert, claim.person), text_key(claim.target)
        about[answer].append(claim)
        if claim.stance > 0:
            holds[who] = answer
            denies[answer].discard(who)
        else:
            denies[answer].add(who)
            if holds.get(who) == answer:
                del holds[who]
    result = []
    for answer, said in sorted(about.items()):
        ups = {who for who, held in holds.items() if held == answer}
        # Someone whose mind changed is no longer the voice the text is taken from.
        speaking = [c for c in said if c.stance > 0 and (c.expert, c.person) in ups]
        result.append(
            Candidate(
                lead=min(speaking or said, key=lambda c: (_STRENGTH[c.source], c.order)),
                claims=tuple(said),
                supported=bool(speaking),
                experts_for=sum(expert for expert, _ in ups),
                experts_against=sum(who[0] and who not in holds for who in denies[answer]),
                experts_elsewhere=sum(who[0] and who in holds for who in denies[answer]),
                users_for=sum(not expert and person != ANONYMOUS for expert, person in ups),
                users_against=sum(not expert for expert, _ in denies[answer]),
            )
        )
    return result
