-- What users said of an execution. Append-only: a changed vote supersedes the old row and both stay.

create domain glow.feedback_kind as text check (value in ('vote', 'correction'));
create domain glow.thumb as smallint check (value in (-1, 1));
create domain glow.stars as smallint check (value between 1 and 5);
create domain glow.json_object as jsonb check (jsonb_typeof(value) = 'object');
create domain glow.issue_list as text[] check (cardinality(value) <= 20);
create domain glow.comment_text as text check (length(value) between 1 and 10000);

create sequence glow.feedback_ids;

create table glow.agent_feedback (
  feedback_id     bigint not null default nextval('glow.feedback_ids'),
  tenant          glow.tenant_name not null,
  -- No foreign key, here and to the execution: the functions look the agent up anyway, a second look took a sixth of the
  -- whole call; and feedback may arrive before its execution and is kept until that arrives.
  agent           glow.agent_name not null,
  execution_id    glow.identifier not null,
  user_id         glow.identifier not null,
  kind            glow.feedback_kind not null,
  -- A withdrawal is a row too. It says nothing, so it is never current: it supersedes itself. That every other row says
  -- something is seen to by glow_api.record_feedback, the only way in: a check over several columns is read and
  -- planned anew by every insert, and took a fifth of it.
  withdrawn       boolean not null default false,
  thumbs          glow.thumb,
  rating          glow.stars,
  dimensions      glow.json_object,
  issues          glow.issue_list not null default '{}',
  comment         glow.comment_text,
  correction      glow.long_text,
  channel         glow.identifier,
  conversation_id glow.identifier,
  idempotency_key glow.identifier,
  occurred_at     timestamptz not null,
  recorded_at     timestamptz not null,
  superseded_by   bigint,
  xid             xid8 not null default pg_current_xact_id(),
  primary key (feedback_id, recorded_at)
) partition by range (recorded_at);
comment on table glow.agent_feedback is 'Votes, ratings, issues, comments and corrections. The current one of a person has superseded_by null.';
create index feedback_by_execution on glow.agent_feedback (tenant, execution_id);
create index feedback_by_agent on glow.agent_feedback (agent, xid);
create index feedback_by_time on glow.agent_feedback using brin (recorded_at);

-- The constraints that a table in partitions cannot have, in whichever month a vote was given: one current vote of a
-- person on an execution, and one use of an idempotency key. The row is what a changed vote locks, and `occurred_at` what
-- it must not be older than. Its columns are checked where the vote itself is.
create table glow.current_feedback (
  tenant          text collate "C" not null,
  execution_id    text collate "C" not null,
  user_id         text collate "C" not null,
  kind            text collate "C" not null,
  agent           text collate "C" not null,
  idempotency_key text collate "C",
  feedback_id     bigint not null,
  withdrawn       boolean not null,
  occurred_at     timestamptz not null,
  -- By the difference of the sender's clock to ours: exact to the time on the way, not to the millisecond.
  corrected       boolean not null,
  recorded_at     timestamptz not null,
  -- With the agent: feedback that came first and named a wrong one must not stand in the way of the right one.
  primary key (tenant, execution_id, user_id, kind, agent)
);
comment on table glow.current_feedback is 'Which row of agent_feedback is the newest word of a person on an execution.';
create unique index current_feedback_by_key on glow.current_feedback (tenant, agent, idempotency_key) where idempotency_key is not null;

-- A retry is the same call for ever, also when the vote it made has been changed since.
create table glow.feedback_keys (
  tenant          text collate "C" not null,
  agent           text collate "C" not null,
  idempotency_key text collate "C" not null,
  feedback_id     bigint not null,
  recorded_at     timestamptz not null,
  primary key (tenant, agent, idempotency_key)
);
comment on table glow.feedback_keys is 'Idempotency keys beside those of current votes: of votes changed since, of late ones, and second keys of the same words.';

select glow.secure('glow.agent_feedback'),
       glow.secure('glow.current_feedback'),
       glow.secure('glow.feedback_keys');

-- Keys that sign what browsers send. HMAC-SHA-256 (RFC 2104) needs the key only as these two blocks of 64 bytes.
create table glow.token_keys (
  key_id     integer generated always as identity primary key,
  inner_pad  bytea not null check (octet_length(inner_pad) = 64),
  outer_pad  bytea not null check (octet_length(outer_pad) = 64),
  created_at timestamptz not null default clock_timestamp(),
  retired_at timestamptz
);
comment on table glow.token_keys is 'Keys of feedback tokens; nobody but the owner''s functions reads them.';
