"""Claim: from 10⁵ searches of ten hits, signals and a trained configuration take at most 60 s, and a thousand searches
more cost what is new.

Searches of many people over two months, in questions of a few wordings each, half of them with an answer that was voted
on; clicks by position. Folding is measured from an empty table and after a thousand searches more, in seconds and in
buffers (pages of 8 kB touched); training is all that `RagTrainer` does with them: groups, posterior, memory, weights,
pairs (mined from the newest 20,000 searches, as every first training does). Texts are embedded beforehand: what a model
takes is not what is claimed. `cpu_seconds` is this process's alone, `seconds` of the wall and with the database.

Usage: python benchmarks/retrieving/training.py [--searches N] [--results FILE]
"""
# ruff: noqa: E501 -- SQL is read best unbroken, and the names in it are ours

import argparse
import json
import os
import platform
import resource
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))  # run as a file, its folder is where Python looks first

import numpy as np
import psycopg

from benchmarks.ingest.world import world
from glow_pipelines.database import migrate
from glow_pipelines.learning.retrieval import Chunk, RagTrainer, RetrievalIndex, RetrievalParameters
from glow_pipelines.learning.retrieval.examination import learn_examination
from glow_pipelines.learning.retrieval.types import Vector, unit
from glow_pipelines.store.store import Store

RESULTS = Path(__file__).parents[1] / "results" / "retrieval_training.json"
AGENT, HITS, MORE, BATCH = "desk", 10, 1000, 5000
USERS, CHUNKS, QUESTIONS, WORDINGS, DIMENSIONS, DAYS = 3000, 5000, 2000, 3, 384, 60
SEED = 7

_EVENT = "copy glow.retrieval_events (tenant, event_id, agent, execution_id, query, policy, user_id, conversation_id, occurred_at, recorded_at) from stdin"
_KEY = "copy glow.retrieval_keys (tenant, event_id, agent, query_hash, recorded_at) from stdin"
_HIT = "copy glow.retrieval_hits (tenant, event_id, rank, chunk_id, score, leg, propensity, cited, clicked, recorded_at) from stdin"
_VOTES = """with given as (
    insert into glow.agent_feedback (tenant, agent, execution_id, user_id, kind, thumbs, occurred_at, recorded_at)
    select e.tenant, e.agent, e.execution_id, e.user_id, 'vote', case when hashtext(e.event_id) & 3 = 0 then -1 else 1 end, e.recorded_at, e.recorded_at
      from glow.retrieval_events e where e.execution_id is not null and hashtext(e.event_id || 'v') & 3 = 0 and e.xid >= %s::text::xid8
    returning *)
  insert into glow.current_feedback (tenant, execution_id, user_id, kind, agent, feedback_id, withdrawn, occurred_at, corrected, recorded_at)
  select tenant, execution_id, user_id, kind, agent, feedback_id, false, occurred_at, false, recorded_at from given"""


@dataclass(frozen=True)
class Company:
    """What is searched, and by what words. The vectors of questions lie near the chunk that answers them."""

    chunks: tuple[Chunk, ...]
    questions: tuple[str, ...]
    vectors: dict[str, Vector]
    shown: np.ndarray
    """Per question the 20 chunks nearest to it, shape (questions, 20); the first answers it."""

    def embed(self, texts: Any) -> Vector:
        return np.array([self.vectors[text] for text in texts])


def company() -> Company:
    rng = np.random.default_rng(SEED)
    topics = unit(rng.normal(size=(QUESTIONS, DIMENSIONS)))
    answers = rng.integers(CHUNKS, size=QUESTIONS)
    embeddings = unit(rng.normal(size=(CHUNKS, DIMENSIONS)))
    embeddings[answers] = unit(0.5 * topics + 0.5 * embeddings[answers])
    texts = [" ".join(f"w{n}" for n in rng.zipf(1.3, size=60) % 20_000) for _ in range(CHUNKS)]
    chunks = tuple(Chunk(f"c{n}", f"d{n // 3}", text, embeddings[n]) for n, text in enumerate(texts))
    questions, vectors, shown = [], {}, []
    for n, topic in enumerate(topics):
        near = [int(answers[n]), *(int(c) for c in rng.choice(CHUNKS, size=20, replace=False) if c != answers[n])][:20]
        for wording in range(WORDINGS):
            text = f"q{n} v{wording} " + " ".join(rng.choice(texts[near[0]].split(), size=4))
            vectors[text] = unit(topic + 0.3 * unit(rng.normal(size=DIMENSIONS)))
            questions.append(text)
            shown.append(near)
    return Company(chunks, tuple(questions), vectors, np.array(shown))


def write(admin: psycopg.Connection, firm: Company, first: int, searches: int) -> None:
    """Searches in transactions of some thousand, then votes on the answers of some."""
    rng = np.random.default_rng(SEED + first)
    since = admin.execute("select pg_current_xact_id()::text").fetchone()
    end = datetime.now(UTC)
    for start in range(first, first + searches, BATCH):
        events, keys, hits = [], [], []
        for n in range(start, min(start + BATCH, first + searches)):
            asked = int(rng.zipf(1.2)) % len(firm.questions)
            text, user = firm.questions[asked], int(USERS * rng.random() ** 2)
            at = end - timedelta(days=DAYS * (1 - (n + 1) / (first + searches)), seconds=float(rng.random()))
            run = f"run-{n}" if n % 2 else None
            events.append(
                (
                    "default",
                    f"search-{n}",
                    AGENT,
                    run,
                    text,
                    "interleave",
                    f"user-{user}",
                    f"talk-{user}-{n % 5}",
                    at,
                    end,
                )
            )
            keys.append(("default", f"search-{n}", AGENT, f"\\x{hashed(text)}", end))
            order = [0, *rng.choice(np.arange(1, 20), size=HITS - 1, replace=False)]
            order = [order[i] for i in rng.permutation(HITS)]
            for rank, place in enumerate(order, 1):
                look = max(1 / rank, 0.1)
                clicked = bool(rng.random() < look and rng.random() < (0.9 if place == 0 else 0.1))
                hits.append(
                    (
                        "default",
                        f"search-{n}",
                        rank,
                        f"c{firm.shown[asked, place]}",
                        1 / rank,
                        "both",
                        look,
                        clicked and rank < 4,
                        clicked,
                        end,
                    )
                )
        with admin.transaction():
            for statement, rows in ((_KEY, keys), (_EVENT, events), (_HIT, hits)):
                with admin.cursor().copy(statement.encode()) as copy:
                    for row in rows:
                        copy.write_row(row)
    assert since is not None
    admin.execute(_VOTES.encode(), since)


def hashed(text: str) -> str:
    from hashlib import sha256

    return sha256(text.encode()).hexdigest()


def fold(store: Store) -> dict[str, float]:
    begun, visits, folds, done = time.perf_counter(), 0, 0, False
    while not done:
        with store.transaction() as t:
            folded = t.retrieval_signals.fold(AGENT, t.feedback.horizon())
        visits, folds, done = visits + folded.visits, folds + 1, folded.done
    return {"seconds": round(time.perf_counter() - begun, 2), "visits": visits, "transactions": folds}


def buffers(admin: psycopg.Connection, since: str) -> int:
    """Pages touched by a fold of everything since a watermark; nothing of it is kept."""
    with admin.transaction(force_rollback=True):
        row = admin.execute(
            "explain (analyze, buffers, format json) select * from glow.fold_retrieval_signals(%s, %s::text::xid8, pg_snapshot_xmin(pg_current_snapshot()))",
            (AGENT, since),
        ).fetchone()
    assert row is not None
    plan = row[0][0]["Plan"]
    return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])


def measure(searches: int) -> dict[str, Any]:
    firm = company()
    with world() as place:
        url = place.database("training")
        migrate(url)
        store = Store(url)
        try:
            with psycopg.connect(url, autocommit=True) as admin:
                admin.execute("select glow_api.register_agent(%s)", (AGENT,))
                write(admin, firm, 0, searches)
                admin.execute("analyze")
                found: dict[str, Any] = {
                    "searches": searches,
                    "hits": searches * HITS,
                    "questions": len(firm.questions),
                }
                found["first_fold"] = fold(store)
                found["training"] = train(store, firm)
                mark = one(store)
                write(admin, firm, searches, MORE)
                found["second_fold"] = {"searches": MORE, "buffers": buffers(admin, mark)} | fold(store)
                found["first_fold"]["buffers"] = buffers(admin, "0")
                found["buffers_per_search"] = {
                    name: round(found[f"{name}_fold"]["buffers"] / number, 1)
                    for name, number in (("first", searches + MORE), ("second", MORE))
                }
        finally:
            store.close()
    found["seconds"] = round(found["first_fold"]["seconds"] + found["training"]["seconds"], 1)
    found["peak_memory_mb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    return found


def one(store: Store) -> str:
    with store.transaction() as t:
        return t.operations.watermark("retrieval_signals", AGENT)


def train(store: Store, firm: Company) -> dict[str, Any]:
    """Everything from reading to a candidate, and its parts."""
    parts: dict[str, float] = {}
    cpu = time.process_time()

    def timed(name: str, work: Callable[[], Any]) -> Any:
        begun = time.perf_counter()
        result = work()
        parts[name] = round(time.perf_counter() - begun, 2)
        return result

    with store.transaction() as t:
        horizon = t.feedback.horizon()
        table = timed("reading_signals", lambda: t.retrieval_signals.table(AGENT))
        curve = timed("examination", lambda: learn_examination(t.retrieval_signals.exposures(AGENT, horizon)))
        explored = t.retrieval_signals.explored(AGENT, horizon)
    vectors = {query: firm.vectors[query] for query in table.queries}
    index = timed("index", lambda: RetrievalIndex(firm.chunks, RetrievalParameters()))
    with store.transaction() as t:
        events = timed(
            "reading_searches_for_pairs",
            lambda: [
                replace(event, query_embedding=vectors[event.query])
                for page in t.retrieval.pages_of_events(AGENT, t.retrieval_signals.recent(AGENT, horizon))
                for event in page
                if split(event.query) == "train"
            ],
        )
    trainer = RagTrainer(firm.embed, SEED)
    training = timed("training", lambda: trainer.train_from_signals(index, table, vectors, split, explored, events))
    return {
        "cpu_seconds": round(time.process_time() - cpu, 1),
        "signals": len(table),
        "groups": training.groups,
        "memory": len(training.configuration.memory),
        "pairs": len(training.mining.pairs),
        "examination": curve.source,
        "reason": training.tuning.reason,
        "seconds": round(sum(parts.values()), 2),
        "parts": parts,
    }


def split(query: str) -> Any:
    return "train" if int(hashed(query)[:2], 16) < 205 else "test"


def main() -> Iterator[str]:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--searches", type=int, default=100_000)
    parser.add_argument("--results", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    found = measure(arguments.searches)
    found["bar_seconds"] = 60
    found["date"] = datetime.now(UTC).date().isoformat()
    found["load"] = round(os.getloadavg()[0], 2)
    found["machine"] = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    arguments.results.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    yield json.dumps(found, indent=1)


if __name__ == "__main__":
    for said in main():
        sys.stdout.write(said + "\n")
