"""The query-side adapter: it turns questions toward their answers, and stays at rest where there is nothing to turn."""

import numpy as np
import pytest

from glow_pipelines.learning.retrieval.adapter import ContrastiveSettings, Labelled, contrastive, ridge
from glow_pipelines.learning.retrieval.types import Vector, unit

WIDTH = 12


def turned(seed: int, questions: int, noise: float = 0.2) -> tuple[Labelled, Vector]:
    """Questions are their answers seen through a rotation that is the same for all."""
    rng = np.random.default_rng(seed)
    rotation = np.linalg.qr(np.eye(WIDTH) + 0.6 * rng.normal(size=(WIDTH, WIDTH)) / np.sqrt(WIDTH))[0]
    chunks = unit(rng.normal(size=(300, WIDTH)))
    answer = rng.integers(0, 300, size=questions)
    asked = unit(chunks[answer] @ rotation + noise * rng.normal(size=(questions, WIDTH)) / np.sqrt(WIDTH))
    return Labelled(asked, tuple(np.array([at]) for at in answer), chunks), rotation


def found_first(labelled: Labelled, matrix: Vector) -> float:
    best = (labelled.questions @ matrix.T @ labelled.chunks.T).argmax(axis=1)
    return float(np.mean([best[i] in positives for i, positives in enumerate(labelled.positives)]))


@pytest.mark.parametrize("seed", range(3))
def test_both_ways_carry_over_to_questions_they_never_saw(seed: int) -> None:
    labelled, _ = turned(seed, 600)
    taught, unseen = labelled.taking(range(400)), labelled.taking(range(400, 600))
    before = found_first(unseen, np.eye(WIDTH))
    assert found_first(unseen, ridge(taught, 1.0)) > before + 0.3
    fast = ContrastiveSettings(rate=1e-2, epochs=20)
    assert found_first(unseen, contrastive(taught, np.random.default_rng(seed), fast)) > before + 0.2


def test_a_large_penalty_is_the_identity_and_a_small_one_fits() -> None:
    labelled, rotation = turned(1, 400, noise=0.0)
    assert ridge(labelled, 1e9) == pytest.approx(np.eye(WIDTH), abs=1e-5)
    assert ridge(labelled, 1e-9) == pytest.approx(rotation, abs=1e-6)


def test_noise_leaves_the_contrastive_adapter_at_rest() -> None:
    rng = np.random.default_rng(2)
    labelled, _ = turned(2, 200)
    shuffled = Labelled(labelled.questions, tuple(np.array([n]) for n in rng.integers(0, 300, 200)), labelled.chunks)
    matrix = contrastive(shuffled, rng)
    assert np.abs(matrix - np.eye(WIDTH)).max() < 0.1


def test_the_gradient_is_that_of_the_loss() -> None:
    from glow_pipelines.learning.retrieval.adapter import _hard, _loss, _padded

    labelled, _ = turned(3, 30)
    settings = ContrastiveSettings(hard_from=2, hard_to=20)
    own, hard, chosen = _padded(labelled.positives), _hard(labelled, settings), np.arange(10)
    matrix = np.eye(WIDTH) + 0.05 * np.random.default_rng(0).normal(size=(WIDTH, WIDTH))

    def loss(at: Vector) -> tuple[float, Vector]:
        return _loss(at, labelled, chosen, own, hard, np.random.default_rng(5), settings)

    gradient = loss(matrix)[1]
    for row, column in ((0, 0), (3, 7), (11, 2)):
        step = np.zeros_like(matrix)
        step[row, column] = 1e-6
        slope = (loss(matrix + step)[0] - loss(matrix - step)[0]) / 2e-6
        assert gradient[row, column] == pytest.approx(slope, rel=1e-3, abs=1e-6)
