"""One client of ours: votes one by one through GlowClient. Arguments: URL, number of this client, seconds."""

import json
import sys
import time

from glow_pipelines.client import GlowClient

url, number, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
with GlowClient(url, pool_size=1) as glow:
    glow.submit_feedback("agent-1", f"warm-{number}", "u", rating=4)
    print("ready", flush=True)
    sys.stdin.readline()
    times: list[float] = []
    began = time.perf_counter()
    while (start := time.perf_counter()) - began < seconds:
        glow.submit_feedback(
            "agent-1", f"peer-{number}-{start}", "user", thumbs=1, comment="The amount is right, the account is not."
        )
        times.append(time.perf_counter() - start)
print(json.dumps(times), flush=True)
