"""Claims about one input, counted by answer.

Belongs here: who stands for and against each answer now. Does not belong here: what follows from it (resolve).
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from glow_pipelines.learning.datasets.claims import ANONYMOUS, Claim
from glow_pipelines.learning.datasets.examples import ExampleSource, SourceRef, example_hash, example_id
from glow_pipelines.learning.datasets.text import text_key
from glow_pipelines.learning.feedback.rows import ExecutionRow

_STRENGTH: dict[ExampleSource, int] = {"demonstration": 0, "annotation": 1, "correction": 2, "vote": 3}
# How likely an answer of this origin is right before anyone else speaks; worth two experts' words.
_PRIOR: dict[ExampleSource, float] = {"demonstration": 0.95, "annotation": 0.9, "correction": 0.6, "vote": 0.55}
_PRIOR_WEIGHT, _USER_WEIGHT = 2.0, 0.5

Person = tuple[bool, str]  # whether an expert, and the name


@dataclass(frozen=True, slots=True)
class Candidate:
    """One answer to one input. People are counted once; the anonymous count among those against, never for.

    Experts count by their weight. `experts_elsewhere` deny it because they hold another answer: in a contest that is
    one voice, not two. `decided` is +1 or -1 when an adjudication is for or against it and none says otherwise.
    """

    lead: Claim
    claims: tuple[Claim, ...]
    supported: bool
    experts_for: float
    experts_against: float
    experts_elsewhere: float
    users_for: int
    users_against: int
    decided: int = 0

    @property
    def id(self) -> str:
        """The identity of the example it would become."""
        return example_id(self.lead.agent, self.lead.input, self.lead.target)

    @property
    def quality(self) -> float:
        """Posterior mean of the chance that the answer is right: origin as prior, an expert 1, a user 1/2.

        (prior · w + for) / (w + for + against), the mean of a Beta posterior after weighted Bernoulli observations
        (A. Gelman et al., Bayesian Data Analysis, 3rd ed., §2.4), with w = 2 as if two experts had spoken.
        """
        parts = self.quality_parts
        ups = parts["experts_for"] + _USER_WEIGHT * parts["users_for"]
        downs = parts["experts_against"] + _USER_WEIGHT * parts["users_against"]
        prior = parts["prior"] * _PRIOR_WEIGHT
        return round((prior + ups) / (_PRIOR_WEIGHT + ups + downs), 6)

    @property
    def quality_parts(self) -> Mapping[str, float]:
        """What the quality is made of: the prior of its origin, experts by weight, users by head."""
        return {
            "prior": _PRIOR[self.lead.source],
            "prior_weight": _PRIOR_WEIGHT,
            "experts_for": self.experts_for,
            "experts_against": round(self.experts_against + self.experts_elsewhere, 6),
            "users_for": self.users_for,
            "users_against": self.users_against,
            "user_weight": _USER_WEIGHT,
        }

    @property
    def execution(self) -> ExecutionRow | None:
        """The earliest execution the answer was claimed for; None for an expert's own example."""
        return None if self.lead.source == "demonstration" else earliest(self.claims)

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


def earliest(claims: Iterable[Claim]) -> ExecutionRow | None:
    """The execution with the smallest id of those the claims speak of."""
    found = {c.execution.id: c.execution for c in claims if c.execution is not None}
    first = min(found, key=lambda id: (len(id), id), default=None)
    return None if first is None else found[first]


def by_input(claims: Iterable[Claim]) -> dict[tuple[str, str], list[Claim]]:
    """Claims about the same input of the same agent, keys sorted."""
    found: dict[tuple[str, str], list[Claim]] = defaultdict(list)
    for claim in claims:
        found[claim.agent, text_key(claim.input)].append(claim)
    return dict(sorted(found.items()))


def weighted(claims: Iterable[Claim], weights: Mapping[str, float]) -> list[Claim]:
    """The claims with what each expert's word counts; who is not in `weights` keeps 1."""
    return [replace(c, weight=weights[c.person]) if c.expert and c.person in weights else c for c in claims]


def candidates_of(claims: Sequence[Claim]) -> list[Candidate]:
    """The answers claimed for one input. A person holds one answer at a time, the one they named last.

    Where an execution was adjudicated, other experts' words about it are kept as sources and count no more.
    """
    settled = {c.execution.id for c in claims if c.decisive and c.execution is not None}
    holds: dict[Person, tuple[str, Claim]] = {}
    denies: dict[str, dict[Person, Claim]] = defaultdict(dict)
    about: dict[str, list[Claim]] = defaultdict(list)
    for claim in claims:
        who, answer = (claim.expert, claim.person), text_key(claim.target)
        about[answer].append(claim)
        if _overruled(claim, settled):
            continue
        if claim.stance > 0:
            holds[who] = answer, claim
            denies[answer].pop(who, None)
        else:
            denies[answer][who] = claim
            if who in holds and holds[who][0] == answer:
                del holds[who]
    return [_counted(answer, said, holds, denies[answer]) for answer, said in sorted(about.items())]


def _overruled(claim: Claim, settled: set[str]) -> bool:
    return claim.expert and not claim.decisive and claim.execution is not None and claim.execution.id in settled


def _counted(
    answer: str, said: Sequence[Claim], holds: Mapping[Person, tuple[str, Claim]], denied: Mapping[Person, Claim]
) -> Candidate:
    ups = {who: claim for who, (held, claim) in holds.items() if held == answer}
    # Someone whose mind changed is no longer the voice the text is taken from.
    speaking = [c for c in said if c.stance > 0 and (c.expert, c.person) in ups]
    for_it = any(claim.decisive for claim in ups.values())
    against_it = any(claim.decisive for claim in denied.values())
    return Candidate(
        lead=min(speaking or said, key=lambda c: (_STRENGTH[c.source], c.order)),
        claims=tuple(said),
        supported=bool(speaking),
        experts_for=_weight(ups[who] for who in ups if who[0]),
        experts_against=_weight(denied[who] for who in denied if who[0] and who not in holds),
        experts_elsewhere=_weight(denied[who] for who in denied if who[0] and who in holds),
        users_for=sum(not expert and person != ANONYMOUS for expert, person in ups),
        users_against=sum(not expert for expert, _ in denied),
        decided=for_it - against_it,
    )


def _weight(claims: Iterable[Claim]) -> float:
    """Rounded, so that equal support is equal in whatever order it was added up."""
    return round(sum(claim.weight for claim in claims), 6)
