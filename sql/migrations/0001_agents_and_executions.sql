-- The agents that learn, and what they did.

create schema glow;
comment on schema glow is 'Tables of Glow Pipelines. Apps never see them: they call the functions in glow_api.';
revoke all on schema glow from public;

-- In a schema of its own name for every role: without it the owner's name would decide where the type lives.
create extension if not exists vector schema public;

-- Ids come from the apps (trace ids, user ids), so they are text with a bound and without control characters.
create domain glow.identifier as text
  check (length(value) between 1 and 200 and value !~ '[[:cntrl:]]');

-- Agent names become partition keys, URLs and run tags in Dagster.
create domain glow.agent_name as text
  check (value ~ '^[a-z0-9][a-z0-9_.-]{0,62}$');

create table glow.agents (
  agent        glow.agent_name primary key,
  description  text not null default '' check (length(description) <= 2000),
  -- How an answer is judged: {"metric": "label", "choices": [...]}; null when no exact metric exists.
  evaluation   jsonb check (evaluation is null or jsonb_typeof(evaluation) = 'object'),
  -- Shares of train, val and test. Fixed for ever at registration: changing them would move examples between splits.
  train_share  numeric(4, 3) not null default 0.8,
  val_share    numeric(4, 3) not null default 0.1,
  test_share   numeric(4, 3) not null default 0.1,
  registered_at timestamptz not null default clock_timestamp(),
  check (train_share > 0 and val_share >= 0 and test_share >= 0 and train_share + val_share + test_share = 1)
);
comment on table glow.agents is 'One row per agent. The name is the Dagster partition key.';

create table glow.executions (
  execution_id   glow.identifier primary key,
  agent          glow.agent_name not null references glow.agents,
  input          text not null check (octet_length(input) <= 1000000),
  output         text not null check (octet_length(output) <= 1000000),
  user_id        glow.identifier,
  conversation_id glow.identifier,
  channel        glow.identifier,
  prompt_version text,
  model          text check (length(model) <= 200),
  latency_ms     integer check (latency_ms >= 0),
  prompt_tokens  integer check (prompt_tokens >= 0),
  completion_tokens integer check (completion_tokens >= 0),
  cost_usd       numeric(14, 8) check (cost_usd >= 0),
  metadata       jsonb not null default '{}' check (jsonb_typeof(metadata) = 'object' and octet_length(metadata::text) <= 100000),
  started_at     timestamptz not null default clock_timestamp(),
  payload_hash   bytea not null,
  recorded_at    timestamptz not null default clock_timestamp(),
  -- Incremental readers order by transaction, not by id: identity values commit out of order and an id cursor
  -- lost 13-17 % of the rows of eight concurrent writers.
  xid            xid8 not null default pg_current_xact_id()
);
comment on table glow.executions is 'One run of an agent: what it was asked, what it answered, with which prompt and model.';
create index executions_by_arrival on glow.executions (xid, execution_id);
create index executions_by_agent on glow.executions (agent, recorded_at);
