"""The benchmark's worlds in small: what feedback buys, what must not pass the gate, and whether the figures are right.

A synthetic collection: every topic has words of documents and words of questions, and vectors in which the two are only
loosely near each other, as where users do not speak like their documents.
"""

import hashlib
from collections.abc import Sequence
from functools import cache

import numpy as np
import pytest

from benchmarks.retrieving import checking, methods, side_by_side, worlds
from benchmarks.retrieving.clicks import FIRST_ONLY, HONEST, Clicks, shuffled, simulate
from benchmarks.retrieving.collections import Collection
from benchmarks.retrieving.formats import Document, Question
from benchmarks.retrieving.measuring import against, grades_of, p_of, quality
from benchmarks.retrieving.trials import FOLDS, Searchable, trial
from glow_pipelines.learning.retrieval.interleaving import examination
from glow_pipelines.learning.retrieval.metrics import ndcg
from glow_pipelines.learning.retrieval.types import Vector, unit

TOPICS, DIMENSIONS = 20, 32
SEEDS = range(2)


class Words:
    """Vectors of texts: the mean of its words' vectors; words of a topic lean its way, questions' words another too."""

    name = "words"

    def __call__(self, texts: Sequence[str]) -> Vector:
        return unit(np.array([np.mean([vector(word) for word in text.split()], axis=0) for text in texts]))


@cache
def vector(word: str) -> Vector:
    rng = np.random.default_rng(int(hashlib.sha256(word.encode()).hexdigest()[:8], 16))
    own: Vector = unit(rng.normal(size=DIMENSIONS))
    kind, topic = word[0], word[1:].split("x")[0]
    if kind == "n":
        return 0.5 * own
    lean = 0.5 * _direction(f"topic {topic}") + (0.8 * _direction(f"asked {topic}") if kind == "q" else 0.0)
    return unit(lean + own)


def _direction(name: str) -> Vector:
    rng = np.random.default_rng(int(hashlib.sha256(name.encode()).hexdigest()[:8], 16))
    found: Vector = unit(rng.normal(size=DIMENSIONS))
    return found


@cache
def place() -> Searchable:
    rng = np.random.default_rng(11)
    documents, questions, grades = [], [], {}
    for topic in range(TOPICS):
        mine = [f"d{topic}.{n}" for n in range(3)]
        for name in mine:
            words = [f"d{topic}x{n}" for n in rng.choice(12, 6, replace=False)] + [
                f"n{n}" for n in rng.integers(80, size=8)
            ]
            documents.append(Document(name, " ".join(words)))
        for n in range(5):
            words = [f"q{topic}x{n}" for n in rng.choice(12, 4, replace=False)] + [f"d{topic}x{rng.integers(12)}"]
            asked = " ".join([*words, *(f"n{n}" for n in rng.integers(80, size=4))])
            questions.append(Question(f"q{topic}.{n}", asked))
            grades[f"q{topic}.{n}"] = dict.fromkeys(mine, 1.0)
    return Searchable(Collection("synthetic", tuple(documents), tuple(questions), grades), Words())  # type: ignore[arg-type]


@cache
def measured(logging: str) -> dict[str, object]:
    scores = side_by_side.run(place(), side_by_side.full_only, SEEDS, logging, sessions=5)
    return side_by_side.figures(place(), scores)["methods"]["full"]  # type: ignore[no-any-return]


@pytest.mark.parametrize("logging", ["interleave", "dense"])
def test_learning_pays_and_is_never_worse_than_the_best_untuned_hybrid(logging: str) -> None:
    gains = measured(logging)["against best untuned hybrid"]
    assert gains["repeated"]["gain %"] > 10, gains  # type: ignore[index]
    assert gains["repeated"]["p"] < 0.01, gains  # type: ignore[index]
    assert min(gains["by seed, unseen %"]) >= 0, gains  # type: ignore[index]


def test_random_clicks_and_labels_of_others_ship_nothing() -> None:
    # The gate lets 2.5 % of what is nothing through: three of sixteen would be a chance of one in 150.
    found = worlds.random_clicks(place(), 8, 3), worlds.shuffled_labels(place(), 8, 3)
    assert sum(each["shipped"] for each in found) <= 2, found


def test_clicks_on_rank_1_alone_do_not_lower_held_out_quality() -> None:
    found = worlds.first_rank(place(), 1, 3)
    assert len(found) == 4
    for name, figures in found.items():
        assert figures["held"], (name, figures)


def test_one_loud_user_moves_a_chunk_of_one_question_by_one_rank_at_most() -> None:
    found = worlds.loud_user(place(), 30)["attacks"]
    moved = {name: each["weights as they were"]["the thumbed chunk moved at most"] for name, each in found.items()}
    assert all(ranks <= 1 for name, ranks in moved.items() if "one question" in name), moved
    # Spread over every question he has one honest vote in each; among 60 chunks that say much the same that is 3 ranks.
    assert max(moved.values()) <= 3, moved


def test_no_test_question_reaches_a_log_and_every_question_is_tested_once() -> None:
    tested: list[int] = []
    for number in range(FOLDS):
        fold = trial(place(), 0, number, sessions=1)
        asked = {event.query for event in fold.events}
        assert not asked & {place().texts[i] for i in fold.test}
        assert not asked & {judgement.query for judgement in fold.judgements}
        tested += fold.test.tolist()
    assert sorted(tested) == list(range(len(place().ids)))


def test_users_look_and_click_as_the_model_says() -> None:
    rng = np.random.default_rng(3)
    asked = place().asked[:20]
    events = simulate(place().index, asked, "interleave", 400, rng, HONEST)
    clicked = {key: [] for key in ((True, 1), (True, 3), (False, 1), (False, 3))}  # type: ignore[var-annotated]
    relevant = {question.text: question.relevant for question in asked}
    for event in events:
        assert sum(hit.leg == "dense" for hit in event.hits) == 5
        for hit in event.hits:
            assert hit.propensity == examination(hit.rank)
            if hit.rank in (1, 3):
                clicked[hit.chunk_id in relevant[event.query], hit.rank].append(hit.clicked)
    for (is_relevant, rank), flags in clicked.items():
        expected = (0.9 if is_relevant else 0.1) / rank
        assert abs(np.mean(flags) - expected) < 5 * np.sqrt(expected * (1 - expected) / len(flags))


def test_exploring_swaps_neighbours_and_production_stays() -> None:
    rng, asked = np.random.default_rng(3), place().asked[:3]
    served = {
        policy: [[hit.chunk_id for hit in e.hits] for e in simulate(place().index, asked[:1], policy, 50, rng)]
        for policy in ("production", "explore")
    }
    assert len({tuple(each) for each in served["production"]}) == 1
    usual = served["production"][0]
    assert len({tuple(each) for each in served["explore"]}) > 5
    for each in served["explore"]:
        assert all(abs(usual.index(chunk_id) - i) <= 1 for i, chunk_id in enumerate(each))
    with pytest.raises(ValueError, match="logging='shown'; there is interleave"):
        simulate(place().index, asked, "shown", 1, rng)


def test_shuffling_keeps_lists_and_clicks_and_moves_all_questions() -> None:
    fold = trial(place(), 0, 0, sessions=2, clicks=FIRST_ONLY)
    mixed = shuffled(fold.events, np.random.default_rng(1))
    assert [event.hits for event in mixed] == [event.hits for event in fold.events]
    assert sorted(event.query for event in mixed) == sorted(event.query for event in fold.events)
    assert sum(a.query != b.query for a, b in zip(mixed, fold.events, strict=True)) > 0.9 * len(mixed)
    assert all(hit.rank == 1 for event in fold.events for hit in event.hits if hit.clicked)


def test_metrics_by_hand() -> None:
    judged = {"q0": {"a": 1.0, "c": 2.0, "d": 0.0}, "q1": {"b": 1.0, "c": 1.0}}
    grades = grades_of(["q0", "q1"], {"a": 0, "b": 1, "c": 2, "d": 3}, judged)
    found = quality(np.array([[1, 0, 2], [3, 0, -1]]), grades)
    best = 2 + 1 / np.log2(3)
    assert found[0] == pytest.approx([(1 / np.log2(3) + 2 / 2) / best, 1 / 2, 1.0], abs=1e-12)
    assert found[1] == pytest.approx([0.0, 0.0, 0.0], abs=0)
    assert ndcg(["b", "a", "c"], judged["q0"]) == pytest.approx(found[0, 0], abs=1e-12)


def test_arrays_and_the_products_metrics_are_the_same() -> None:
    found = checking.ours(*checking.rankings(3))
    assert np.abs(found["product"] - found["benchmark"]).max() < 1e-12


@pytest.mark.parametrize("library", ["ir-measures", "ranx"])
def test_metrics_are_those_of_an_independent_library(library: str) -> None:
    if library not in checking.libraries():
        pytest.skip(f"{library} is not installed beside the project")
    grades, run = checking.rankings(5)
    other = checking.theirs(library, grades, run)
    for mine in checking.ours(grades, run).values():
        assert np.abs(mine - other).max() < 1e-9


def test_the_paired_test_finds_what_is_there_and_nothing_else() -> None:
    rng = np.random.default_rng(0)
    base = rng.random(200)
    assert against(base + 0.05, base)["p"] < 0.001
    assert p_of(np.zeros(5)) == 1.0
    found = [p_of(rng.normal(size=50), seed, 999) for seed in range(200)]
    assert abs(np.mean(np.array(found) < 0.05) - 0.05) < 0.05


def test_single_components_leave_the_others_off() -> None:
    fold = trial(place(), 0, 0, sessions=3)
    parameters = methods.product(fold, ("memory",)).parameters
    assert parameters.memory_weight > 0
    assert (parameters.shift, parameters.prior_weight, parameters.lexical_weight) == (0.0, 0.0, 1.0)


def test_votes_that_are_added_as_they_are_drown_the_search() -> None:
    fold = trial(place(), 0, 0, sessions=10)
    asked = [place().asked[i] for i in fold.test]
    ranks = methods.votes(fold) | methods.untrained(place())
    found = {name: float(quality(rank(asked), place().grades[fold.test])[:, 0].mean()) for name, rank in ranks.items()}
    assert found["±1 a chunk, as RAGFlow adds it"] < 0.5 * found["min-max 1:1, untuned"], found


def test_unknown_click_models_are_values_not_code() -> None:
    assert Clicks().examine(4) == 0.25
