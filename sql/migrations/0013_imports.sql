-- Files on their way in.

create table glow.imports (
  import_id   text primary key check (import_id ~ '^[0-9a-f]{64}$'),
  source      text not null check (length(source) <= 1000),
  format      text not null check (length(format) <= 40),
  state       text not null default 'running' check (state in ('running', 'finished')),
  -- All lines up to this one are applied: where an interrupted import goes on.
  line        bigint not null default 0,
  accepted    bigint not null default 0,
  replayed    bigint not null default 0,
  refused     bigint not null default 0,
  started_at  timestamptz not null default clock_timestamp(),
  updated_at  timestamptz not null default clock_timestamp(),
  finished_at timestamptz,
  check ((state = 'finished') = (finished_at is not null))
);
comment on table glow.imports is 'One row per imported file, by the hash of its contents and of how it was read.';

-- Empty after a crash of the server; the file is read again from `line` then. A batch and not a row is a row here: sent,
-- gathered and deleted one by one, rows took some 6 µs more each, of 45.
create unlogged table glow.import_batches (
  import_id text not null,
  -- The last line of the file that is in the batch.
  line      bigint not null,
  kind      text not null check (kind in ('execution', 'feedback', 'retrieval', 'annotation', 'demonstration')),
  -- Where each of the rows stood: a line of the file gives one row or several.
  lines     bigint[] not null,
  parts     integer[] not null,
  rows      jsonb not null check (jsonb_typeof(rows) = 'array'),
  primary key (import_id, line, kind),
  check (cardinality(lines) = jsonb_array_length(rows) and cardinality(parts) = jsonb_array_length(rows))
);
comment on table glow.import_batches is 'Rows that came in by COPY and wait to be applied: all of one kind that a stretch of whole lines of the file gave.';
-- Not compressed: they are read once, at once.
alter table glow.import_batches alter column rows set storage external;

create table glow.import_refusals (
  import_id text not null references glow.imports,
  line      bigint not null,
  part      integer not null,
  kind      text not null,
  code      text not null,
  field     text not null,
  message   text not null,
  hint      text,
  payload   jsonb not null,
  primary key (import_id, line, part)
);
comment on table glow.import_refusals is 'Rows of a file that were refused, each with the reason.';
