"""The one partition: the agent. Time lives in rows, as watermarks, not in partition keys."""

import dagster as dg

agents = dg.DynamicPartitionsDefinition(name="agent")
