"""The company as data: agents, inputs with their right answers, knowledge, people.

Belongs here: loading the files beside this module. Does not: what people do (behaviour), when (replay).
"""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from glow_pipelines.learning.prompts.types import Prompt

CODER, HELPDESK, TRIAGE = "expense-coder", "tax-helpdesk", "support-triage"
_DATA = Path(__file__).parent / "data"


@dataclass(frozen=True)
class Case:
    """Something an agent is asked, and what is right: a label, or the ids of the documents that answer."""

    id: str
    input: str
    right: tuple[str, ...]
    intent: str = ""


@dataclass(frozen=True)
class Document:
    """A knowledge article."""

    id: str
    title: str
    text: str

    @property
    def gist(self) -> str:
        """Its first sentence: what an expert would answer with."""
        return self.text.partition(". ")[0].removesuffix(".") + "."


@dataclass(frozen=True)
class Person:
    """A user or expert. `reliability`: chance to see what is right as right. `temper`: fair, careless or spiteful."""

    id: str
    reliability: float
    vote_rate: float = 1.0
    correct_rate: float = 0.0
    temper: str = "fair"


@dataclass(frozen=True)
class AgentSpec:
    """An agent with the prompt it starts from, which is naive on purpose."""

    name: str
    description: str
    evaluation: dict[str, Any] | None
    prompt: Prompt
    shares: tuple[float, float, float]


ACCOUNTS = ("travel", "meals", "software", "equipment", "marketing", "utilities")
QUEUES = ("billing", "access", "bug", "feature", "cancellation")

AGENTS = (
    AgentSpec(
        CODER,
        "Gives each expense the account it belongs to.",
        {"metric": "label", "choices": list(ACCOUNTS), "max_calls": 800},
        Prompt("What category is this expense?", choices=ACCOUNTS, max_tokens=8),
        (0.5, 0.2, 0.3),
    ),
    AgentSpec(
        TRIAGE,
        "Sends each support ticket to its queue.",
        {"metric": "label", "choices": list(QUEUES), "max_calls": 300},
        Prompt("What is this ticket about?", choices=QUEUES, max_tokens=8),
        (0.4, 0.25, 0.35),
    ),
    AgentSpec(
        HELPDESK,
        "Answers tax questions from the guide of Norland, a country that does not exist.",
        None,
        Prompt("Answer the question in one short sentence, from the article only.", max_tokens=24),
        (0.45, 0.05, 0.5),
    ),
)


def _lines(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (_DATA / name).read_text(encoding="utf-8").splitlines()]


@cache
def cases(agent: str) -> tuple[Case, ...]:
    """Everything an agent could be asked."""
    if agent == HELPDESK:
        return tuple(
            Case(row["id"], row["question"], tuple(row["relevant"]), row["intent"]) for row in _lines("questions.jsonl")
        )
    rows = _lines("expenses.jsonl" if agent == CODER else "tickets.jsonl")
    return tuple(Case(row["id"], row["input"], (row["target"],)) for row in rows)


@cache
def documents() -> tuple[Document, ...]:
    return tuple(Document(row["id"], row["title"], row["text"]) for row in _lines("documents.jsonl"))


@cache
def people() -> tuple[tuple[Person, ...], tuple[Person, ...]]:
    """Users and experts."""
    data = json.loads((_DATA / "people.json").read_text(encoding="utf-8"))
    users = tuple(
        Person(row["id"], row["reliability"], row["vote_rate"], row["correct_rate"], row["temper"])
        for row in data["users"]
    )
    return users, tuple(Person(row["id"], row["reliability"]) for row in data["experts"])
