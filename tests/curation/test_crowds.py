"""Questions of one long template that come night after night: near ones find each other in the crowd of the rest."""

from collections.abc import Callable

import numpy as np

from glow_pipelines.database import connect
from glow_pipelines.learning.datasets.jaccard import jaccard
from glow_pipelines.services import Services
from glow_pipelines.steps.curation import curate
from tests.curation.arrivals import Judged, Run, arrive_in_bulk
from tests.incremental.reading import settle

TEMPLATE = (
    "an employee submitted an expense report for a trip to a client site and asks which account of the ledger it "
    "belongs to given the policy in force since may"
)
OLD, NIGHTS, NEW = 900, 3, 150


def test_a_question_finds_its_like_in_a_crowd(open_services: Callable[..., Services]) -> None:
    """Only the first 64 that shared a band were looked at, and they were not those it is near to."""
    services = open_services(shares=(0.4, 0.3, 0.3))
    rng = np.random.default_rng(8)
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    said = [["".join(rng.choice(letters, size=8)) for _ in range(4)] for _ in range(OLD)]
    like = rng.permutation(OLD)[:NEW].tolist()
    said += [[*said[n][:1], *("".join(rng.choice(letters, size=8)) for _ in range(3))] for n in like]
    texts = [" ".join([TEMPLATE, *words]) for words in said]
    ends = [*range(OLD // NIGHTS, OLD + 1, OLD // NIGHTS), OLD + NEW]
    with connect(services.database_url, autocommit=True) as admin:
        for begin, end in zip([0, *ends[:-1]], ends, strict=True):
            runs = [Run(f"e{n}", texts[n], "x", None, n) for n in range(begin, end)]
            arrive_in_bulk(admin, runs, [Judged(n + 1, f"e{n}", "eve", "approve") for n in range(begin, end)])
            settle(services.database_url)
            curate(services)
        rows = admin.execute("select input, split from glow.learning_examples where superseded_at is null").fetchall()
    split = dict(rows)
    pairs = np.array([(n, OLD + k) for k, n in enumerate(like)])
    near = pairs[jaccard(pairs, texts) >= 0.7].tolist()
    assert len(near) > 100
    apart = [(a, b) for a, b in near if None not in (both := (split[texts[a]], split[texts[b]])) and both[0] != both[1]]
    assert apart == []
