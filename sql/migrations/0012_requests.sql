-- What people asked the pipeline to do; a sensor turns each row into a run, and the row tells how it went.

create table glow.requests (
  request_id   bigint generated always as identity primary key,
  kind         text not null check (kind in ('prompt_optimization', 'dataset', 'training_run', 'experiment')),
  agent        glow.agent_name not null references glow.agents,
  parameters   jsonb not null default '{}' check (jsonb_typeof(parameters) = 'object'),
  reason       text not null default '' check (length(reason) <= 2000),
  state        text not null default 'queued' check (state in ('queued', 'started', 'succeeded', 'failed', 'cancelled')),
  requested_by text not null,
  requested_at timestamptz not null default clock_timestamp(),
  run_id       text,
  started_at   timestamptz,
  finished_at  timestamptz,
  outcome      jsonb,
  check ((state in ('succeeded', 'failed', 'cancelled')) = (finished_at is not null))
);
comment on table glow.requests is 'Manual triggers, with who asked, why, and what came of it.';
-- Two people who ask for the same thing get the same run.
create unique index one_open_request on glow.requests (kind, agent) where state in ('queued', 'started');
