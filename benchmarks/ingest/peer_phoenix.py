"""One client of Phoenix: annotations of spans, one by one, until stored. Arguments: address, number, seconds.

Runs in an environment with arize-phoenix, not in ours.
"""

import json
import secrets
import sys
import time
from datetime import datetime, timezone

from phoenix.client import Client

address, number, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
client = Client(base_url=address)
spans = [secrets.token_hex(8) for _ in range(200)]
now = datetime.now(timezone.utc).isoformat()  # noqa: UP017 -- their environment may be an older Python
client.spans.log_spans(
    project_identifier="votes",
    spans=[
        {
            "name": "run",
            "context": {"trace_id": secrets.token_hex(16), "span_id": span},
            "span_kind": "CHAIN",
            "start_time": now,
            "end_time": now,
            "status_code": "OK",
            "attributes": {"input.value": "Taxi?", "output.value": "travel"},
        }
        for span in spans
    ],
)
for _ in range(60):
    try:
        client.spans.add_span_annotation(
            span_id=spans[0], annotation_name="warm", annotator_kind="HUMAN", label="ok", sync=True
        )
        break
    except Exception:  # the spans arrive a moment later
        time.sleep(1)
print("ready", flush=True)
sys.stdin.readline()
times = []
began = time.perf_counter()
while (start := time.perf_counter()) - began < seconds:
    client.spans.add_span_annotation(
        span_id=spans[len(times) % len(spans)],
        annotation_name=f"vote-{number}-{len(times)}",
        annotator_kind="HUMAN",
        label="up",
        score=1.0,
        explanation="The amount is right, the account is not.",
        sync=True,
    )
    times.append(time.perf_counter() - start)
print(json.dumps(times), flush=True)
