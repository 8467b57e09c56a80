"""The report from top to bottom: what is said, in which order.

Belongs here: the chapters, each from its part of the figures. Does not: what was learned of prompts and retrieval
(outcomes), experiments (experiments), the way numbers are written (wording), how it is shown (report, html).

A figure may be missing anywhere: a database on its first day has a report too, and it says what is not there.
"""

from collections import defaultdict
from typing import Any

from glow_pipelines.demo.blocks import Block, Items, Mark, Section, Table, Text
from glow_pipelines.demo.experiments import experiments_section
from glow_pipelines.demo.outcomes import prompt_news, prompt_sections, retrieval_news, retrieval_section
from glow_pipelines.demo.wording import NONE, amount, enumerate_words, number, rate
from glow_pipelines.learning.operations import SUCCESS_METRICS, shown

Figures = dict[str, Any]

_STATUS = {
    "met": Mark("✓ met", "good"),
    "missed": Mark("✗ missed", "bad"),
    "not_enough_data": Mark("? not enough data"),
}
_METRICS = {metric.name: (place, metric) for place, metric in enumerate(SUCCESS_METRICS)}


def sections(figures: Figures) -> tuple[Section, ...]:
    """The whole report."""
    return (
        Section("What happened", (Text(_story(figures)),)),
        Section("Feedback", _feedback(_all(figures, "feedback"))),
        *prompt_sections(_all(figures, "prompts")),
        retrieval_section(figures.get("retrieval") or {}),
        Section("Datasets", _datasets(_all(figures, "prompts"), _all(figures, "examples"))),
        Section("Fine-tuning", _models(_all(figures, "models"))),
        experiments_section(_all(figures, "prompts"), figures.get("retrieval") or {}),
        Section("Lineage of one change", _lineage(figures.get("lineage") or {})),
        Section("Success metrics", _metrics(_all(figures, "success_metrics"))),
        Section("Time", (Text(_seconds(figures.get("seconds") or {})),)),
        Section("What the next night would do", _next_night(figures.get("next_night") or [])),
        Section(
            "Look around",
            (
                Text(
                    "glow up starts the Dagster UI and prints its address; every step of this turn is an asset there. "
                    "report.html shows more of these figures, report.json all."
                ),
            ),
        ),
    )


def _all(figures: Figures, name: str) -> list[Figures]:
    return [each for each in figures.get(name) or [] if each]


def _story(figures: Figures) -> str:
    stats = figures.get("stats") or {}
    if not number(stats.get("executions")):
        return (
            "Nothing has happened yet: no agent has answered anybody, so there is no feedback and nothing is learned."
        )
    examples = stats.get("learning_examples") or {}
    news = [f"{each.get('agent')}: {prompt_news(each)}." for each in _all(figures, "prompts")]
    return " ".join(
        [
            f"{amount(stats.get('agents'), 'agent')} of a sample company answered "
            f"{amount(stats.get('executions'), 'time')} with {figures.get('model') or 'an unnamed model'}; the answers "
            "are real, the people are simulated"
            f"{', and in this demo everybody judged at random' if figures.get('null') else ''}. "
            f"Users left {amount(stats.get('feedback'), 'vote or correction', 'votes and corrections')}, experts "
            f"{amount(stats.get('annotations'), 'annotation')} and "
            f"{amount(stats.get('demonstrations'), 'demonstration')}.",
            f"The pipeline kept {amount(examples.get('approved'), 'learning example')} of them and froze "
            f"{amount(stats.get('dataset_versions'), 'dataset version')}.",
            *news,
            f"Retrieval: {retrieval_news(figures.get('retrieval') or {})}.",
            f"{amount(stats.get('model_calls_cached'), 'model answer')} cost "
            f"${number(stats.get('model_cost_usd')) or 0:,.2f}.",
        ]
    )


def _feedback(rows: list[Figures]) -> tuple[Block, ...]:
    if not any(number(row.get("executions")) for row in rows):
        return (Text("No agent has answered anybody yet."),)
    head = ("Agent", "With feedback", "Thumbs up, of votes", "Corrected, of those", "Issues ticked")
    return (
        Table(
            "Share with its 95 % interval, and of how many. Corrected: of the answers with feedback.",
            head,
            tuple(
                (
                    str(row.get("agent")),
                    *(rate(row.get(key)) for key in ("feedback", "positive", "corrected")),
                    ", ".join(
                        f"{str(each.get('issue')).replace('_', ' ')} {each.get('count')}"
                        for each in row.get("issues") or []
                    )
                    or "none",
                )
                for row in rows
            ),
        ),
    )


def _datasets(prompts: list[Figures], examples: list[Figures]) -> tuple[Block, ...]:
    by_agent: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for row in examples:
        by_agent[str(row.get("agent"))][str(row.get("status"))] += int(number(row.get("examples")) or 0)
    versions = {str(each.get("agent")): each.get("dataset") or {} for each in prompts}
    rows = []
    for agent in dict.fromkeys([*versions, *by_agent]):
        version = versions.get(agent) or {}
        splits = version.get("splits") or {}
        others = {status: n for status, n in by_agent[agent].items() if status != "approved"}
        left_out = ", ".join(f"{n} {why}" for why, n in (version.get("drops") or others).items())
        counts = (f"{int(number(splits.get(split)) or 0):,}" for split in ("train", "val", "test"))
        rows.append(
            (
                agent,
                f"{by_agent[agent].get('approved', 0):,}",
                *(counts if version else ("–", "–", "–")),
                left_out or "none",
                str(version.get("id") or "no version yet"),
            )
        )
    if not rows:
        return (Text("There are no learning examples yet."),)
    head = ("Agent", "Approved examples", "Train", "Validation", "Test", "Left out", "Version")
    return (
        Table(
            "The newest dataset version. An example stays in its split for ever, with all that resembles it.",
            head,
            tuple(rows),
            page_only=1,
        ),
    )


def _models(rows: list[Figures]) -> tuple[Block, ...]:
    if not rows:
        return (Text("No training run is planned yet."),)
    alike: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        train = f" ({amount(row['train'], 'training row')})" if number(row.get("train")) is not None else ""
        why = f": {row['reason']}" if row.get("reason") else ""
        alike[f"{row.get('state') or 'unknown'}{why}."].append(f"{row.get('agent')}{train}")
    return (Items(tuple((", ".join(agents), said) for said, agents in alike.items())),)


def _lineage(found: Figures) -> tuple[Block, ...]:
    if not found:
        return (Text("No candidate prompt is there, so no change has a lineage to show."),)
    version = str(found.get("prompt_version"))[:12]
    traced = f"Candidate {version} of {found.get('agent')} rests on {amount(found.get('rows'), 'row')}"
    shown_example = found.get("example")
    if not shown_example:
        return (Text(f"{traced}. It shows no demonstrations, so there is none to follow here."),)
    sources = [str(each) for each in shown_example.get("from") or []]
    return (
        Text(f"{traced}. One demonstration:"),
        Items(
            (
                ("Demonstration", f"{shown_example.get('input')} → {shown_example.get('output')}"),
                ("Learning example", str(shown_example.get("example_id"))),
                ("Came from", "; ".join(sources) or "no source is recorded"),
            )
        ),
    )


def _metrics(rows: list[Figures]) -> tuple[Block, ...]:
    if not rows:
        return (Text("No success metric has been measured yet."),)
    ordered = sorted(
        rows, key=lambda row: _METRICS[row["metric"]][0] if row.get("metric") in _METRICS else len(_METRICS)
    )
    return (
        Table(
            "Met or missed only where the whole 95 % interval is on that side of the target.",
            ("Metric", "Status", "Target", "Measured", "What was counted"),
            tuple(_metric(row) for row in ordered),
            page_only=1,
        ),
    )


def _metric(row: Figures) -> tuple[str | Mark, ...]:
    name, detail = str(row.get("metric")), str(row.get("detail") or "")
    status = _STATUS.get(str(row.get("status")), Mark(str(row.get("status"))))
    value, low, high = (number(row.get(key)) for key in ("value", "low", "high"))
    if name not in _METRICS:
        return name.replace("_", " "), status, str(row.get("target")), NONE if value is None else str(value), detail
    _, metric = _METRICS[name]
    measured = NONE if value is None else shown(value, metric.unit)
    if value is not None and low != high:
        ends = (shown(each, metric.unit).removesuffix(" points").removesuffix(" %") for each in (low, high))
        measured += f" ({' to '.join(ends)})"
    target = f"{metric.direction} {shown(metric.target, metric.unit)}"
    return name.replace("_", " "), status, target, measured, f"{metric.description}: {_evidence(detail)}"


def _evidence(detail: str) -> str:
    """What was counted, of a detail that begins with the value and ends with the target."""
    return detail.partition(": ")[2].partition("; target")[0] or detail


def _seconds(seconds: Figures) -> str:
    known = {name: number(value) or 0.0 for name, value in seconds.items()}
    if not known:
        return "No step was timed."
    steps = enumerate_words([f"{name} {value:,.1f} s" for name, value in known.items()])
    return f"{steps}; {sum(known.values()):,.0f} s in all."


def _next_night(lines: list[Any]) -> tuple[Block, ...]:
    if not lines:
        return (Text("Nothing: no agent is registered."),)
    parted = (str(line).partition(": ") for line in lines)
    return (Items(tuple((name, said or "nothing") for name, _, said in parted)),)
