#!/bin/sh
# A vote over HTTP through PostgREST. POSTGREST_URL is where it listens, JWT a token whose `role` is glow_app.
set -eu
curl --silent --show-error --fail-with-body "$POSTGREST_URL/rpc/submit_feedback" \
  --header "Authorization: Bearer $JWT" \
  --header 'Content-Profile: glow_api' \
  --header 'Content-Type: application/json' \
  --data '{"agent": "expense-coder", "execution_id": "run-4711", "user_id": "u-17",
           "thumbs": -1, "correction": "travel", "idempotency_key": "vote-4711"}'
