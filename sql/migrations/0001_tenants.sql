-- Who is calling, and whose rows they may see.

create schema glow;
comment on schema glow is 'Tables of Glow Pipelines. Apps never see them: they call the functions in glow_api.';
revoke all on schema glow from public;

-- Ids come from the apps (trace ids, user ids), so they are text with a bound and without control characters. Compared
-- byte by byte: faster than by the rules of a language, and no upgrade of those rules can break an index.
create domain glow.identifier as text collate "C"
  check (length(value) between 1 and 200 and value !~ '[[:cntrl:]]');

-- Agent names become partition keys, URLs and run tags in Dagster.
create domain glow.agent_name as text collate "C"
  check (value ~ '^[a-z0-9][a-z0-9_.-]{0,62}$');

create domain glow.tenant_name as text collate "C"
  check (value ~ '^[a-z0-9][a-z0-9_.-]{0,62}$');

create table glow.logins (
  login            name primary key,
  -- Null together with tenant_claim: every tenant, as the backend of an app needs that serves them all.
  tenant           glow.tenant_name,
  -- Where the tenant stands in request.jwt.claims. Only for the login of a gateway that verifies tokens (PostgREST's
  -- authenticator): whoever can run SQL can write that setting.
  tenant_claim     text[] check (cardinality(tenant_claim) > 0),
  -- The only person this login may speak for, or where that person stands in the claims.
  person           glow.identifier,
  person_claim     text[] check (cardinality(person_claim) > 0),
  calls_per_minute integer check (calls_per_minute > 0),
  bytes_per_call   integer check (bytes_per_call > 0),
  note             text not null default '' check (length(note) <= 1000),
  bound_at         timestamptz not null default clock_timestamp(),
  check (tenant is null or tenant_claim is null),
  check (person is null or person_claim is null)
);
comment on table glow.logins is
  'What a database login is bound to: tenant, person, limits. A login without a row speaks for the tenant default.';

-- Calls of logins that have a limit, a sample of them (glow_api.admit): rows and no counter, because a counter is locked
-- until its caller commits. A crash may empty it.
create unlogged table glow.call_samples (
  login     name not null,
  called_at timestamptz not null default clock_timestamp(),
  calls     integer not null check (calls > 0)
);
create index call_samples_by_login on glow.call_samples (login, called_at);

create function glow.claim(path text[]) returns text
  language plpgsql stable strict set search_path = pg_catalog, pg_temp as $$
declare
  value text;
begin
  begin
    value := nullif(current_setting('request.jwt.claims', true), '')::jsonb #>> path;
  exception when data_exception then
    value := null;
  end;
  if value is null then
    raise exception using errcode = 'PT401',
      message = format('request.jwt.claims: %s is missing', array_to_string(path, '.')),
      hint = 'a verified token with this claim; it is set by the gateway, inside the transaction';
  end if;
  return value;
end $$;
comment on function glow.claim is 'What the verified token says at a path; refuses a call without it.';

-- One text for (tenant, id), for those who learn across tenants: two tenants may use the same id. U+001F is in no id.
create function glow.qualified(tenant text, id text) returns text
  language sql immutable strict parallel safe
  return case tenant when 'default' then id else tenant || chr(31) || id end;

create function glow.unqualified(id text) returns text
  language sql immutable strict parallel safe
  return case when position(chr(31) in id) > 0 then split_part(id, chr(31), 2) else id end;

create function glow.tenant_of(id text) returns text
  language sql immutable strict parallel safe
  return case when position(chr(31) in id) > 0 then split_part(id, chr(31), 1) else 'default' end;

-- Row security of a table with a tenant. Forced, so that it binds our own functions too: one that forgets whom it works
-- for finds nothing. The functions say it themselves (glow_api.enter), from the login, before they touch a row; a setting
-- that the caller wrote beforehand is overwritten there. Looked up by every statement instead, it cost as much as the
-- statement. The pipeline learns across tenants.
create function glow.secure(relation regclass) returns void language plpgsql as $$
declare
  mine text := $condition$current_setting('glow.tenant', true) in (tenant, '*')$condition$;
begin
  execute format('alter table %s enable row level security', relation);
  execute format('alter table %s force row level security', relation);
  execute format('create policy own_tenant on %s to glow_owner using (%s) with check (%s)', relation, mine, mine);
  execute format('create policy all_tenants on %s to glow_pipeline using (true) with check (true)', relation);
end $$;
comment on function glow.secure is 'Puts a table with a column `tenant` under row security.';
revoke execute on function glow.secure from public;
