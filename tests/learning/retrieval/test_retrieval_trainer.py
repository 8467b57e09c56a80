"""Training end to end: it learns from good feedback, learns nothing from noise, and the gate knows which is which."""

import json
from dataclasses import replace

import numpy as np
import pytest
from retrieval_world import build, log

from glow_pipelines.learning.retrieval import (
    Judgement,
    RagTrainer,
    RetrievalIndex,
    RetrievalParameters,
    RetrievalTraining,
    TrainerSettings,
)
from glow_pipelines.learning.retrieval.tuning import TuningGrid

UNTUNED = RetrievalParameters()
SMALL = TrainerSettings(
    grid=TuningGrid(lexical_weight=(0.5, 1.0, 2.0), memory_weight=(0.0, 1.0, 4.0), shift=(0.0, 0.25), folds=2)
)


def trained(seed: int, sessions: int = 3) -> tuple[RagTrainer, RetrievalIndex, RetrievalTraining, list[Judgement]]:
    world = build(seed)
    index = RetrievalIndex(world.chunks)
    trainer = RagTrainer(world.embed, seed)
    events = log(world, index, world.relevance, sessions, seed)
    return trainer, index, trainer.train_from_feedback(world.chunks, events, UNTUNED, lambda _: "train"), world.held_out


@pytest.mark.parametrize("seed", range(5))
def test_rewordings_of_past_questions_are_answered_better_than_by_the_untuned_hybrid(seed: int) -> None:
    trainer, index, training, held_out = trained(seed)
    candidate = index.reconfigured(training.configuration)
    before, after = trainer.evaluate(index, held_out), trainer.evaluate(candidate, held_out)
    assert after.ndcg_at_10.estimate > before.ndcg_at_10.estimate + 0.05
    verdict = trainer.gate(index, candidate, held_out, np.random.default_rng(seed))
    assert verdict.verdict == "ship", verdict.reason
    assert f"{verdict.overall.queries} held-out" in verdict.reason
    assert trainer.gate(candidate, index, held_out, np.random.default_rng(seed)).verdict == "keep"


def test_random_clicks_teach_and_ship_nothing() -> None:
    taught = shipped = 0
    for seed in range(40):
        world = build(seed, intents=15)
        index = RetrievalIndex(world.chunks)
        trainer = RagTrainer(world.embed, seed, SMALL)
        events = log(world, index, lambda query, chunk_id: 0.3, 2, seed)
        training = trainer.train_from_feedback(world.chunks, events, UNTUNED, lambda _: "train")
        taught += training.tuning.learned
        if not training.tuning.learned:
            assert training.configuration == index.configuration
            continue
        candidate = index.reconfigured(training.configuration)
        shipped += trainer.gate(index, candidate, world.held_out, np.random.default_rng(seed)).verdict == "ship"
    assert taught <= 4
    assert shipped <= 1


def test_same_seed_same_candidate_and_all_of_it_is_json() -> None:
    (_, _, one, _), (_, _, other, _) = trained(1), trained(1)
    assert one.parameters.sha256 == other.parameters.sha256
    assert one.memory == other.memory
    assert one.mining.pairs == other.mining.pairs
    for value in (one.to_json(), one.memory[0].to_json(), one.mining.pairs[0].to_json()):
        json.dumps(value, allow_nan=False)


def test_only_train_questions_teach() -> None:
    world = build(3)
    index = RetrievalIndex(world.chunks)
    events = log(world, index, world.relevance, 6, 3)
    others = {intent[0] for intent in world.wordings}
    trainer = RagTrainer(world.embed, 3)

    def split(query: str) -> str:
        return "test" if query in others else "train"

    training = trainer.train_from_feedback(world.chunks, events, UNTUNED, split)  # type: ignore[arg-type]
    used = {event_id for row in training.memory for event_id in row.event_ids}
    assert used
    assert used <= {event.id for event in events if event.query not in others}
    assert not {row.query for row in training.memory} & others
    assert not {pair.query for pair in training.mining.pairs} & others
    alone = trainer.train_from_feedback(
        world.chunks, [event for event in events if event.query not in others], UNTUNED, lambda _: "train"
    )
    assert alone.parameters == training.parameters


def test_embeddings_left_out_of_the_log_are_made_up_for() -> None:
    world = build(2)
    events = log(world, RetrievalIndex(world.chunks), world.relevance, 1, 2)
    bare = [replace(event, query_embedding=None) for event in events]
    one, other = (
        RagTrainer(world.embed, 2).train_from_feedback(world.chunks, part, UNTUNED, lambda _: "train")
        for part in (events, bare)
    )
    assert one.parameters == other.parameters


def test_without_any_click_the_configuration_stays() -> None:
    world = build(4)
    index = RetrievalIndex(world.chunks)
    events = log(world, index, lambda query, chunk_id: 0.0, 1, 4)
    current = replace(UNTUNED, lexical_weight=0.7)
    trainer = RagTrainer(world.embed, 4)
    for part in (events, []):
        training = trainer.train_from_feedback(world.chunks, part, current, lambda _: "train")
        assert training.parameters == current
        assert training.memory == ()
        assert training.mining.pairs == ()
    same = trainer.gate(index, index, world.held_out, np.random.default_rng(0))
    assert same.verdict == "keep"
    assert same.overall.p_value == 1.0


def test_the_gate_without_judgements_keeps_and_evaluation_says_what_is_missing() -> None:
    trainer, index, _, held_out = trained(0, sessions=1)
    nothing = [Judgement(judgement.query, judgement.chunk_id, 0.0) for judgement in held_out]
    verdict = trainer.gate(index, index, nothing, np.random.default_rng(0))
    assert (verdict.verdict, verdict.overall) == ("keep", None)
    json.dumps(verdict.to_json(), allow_nan=False)
    with pytest.raises(ValueError, match="grade > 0"):
        trainer.evaluate(index, nothing)
    with pytest.raises(ValueError, match="grade 0 beside them"):
        trainer.evaluate(index, held_out, condensed=True)
    partly = [*held_out, *(Judgement(j.query, "c00", 0.0) for j in held_out if j.chunk_id != "c00")]
    assert trainer.evaluate(index, partly, condensed=True).queries == len(held_out) - 1
    assert "condense" in trainer.gate(index, index, partly, np.random.default_rng(0)).reason


def test_a_loss_in_one_slice_stops_a_gain_elsewhere() -> None:
    trainer, index, training, held_out = trained(0)
    candidate = index.reconfigured(training.configuration)
    worse = {judgement.query for judgement in held_out[::3]}
    # Judge a third of the questions by what the current configuration puts first: there the candidate must lose.
    first = {q: index.search(q, trainer.judged([Judgement(q, "c00", 1)])[0].embedding, 1)[0].chunk_id for q in worse}
    judgements = [Judgement(j.query, first.get(j.query, j.chunk_id), 1.0) for j in held_out]

    def kind(query: str) -> tuple[str, str]:
        return "tail" if query in worse else "head", "everything"

    verdict = trainer.gate(index, candidate, judgements, np.random.default_rng(0), slice_of=kind)
    gains = {part.name: part.gain.estimate > 0 for part in verdict.slices}
    assert (gains["head"], gains["tail"]) == (True, False)
    assert set(gains) - {"head", "tail"} <= {"everything", "repeated", "unseen"}
    everything = next(part for part in verdict.slices if part.name == "everything")
    assert everything.queries == verdict.overall.queries
    assert verdict.verdict == "keep"


def test_the_log_is_described() -> None:
    world = build(5)
    index = RetrievalIndex(world.chunks)
    events = log(world, index, world.relevance, 2, 5)
    trainer = RagTrainer(world.embed, 5)
    report = trainer.analyze_retrieval_performance(index, events, world.held_out)
    assert report.events == len(events)
    assert report.interleaved_share == 1.0
    rates = list(report.click_rate_by_rank.values())
    assert rates[0] > rates[-1]
    assert set(report.wins_by_leg) == {"dense", "lexical"}
    assert 0 < report.exposure_gini < 1
    assert report.quality.queries == len(world.wordings)
    json.dumps(report.to_json(), allow_nan=False)
    json.dumps(trainer.analyze_retrieval_performance(index, []).to_json(), allow_nan=False)
