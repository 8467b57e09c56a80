-- Erasure of a person's data.

-- HMAC-SHA-256 (RFC 2104) of persons, as two blocks of 64 bytes like glow.token_keys, and never rotated: with another key
-- nobody could tell any more whether a file brings back somebody who was erased.
create table glow.erasure_key (
  only_row  boolean primary key default true check (only_row),
  inner_pad bytea not null check (octet_length(inner_pad) = 64),
  outer_pad bytea not null check (octet_length(outer_pad) = 64)
);
comment on table glow.erasure_key is 'Key of the pseudonyms; nobody but the owner''s functions reads it.';

create function glow.make_erasure_key() returns void language plpgsql as $$
declare
  secret bytea := '';
  inner_pad bytea := '';
  outer_pad bytea := '';
begin
  for i in 1 .. 4 loop secret := secret || uuid_send(gen_random_uuid()); end loop;
  for i in 0 .. 63 loop
    inner_pad := inner_pad || decode(lpad(to_hex(get_byte(secret, i) # 54), 2, '0'), 'hex');
    outer_pad := outer_pad || decode(lpad(to_hex(get_byte(secret, i) # 92), 2, '0'), 'hex');
  end loop;
  insert into glow.erasure_key values (true, inner_pad, outer_pad) on conflict do nothing;
end $$;
comment on function glow.make_erasure_key is 'Makes the key of the pseudonyms, unless there is one.';
revoke execute on function glow.make_erasure_key from public;
select glow.make_erasure_key();

create table glow.erasures (
  erasure_id  bigint generated always as identity primary key,
  tenant      glow.tenant_name not null,
  -- HMAC of (tenant, person): tells that it was this one to whoever knows the person, and nothing to anybody else.
  subject     bytea not null check (octet_length(subject) = 32),
  erased_by   text not null,
  reason      text not null default '' check (length(reason) <= 2000),
  receipt     jsonb not null check (jsonb_typeof(receipt) = 'object'),
  -- What was done outside these tables and by content, as the tasks came to it.
  outside     jsonb not null default '{}' check (jsonb_typeof(outside) = 'object'),
  erased_at   timestamptz not null default clock_timestamp(),
  finished_at timestamptz
);
comment on table glow.erasures is 'Who was erased (as HMAC only), by whom, why, and what was touched. Never the content.';

create table glow.erased_subjects (
  subject         bytea primary key check (octet_length(subject) = 32),
  last_erased_at  timestamptz not null default clock_timestamp()
);
comment on table glow.erased_subjects is 'Whose rows no import may bring back.';

-- What is left to do after the transaction: by a sensor, or by whoever runs `glow erase`. Any of it may run twice.
create table glow.erasure_tasks (
  task_id    bigint generated always as identity primary key,
  erasure_id bigint not null references glow.erasures,
  kind       text not null check (kind in ('exports', 'rebuild', 'scrub')),
  -- The revoked version; empty for a scrub.
  target     text not null default '',
  -- waiting: done once, and again when the runs have ended that may have read before the erasure.
  state      text not null default 'open' check (state in ('open', 'waiting', 'done')),
  tries      integer not null default 0,
  outcome    jsonb not null default '{}',
  created_at timestamptz not null default clock_timestamp(),
  done_at    timestamptz,
  unique (erasure_id, kind, target),
  check ((state = 'done') = (done_at is not null))
);
comment on table glow.erasure_tasks is 'What remains of an erasure: files, successors of datasets, Dagster''s own tables.';
create index open_erasure_tasks on glow.erasure_tasks (task_id) where state <> 'done';

-- What an erasure looks for elsewhere. Deleted with its last task: until then, and only here, the texts live on.
create table glow.erasure_probes (
  erasure_id bigint not null references glow.erasures,
  kind       text not null check (kind in (
    'person', 'conversation', 'execution', 'event', 'feedback', 'annotation', 'comparison', 'demonstration', 'item',
    'version', 'example', 'input', 'name', 'text')),
  value      text not null
);
comment on table glow.erasure_probes is 'Ids and texts that an unfinished erasure still looks for.';
create index erasure_probes_by_kind on glow.erasure_probes (erasure_id, kind);
