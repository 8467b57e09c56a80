-- How far judges may be believed, and what they said.

create table glow.judge_calibrations (
  calibration_id  bigint generated always as identity primary key,
  agent           glow.agent_name not null references glow.agents,
  metric          text not null,
  metric_version  integer not null check (metric_version > 0),
  -- Another rubric is another judge, and so is another model.
  metric_settings jsonb not null check (jsonb_typeof(metric_settings) = 'object'),
  model           text not null,
  n               integer not null check (n >= 0),
  may_gate        boolean not null,
  -- Counts, shares and intervals (learning/prompts/judges/calibration); no text but our own.
  calibration     jsonb not null check (jsonb_typeof(calibration) = 'object'),
  calibrated_at   timestamptz not null default clock_timestamp()
);
comment on table glow.judge_calibrations is 'A judge against experts, each time it was compared with them; the newest of an agent counts.';
create index judge_calibrations_by_agent on glow.judge_calibrations (agent, metric, metric_version, calibration_id);

-- Only of metrics that cost something; the others are computed again. Errors are never cached.
create table glow.score_cache (
  -- sha256 of all that decides a score: the models with their parameters, rendered messages, example, answer, and the
  -- metric with version and settings. The key is a hash, and there is nothing to erase in a row.
  score_key      text primary key check (score_key ~ '^[0-9a-f]{64}$'),
  metric         text not null,
  metric_version integer not null check (metric_version > 0),
  score          double precision not null check (score between 0 and 1),
  valid          boolean not null,
  scored_at      timestamptz not null default clock_timestamp()
);
comment on table glow.score_cache is 'Scores that a model was asked for, by the hash of everything that determines them.';
