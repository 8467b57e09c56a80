"""The results as Markdown, made from the JSON file alone.

Belongs here: words and columns. Does not: any figure that is not in the file, any verdict (bars.py).
"""

from collections.abc import Iterator, Mapping
from typing import Any

from benchmarks.retrieving.bars import DENSE, HYBRID, bars

HEAD = """<!-- Made by benchmarks/retrieval.py from retrieval.json; do not edit. -->
# Retrieval: results

Simulated users (they look at rank k with chance 1/k and click .9 of what is relevant, .1 of what is not) search the \
train questions of five folds; every question is tested once, by its sha256. *unseen*: test questions; *clean*: those \
whose nearest train question has a cosine of at most .8; *repeated*: train questions with 35 % of their words lost. \
Gains are of mean nDCG@10, in percent; * p < .05, ** p < .001 by signs flipped at random per question, each question \
averaged over the seeds. Rows "… @ n" were given several weights and show the one best on the test questions, which \
no rival could know. Rows "… only" are the product with one component on; "full" has all on, ungated. The \
weights at which the trainer starts were set with Cranfield in sight: another collection is the fairer test of them.
"""


def markdown(results: Mapping[str, Any]) -> str:
    """The whole document."""
    parts = [HEAD]
    for name, collection in sorted(results.get("collections", {}).items()):
        parts.append("\n".join(_collection(name, collection)) + "\n")
    return "\n".join([*parts, f"Machine: {results.get('machine', 'not stated')}.\n"])


def _collection(name: str, collection: Mapping[str, Any]) -> Iterator[str]:
    about, parts = collection["about"], collection["parts"]
    yield f"## {_cell(name)}\n"
    yield (
        f"{about['documents']:,} documents, {about['questions']} questions, {about['relevant pairs']:,} relevant pairs"
        f"; vectors by {about['model']}."
    )
    for note in about["notes"]:
        yield f"{_cell(note)}."
    yield "\n| must hold | bar | measured | verdict |"
    yield "|---|---|---|---|"
    for claim, wanted, told, held in bars(parts):
        yield f"| {_cell(claim)} | {_cell(wanted)} | {_cell(told)} | {'held' if held else '**missed**'} |"
    for part, figures in parts.items():
        if "methods" in figures:
            yield from _side_by_side(part, figures)
        elif part in ("logging", "amount"):
            for world, inner in figures.items():
                if isinstance(inner, Mapping):
                    yield from _side_by_side(world, inner, figures)
        else:
            yield from _plain_part(part, figures)


def _side_by_side(part: str, figures: Mapping[str, Any], stamp: Mapping[str, Any] | None = None) -> Iterator[str]:
    stamp = stamp or figures
    yield f"\n### {_cell(part)}\n"
    yield (
        f"{figures['logging']} logs, {figures['sessions']} searches a train question, {figures['seeds']} seeds; best "
        f"untuned hybrid: {figures['best untuned hybrid']}; {figures['unseen-clean questions']} of "
        f"{figures['questions']} questions are clean. {stamp['date']}, {stamp['seconds']} s.\n"
    )
    yield (
        "| method | unseen nDCG / MRR / recall | clean nDCG | repeated nDCG | unseen, dense | clean, dense "
        "| unseen, hybrid | clean, hybrid | repeated, hybrid | worst seed, unseen, hybrid |"
    )
    yield "|---|---|---|---|---|---|---|---|---|---|"
    for name, row in figures["methods"].items():
        unseen = " / ".join(f"{value:.4f}" for value in row["unseen"].values())
        gains = [
            _gain(row[base][where])
            for where, base in (
                ("unseen", DENSE),
                ("unseen-clean", DENSE),
                ("unseen", HYBRID),
                ("unseen-clean", HYBRID),
                ("repeated", HYBRID),
            )
        ]
        worst = min(row[HYBRID]["by seed, unseen %"])
        yield (
            f"| {_cell(name)} | {unseen} | {row['unseen-clean']['nDCG@10']:.4f} | {row['repeated']['nDCG@10']:.4f} | "
            f"{' | '.join(gains)} | {worst:+.1f} |"
        )


def _plain_part(part: str, figures: Mapping[str, Any]) -> Iterator[str]:
    yield f"\n### {_cell(part)}\n"
    yield f"{figures['date']}, {figures['seconds']} s.\n"
    yield "| figure | value |"
    yield "|---|---|"
    for path, value in _leaves({k: v for k, v in figures.items() if k not in ("date", "load", "seconds")}):
        yield f"| {_cell(', '.join(path))} | {_cell(_plain(value))} |"


def _leaves(figures: Mapping[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, value in figures.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, (*above, str(key)))
        else:
            yield (*above, str(key)), value


def _gain(gain: Mapping[str, float]) -> str:
    stars = "**" if gain["p"] < 0.001 else "*" if gain["p"] < 0.05 else ""
    return f"{gain['gain %']:+.1f}{stars.replace('*', chr(92) + '*')}"


def _plain(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(_plain(each) for each in value) or "none"
    return f"{value:.5g}" if isinstance(value, float) else str(value)


def _cell(text: str) -> str:
    """Nothing in a name may end a cell or a line."""
    return " ".join(str(text).split()).replace("|", "\\|").replace("<", "&lt;")
