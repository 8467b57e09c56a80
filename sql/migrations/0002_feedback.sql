-- What users said of an execution. Append-only: a changed vote supersedes the old row and both stay.

create table glow.agent_feedback (
  feedback_id     bigint generated always as identity primary key,
  agent           glow.agent_name not null references glow.agents,
  -- No foreign key: feedback may arrive before its execution and is kept until that arrives.
  execution_id    glow.identifier not null,
  user_id         glow.identifier not null,
  kind            text not null check (kind in ('vote', 'correction')),
  thumbs          smallint check (thumbs in (-1, 1)),
  rating          smallint check (rating between 1 and 5),
  dimensions      jsonb check (jsonb_typeof(dimensions) = 'object'),
  issues          text[] not null default '{}' check (cardinality(issues) <= 20),
  comment         text check (length(comment) between 1 and 10000),
  correction      text check (octet_length(correction) between 1 and 1000000),
  channel         glow.identifier,
  conversation_id glow.identifier,
  idempotency_key glow.identifier,
  payload_hash    bytea not null,
  occurred_at     timestamptz not null default clock_timestamp(),
  recorded_at     timestamptz not null default clock_timestamp(),
  superseded_by   bigint references glow.agent_feedback deferrable initially deferred,
  xid             xid8 not null default pg_current_xact_id(),
  check (thumbs is not null or rating is not null or dimensions is not null or comment is not null
         or correction is not null or cardinality(issues) > 0),
  check (kind <> 'correction' or correction is not null)
);
comment on table glow.agent_feedback is 'Votes, ratings, issues, comments and corrections. The current one of a person has superseded_by null.';

create unique index one_current_vote on glow.agent_feedback (execution_id, user_id, kind) where superseded_by is null;
create unique index feedback_idempotency on glow.agent_feedback (agent, idempotency_key) where idempotency_key is not null;
create index feedback_by_arrival on glow.agent_feedback (xid, feedback_id) include (agent);
create index feedback_by_agent on glow.agent_feedback (agent, recorded_at) where superseded_by is null;
