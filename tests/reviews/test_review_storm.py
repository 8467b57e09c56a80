"""The storm: 16 reviewers and 2 000 items, leases that run out, reviewers and connections that are killed.

Belongs here: the kills and the final state. Does not: the rules of the queue (`queue_model`), a reviewer's work
(`review_client`).
"""
# ruff: noqa: E501 -- SQL is read best unbroken

import random
import subprocess
import sys
import threading
import time
from collections import Counter, defaultdict
from pathlib import Path

import psycopg
import pytest

from glow_pipelines.database import connect
from tests.api.calling import call
from tests.api.logins import Logins
from tests.reviews.review_client import verdict

REVIEWERS, ITEMS = 16, 2000
KILLS, CUTS = 12, 40
AGENT = "storm"
ROOT = Path(__file__).parents[2]
SUBMITTED = "select count(*) from glow.review_slots where filled_at is not null"


class Reviewers:
    """The processes; whoever is killed comes back and goes on."""

    def __init__(self, logins: Logins, folder: Path) -> None:
        self.folder, self.starts, self.urls = folder, 0, dict[str, str]()
        for number in range(REVIEWERS):
            login, url = logins.make("glow_reviewer")
            name = f"r{number:02}"
            logins.bind(login, tenant="default", person=name)
            self.urls[name] = url
        self.running = {name: self.start(name) for name in self.urls}

    def start(self, name: str) -> "subprocess.Popen[bytes]":
        self.starts += 1
        log = self.folder / f"{name}.log"
        command = [
            sys.executable,
            "-m",
            "tests.reviews.review_client",
            self.urls[name],
            name,
            str(log),
            str(self.starts),
        ]
        return subprocess.Popen(command, cwd=ROOT)

    def kill(self, name: str) -> None:
        """kill -9. The last line of its log may be half written."""
        self.running[name].kill()
        self.running[name].wait()
        log = self.folder / f"{name}.log"
        text = log.read_text() if log.exists() else ""
        log.write_text(text[: text.rfind("\n") + 1])
        self.running[name] = self.start(name)

    def acknowledged(self) -> dict[tuple[str, int], set[int]]:
        """(reviewer, item) -> ids of annotations that the server said it has."""
        found: dict[tuple[str, int], set[int]] = defaultdict(set)
        for log in self.folder.glob("*.log"):
            for line in log.read_text().splitlines():
                item, annotation = line.split()
                found[log.stem, int(item)].add(int(annotation))
        return found

    def end(self) -> None:
        for process in self.running.values():
            process.kill()
            process.wait()


def test_sixteen_reviewers_share_two_thousand_items(logins: Logins, admin: psycopg.Connection, tmp_path: Path) -> None:
    dice = random.Random(20261122)
    call(admin, "register_agent", agent=AGENT)
    admin.execute(
        "select glow_api.log_execution_batch(jsonb_agg(jsonb_build_object('execution_id', 's' || n, 'agent', %s::text,"
        " 'input', 'question s' || n, 'output', 'answer'))) from generate_series(1, %s) n",
        (AGENT, ITEMS),
    )
    admin.execute("select count(glow_api.request_review('s' || n)) from generate_series(1, %s) n", (ITEMS,))
    reviewers = Reviewers(logins, tmp_path)
    killed = cut = 0
    try:
        deadline, expected = time.monotonic() + 400, 2 * ITEMS
        while any(process.poll() is None for process in reviewers.running.values()):
            assert time.monotonic() < deadline, "the storm does not end"
            row = admin.execute(SUBMITTED).fetchone()
            done = row[0] / expected if row else 0
            if killed < KILLS * min(done, 0.9):
                reviewers.kill(dice.choice(sorted(reviewers.running)))
                killed += 1
            if cut < CUTS * min(done, 0.9):
                # A session at work, where there is one: its call, and perhaps its answer, is lost.
                row = admin.execute(
                    "select pg_terminate_backend(pid) from pg_stat_activity where application_name = '' and usename like 'glow_test_%%'"
                    "   and datname = current_database() order by state = 'active' desc, random() limit 1"
                ).fetchone()
                cut += row is not None
            time.sleep(0.02)
        assert [process.returncode for process in reviewers.running.values()] == [0] * REVIEWERS
        assert (killed, cut) >= (KILLS * 0.8, CUTS * 0.8)
        acknowledged = reviewers.acknowledged()
    finally:
        reviewers.end()
    assert_nothing_lost_or_doubled(admin, acknowledged)


def assert_nothing_lost_or_doubled(admin: psycopg.Connection, acknowledged: dict[tuple[str, int], set[int]]) -> None:
    filled: dict[int, dict[str, int]] = defaultdict(dict)
    for item, reviewer, annotation, said in admin.execute(
        "select s.item_id, s.reviewer, s.annotation_id, a.verdict from glow.review_slots s join glow.expert_annotations a using (annotation_id)"
    ).fetchall():
        filled[item][reviewer] = annotation
        assert said == verdict(item, reviewer)
    items = admin.execute(
        "select item_id, state, outcome, reviews from glow.review_items where agent = %s", (AGENT,)
    ).fetchall()
    assert len(items) == ITEMS
    for item, state, outcome, reviews in items:
        counts = Counter(verdict(item, reviewer) for reviewer in filled[item])
        (best, most), *_ = counts.most_common()
        assert state == "closed", (item, state)  # three words of two kinds have a majority
        # N reviews exact: two where they agree, three where the first two did not.
        assert counts.total() == reviews == (2 if len(counts) == 1 else 3), item
        assert outcome == best
        assert most == 2
    # Every answer that was given is there, once; and nothing is there that nobody wrote.
    assert all(len(ids) == 1 for ids in acknowledged.values())
    kept = {(reviewer, item): annotation for item, by in filled.items() for reviewer, annotation in by.items()}
    assert {key: next(iter(ids)) for key, ids in acknowledged.items()}.items() <= kept.items()
    rows = admin.execute(
        "select count(*), count(*) filter (where superseded_by is null) from glow.expert_annotations"
    ).fetchone()
    assert rows == (len(kept), len(kept))
    assert_no_claim_is_double(admin)


def assert_no_claim_is_double(admin: psycopg.Connection) -> None:
    """From the log: at no time more reviewers at an item than it has reviews to give, and nobody twice."""
    events = admin.execute(
        "select e.item_id, e.event, e.reviewer, i.reviews from glow.review_events e join glow.review_items i using (item_id) order by e.item_id, e.event_id"
    ).fetchall()
    holders: dict[int, set[str]] = defaultdict(set)
    done: dict[int, set[str]] = defaultdict(set)
    seen: Counter[str] = Counter()
    for item, event, reviewer, reviews in events:
        seen[event] += 1
        if event == "claimed":
            assert reviewer not in holders[item] | done[item], (item, reviewer)
            holders[item].add(reviewer)
            assert len(holders[item]) + len(done[item]) <= reviews, item
        else:
            assert event != "submitted" or reviewer in holders[item]
            holders[item].discard(reviewer)
            if event == "submitted":
                assert reviewer not in done[item]
                done[item].add(reviewer)
    assert min(seen["expired"], seen["skipped"]) > 20, seen  # or nothing was put to the test


@pytest.mark.parametrize("sessions", [8])
def test_one_reviewer_in_many_sessions_never_has_an_item_twice(
    logins: Logins, admin: psycopg.Connection, shared_url: str, sessions: int
) -> None:
    call(admin, "register_agent", agent="twice")
    for number in range(30):
        call(admin, "log_execution", execution_id=f"twice-{number}", agent="twice", input="in", output="out")
        call(admin, "request_review", execution_id=f"twice-{number}")
    claimed: list[int] = []
    failures: list[Exception] = []

    def work() -> None:
        try:
            with connect(shared_url, autocommit=True) as connection:
                for _ in range(10):
                    rows = connection.execute(
                        "select item_id from glow_api.claim_annotation('{\"agent\": \"twice\"}', 1, reviewer => 'ann')"
                    ).fetchall()
                    claimed.extend(item for (item,) in rows)
        except psycopg.Error as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(sessions)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(claimed) == len(set(claimed)) == 30
