"""Some weeks at the company: agents answer, users vote and correct, experts judge.

Belongs here: the order of events and their ids. Does not: how people react (behaviour), the pipeline (turn).

Every event has an id made of what it is, and its own stream of randomness from that id. A replay that was killed and
starts again repeats itself exactly: the database answers "replayed", the response cache answers for the model.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import numpy as np

from glow_pipelines.client import GlowClient
from glow_pipelines.demo.behaviour import clicks, judge, judge_passages, react
from glow_pipelines.demo.company import (
    ACCOUNTS,
    AGENTS,
    CODER,
    HELPDESK,
    TRIAGE,
    Case,
    Person,
    cases,
    documents,
    people,
)
from glow_pipelines.learning.prompts.types import Prompt
from glow_pipelines.providers.types import ChatRequest, Message
from glow_pipelines.services import Services
from glow_pipelines.steps.retrieval.indexing import index_agent

SHOWN = 10
PASSAGE = 300
"""Characters of the best passage the helpdesk's small model is given to read."""
Progress = Callable[[str, int, int], None]
"""Told (what, done, of)."""


@dataclass(frozen=True)
class Weeks:
    """What is replayed. `null`: everybody, experts too, judges at random, so that there is nothing to learn."""

    seed: int = 1
    weeks: int = 3
    expenses: int = 360
    tickets: int = 200
    answered_questions: int = 80
    sessions: int = 4
    demonstrations: int = 12
    null: bool = False


class Replay:
    """The company over one set of services."""

    def __init__(self, services: Services, client: GlowClient, weeks: Weeks, progress: Progress) -> None:
        self.services, self.client, self.weeks, self.progress = services, client, weeks, progress
        users, experts = people()
        if weeks.null:
            users = tuple(replace(user, temper="careless") for user in users)
        self.users, self.experts = users, experts
        self.began = datetime.now(UTC) - timedelta(weeks=weeks.weeks)

    def register(self) -> None:
        """Agents with their naive prompts, and the knowledge base."""
        for agent in AGENTS:
            self.client.register_agent(
                agent.name, agent.description, agent.evaluation, agent.prompt.content(), agent.shares
            )
        self.client.put_documents(
            HELPDESK, [{"document_id": each.id, "title": each.title, "body": each.text} for each in documents()]
        )

    def run(self) -> None:
        """The weeks, agent by agent."""
        self._classify(CODER, cases(CODER)[: self.weeks.expenses])
        self._classify(TRIAGE, cases(TRIAGE)[: self.weeks.tickets])
        self._demonstrate(CODER, cases(CODER)[self.weeks.expenses :])
        self._search()

    def _classify(self, agent: str, asked: Sequence[Case]) -> None:
        found = self.client.resolve_prompt(agent)
        prompt = Prompt.from_json(found.prompt)
        labels = prompt.choices or ()
        requests = [_request(prompt, case.input) for case in asked]
        answers = self.services.chat.complete_many(
            requests, lambda done: self.progress(f"{agent} answers", done, len(asked))
        )
        for number, (case, answer) in enumerate(zip(asked, answers, strict=True), 1):
            execution = f"{agent}/{case.id}"
            rng = self._rng(execution)
            user, colleague = (self.users[index] for index in rng.choice(len(self.users), 2, replace=False))
            at = self._instant(number, len(asked))
            self.client.log_execution(
                execution, agent, case.input, answer.text, user_id=user.id, channel="web",
                prompt_version=found.prompt_version, model=self.services.chat.name, started_at=at,
            )  # fmt: skip
            self._vote(agent, execution, user, answer.text, case, labels, "wrong_answer", at)
            if rng.random() < 0.35:
                self._vote(agent, execution, colleague, answer.text, case, labels, "wrong_answer", at)
            if rng.random() < 0.97:
                self._annotate(execution, answer.text, case, labels)
            self.progress(f"{agent}: people react", number, len(asked))

    def _demonstrate(self, agent: str, unasked: Sequence[Case]) -> None:
        """Experts write down a few expenses of their own, with the account they hold to be right."""
        for case in unasked[: self.weeks.demonstrations]:
            rng = self._rng(agent, case.id, "demonstration")
            expert = self.experts[int(rng.integers(len(self.experts)))]
            held = str(rng.choice(ACCOUNTS)) if self.weeks.null else judge(expert, case.right, ACCOUNTS, rng)
            key = f"{agent}/{case.id}"
            self.client.submit_demonstration(agent, expert.id, case.input, held, idempotency_key=key)

    def _vote(
        self, agent: str, execution: str, user: Person, output: str, case: Case, labels: Sequence[str], complaint: str,
        at: datetime,
    ) -> None:  # fmt: skip
        reaction = react(user, output, case.right, labels, complaint, self._rng(execution, user.id))
        if reaction is None:
            return
        self.client.submit_feedback(
            agent, execution, user.id, thumbs=reaction.thumbs, issues=reaction.issues, correction=reaction.correction,
            idempotency_key=f"{execution}:{user.id}", occurred_at=at + timedelta(minutes=3),
        )  # fmt: skip

    def _annotate(self, execution: str, output: str, case: Case, labels: Sequence[str]) -> None:
        """One expert in general, two for some, so that their agreement can be measured."""
        rng = self._rng(execution, "experts")
        panel = rng.choice(len(self.experts), 2, replace=False)[: 2 if rng.random() < 0.15 else 1]
        for index in panel:
            expert = self.experts[index]
            own = self._rng(execution, expert.id)
            held = str(own.choice(list(labels))) if self.weeks.null else judge(expert, case.right, labels, own)
            verdict, correct = ("approve", None) if held == output else ("correct", held)
            key = f"{execution}:{expert.id}"
            self.client.submit_annotation(execution, expert.id, verdict, output=correct, idempotency_key=key)

    def _search(self) -> None:
        """Questions to the helpdesk: the last phrasing of every intent is never asked, and judges the outcome."""
        index_agent(self.services, HELPDESK)
        asked = [case for number, case in enumerate(cases(HELPDESK)) if number % 3 != 2]
        vectors = [vector.tolist() for vector in self.services.embeddings.embed([case.input for case in asked])]
        total = len(asked) * self.weeks.sessions
        for number, (case, vector) in enumerate(zip(asked, vectors, strict=True)):
            for session in range(self.weeks.sessions):
                self._session(case, vector, session)
                self.progress("tax-helpdesk: searches", number * self.weeks.sessions + session + 1, total)
        self._answer(asked[: self.weeks.answered_questions], vectors)

    def _session(self, case: Case, vector: Sequence[float], session: int) -> None:
        """One user's search, with both rankings interleaved: what was never shown can never be learned."""
        event = f"{HELPDESK}/{case.id}/{session}"
        rng = self._rng(event)
        user = self.users[int(rng.integers(len(self.users)))]
        shown = self.client.search(
            HELPDESK, case.input, SHOWN, embedding=vector, policy="interleave", event_id=event, user_id=user.id,
            conversation_id=event,
        ).hits  # fmt: skip
        sources = [str(each.document_id) for each in shown]
        right = {str(rng.choice(sources))} if self.weeks.null else set(case.right)
        clicked = clicks(sources, right, rng) if user.temper == "fair" else clicks(sources, set(), rng)
        if self.weeks.null:
            clicked = [bool(value) for value in rng.random(len(sources)) < 0.15]
        verdicts = [0] * len(sources)
        if session == 0:  # an expert looks at the first search of every question
            expert = self.experts[int(rng.integers(len(self.experts)))]
            verdicts = [int(value) for value in judge_passages(expert, sources, right, rng)]
        hits = [
            {"chunk_id": hit.chunk_id, "rank": hit.rank, "clicked": click, "explicit": verdict, "expert": verdict != 0}
            for hit, click, verdict in zip(shown, clicked, verdicts, strict=True)
        ]
        self.client.log_retrieval(event, HELPDESK, case.input, hits, user_id=user.id, conversation_id=event)

    def _answer(self, asked: Sequence[Case], vectors: Sequence[Sequence[float]]) -> None:
        """Some questions are answered by the model from the best passage, and voted on."""
        found = self.client.resolve_prompt(HELPDESK)
        prompt = Prompt.from_json(found.prompt)
        best = [
            self.client.search(HELPDESK, case.input, 1, embedding=vector).hits[0]
            for case, vector in zip(asked, vectors, strict=False)
        ]
        gists = {document.id: document.gist for document in documents()}
        requests = [
            _request(prompt, f"Article: {(hit.text or '')[:PASSAGE]}\n\nQuestion: {case.input}")
            for case, hit in zip(asked, best, strict=True)
        ]
        answers = self.services.chat.complete_many(
            requests, lambda done: self.progress(f"{HELPDESK} answers", done, len(asked))
        )
        for number, (case, hit, answer) in enumerate(zip(asked, best, answers, strict=True), 1):
            execution = f"{HELPDESK}/{case.id}"
            rng = self._rng(execution)
            user = self.users[int(rng.integers(len(self.users)))]
            at = self._instant(number, len(asked))
            self.client.log_execution(
                execution, HELPDESK, case.input, answer.text, user_id=user.id, channel="web",
                prompt_version=found.prompt_version, model=self.services.chat.name, started_at=at,
                metadata={"passage": hit.chunk_id},
            )  # fmt: skip
            self._vote(HELPDESK, execution, user, str(hit.document_id), case, (), "wrong_source", at)
            expert = self.experts[int(rng.integers(len(self.experts)))]
            held = str(rng.choice(list(gists))) if self.weeks.null else judge(expert, case.right, list(gists), rng)
            self.client.submit_annotation(
                execution, expert.id, "correct", output=gists[held], idempotency_key=f"{execution}:{expert.id}"
            )

    def _instant(self, number: int, of: int) -> datetime:
        return self.began + timedelta(weeks=self.weeks.weeks) * (number / (of + 1))

    def _rng(self, *event: str) -> np.random.Generator:
        digest = sha256("\x1f".join((str(self.weeks.seed), *event)).encode()).digest()
        return np.random.default_rng(int.from_bytes(digest[:8], "big"))


def _request(prompt: Prompt, text: str) -> ChatRequest:
    rendered = prompt.render(text)
    return ChatRequest(
        tuple(Message(role, content) for role, content in rendered.messages),
        max_tokens=rendered.max_tokens,
        choices=rendered.choices,
    )
