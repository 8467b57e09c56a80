"""One turn and the report of last week in a process of their own, which takes its pools and sockets with it.

python run_turn.py PROJECT AGENT TAG
"""

import sys

import dagster as dg

from glow_pipelines.definitions import defs


def main(project: str, agent: str, tag: str) -> None:
    """Run the job as the daemon would."""
    with dg.DagsterInstance.from_config(project) as instance:
        instance.add_dynamic_partitions("agent", [agent])
        loggers = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
        for name, partition in (("turn", agent), ("calibration", None)):
            result = (
                defs()
                .resolve_job_def(name)
                .execute_in_process(
                    instance=instance,
                    partition_key=partition,
                    tags={"glow/agent": agent, "asked-by": tag},
                    run_config=loggers,
                )
            )
            assert result.success


if __name__ == "__main__":
    main(*sys.argv[1:])
