-- What experts judged, and what they showed.

create table glow.expert_annotations (
  annotation_id   bigint generated always as identity primary key,
  tenant          glow.tenant_name not null,
  execution_id    glow.identifier not null,
  agent           glow.agent_name not null references glow.agents,
  reviewer        glow.identifier not null,
  verdict         text not null check (verdict in ('approve', 'correct', 'reject')),
  -- The right answer, when the reviewer corrected it.
  output          text check (octet_length(output) between 1 and 1000000),
  dimensions      jsonb not null default '{}' check (jsonb_typeof(dimensions) = 'object'),
  notes           text check (length(notes) <= 10000),
  idempotency_key glow.identifier,
  payload_hash    bytea not null,
  recorded_at     timestamptz not null default clock_timestamp(),
  superseded_by   bigint references glow.expert_annotations deferrable initially deferred,
  xid             xid8 not null default pg_current_xact_id(),
  -- Set when the texts were erased; the verdict stays.
  erased_at       timestamptz,
  foreign key (tenant, execution_id) references glow.execution_keys (tenant, execution_id),
  check ((verdict = 'correct') = (output is not null) or erased_at is not null and output is null)
);
comment on table glow.expert_annotations is 'An expert''s judgement of one execution; the current one of a reviewer has superseded_by null.';
create unique index one_current_annotation on glow.expert_annotations (tenant, execution_id, reviewer) where superseded_by is null;
create unique index annotation_idempotency on glow.expert_annotations (tenant, agent, idempotency_key) where idempotency_key is not null;
create index annotations_by_arrival on glow.expert_annotations (agent, xid);
create index annotations_by_agent on glow.expert_annotations (agent, recorded_at) where superseded_by is null;

create table glow.demonstrations (
  demonstration_id bigint generated always as identity primary key,
  tenant           glow.tenant_name not null,
  agent            glow.agent_name not null references glow.agents,
  expert           glow.identifier not null,
  input            text not null check (octet_length(input) between 1 and 1000000),
  output           text not null check (octet_length(output) between 1 and 1000000),
  notes            text check (length(notes) <= 10000),
  idempotency_key  glow.identifier,
  payload_hash     bytea not null,
  recorded_at      timestamptz not null default clock_timestamp(),
  xid              xid8 not null default pg_current_xact_id()
);
comment on table glow.demonstrations is 'An expert''s own example of a right answer.';
create unique index demonstration_idempotency on glow.demonstrations (tenant, agent, idempotency_key) where idempotency_key is not null;
create index demonstrations_by_arrival on glow.demonstrations (agent, xid);

select glow.secure('glow.expert_annotations'),
       glow.secure('glow.demonstrations');
