"""The quality of one agent's reviewers, from the store to a report.

Belongs here: which judgements go into which measure, the form of the report, weeks. Does not: Dagster (defs), the
measures themselves (learning/annotations).
"""

from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from glow_pipelines.learning.annotations import (
    Label,
    calibrate,
    choose_aggregator,
    judge_agreement,
    measure_quality,
    reviewer_weights,
    warnings_of,
)
from glow_pipelines.learning.prompts.jsonable import jsonable
from glow_pipelines.store import Transaction
from glow_pipelines.store.feedback import Agent

RECENT = timedelta(days=28)
"""What counts as lately: gold items are rare, a week has too few of them to test anything."""


def week_of(instant: datetime, zone: str) -> date:
    """The Monday of the week an instant lies in, by the calendar of a time zone."""
    day = instant.astimezone(ZoneInfo(zone)).date()
    return day - timedelta(days=day.weekday())


def end_of_week(week: date, zone: str) -> datetime:
    """The instant the week of a Monday ends, which has an hour more or less when clocks change."""
    return datetime.combine(week + timedelta(days=7), datetime.min.time(), ZoneInfo(zone))


def measure_reviewers(
    t: Transaction,
    agent: Agent,
    now: datetime,
    *,
    until: datetime | None = None,
) -> dict[str, Any] | None:
    """Measure an agent's reviewers, by what they judged before `until` where it is given.

    What is lately is told from `now`.
    Returns the report as plain JSON data, None when nothing is judged. Items whose answer is known measure reviewers
    and not agreement: they were chosen, and everybody gets them.
    """
    closed = agent.choices is not None
    judgements = t.quality.judgements(agent.name, answers=closed, until=until)
    if not judgements:
        return None
    gold = t.quality.gold(agent.name, answers=closed)
    quality = measure_quality([each for each in judgements if each.item not in gold], rng=np.random.default_rng(1))
    labels = [Label(each.item, each.reviewer, each.label) for each in judgements]
    choice = choose_aggregator(labels, gold)
    weights = reviewer_weights(labels, choice)
    calibrations = calibrate(judgements, gold, recent_since=now - RECENT, seconds=t.quality.seconds(agent.name, until))
    report: dict[str, Any] = jsonable(
        {
            "judgements": len(judgements),
            "gold_items": len(gold),
            "agreement": judge_agreement(quality),
            "agreements": quality.agreements,
            "pairs": quality.pairs,
            "left_out": dict(quality.left_out),
            "aggregator": {"name": choice.name, "reason": choice.reason},
            "weights": weights,
            "reviewers": calibrations,
            "warnings": warnings_of(calibrations),
        }
    )
    return report
