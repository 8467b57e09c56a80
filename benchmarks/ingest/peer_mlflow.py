"""One client of MLflow: feedback on a trace, one by one. Arguments: address, number of this client, seconds.

Runs in an environment with mlflow, not in ours.
"""

import json
import sys
import time

import mlflow
from mlflow.entities import AssessmentSource

address, number, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
mlflow.set_tracking_uri(address)
mlflow.set_experiment(f"votes-{number}")
with mlflow.start_span("run") as span:
    span.set_inputs({"question": "Taxi?"})
    span.set_outputs({"answer": "travel"})
mlflow.flush_trace_async_logging()
source = AssessmentSource(source_type="HUMAN", source_id="user")
mlflow.log_feedback(trace_id=span.trace_id, name="warm", value=True, source=source)
print("ready", flush=True)
sys.stdin.readline()
times = []
began = time.perf_counter()
while (start := time.perf_counter()) - began < seconds:
    mlflow.log_feedback(
        trace_id=span.trace_id,
        name="correct",
        value=True,
        rationale="The amount is right, the account is not.",
        source=source,
    )
    times.append(time.perf_counter() - start)
print(json.dumps(times), flush=True)
