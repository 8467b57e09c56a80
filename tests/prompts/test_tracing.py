"""Why a prompt is as it is: every part with the rows it came from, by one query."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from glow_pipelines.client import GlowClient, NotFound
from glow_pipelines.learning.prompts.types import Candidate, Demonstration, Lineage, Rule, Source
from glow_pipelines.store import Store
from tests.prompts.conftest import AGENT, PROMPT

Add = Callable[..., str]
TAXI, TRAIN, FLIGHT = "Taxi to the fair", "Train to Bern", "Flight to Rome"


def parts(store: Store, version: str) -> dict[str, dict[str, object]]:
    """Part → whether and how it is traced, and the kinds of the rows behind it."""
    with store.transaction() as t:
        rows = t.prompts.trace(AGENT, version)
    return {
        row["part_id"] or row["part"]: {
            "traced": row["traced"],
            "origin": row["origin"],
            "version": row["origin_version"],
            "kinds": {
                each["kind"] for each in rows if (each["part"], each["part_id"]) == (row["part"], row["part_id"])
            },
        }
        for row in rows
    }


def shown(learned: dict[str, str], *inputs: str) -> tuple[Demonstration, ...]:
    return tuple(Demonstration(learned[each], each, "travel") for each in inputs)


def test_every_part_leads_to_what_people_said(
    client: GlowClient, store: Store, add: Add, learned: dict[str, str]
) -> None:
    rule = Rule("r1", "Whatever moves a person is travel.", (learned[TAXI], learned[TRAIN]))
    version = add(
        replace(PROMPT, rules=(rule,), demonstrations=shown(learned, TRAIN, FLIGHT)),
        lineage=(
            Lineage(learned[TAXI], "rule_evidence", "r1"),
            Lineage(learned[TRAIN], "rule_evidence", "r1"),
            Lineage(learned[TRAIN], "demo"),
            Lineage(learned[FLIGHT], "demo"),
        ),
    )
    rows = client.prompt_lineage(AGENT, version)
    assert all(row.traced for row in rows)
    found = {
        (row.part, row.kind, row.source_role) for row in rows if row.part_id in ("r1", learned[TRAIN], learned[FLIGHT])
    }
    assert found >= {
        ("rule", "annotation", "supports"),
        ("rule", "feedback", "supports"),
        ("demonstration", "feedback", "supports"),
        ("demonstration", "demonstration", "supports"),
    }
    (vote,) = (row for row in rows if row.part == "demonstration" and row.kind == "feedback")
    assert (vote.role, vote.origin, vote.origin_version, vote.example_id) == (
        "demo",
        "learned",
        version,
        learned[TRAIN],
    )
    assert vote.said is not None
    assert (vote.said["user_id"], vote.said["correction"]) == ("u3", "travel")
    (own,) = (row for row in rows if row.kind == "demonstration")
    assert own.said is not None
    assert own.said["expert"] == "ann"
    with store.transaction() as t:
        assert t.prompts.untraced(AGENT, version) == []


def test_a_part_that_was_there_before_has_its_sources_at_the_version_that_brought_it_in(
    store: Store, add: Add, learned: dict[str, str]
) -> None:
    ruled = replace(PROMPT, rules=(Rule("r1", "Taxis are travel.", (learned[TAXI],)),))
    first = add(ruled, lineage=(Lineage(learned[TAXI], "rule_evidence", "r1"),))
    both = replace(ruled, demonstrations=shown(learned, FLIGHT))
    second = add(both, first, "few_shot", lineage=(Lineage(learned[FLIGHT], "demo"),))
    found = parts(store, second)
    assert (found["r1"]["origin"], found["r1"]["version"]) == ("inherited", first)
    assert "annotation" in found["r1"]["kinds"]  # type: ignore[operator]
    assert found[learned[FLIGHT]]["origin"] == "learned"
    # Another wording under the same id was not there before.
    reworded = replace(both, rules=(Rule("r1", "Taxis are never travel.", (learned[TAXI],)),))
    assert parts(store, add(reworded, second))["r1"]["traced"] is False


def test_what_a_person_wrote_is_traced_to_the_version_it_stands_in(store: Store, add: Add) -> None:
    own = replace(
        PROMPT,
        rules=(Rule("house", "Ask when in doubt.", ()),),
        demonstrations=(Demonstration("by-hand", "Bus", "travel"),),
    )
    with store.transaction() as t:
        t.connection.execute(
            "insert into glow.prompt_versions (agent, prompt_version, prompt, operator)"
            " select %s, %s, prompt || jsonb_build_object('rules', %s::jsonb, 'demonstrations', %s::jsonb),"
            "        'registered' from glow.prompt_versions",
            (
                AGENT,
                own.sha256,
                '[{"id": "house", "text": "Ask when in doubt.", "evidence": []}]',
                '[{"example_id": "by-hand", "input": "Bus", "output": "travel"}]',
            ),
        )
    child = add(replace(own, instruction="Say which account it is."), own.sha256, "restructure")
    found = parts(store, child)
    assert {(name, each["origin"], each["version"], each["traced"]) for name, each in found.items()} == {
        ("instruction", "rewritten", child, True),
        ("house", "written", own.sha256, True),
        ("by-hand", "written", own.sha256, True),
    }
    assert parts(store, own.sha256)["instruction"]["origin"] == "written"


@pytest.mark.parametrize("kept", ["rule", "demonstration"])
def test_a_part_that_comes_from_nowhere_is_not_traced(store: Store, add: Add, kept: str) -> None:
    prompt = (
        replace(PROMPT, rules=(Rule("r1", "Because.", ("x",)),))
        if kept == "rule"
        else replace(PROMPT, demonstrations=(Demonstration("r1", "Bus", "travel"),))
    )
    # An example that never was is no source, nor is one of another part.
    lines = (Lineage("x", "rule_evidence", "r1"), Lineage("r1", "demo"), Lineage(Source("feedback", "1"), "reflected"))
    version = add(prompt, lineage=lines)
    with store.transaction() as t:
        assert t.prompts.untraced(AGENT, version) == [{"part": kept, "id": "r1"}]


def test_an_instruction_that_a_model_wrote_names_what_the_model_was_shown(
    store: Store, learned: dict[str, str]
) -> None:
    written = replace(PROMPT, instruction="Travel moves people; meals feed them.")
    bare = replace(PROMPT, instruction="Travel it is.")
    with store.transaction() as t:
        t.prompts.add(
            AGENT,
            Candidate(written, "reflect", PROMPT.sha256, (Lineage(learned[TAXI], "reflected"),), reason="2 mistakes"),
            operator_model="writer-1",
            operator_prompt="a" * 64,
        )
        t.prompts.add(AGENT, Candidate(bare, "reflect", PROMPT.sha256), operator_model="writer-1")
        row = t.prompts.find(AGENT, written.sha256[:10])
        assert (row["reason"], row["operator_model"], row["operator_prompt"]) == ("2 mistakes", "writer-1", "a" * 64)
        assert row["tokens"] == written.tokens
        assert t.prompts.untraced(AGENT, bare.sha256) == [{"part": "instruction", "id": ""}]
        shorter = replace(written, instruction="Travel moves people.")
        t.prompts.add(AGENT, Candidate(shorter, "restructure", written.sha256))
    assert parts(store, written.sha256)["instruction"]["origin"] == "learned"
    found = parts(store, shorter.sha256)["instruction"]
    assert (found["origin"], found["version"]) == ("inherited", written.sha256)


def test_a_correction_is_evidence_before_it_is_an_example(client: GlowClient, store: Store, add: Add) -> None:
    client.log_execution("e9", AGENT, "Ferry to Malta", "meals", user_id="u9")
    vote = client.submit_feedback(AGENT, "e9", "u9", thumbs=-1, correction="travel").feedback_id
    id = f"correction:{vote}"
    prompt = replace(
        PROMPT,
        rules=(Rule("r1", "Ferries are travel.", (id,)),),
        demonstrations=(Demonstration(id, "Ferry to Malta", "travel"),),
    )
    version = add(prompt, lineage=(Lineage(id, "rule_evidence", "r1"), Lineage(id, "demo")))
    found = parts(store, version)
    assert {(found[each]["traced"], frozenset(found[each]["kinds"])) for each in ("r1", id)} == {  # type: ignore[call-overload]
        (True, frozenset({"feedback"}))
    }


def test_an_example_that_was_learned_anew_meanwhile_is_a_source_still(
    store: Store, add: Add, learned: dict[str, str]
) -> None:
    with store.transaction() as t:
        t.connection.execute("update glow.learning_examples set superseded_at = clock_timestamp()")
    version = add(
        replace(PROMPT, demonstrations=shown(learned, TAXI)),
        lineage=(Lineage(learned[TAXI], "demo"),),
        operator="few_shot",
    )
    assert parts(store, version)[learned[TAXI]]["traced"] is True


def test_the_default_is_production_and_an_unknown_version_is_refused(client: GlowClient) -> None:
    (row,) = client.prompt_lineage(AGENT)
    assert (row.part, row.origin, row.origin_version) == ("instruction", "written", PROMPT.sha256)
    with pytest.raises(NotFound, match="prompt_version"):
        client.prompt_lineage(AGENT, "f" * 64)
