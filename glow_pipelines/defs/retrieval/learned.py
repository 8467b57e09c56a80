"""What searches teach: pairs, added words, and the configuration that is tried on users.

Belongs here: the three assets that one training makes, with their checks. Does not: the training and the gate
(steps/retrieval), their tables and plots (shown).
"""

from collections.abc import Iterator

import dagster as dg

from glow_pipelines.defs.metadata import line
from glow_pipelines.defs.partitions import agents
from glow_pipelines.defs.retrieval import shown
from glow_pipelines.defs.retrieval.common import GROUP, OWNERS, check
from glow_pipelines.services import Services

PAIRS, WORDS, CONFIGURATION = "embedding_training_pairs", "query_expansions", "retrieval_configuration"
LEAST_PEOPLE = 3
_SHARED = "words_are_shared"
_CHECKS = ("configuration_has_gate", "no_leak_of_test_queries")


def _spec(name: str, described: str, where: str, *deps: str) -> dg.AssetSpec:
    return dg.AssetSpec(
        name,
        deps=deps,
        description=described,
        group_name=GROUP,
        owners=OWNERS,
        code_version="2",
        kinds={"postgres", "numpy"},
        metadata={"dagster/table_name": where},
    )


@dg.multi_asset(
    name="retrieval_learning",
    partitions_def=agents,
    specs=[
        _spec(
            PAIRS,
            "Query, positive and hard negative, learned from clicks with their position accounted for.",
            "glow.embedding_training_pairs",
            "retrieval_index",
            "feedback",
            "executions",
        ),
        _spec(
            WORDS,
            "Words worth searching beside those of a question, from second tries and corrections; weight 0 until "
            "questions they were not learned from gain.",
            "glow.retrieval_expansions",
            "retrieval_index",
        ),
        _spec(
            CONFIGURATION,
            "The learned configuration: its gate on held-out judged questions, and the experiment it goes into.",
            "glow.retrieval_configurations",
            PAIRS,
            WORDS,
        ),
    ],
    check_specs=[
        dg.AssetCheckSpec("pairs_from_train_only", asset=PAIRS, blocking=True),
        dg.AssetCheckSpec(_SHARED, asset=WORDS),
        *(dg.AssetCheckSpec(name, asset=CONFIGURATION, blocking=True) for name in _CHECKS),
        dg.AssetCheckSpec("popularity_not_collapsed", asset=CONFIGURATION),
    ],
)
def retrieval_learning(
    context: dg.AssetExecutionContext, services: dg.ResourceParam[Services]
) -> Iterator[dg.MaterializeResult]:
    """One training of an agent. What it learned goes no further when it learned from a question kept for tests."""
    from glow_pipelines.steps.retrieval.promotion import promote
    from glow_pipelines.steps.retrieval.training import NothingToLearn, train

    agent = context.partition_key
    try:
        trained = train(services, agent)
    except NothingToLearn as reason:
        yield from _nothing(services, agent, str(reason))
        return
    with services.store.transaction() as t:
        rows = t.retrieval.pair_counts(agent)
    stray, leaked = [row for row in rows if row["split"] != "train"], trained.leaked
    yield dg.MaterializeResult(
        asset_key=PAIRS,
        metadata={
            "dagster/partition_row_count": sum(row["pairs"] for row in rows),
            "searches with news": trained.news,
            "visits folded": trained.visits,
            "signals": trained.signals,
            **shown.pairs(trained.training),
        },
        check_results=[check("pairs_from_train_only", not stray, f"{len(stray)} kinds of pairs outside train", PAIRS)],
    )
    alone = [rule.phrase for rule in trained.expansions.expansions if rule.users < LEAST_PEOPLE]
    said = f"{alone[0]!r} rests on fewer than {LEAST_PEOPLE} people" if alone else f"{LEAST_PEOPLE} people or more each"
    yield dg.MaterializeResult(
        asset_key=WORDS,
        metadata=shown.expansions(trained.expansions),
        check_results=[check(_SHARED, not alone, said, WORDS)],
    )
    if stray or leaked:
        found = (
            f"learned from {len(leaked)} questions kept for tests, as {leaked[0]!r}"
            if leaked
            else "pairs outside train"
        )
        yield dg.MaterializeResult(
            asset_key=CONFIGURATION,
            metadata={"state": line(found)},
            check_results=[*_gated(services, agent), check(_CHECKS[1], False, found, CONFIGURATION), _popular(None)],
        )
        return
    tried = promote(services, agent, trained.candidate)
    exposed = shown.exposures(services, tried, trained.asked[-shown.ASKED :])
    yield dg.MaterializeResult(
        asset_key=CONFIGURATION,
        data_version=None if tried.incumbent is None else dg.DataVersion(tried.incumbent),
        metadata={
            "state": tried.state,
            "reason": line(tried.reason),
            "experiment": tried.experiment_id or "none",
            "configuration in force": tried.incumbent or "none",
            "candidate": tried.candidate or "none",
            **shown.tuning(trained.training),
            **shown.gate(tried),
            **exposed.metadata,
        },
        check_results=[
            *_gated(services, agent),
            check(_CHECKS[1], True, "memory, pairs and added words rest on train questions alone", CONFIGURATION),
            _popular(exposed),
        ],
    )


def _nothing(services: Services, agent: str, reason: str) -> Iterator[dg.MaterializeResult]:
    none = {"state": line(reason)}
    yield dg.MaterializeResult(
        asset_key=PAIRS, metadata=none, check_results=[check("pairs_from_train_only", True, reason, PAIRS)]
    )
    yield dg.MaterializeResult(asset_key=WORDS, metadata=none, check_results=[check(_SHARED, True, reason, WORDS)])
    yield dg.MaterializeResult(
        asset_key=CONFIGURATION,
        metadata=none,
        check_results=[*_gated(services, agent), check(_CHECKS[1], True, reason, CONFIGURATION), _popular(None)],
    )


def _gated(services: Services, agent: str) -> list[dg.AssetCheckResult]:
    with services.store.transaction() as t:
        ungated = t.retrieval.ungated(agent)
    said = (
        "what is in force is the first configuration, or passed a gate, or an engineer tried it on users"
        if ungated is None
        else f"{ungated['configuration']} is in force, and no gate passed it"
    )
    return [check(_CHECKS[0], ungated is None, said, CONFIGURATION)]


def _popular(exposed: "shown.Exposed | None") -> dg.AssetCheckResult:
    said = "there is no candidate to compare" if exposed is None else exposed.said
    passed = exposed is None or not exposed.collapsing
    return check("popularity_not_collapsed", passed, said, CONFIGURATION, warn=True)
