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
  -- A withdrawal is a row too. It says nothing, so it is never current: it supersedes itself.
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
  primary key (feedback_id, recorded_at),
  constraint says_something_or_takes_it_back check (
    withdrawn = (num_nonnulls(thumbs, rating, dimensions, comment, correction) = 0 and issues = '{}')
    and (not withdrawn or superseded_by = feedback_id))
) partition by range (recorded_at);
comment on table glow.agent_feedback is 'Votes, ratings, issues, comments and corrections. The current one of a person has superseded_by null.';
create index feedback_by_execution on glow.agent_feedback (tenant, execution_id);
create index feedback_by_agent on glow.agent_feedback (agent, xid);
create index feedback_by_time on glow.agent_feedback using brin (recorded_at);

-- The constraint that a table in partitions cannot have: one current vote of a person on an execution, in whichever
-- month it was given. The row is what a changed vote locks, and `occurred_at` what it must not be older than.
create table glow.current_feedback (
  tenant       text collate "C" not null,
  execution_id text collate "C" not null,
  user_id      text collate "C" not null,
  kind         text collate "C" not null,
  agent        text collate "C" not null,
  feedback_id  bigint not null,
  withdrawn    boolean not null,
  occurred_at  timestamptz not null,
  recorded_at  timestamptz not null,
  primary key (tenant, execution_id, user_id, kind)
);
comment on table glow.current_feedback is 'Which row of agent_feedback is the newest word of a person on an execution.';

-- What makes a retry the same call, for ever and in every partition.
create table glow.feedback_keys (
  tenant          text collate "C" not null,
  agent           text collate "C" not null,
  idempotency_key text collate "C" not null,
  feedback_id     bigint not null,
  recorded_at     timestamptz not null,
  primary key (tenant, agent, idempotency_key)
);
comment on table glow.feedback_keys is 'Idempotency keys of feedback, each with the row that answered it first.';

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
