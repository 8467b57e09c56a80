"""Retrieval: pairs learned from what users clicked, and the parameters they lead to.

Belongs here: the assets `embedding_training_pairs` and `retrieval_parameters`. Does not: search and learning
(learning/retrieval), serving (demo and apps).
"""

from collections import Counter
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import dagster as dg

from glow_pipelines.defs.metadata import counts, line, table
from glow_pipelines.defs.partitions import agents
from glow_pipelines.services import Services

if TYPE_CHECKING:
    from glow_pipelines.learning.retrieval import RetrievalTraining

GROUP = "retrieval"
COMMON: dict[str, Any] = {
    "partitions_def": agents,
    "group_name": GROUP,
    "owners": ["team:retrieval"],
    "code_version": "1",
}
SEED = 7


def _trained(services: Services, agent: str) -> "RetrievalTraining | None":
    """What the agent's retrieval log teaches; None when there is no log. The same log teaches the same."""
    from glow_pipelines.learning.retrieval import RagTrainer, RetrievalParameters
    from glow_pipelines.steps.knowledge import query_split
    from glow_pipelines.steps.retrieval.indexing import index_agent

    index_agent(services, agent)
    with services.store.transaction() as t:
        chunks, events = t.retrieval.chunks(agent), t.retrieval.events(agent)
        shares = t.feedback.agent(agent).shares
    if not chunks or not events or not services.settings.rag_learning_enabled:
        return None
    return RagTrainer(services.embeddings.embed, SEED).train_from_feedback(
        chunks, events, RetrievalParameters(), lambda query: query_split(query, shares)
    )


@dg.asset(
    **COMMON,
    deps=["feedback", "executions"],
    kinds={"postgres", "numpy"},
    check_specs=[dg.AssetCheckSpec("pairs_from_train_only", asset="embedding_training_pairs", blocking=True)],
    metadata={"dagster/table_name": "glow.embedding_training_pairs"},
)
def embedding_training_pairs(
    context: dg.AssetExecutionContext, services: dg.ResourceParam[Services]
) -> dg.MaterializeResult:
    """Query, positive and hard negative, learned from clicks with their position accounted for."""
    agent = context.partition_key
    training = _trained(services, agent)
    pairs = () if training is None else training.mining.pairs
    with services.store.transaction() as t:
        t.datasets.assign_splits(agent, dict.fromkeys((pair.group for pair in pairs), "train"))
        t.retrieval.add_pairs(agent, ((pair, "train") for pair in pairs))
        rows = t.retrieval.pair_counts(agent)
    stray = [row for row in rows if row["split"] != "train"]
    return dg.MaterializeResult(
        metadata={
            "dagster/partition_row_count": sum(row["pairs"] for row in rows),
            "learned from events": 0 if training is None else training.events,
            "labels": counts({} if training is None else training.labels),
            "negatives": counts(Counter(pair.negative_kind for pair in pairs)),
            "left out": counts({} if training is None else training.mining.dropped),
            "sample": table(
                ("query", "positive", "negative", "weight"),
                (
                    (pair.query, pair.positive_chunk_id, pair.negative_chunk_id, round(pair.weight, 3))
                    for pair in pairs[:8]
                ),
                empty="no retrieval log" if training is None else "no pair",
            ),
        },
        check_results=[
            dg.AssetCheckResult(
                check_name="pairs_from_train_only", passed=not stray, description=f"{len(stray)} kinds outside train"
            )
        ],
    )


@dg.asset(
    **COMMON,
    deps=[embedding_training_pairs],
    kinds={"postgres", "numpy"},
    check_specs=[dg.AssetCheckSpec("configuration_has_gate", asset="retrieval_parameters", blocking=True)],
    metadata={"dagster/table_name": "glow.retrieval_configurations"},
)
def retrieval_parameters(
    context: dg.AssetExecutionContext, services: dg.ResourceParam[Services]
) -> dg.MaterializeResult:
    """The learned retrieval configuration, in force only if it passed the gate on held-out judged queries."""
    import numpy as np

    from glow_pipelines.learning.retrieval import Configuration, RagTrainer, RetrievalIndex
    from glow_pipelines.steps.knowledge import held_out_judgements

    agent = context.partition_key
    training = _trained(services, agent)
    if training is None:
        return dg.MaterializeResult(
            metadata={"state": "nothing to learn from: no retrieval log, or RAG_LEARNING_ENABLED is false"},
            check_results=[dg.AssetCheckResult(check_name="configuration_has_gate", passed=True)],
        )
    with services.store.transaction() as t:
        chunks = t.retrieval.chunks(agent)
        current = t.retrieval.in_force(agent)
        assert current is not None, "an agent with chunks has a configuration"
        memory = t.retrieval.memory(current.configuration)
        judgements = held_out_judgements(t, agent)
    chunking, model = current.chunking, current.model
    old = Configuration(current.parameters, tuple(memory), chunking=chunking, model=model)
    new = Configuration(training.parameters, tuple(training.memory), chunking=chunking, model=model)
    incumbent, candidate = current.configuration, new.sha256
    # The judgements are part of a gate: the same candidate on other evidence is another gate, and another look.
    seen = sha256(repr([(each.query, each.chunk_id, each.grade) for each in judgements]).encode()).hexdigest()
    gate_id = sha256(f"{agent}\x1f{incumbent}\x1f{candidate}\x1f{seen}".encode()).hexdigest()[:32]
    before = RetrievalIndex(chunks, old)
    after = before.reconfigured(new)
    with services.store.transaction() as t:
        known, looks = t.retrieval.gate(gate_id), t.retrieval.looks(agent)
    trainer = RagTrainer(services.embeddings.embed, SEED)
    gate = trainer.gate(
        before, after, judgements, np.random.default_rng(SEED), condensed=True, look=looks if known else looks + 1
    )
    verdict = gate.verdict if known is None else known["verdict"]
    with services.store.transaction() as t:
        if candidate != incumbent:
            t.retrieval.add_configuration(agent, new, incumbent)
            t.retrieval.record_gate(gate_id, agent, incumbent, candidate, verdict, gate.to_json())
            if verdict == "ship":
                t.retrieval.move_alias(agent, candidate, "pipeline", "passed the gate", gate_id)
        in_force, ungated = t.retrieval.in_force(agent), t.retrieval.ungated(agent)
    assert in_force is not None
    return dg.MaterializeResult(
        data_version=dg.DataVersion(in_force.configuration),
        metadata={
            "verdict": verdict,
            "reason": line(gate.reason),
            "nDCG@10 before": 0.0 if gate.overall is None else gate.overall.current,
            "nDCG@10 after": 0.0 if gate.overall is None else gate.overall.candidate,
            "slices": table(
                ("queries", "number", "before", "after", "p"),
                (
                    (each.name, each.queries, f"{each.current:.3f}", f"{each.candidate:.3f}", f"{each.p_value:.3f}")
                    for each in gate.slices
                ),
            ),
            "parameters": counts(training.parameters.to_json()),
            "configuration in force": in_force.configuration,
        },
        check_results=[
            dg.AssetCheckResult(
                check_name="configuration_has_gate",
                passed=ungated is None,
                description="what is in force is the first configuration, or a gate shipped it",
            )
        ],
    )
