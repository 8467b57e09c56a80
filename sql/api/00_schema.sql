-- Schema glow_api: everything an app may call. Rebuilt as a whole whenever a file in this folder changes.
--
-- Every function is `security definer` with a pinned search_path that ends in pg_temp: with pg_temp left out, an
-- attacker's temporary table shadows ours. Arguments have the names of the JSON keys and are written
-- function_name.argument where a column has the same name. Refusals use SQLSTATE PTxyz, which PostgREST turns into
-- the HTTP status xyz: PT400 bad form, PT404 unknown, PT409 conflict, PT413 too large, PT422 wrong value.

comment on schema glow_api is 'Functions apps call. Tables stay out of sight in schema glow.';
revoke all on schema glow_api from public;

create function glow_api.refuse(code text, field text, value text, accepted text) returns void
  language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  raise exception using
    errcode = code,
    message = format('%s: %s is not accepted', field, coalesce(quote_literal(left(value, 80)), 'a missing value')),
    hint = accepted;
end $$;
comment on function glow_api.refuse is 'Raises the one form of refusal: the field, its value and the accepted form.';

create function glow_api.payload_hash(payload jsonb) returns bytea
  language sql immutable set search_path = pg_catalog, pg_temp
  return sha256(convert_to(payload::text, 'UTF8'));

comment on function glow_api.payload_hash is 'What makes a retried call the same call: the hash of its contents.';

create function glow_api.require_agent(agent text) returns void
  language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
  if not exists (select from glow.agents a where a.agent = require_agent.agent) then
    perform glow_api.refuse('PT404', 'agent', require_agent.agent, 'the name of a registered agent; see register_agent');
  end if;
end $$;
comment on function glow_api.require_agent is 'Refuses an agent that is not registered.';

-- Bounds that every text has are checked here once, before a constraint would answer less kindly.
create function glow_api.require_id(field text, value text, optional boolean default false) returns void
  language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
begin
  if value is null and optional then return; end if;
  if value is null or length(value) not between 1 and 200 or value ~ '[[:cntrl:]]' then
    perform glow_api.refuse('PT422', field, value, '1 to 200 characters without control characters');
  end if;
end $$;

comment on function glow_api.require_id is 'Refuses an id that is missing, too long or holds control characters.';

create function glow_api.require_text(field text, value text, most integer, optional boolean default false) returns void
  language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
begin
  if value is null and optional then return; end if;
  if value is null or value = '' then
    perform glow_api.refuse('PT422', field, value, 'a text that is not empty');
  elsif octet_length(value) > most then
    perform glow_api.refuse('PT413', field, octet_length(value) || ' bytes', 'at most ' || most || ' bytes');
  end if;
end $$;
comment on function glow_api.require_text is 'Refuses a text that is missing, empty or too long.';

create function glow_api.require_number(
  field text, value numeric, low numeric, high numeric, optional boolean default true
) returns void language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
begin
  if value is null and optional then return; end if;
  -- NaN is above every number in PostgreSQL, so that the bounds refuse it too.
  if value is null or value < low or value > high then
    perform glow_api.refuse('PT422', field, value::text, 'a number from ' || low || ' to ' || high);
  end if;
end $$;
comment on function glow_api.require_number is 'Refuses a number outside its bounds, NaN and infinities among them.';

create function glow_api.is_number(value jsonb, low numeric, high numeric) returns boolean
  language sql immutable set search_path = pg_catalog, pg_temp
  return value is null or value = 'null'
      or case when jsonb_typeof(value) = 'number' then value::numeric between low and high else false end;
comment on function glow_api.is_number is 'Whether an optional JSON value is a number within bounds.';

create function glow_api.is_texts(value jsonb) returns boolean
  language sql immutable set search_path = pg_catalog, pg_temp
  return value is null or value = 'null'
      or case when jsonb_typeof(value) = 'array'
              then not exists (select from jsonb_array_elements(value) e where jsonb_typeof(e) <> 'string')
              else false end;
comment on function glow_api.is_texts is 'Whether an optional JSON value is an array of texts.';

create function glow_api.not_after_now(instant timestamptz) returns timestamptz
  language sql volatile set search_path = pg_catalog, pg_temp
  return case when instant is null or not isfinite(instant) then clock_timestamp()
              else least(instant, clock_timestamp()) end;
comment on function glow_api.not_after_now is
  'The instant, or now where it lies in the future: a clock that runs ahead would hide a row from every window.';
