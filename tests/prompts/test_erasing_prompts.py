"""A person's words around a prompt: instructions a model wrote, rules from corrections, reasons, notifications."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from glow_pipelines.client import GlowClient
from glow_pipelines.erasure import finish_erasures
from glow_pipelines.learning.prompts.types import Candidate, Demonstration, Lineage, Prompt, Rule, Source
from glow_pipelines.services import Services
from glow_pipelines.settings import Settings
from glow_pipelines.store import Store
from tests.erasure.small import erase
from tests.prompts.conftest import AGENT, PROMPT

WHO = "person-77"
ASKED = "My trip to the clinic in Kleinhausen on Monday"
WORDS = "Kleinhausen"
Add = Callable[..., str]


@pytest.fixture
def vote(client: GlowClient) -> str:
    """The number of the person's correction."""
    client.log_execution("mine", AGENT, ASKED, "meals", user_id=WHO)
    number = client.submit_feedback(AGENT, "mine", WHO, thumbs=-1, correction="travel, it was Kleinhausen").feedback_id
    return str(number)


def in_force(store: Store) -> Prompt:
    with store.transaction() as t:
        found = t.prompts.in_force(AGENT)
    assert found is not None
    return found.prompt


def everything(admin: psycopg.Connection) -> str:
    """All that is written about prompts."""
    tables = ("prompt_versions", "prompt_alias_history", "prompt_rule_counts", "notifications", "prompt_lineage")
    return "\n".join(
        str(row)
        for table in tables
        for row in admin.execute(f"select t::text from glow.{table} t").fetchall()  # noqa: S608
    )


def test_a_rule_and_a_demonstration_of_a_correction_go_with_their_counters(
    store: Store, add: Add, admin: psycopg.Connection, vote: str
) -> None:
    id = f"correction:{vote}"
    mine, other = Rule("r1", "Trips to Kleinhausen are travel.", (id,)), Rule("r2", "Ferries are travel.", ("x",))
    version = add(
        replace(PROMPT, rules=(mine, other), demonstrations=(Demonstration(id, ASKED, "travel"),)),
        lineage=(Lineage(id, "rule_evidence", "r1"), Lineage(id, "demo")),
        reason=f"user {WHO} says so",
    )
    with store.transaction() as t:
        t.prompts.move_alias(AGENT, "production", version, "me", "why")
        t.prompts.count_rules(AGENT, [replace(mine, helpful=3), replace(other, helpful=1)], "night-1")
    assert WORDS in everything(admin)
    receipt = erase(admin, WHO)
    assert receipt["tables"]["prompt_rule_counts"] == 1
    kept = in_force(store)
    assert ([rule.id for rule in kept.rules], kept.demonstrations) == (["r2"], ())
    assert kept.rules[0].helpful == 1
    assert WORDS not in everything(admin)
    assert WHO not in everything(admin)


@pytest.mark.parametrize("kind", ["feedback", "execution"])
def test_an_instruction_that_a_model_wrote_from_the_persons_words_gives_way_to_the_one_before(
    store: Store, admin: psycopg.Connection, vote: str, kind: str
) -> None:
    source = Source("feedback", vote) if kind == "feedback" else Source("execution", "mine")
    written = replace(PROMPT, instruction="Kleinhausen and other trips are travel.")
    shorter = replace(written, instruction="Kleinhausen: travel.")
    other = replace(PROMPT, instruction="Ask yourself who paid.")
    with store.transaction() as t:
        t.prompts.add(AGENT, Candidate(written, "reflect", PROMPT.sha256, (Lineage(source, "reflected"),)), "writer")
        t.prompts.add(AGENT, Candidate(shorter, "restructure", written.sha256))
        t.prompts.add(AGENT, Candidate(other, "clarify", PROMPT.sha256))
        t.prompts.move_alias(AGENT, "production", other.sha256, "me", "why")
        t.prompts.move_alias(AGENT, "production", shorter.sha256, "me", "why")
    assert erase(admin, WHO)["tables"]["prompt_versions"] == 2
    assert in_force(store) == PROMPT
    assert WORDS not in everything(admin)
    with store.transaction() as t:
        assert t.prompts.prompt(AGENT, written.sha256) is None
        assert t.prompts.prompt(AGENT, other.sha256) == other
        # Who rolls back comes to no erased version.
        assert t.prompts.rollback(AGENT, "me", "bad")["prompt_version"] == other.sha256


def test_what_another_person_was_reflected_in_stays(
    store: Store, admin: psycopg.Connection, client: GlowClient
) -> None:
    client.log_execution("theirs", AGENT, "A ferry", "meals", user_id="u2")
    number = client.submit_feedback(AGENT, "theirs", "u2", thumbs=-1, correction="travel").feedback_id
    written = replace(PROMPT, instruction="Ferries are travel.")
    lines = (Lineage(Source("feedback", str(number)), "reflected"),)
    with store.transaction() as t:
        t.prompts.add(AGENT, Candidate(written, "reflect", PROMPT.sha256, lines), "writer")
    assert erase(admin, WHO)["tables"]["prompt_versions"] == 0
    with store.transaction() as t:
        assert t.prompts.prompt(AGENT, written.sha256) == written


@pytest.mark.usefixtures("vote")
def test_words_quoted_in_reasons_notifications_and_rules_of_others_are_swept(
    store: Store, add: Add, admin: psycopg.Connection, database_url: str, tmp_path: Path
) -> None:
    quoting = f"somebody wrote: {ASKED}"
    version = add(replace(PROMPT, instruction="Other"), reason=quoting)
    with store.transaction() as t:
        t.prompts.move_alias(AGENT, "candidate", version, WHO, quoting)
        t.notifications.add(AGENT, "prompt_candidate", "A better prompt", {"why": quoting, "gain": 0.05})
        t.prompts.count_rules(AGENT, [Rule("r9", quoting, ("x",), 1)])
    erase(admin, WHO)
    services = Services(
        Settings.from_environment(
            {
                "DATABASE_URL": database_url,
                "GLOW_HOME": str(tmp_path),
                "GLOW_DAGSTER_DATABASE_URL": f"{database_url}_none",
            }
        )
    )
    assert [each.error for each in finish_erasures(services) if each.error] == []
    services.store.close()
    assert WORDS not in everything(admin)
    assert WHO not in everything(admin)
    with store.transaction() as t:
        (told,) = t.notifications.since(AGENT)
        assert told["body"]["gain"] == 0.05
        assert t.prompts.rule_counts(AGENT) == {}
