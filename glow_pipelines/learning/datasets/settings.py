"""What the behavior learner may be told.

Belongs here: `BehaviorSettings`. Does not belong here: reading the environment (glow_pipelines.settings).
"""

from dataclasses import dataclass

from glow_pipelines.learning.datasets.policies import STANDARD, CurationPolicy
from glow_pipelines.learning.datasets.splits import SALT, SHARES


@dataclass(frozen=True, slots=True)
class BehaviorSettings:
    """`agreeing_users`: distinct users whose word counts without an expert. `enough_experts`: summed weight of the
    experts for an answer below which it waits for another. `near_duplicate`: Jaccard of character 5-grams.
    `paraphrase`: cosine above which two inputs share a group when embeddings are given. Lengths are in characters.
    `group_cap`: None is 5 % of the rows, at least 50. `policy`: what happens to what screens find."""

    agreeing_users: int = 2
    enough_experts: float = 0.5
    longest_input: int = 20_000
    longest_target: int = 20_000
    near_duplicate: float = 0.7
    paraphrase: float = 0.95
    group_cap: int | None = None
    shares: tuple[float, float, float] = SHARES
    salt: str = SALT
    policy: CurationPolicy = STANDARD
    rule_version: str = "behavior-2"
