"""Our ranking metrics against an independent library, on random rankings.

Belongs here: the comparison itself, run where ir_measures or ranx is installed. Does not: the metrics. Their figures
are kept with the version that gave them.
"""

from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from benchmarks.retrieving.measuring import grades_of, quality
from glow_pipelines.learning.retrieval.metrics import ndcg, recall, reciprocal_rank

Grades = dict[str, dict[str, int]]
Run = dict[str, dict[str, float]]


def rankings(seed: int, questions: int = 300, documents: int = 60) -> tuple[Grades, Run]:
    """Random grades 0 to 3, at least one of them relevant, and random lists, some of them shorter than ten."""
    rng = np.random.default_rng(seed)
    grades: Grades = {}
    run: Run = {}
    for n in range(questions):
        ids = [f"d{i}" for i in rng.permutation(documents)]
        judged = ids[: int(rng.integers(1, 30))]
        grades[f"q{n}"] = {d: int(rng.integers(0, 4)) for d in judged} | {judged[0]: int(rng.integers(1, 4))}
        listed = rng.permutation(ids)[: int(rng.integers(1, 40))]
        run[f"q{n}"] = {str(d): float(len(listed) - rank) for rank, d in enumerate(listed)}
    return grades, run


def ours(grades: Grades, run: Run) -> dict[str, np.ndarray]:
    """The product's metrics and the benchmark's arrays; shape (questions, 3) each, in the order of the questions."""
    product, tops = [], []
    names = sorted({d for by in grades.values() for d in by} | {d for by in run.values() for d in by})
    position = {name: i for i, name in enumerate(names)}
    for question, by_document in grades.items():
        listed = sorted(run[question], key=lambda d: -run[question][d])
        product.append([metric(listed, by_document) for metric in (ndcg, reciprocal_rank, recall)])
        tops.append(([position[d] for d in listed[:10]] + [-1] * 10)[:10])
    table = grades_of(list(grades), position, grades)
    return {"product": np.array(product), "benchmark": quality(np.array(tops), table)}


def libraries() -> dict[str, str]:
    """Which of the independent libraries are here, with their versions."""
    found = {}
    for name in ("ir-measures", "ranx"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def theirs(name: str, grades: Grades, run: Run) -> np.ndarray:
    """The same metrics by a library, shape (questions, 3)."""
    if name == "ranx":
        import ranx  # type: ignore[import-not-found]

        # ranx compiles its kernels at first use; unsorted ties are none, scores are all different.
        found = ranx.evaluate(ranx.Qrels(grades), ranx.Run(run), ["ndcg@10", "mrr@10", "recall@10"], return_mean=False)
        columns = [found[metric] for metric in ("ndcg@10", "mrr@10", "recall@10")]
        order = {question: i for i, question in enumerate(sorted(run))}
        return np.array([[column[order[q]] for column in columns] for q in grades])
    import ir_measures  # type: ignore[import-not-found]

    wanted = [ir_measures.nDCG @ 10, ir_measures.RR @ 10, ir_measures.R @ 10]
    values = {(v.query_id, str(v.measure)): v.value for v in ir_measures.iter_calc(wanted, grades, run)}
    return np.array([[values[question, str(measure)] for measure in wanted] for question in grades])


def differences(seed: int = 7) -> dict[str, Any]:
    """The largest difference by library and metric, over 300 random questions."""
    grades, run = rankings(seed)
    mine = ours(grades, run)
    result: dict[str, Any] = {"questions": len(grades)}
    for name, number in libraries().items():
        other = theirs(name, grades, run)
        for whose, values in mine.items():
            result[f"{whose} against {name} {number}"] = dict(
                zip(("nDCG@10", "MRR@10", "recall@10"), np.abs(values - other).max(axis=0).tolist(), strict=True)
            )
    if len(result) == 1:
        result["skipped"] = "neither ir_measures nor ranx is installed; pip install one beside the project to compare"
    return result
