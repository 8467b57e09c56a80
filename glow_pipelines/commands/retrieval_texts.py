"""Retrieval as text on a terminal.

Belongs here: tables and sentences of what was read. Does not: reading it, options (retrieval).
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from glow_pipelines.commands.prompts import SHORT, plain

if TYPE_CHECKING:
    from glow_pipelines.learning.intervals import Interval
    from glow_pipelines.learning.retrieval.counterfactual import Counterfactual
    from glow_pipelines.learning.retrieval.evaluation import JudgedReport
    from glow_pipelines.steps.retrieval.performance import RetrievalPerformance
    from glow_pipelines.store.noun import Row

_SHOWN = ("zero_hit_rate", "low_score_rate", "liked_rate", "citation_rate", "answer_support_rate", "logged_mrr")
_MOST = 10


def print_configuration(console: Console, row: "Row") -> None:
    """A configuration: what it is made of, and how much it learned."""
    facts = Table(box=None, show_header=False, pad_edge=False)
    for name in ("configuration", "chunking", "model", "parent", "created_at"):
        if row[name] is not None:
            facts.add_row(name.replace("_", " "), cell(str(row[name])))
    facts.add_row("in force as", ", ".join(row["aliases"]) or "nothing")
    facts.add_row("index", row["index_state"] or "none")
    learned = {name: row[name] for name in ("memory_rows", "shifted_chunks", "adapter_rows", "expansions")}
    facts.add_row("learned", ", ".join(f"{n:,} {name.replace('_', ' ')}" for name, n in learned.items()))
    facts.add_row("gate", cell(row["gate"] or "none: an agent's first configuration, or put in force by hand"))
    console.print(facts)
    console.print_json(data=row["parameters"])


def print_memory(console: Console, rows: "list[Row]", chunk_id: str) -> None:
    """Which questions taught that a chunk answers them, and the searches behind each."""
    table = Table("question", "attractive", "looks", "searches", box=None, pad_edge=False)
    for row in rows:
        events = ", ".join(row["event_ids"][:3]) + (
            f" and {len(row['event_ids']) - 3} more" if row["event_ids"][3:] else ""
        )
        table.add_row(cell(row["query"]), f"{row['attractiveness']:.2f}", f"{row['examinations']:.1f}", cell(events))
    console.print(
        table if rows else cell(f"nothing was learned of {chunk_id}: it stands where words and meaning put it")
    )


def print_history(console: Console, rows: "list[Row]") -> None:
    """A line for each move."""
    table = Table("when", "alias", "from", "to", "by", "why", "gate", "experiment", box=None, pad_edge=False)
    for row in rows:
        why = row["reason"] if row["move"] == "move" else f"{row['move']}: {row['reason']}"
        versions = (short(row["previous"]), short(row["configuration"]) or "taken back")
        cells = (f"{row['moved_at']:%Y-%m-%d %H:%M}", row["alias"], *versions, row["moved_by"], why)
        table.add_row(*map(cell, (*cells, short(row["gate_id"]), row["experiment_id"] or "")))
    console.print(table if rows else "no retrieval alias was ever moved")


def print_performance(console: Console, found: "RetrievalPerformance") -> None:
    """The figures by slice, then what needs somebody."""
    totals = found.totals
    latency = (
        "not logged"
        if totals["latency_p50"] is None
        else f"{totals['latency_p50']:.0f} ms, p95 {totals['latency_p95']:.0f} ms"
    )
    console.print(
        f"{found.period.agent}: {totals['events']:,} searches, {totals['users']:,} users, "
        f"{totals['conversations']:,} conversations; latency {latency}"
    )
    table = Table("of", "", "searches", *(name.replace("_", " ") for name in _SHOWN), box=None, pad_edge=False)
    for part in found.slices:
        shares = (interval(part.figures.get(name)) for name in _SHOWN)
        table.add_row(
            part.kind,
            cell(short(part.name) if part.kind == "configuration" else part.name),
            f"{part.events:,}",
            *shares,
        )
    console.print(table)
    popular = found.popularity
    said = [f"exposures: Gini {_number(popular.gini[0])} before, {_number(popular.gini[1])} after"]
    said += ["a popularity loop: a few chunks take more and more places"] * popular.collapsing
    said += [f"scores drifted: PSI {found.scores.psi:.2f}"] * found.scores.matters
    said += [
        f"{each.chunk_id} is in {each.share:.0%} of all lists and liked in {each.liked:.0%} of them"
        for each in found.hubs[:_MOST]
    ]
    for line in said:
        console.print(cell(line))
    if found.missing:
        lost = Table("nothing answers", "searches", "users", "unanswered", "such as", box=None, pad_edge=False)
        for gap in found.missing[:_MOST]:
            lost.add_row(
                cell(gap.medoid),
                f"{gap.events:,}",
                f"{gap.users:,}",
                interval(gap.share),
                cell("; ".join(gap.examples[:3])),
            )
        console.print(lost)
    if found.associations:
        pairs = Table("together", "", "kind", "conversations", "NPMI", "", box=None, pad_edge=False)
        for pair in found.associations[:_MOST]:
            cells = (
                pair.first,
                pair.second,
                pair.kind,
                f"{pair.together:,}",
                f"{pair.npmi:.2f}",
                "merge" if pair.merge else "",
            )
            pairs.add_row(*map(cell, cells))
        console.print(pairs)


def print_judged(console: Console, report: "JudgedReport | None") -> None:
    """Quality on experts' verdicts."""
    if report is None:
        console.print("no expert judged a search of this period that has an answer")
        return
    console.print(f"{report.queries:,} judged queries, {report.judged_at_10:.0%} of the top 10 judged. {report.note}")
    for title, values in (("exact", report.figures), ("condensed", report.condensed or {})):
        for name, value in values.items():
            console.print(f"  {title} {name} {interval(value)}")


def print_expected(console: Console, name: str, found: "Mapping[str, Counterfactual]") -> None:
    """What a configuration would have got."""
    for metric, each in found.items():
        trust = "" if each.trusted else " – too little of it was ever shown to trust this"
        console.print(
            f"{name} {metric}@{each.k} a list: {interval(each.snips)} normalised, {interval(each.clipped)} clipped;"
            f" worth {each.effective_sample_size:,.0f} places of {each.listed:,}, {each.support:.0%} ever shown{trust}"
        )


def interval(value: "Interval | None") -> str:
    """An estimate with its limits."""
    return "–" if value is None else f"{value.estimate:.3f} ({value.low:.3f}–{value.high:.3f})"


def short(value: Any) -> str:
    return str(value or "")[:SHORT]


def cell(text: str) -> Text:
    """Users' words are in it: nothing that steers a terminal."""
    return Text(plain(text))


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.2f}"
