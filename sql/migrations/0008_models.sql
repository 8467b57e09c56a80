-- Fine-tuning runs.

create table glow.training_runs (
  run_key         text primary key,
  agent           glow.agent_name not null references glow.agents,
  dataset_id      text not null references glow.training_datasets,
  provider        text not null,
  base_model      text not null,
  state           text not null,
  reason          text not null,
  manifest_sha256 text not null,
  plan            jsonb not null,
  job_id          text unique,
  intent_at       timestamptz,
  -- Set when somebody whose rows it was trained on was erased: the weights still know them.
  retrain_due_at  timestamptz,
  created_at      timestamptz not null default clock_timestamp(),
  updated_at      timestamptz not null default clock_timestamp()
);
comment on table glow.training_runs is 'One fine-tuning run per set of inputs: the same inputs give the same run_key, so nothing is paid twice.';

create table glow.training_run_events (
  event_id   bigint generated always as identity primary key,
  run_key    text not null references glow.training_runs,
  from_state text,
  to_state   text not null,
  detail     jsonb not null default '{}',
  occurred_at timestamptz not null default clock_timestamp()
);
