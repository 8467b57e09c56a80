"""The assets of experiments: what a product manager reads, checks that name their experiment, rollouts."""

import base64
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from xml.etree import ElementTree as ET

import dagster as dg
import pytest

from glow_pipelines.defs.experiments.decisions import experiment
from glow_pipelines.defs.experiments.guardrails import experiment_guardrails
from glow_pipelines.defs.experiments.rollouts import rollout
from glow_pipelines.services import Services
from glow_pipelines.settings import Settings
from glow_pipelines.steps.experiments import look_at, start_asked
from tests.steps.experimenting import AGENT, BEGAN, OTHER, World
from tests.steps.experimenting import make_world as make_world
from tests.steps.experimenting import world as world

DAY = timedelta(days=1)
SETTINGS = {"AB_TEST_MIN_SAMPLE_SIZE": "200"}


def materialize(world: World, *assets: dg.AssetsDefinition, **environment: str) -> dg.ExecuteInProcessResult:
    services = Services(Settings.from_environment({"DATABASE_URL": world.url, **SETTINGS, **environment}))
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("agent", [AGENT])
        result = dg.materialize(list(assets), instance=instance, resources={"services": services}, partition_key=AGENT)
    services.close()
    return result


def shown(result: dg.ExecuteInProcessResult, asset: str) -> dict[str, Any]:
    (event,) = result.asset_materializations_for_node(asset)
    return {name: value.value for name, value in event.metadata.items()}


def checked(result: dg.ExecuteInProcessResult) -> dict[str, bool]:
    return {each.check_name: each.passed for each in result.get_asset_check_evaluations()}


def picture(markdown: str) -> ET.Element:
    found = re.fullmatch(r"!\[[^\]]*\]\(data:image/svg\+xml;base64,([A-Za-z0-9+/=]+)\)", markdown)
    assert found is not None, markdown[:80]
    return ET.fromstring(base64.b64decode(found[1]))


def begin(world: World, **more: Any) -> str:
    request = world.client.create_experiment(AGENT, **({"prompt_version": OTHER.sha256} | more))
    world.admin.execute("update glow.requests set state = 'succeeded', finished_at = now()")
    with world.store.transaction() as t:
        asked = t.requests.parameters(request.request_id)
        return start_asked(t, Settings.from_environment(SETTINGS), AGENT, request.request_id, asked)


@pytest.fixture
def won(world: World) -> str:
    """An experiment of forty days ago whose next decision look ships it."""
    world.before(users=100, per_user=2)
    named = begin(world, effect=0.1)
    world.begin(named)
    world.during(named, users=700, per_user=2, days=8, up=(0.4, 0.8))
    for day in range(3, 7):
        look_at(world.store, named, "decision", BEGAN + day * DAY)
    return named


def test_a_decision_is_shown_as_a_sentence_a_plot_and_what_audits_it(world: World, won: str) -> None:
    result = materialize(world, experiment)
    told = shown(result, "experiment")
    assert (told["experiment"], told["decision"], told["state"]) == (won, "ship", "ramping")
    assert "thumbs up" in told["reason"]
    drawn = picture(told["interval over looks"])
    assert len(drawn.findall(".//{*}polyline")) >= 4  # the difference, zero, what is worth shipping, a boundary
    assert len(drawn.findall(".//{*}polygon")) == 1
    assert "thumbs\\_up\\_rate" in told["metrics"]
    assert "rollout\\_started" in told["experiments"]
    assert won in told["audit"]
    rows = world.admin.execute(told["audit"].strip("`").removeprefix("sql\n")).fetchall()
    assert len(rows) == 5
    assert all(checked(result).values())


def test_a_rollout_is_shown_with_its_stages_and_history(world: World, won: str) -> None:
    assert shown(materialize(world, rollout), "rollout") == {"state": "nothing is being rolled out"}
    materialize(world, experiment)
    told = shown(materialize(world, rollout), "rollout")
    assert told["state"] == "running"
    assert told["stages"].count("\n") == 1 + 4
    assert "rollout\\_started" in told["history"]
    assert picture(told["share over time"]).findall(".//{*}circle")
    assert world.admin.execute(told["audit"].strip("`").removeprefix("sql\n")).fetchall()


def test_checks_name_the_experiment_that_is_not_as_planned(world: World, won: str) -> None:
    world.admin.execute("delete from glow.exposures where variant = 'control' and bucket %% 2 = 0", ())
    result = materialize(world, experiment_guardrails)
    assert checked(result) == {"sample_ratio": False, "exposure_mismatch": True, "feedback_rate": True}
    (bad,) = [each for each in result.get_asset_check_evaluations() if not each.passed]
    assert won in str(bad.description)
    assert shown(result, "experiment_guardrails")["moved"] == "experiment_held"


def test_several_experiments_of_an_agent_are_looked_at_together(world: World) -> None:
    world.before(users=100, per_user=2)
    names = {
        begin(world),
        begin(world, prompt_version=None, kind="model", treatment="large", control="small"),
    }
    told = shown(materialize(world, experiment), "experiment")
    assert told["experiment"] in names
    assert "hopeless" in told["warnings"] or told["warnings"]
    for name in names:
        assert name.replace("-", "\\-") in told["experiments"]
    again = materialize(world, experiment, experiment_guardrails)
    assert again.success


def test_where_learning_is_off_a_rollout_stays_where_it_is(world: World) -> None:
    world.before(users=100, per_user=2)
    request = world.client.start_rollout(AGENT, "prompt", OTHER.sha256, "a change of wording")
    with world.store.transaction() as t:
        asked = t.requests.parameters(request.request_id)
        named = start_asked(t, Settings.from_environment(SETTINGS), AGENT, request.request_id, asked)
    now = datetime.now(UTC)
    world.begin(named, now - 5 * DAY)
    world.admin.execute("update glow.rollouts set stage_started_at = %s, revision = revision + 1", (now - 5 * DAY,))
    world.during(named, users=2600, per_user=2, days=3, since=now - 5 * DAY, entering=1)
    told = shown(materialize(world, rollout, LEARNING_ENABLED="false"), "rollout")
    assert told["moved"] == "nothing"
    assert "LEARNING\\_ENABLED" in told["rollouts"]


def test_what_an_ended_experiment_found_stays_to_be_read(world: World, won: str) -> None:
    with world.store.transaction() as t:
        t.rollouts.stop_experiment(won, "abandoned", "ada", "a better one is coming")
    told = shown(materialize(world, experiment), "experiment")
    assert (told["experiment"], told["state"], told["reason"]) == (won, "stopped", "a better one is coming")
    picture(told["interval over looks"])


def test_no_experiment_is_an_honest_outcome(world: World) -> None:
    result = materialize(world, experiment, experiment_guardrails, rollout)
    assert shown(result, "experiment")["state"] == "no candidate to test"
    assert result.success


@pytest.mark.parametrize("asset", [experiment, experiment_guardrails])
def test_an_experiment_that_cannot_be_looked_at_leaves_the_others_watched(
    world: World, asset: dg.AssetsDefinition
) -> None:
    broken = begin(world)
    other = begin(world, prompt_version=None, kind="model", treatment="small", control="large")
    world.admin.execute("update glow.learning_experiments set plan = '{}' where experiment_id = %s", (broken,))
    with pytest.raises(ExceptionGroup, match="1 of 2 experiments") as failed:
        materialize(world, asset)
    assert failed.value.exceptions[0].__notes__ == [f"experiment {broken}"]
    looked = world.admin.execute("select experiment_id from glow.experiment_looks").fetchall()
    assert looked == [(other,)]
