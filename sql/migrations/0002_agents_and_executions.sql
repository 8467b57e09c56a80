-- The agents that learn, and what they did.

create table glow.agents (
  agent        glow.agent_name primary key,
  -- Null: every tenant uses it, and it learns from all of them. What one tenant's users said must not reach another's
  -- prompt: give each such tenant an agent of its own.
  tenant       glow.tenant_name,
  description  text not null default '' check (length(description) <= 2000),
  -- How an answer is judged: {"metric": "label", "metric_settings": {…}, "choices": […]}; null when no metric is known.
  evaluation   jsonb check (evaluation is null or jsonb_typeof(evaluation) = 'object'),
  -- Its parts that others read, so that nobody digs for them in their own way.
  metric       text generated always as (evaluation ->> 'metric') stored,
  metric_settings jsonb not null generated always as (coalesce(nullif(evaluation -> 'metric_settings', 'null'), '{}')) stored
               check (jsonb_typeof(metric_settings) = 'object'),
  -- Issue categories of its own, beside the standard ones. Others are accepted too and shown as such.
  issues       text[] not null default '{}' check (cardinality(issues) <= 100),
  -- Shares of train, val and test. Fixed for ever at registration: changing them would move examples between splits.
  train_share  numeric(4, 3) not null default 0.8,
  val_share    numeric(4, 3) not null default 0.1,
  test_share   numeric(4, 3) not null default 0.1,
  registered_at timestamptz not null default clock_timestamp(),
  check (train_share > 0 and val_share >= 0 and test_share >= 0 and train_share + val_share + test_share = 1)
);
comment on table glow.agents is 'One row per agent, never deleted. The name is the Dagster partition key.';

-- Domains and not checks of the tables: a statement prepares each check of its table anew, half the time of an insert.
create domain glow.long_text as text check (octet_length(value) <= 1000000);
create domain glow.json_metadata as jsonb check (jsonb_typeof(value) = 'object' and octet_length(value::text) <= 100000);
create domain glow.natural as integer check (value >= 0);

-- Which ids are taken, and in which month the row is: a table in partitions by time cannot say that an id is unique.
create table glow.execution_keys (
  tenant       glow.tenant_name not null,
  execution_id glow.identifier not null,
  agent        glow.agent_name not null references glow.agents,
  payload_hash bytea not null,
  recorded_at  timestamptz not null,
  -- Set when retention removed the row: what was learned from it stays.
  expired_at   timestamptz,
  primary key (tenant, execution_id)
);
comment on table glow.execution_keys is 'The identity of every execution, also of those that retention removed.';
create index execution_keys_by_time on glow.execution_keys using brin (recorded_at);

create table glow.executions (
  tenant         glow.tenant_name not null,
  execution_id   glow.identifier not null,
  agent          glow.agent_name not null references glow.agents,
  input          glow.long_text not null,
  output         glow.long_text not null,
  user_id        glow.identifier,
  conversation_id glow.identifier,
  channel        glow.identifier,
  prompt_version text,
  model          glow.identifier,
  latency_ms     glow.natural,
  prompt_tokens  glow.natural,
  completion_tokens glow.natural,
  cost_usd       numeric(14, 8) check (cost_usd >= 0),
  metadata       glow.json_metadata not null default '{}',
  started_at     timestamptz not null,
  recorded_at    timestamptz not null,
  -- Incremental readers order by transaction, not by id: identity values commit out of order and an id cursor
  -- lost 13-17 % of the rows of eight concurrent writers.
  xid            xid8 not null default pg_current_xact_id(),
  primary key (tenant, execution_id, recorded_at)
) partition by range (recorded_at);
comment on table glow.executions is 'One run of an agent: what it was asked, what it answered, with which prompt and model.';
create index executions_by_agent on glow.executions (agent, xid);
-- 360 kB where a btree of ten million rows has 214 MB, and as fast for a window of time.
create index executions_by_time on glow.executions using brin (recorded_at);

select glow.secure('glow.execution_keys'),
       glow.secure('glow.executions');
