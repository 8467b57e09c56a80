"""Near-duplicates against exact Jaccard computed the plain way."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from glow_pipelines.learning.datasets import near_duplicates
from glow_pipelines.learning.datasets.jaccard import jaccard as exact
from glow_pipelines.learning.datasets.minhash import signatures
from glow_pipelines.steps.nearness import near_duplicates_on


def grams(text: str) -> set[str]:
    padded = text.ljust(5, "\0")
    return {padded[i : i + 5] for i in range(len(padded) - 4)}


def jaccard(a: str, b: str) -> float:
    return len(grams(a) & grams(b)) / len(grams(a) | grams(b))


def sentences(count: int, rng: np.random.Generator) -> list[str]:
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    words = ["".join(rng.choice(letters, size=rng.integers(3, 10))) for _ in range(2000)]
    return [" ".join(rng.choice(words, size=rng.integers(5, 25))) for _ in range(count)]


def edited(text: str, rng: np.random.Generator) -> str:
    words = text.split()
    for _ in range(rng.integers(1, 4)):
        # Another word each time: one and the same would lie in every pair, and the same way off in all of them.
        words[rng.integers(len(words))] = "".join(rng.choice(list("abcdefghijklmnopqrstuvwxyz"), size=7))
    return " ".join(words)


def test_recall_on_a_planted_set_and_exact_precision() -> None:
    rng = np.random.default_rng(11)
    texts = sentences(1500, rng)
    texts += [edited(text, rng) for text in texts]
    planted = {(i, i + 1500) for i in range(1500) if jaccard(texts[i], texts[i + 1500]) >= 0.7}
    assert len(planted) > 500
    found = {(a, b) for a, b in near_duplicates(texts).tolist()}
    assert len(found & planted) / len(planted) >= 0.999
    assert all(jaccard(texts[a], texts[b]) >= 0.7 for a, b in found)


def test_the_estimate_is_unbiased() -> None:
    """32-bit multipliers that never wrap made every permutation the same: the estimate then was 0 or 1."""
    rng = np.random.default_rng(12)
    texts = sentences(400, rng)
    others = [edited(text, rng) for text in texts]
    signed = signatures([*texts, *others])
    estimate = (signed[:400] == signed[400:]).mean(axis=1)
    truth = np.array([jaccard(a, b) for a, b in zip(texts, others, strict=True)])
    error = estimate - truth
    assert abs(error.mean()) < 4 * np.sqrt((truth * (1 - truth)).mean() / 128 / 400) + 0.003
    assert error.std() < 1.5 * np.sqrt((truth * (1 - truth)).mean() / 128)


def test_several_processes_find_what_one_finds() -> None:
    rng = np.random.default_rng(13)
    texts = sentences(300, rng)
    texts += [edited(text, rng) for text in texts] + texts[:20]
    alone = near_duplicates(texts)
    assert len(alone) > 100
    assert np.array_equal(near_duplicates_on(2, texts, least=2), alone)


def test_nothing_is_lost_among_rows_that_share_a_frequent_gram() -> None:
    """A bucket was large because its minima were frequent grams, and its pairs were never looked at: 1 % was lost."""
    rng = np.random.default_rng(14)
    texts = [f"{text} please tell me what to do in this case thank you" for text in sentences(2500, rng)]
    texts += [edited(text, rng) for text in texts[:500]]
    planted = {(i, i + 2500) for i in range(500) if jaccard(texts[i], texts[i + 2500]) >= 0.7}
    assert len(planted) > 300
    found = set(map(tuple, near_duplicates(texts).tolist()))
    assert len(found & planted) >= len(planted) - 1


TEMPLATE = (
    "an employee submitted an expense report for a trip to a client site and asks which account of the ledger it "
    "belongs to given the policy in force since may"
)


def test_nothing_is_lost_in_a_crowd_of_one_template() -> None:
    """One near pair in five was: all share their bands, and who was near to a hub was not looked at again."""
    rng = np.random.default_rng(15)
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    texts = [" ".join([TEMPLATE, *("".join(rng.choice(letters, size=8)) for _ in range(4))]) for _ in range(1200)]
    texts += [text[:-8] + "".join(rng.choice(letters, size=8)) for text in texts[1100:]]
    column = {gram: n for n, gram in enumerate(sorted({gram for text in texts for gram in grams(text)}))}
    held = [[column[gram] for gram in grams(text)] for text in texts]
    sizes = np.array([len(each) for each in held])
    whose = np.repeat(np.arange(len(texts)), sizes)
    holds = sparse.csr_matrix((np.ones(len(whose)), (whose, np.concatenate(held))), (len(texts), len(column)))
    shared = (holds @ holds.T).toarray()
    a, b = np.nonzero(shared >= 0.7 * (sizes[:, None] + sizes - shared) - 1e-9)
    near = {(i, j) for i, j in zip(a.tolist(), b.tolist(), strict=True) if i < j}
    assert len(near) > 100
    assert set(map(tuple, near_duplicates(texts).tolist())) == near
    assert set(map(tuple, near_duplicates_on(2, texts, least=2).tolist())) == near


@given(st.lists(st.tuples(st.text(max_size=30), st.text(max_size=30)), min_size=1, max_size=5))
def test_the_decision_is_exact(pairs: list[tuple[str, str]]) -> None:
    texts = [text for pair in pairs for text in pair]
    places = np.arange(len(texts)).reshape(-1, 2)
    assert exact(places, texts).tolist() == [jaccard(a, b) for a, b in pairs]


def test_a_large_bucket_stays_one_cluster() -> None:
    texts = [f"the quick brown fox jumps over the lazy dog and on and on for ever and ever {i:04}" for i in range(300)]
    pairs = near_duplicates(texts)
    seen = {0}
    links = {i: set() for i in range(300)}
    for a, b in pairs.tolist():
        links[a].add(b)
        links[b].add(a)
    waiting = [0]
    while waiting:
        fresh = links[waiting.pop()] - seen
        seen |= fresh
        waiting += fresh
    assert len(seen) == 300


@given(st.lists(st.text(alphabet="ab \U0001f600", max_size=9), max_size=8))
def test_pairs_are_exact_for_tiny_texts(texts: list[str]) -> None:
    found = {(a, b) for a, b in near_duplicates(texts, 0.99).tolist()}
    expected = {(a, b) for b in range(len(texts)) for a in range(b) if grams(texts[a]) == grams(texts[b])}
    # Equal texts are all linked to the first of them, which is enough for a cluster.
    assert found <= expected
    assert {b for _, b in found} == {b for _, b in expected}
