"""A request for an experiment becomes a run, and the run an experiment."""

from pathlib import Path

import dagster as dg

from glow_pipelines.client import GlowClient
from glow_pipelines.definitions import defs
from glow_pipelines.learning.prompts.types import Candidate, Prompt
from glow_pipelines.store import Store
from tests.defs.test_requests import execute, tick

PROMPT, SHORTER = Prompt("Which account is it?"), Prompt("Which account?")


def test_an_experiment_asked_for_is_started_by_a_run_and_the_request_says_which(
    database_url: str, tmp_path: Path
) -> None:
    with GlowClient(database_url) as client, dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        client.register_agent("tax", prompt=PROMPT.content())
        store = Store(database_url)
        with store.transaction() as t:
            t.prompts.add("tax", Candidate(SHORTER, "restructure", PROMPT.sha256))
        store.close()
        request = client.create_experiment("tax", SHORTER.sha256)
        result = tick(database_url, instance)
        assert isinstance(result, dg.SensorResult)
        (run,) = result.run_requests or []
        assert run.job_name == "experimentation"
        assert execute(defs(), instance, run, database_url)
        tick(database_url, instance)
        ended = client.request_status(request.request_id)
        assert ended.status == "succeeded"
        assert ended.outcome is not None
        assert str(ended.outcome["experiment_id"]).startswith("tax-")
