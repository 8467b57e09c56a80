"""Policies and patterns through the API: who may, what is accepted, what is seen."""

from typing import Any

import psycopg
import pytest

from glow_pipelines.learning.datasets import CurationPolicy
from glow_pipelines.learning.datasets.language import LANGUAGES, UNSURE
from glow_pipelines.learning.datasets.screens.personal import NAMES
from glow_pipelines.store import Store
from tests.api.calling import Refused, attempt, call, one, register
from tests.api.logins import Logins


@pytest.fixture
def engineer(logins: Logins) -> psycopg.Connection:
    return logins.connect("glow_engineer")


@pytest.fixture
def agent(admin: psycopg.Connection, numbers: Any) -> str:
    name = f"screened-{next(numbers)}"
    register(admin, name)
    return name


def test_without_a_policy_the_defaults_hold(engineer: psycopg.Connection, agent: str, shared_url: str) -> None:
    told = call(engineer, "curation_policy", agent=agent)
    assert {name: told[name] for name in CurationPolicy().to_json()} == CurationPolicy().to_json()
    assert (told["set_by"], told["recorded_at"]) == (None, None)
    store = Store(shared_url)
    with store.transaction() as t:
        assert t.curation_policies.policy(agent) == CurationPolicy()
    store.close()


def test_a_change_is_kept_with_its_history_and_is_news(
    engineer: psycopg.Connection, admin: psycopg.Connection, agent: str, shared_url: str
) -> None:
    store = Store(shared_url)
    with store.transaction() as t:
        before = t.feedback.horizon()
    wanted: dict[str, Any] = {"pii": "quarantine", "languages": ["de", "und"], "keep": ["name"], "shortest_input": 5}
    assert call(engineer, "set_curation_policy", agent=agent, **wanted)["status"] == "accepted"
    assert call(engineer, "set_curation_policy", agent=agent, **wanted)["status"] == "unchanged"
    with store.transaction() as t:
        assert t.curation_policies.policy(agent) == CurationPolicy(
            pii="quarantine", languages=("de", "und"), keep=("name",), shortest_input=5
        )
        assert agent in t.curation_policies.changed_agents(before, "9999999999")
        assert agent not in t.curation_policies.changed_agents("9999999998", "9999999999")
    store.close()
    assert call(engineer, "set_curation_policy", agent=agent)["pii"] == "redact"
    history = admin.execute(
        "select pii, superseded_at is null from glow.curation_policies where agent = %s order by policy_id", (agent,)
    ).fetchall()
    assert history == [("quarantine", False), ("redact", True)]
    assert one(admin, "select count(*) from glow.curation_policies where set_by = ''") == 0


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"pii": "drop"}, "pii"),
        ({"pii": None}, "pii"),
        ({"secrets": "keep"}, "secrets"),
        ({"keep": ["shoe size"]}, "keep"),
        ({"keep": None}, "keep"),
        ({"keep": [None]}, "keep"),
        ({"languages": []}, "languages"),
        ({"languages": ["xx"]}, "languages"),
        ({"shortest_input": 0}, "shortest_input"),
        ({"shortest_target": 20001}, "shortest_target"),
    ],
)
def test_what_is_not_accepted(engineer: psycopg.Connection, agent: str, given: dict[str, Any], field: str) -> None:
    refused = attempt(engineer, "set_curation_policy", agent=agent, **given)
    assert isinstance(refused, Refused)
    assert refused.code == "PT422"
    assert refused.message.startswith(f"{field}: ")


def test_names_and_languages_are_those_of_the_screens(engineer: psycopg.Connection, agent: str) -> None:
    every = [*LANGUAGES, UNSURE]
    told = call(engineer, "set_curation_policy", agent=agent, keep=list(NAMES), languages=every)
    assert (told["keep"], told["languages"]) == (list(NAMES), every)
    hints = [
        attempt(engineer, "set_curation_policy", agent=agent, **{field: ["?"]}).hint for field in ("keep", "languages")
    ]
    assert {*hints[0].removeprefix("any of ").split(", ")} == set(NAMES)
    assert {*hints[1].removeprefix("null for all, or some of ").split(", ")} == set(every)


def test_an_agent_of_all_tenants_is_for_those_who_serve_all(logins: Logins, agent: str) -> None:
    bound = logins.connect("glow_engineer", tenant="acme")
    app = logins.connect("glow_app")
    for answer in (
        attempt(bound, "set_curation_policy", agent=agent),
        attempt(bound, "curation_policy", agent=agent),
        attempt(bound, "correction_patterns", agent=agent),
        attempt(app, "correction_patterns", agent=agent),
    ):
        assert answer.code == "PT403"


def test_patterns_of_few_are_shown_to_engineers_alone(
    engineer: psycopg.Connection, admin: psycopg.Connection, logins: Logins, numbers: Any
) -> None:
    agent = f"own-{next(numbers)}"
    register(admin, agent, "default")
    admin.execute("insert into glow.correction_snapshots (agent, corrections, outputs) values (%s, 9, 9)", (agent,))
    for position, standing in enumerate(("named", "emerging"), start=1):
        admin.execute(
            "insert into glow.correction_patterns (agent, position, kind, about, detail, standing, count, experts,"
            " people, conversations, share, share_low, share_high, first_seen, last_seen, feedback, annotations)"
            " values (%s, %s, 'missing', '', %s, %s, 3, 0, 2, 3, .5, .4, .6, now(), now(), '{1}', '{}')",
            (agent, position, f"words of {standing}", standing),
        )
    seen = {
        role: [row[3] for row in call(logins.connect(role), "correction_patterns", agent=agent)]
        for role in ("glow_app", "glow_viewer", "glow_engineer")
    }
    assert seen["glow_engineer"] == ["words of named", "words of emerging"]
    assert seen["glow_app"] == seen["glow_viewer"] == ["words of named", None]
    assert [row[0] for row in call(engineer, "correction_patterns", agent=agent, which="emerging")] == ["emerging"]
    assert attempt(engineer, "correction_patterns", agent=agent, since="2099-01-01") == []
    assert attempt(engineer, "correction_patterns", agent=agent, which="x").code == "PT422"
    assert attempt(engineer, "correction_patterns", agent=agent, most=0).code == "PT422"
