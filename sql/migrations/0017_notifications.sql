-- What people should hear of: a candidate that passed, a rollback.

create table glow.notifications (
  notification_id bigint generated always as identity primary key,
  agent           glow.agent_name not null references glow.agents,
  kind            text not null check (kind ~ '^[a-z][a-z0-9_]{0,62}$'),
  title           text not null check (length(title) between 1 and 200),
  body            jsonb not null default '{}' check (jsonb_typeof(body) = 'object'),
  -- What it is about: a run that is repeated says it once.
  key             text not null,
  created_at      timestamptz not null default clock_timestamp(),
  unique (agent, kind, key)
);
comment on table glow.notifications is 'What the pipeline tells people, once each, in the transaction in which it happened.';
create index notifications_by_time on glow.notifications (created_at);
