-- Schema glow_api: everything an app may call. Rebuilt as a whole whenever a file in this folder changes.
--
-- Every function that a role may call is `security definer` and pins a search_path that ends in pg_temp: with pg_temp left
-- out, an attacker's temporary table shadows ours. The others are called by those, with the path they set. Arguments have the names of the JSON keys and are written
-- function_name.argument where a column has the same name.
--
-- A noun that apps write has three layers: `<noun>_problem` says what is wrong with a call; `record_<noun>` writes it or
-- answers {"status": "refused", …}, `record_<noun>_rows` does so for many; and the faces apps call: the single form raises
-- what was refused, the batch form answers it for the row and goes on. No refusal is an exception on the way: a
-- subtransaction for each row costs more than the row.

comment on schema glow_api is 'Functions apps call. Tables stay out of sight in schema glow.';
revoke all on schema glow_api from public;

create type glow_api.problem as (code text, field text, value text, accepted text);
comment on type glow_api.problem is 'What is wrong with a call: SQLSTATE, field, its value, the accepted form. Null where nothing is.';

create function glow_api.described(problem glow_api.problem) returns text
  language sql immutable
  return format('%s: %s is not accepted', problem.field,
                coalesce(quote_literal(left(problem.value, 80)), 'a missing value'));
comment on function glow_api.described is 'A problem as a sentence. The value is cut: it is a user''s text.';

create function glow_api.refuse(problem glow_api.problem) returns void
  language plpgsql as $$
begin
  raise exception using errcode = problem.code, message = glow_api.described(problem), hint = problem.accepted;
end $$;
comment on function glow_api.refuse is 'Raises a problem: the field, its value and the accepted form.';

create function glow_api.refuse(code text, field text, value text, accepted text) returns void
  language sql
  return glow_api.refuse(row(code, field, value, accepted)::glow_api.problem);
comment on function glow_api.refuse(text, text, text, text) is 'The same, from its parts.';

create function glow_api.refused(problem glow_api.problem) returns jsonb
  language sql immutable
  return jsonb_build_object('status', 'refused', 'code', problem.code, 'field', problem.field,
                            'message', glow_api.described(problem), 'hint', problem.accepted);
comment on function glow_api.refused is 'A problem as the answer for one row of a batch.';

create function glow_api.answered(result jsonb) returns jsonb
  language plpgsql as $$
begin
  if result ->> 'status' = 'refused' then
    raise exception using errcode = result ->> 'code', message = result ->> 'message', hint = result ->> 'hint';
  end if;
  return result;
end $$;
comment on function glow_api.answered is 'The answer of a single call: a refusal is raised.';

create function glow_api.payload_hash(payload jsonb) returns bytea
  language sql stable
  return sha256(convert_to(payload::text, 'UTF8'));
comment on function glow_api.payload_hash is 'What makes a retried call the same call: the hash of its contents.';

-- Written so that it becomes part of the expression that asks.
create function glow_api.is_id(value text) returns boolean
  language sql immutable
  return length(value) between 1 and 200 and value !~ '[[:cntrl:]]';
comment on function glow_api.is_id is 'Whether a text is a proper id; null where it is missing.';

create function glow_api.id_problem(fields text[], ids text[], required integer) returns glow_api.problem
  language plpgsql immutable as $$
begin
  for i in 1 .. cardinality(fields) loop
    if ids[i] is null and i > required then continue; end if;
    if not coalesce(glow_api.is_id(ids[i]), false) then
      return row('PT422', fields[i], ids[i], '1 to 200 characters without control characters')::glow_api.problem;
    end if;
  end loop;
  return null;
end $$;
comment on function glow_api.id_problem is
  'The first id that is missing (of the first `required`), too long or holds control characters.';

create function glow_api.text_problem(field text, value text, most integer, required boolean default false)
  returns glow_api.problem language plpgsql immutable as $$
begin
  if value is null and not required then return null; end if;
  if value is null or value = '' then
    return row('PT422', field, value, 'a text that is not empty')::glow_api.problem;
  elsif octet_length(value) > most then
    return row('PT413', field, octet_length(value) || ' bytes', 'at most ' || most || ' bytes')::glow_api.problem;
  end if;
  return null;
end $$;
comment on function glow_api.text_problem is 'What is wrong with a text that is missing, empty or too long.';

create function glow_api.is_number(value jsonb, low numeric, high numeric) returns boolean
  language sql immutable
  return value is null or value = 'null'
      or case when jsonb_typeof(value) = 'number' then value::numeric between low and high else false end;
comment on function glow_api.is_number is 'Whether an optional JSON value is a number within bounds.';

create function glow_api.is_whole(value jsonb, low integer, high integer) returns boolean
  language sql immutable
  return case when jsonb_typeof(value) = 'number' then scale(value::numeric) = 0 and value::numeric between low and high else false end;
comment on function glow_api.is_whole is 'Whether a JSON value is a whole number within bounds, written as one: 1.0 is none.';

-- 1e-400 is a number for JSON and an error for double precision.
create function glow_api.is_float(value jsonb) returns boolean
  language sql immutable
  return value is null or value = 'null' or case when jsonb_typeof(value) = 'number'
    then value::numeric = 0 or abs(value::numeric) between 1e-300 and 1e300 else false end;
comment on function glow_api.is_float is 'Whether an optional JSON value is a number that double precision can hold.';

create function glow_api.is_texts(value jsonb) returns boolean
  language sql immutable
  return value is null or value = 'null'
      or jsonb_typeof(value) = 'array' and not jsonb_path_exists(value, 'strict $[*] ? (@.type() != "string")');
comment on function glow_api.is_texts is 'Whether an optional JSON value is an array of texts.';

-- Readers recurse: ten thousand nested arrays are stored without complaint and end the Python that reads them.
create function glow_api.is_shallow(value jsonb) returns boolean
  language sql immutable
  return value is null or not jsonb_path_exists(value, 'lax $.**{33}');
comment on function glow_api.is_shallow is 'Whether a JSON value is nested at most 32 deep.';

create function glow_api.read_instant(value text) returns timestamptz
  language plpgsql stable as $$
begin
  return value::timestamptz;
exception when others then
  return null;
end $$;
comment on function glow_api.read_instant is 'A text as an instant, or null.';

create function glow_api.past(instant timestamptz) returns timestamptz
  language sql volatile
  return case when instant >= timestamptz '2000-01-01 00:00:00+00' then least(instant, clock_timestamp()) else clock_timestamp() end;
comment on function glow_api.past is 'An instant, or now where it is missing, ahead of our clock or of a clock that was never set.';

-- A vote given before the one on record must not overrule it, so instants decide, and clocks are set wrongly. Where the
-- sender says when it sends, only the difference of its two readings counts. What is ahead of our clock is cut to now; a
-- clock that was never set (1970, 1980) says nothing.
create function glow_api.occurred(instant timestamptz, sent_at timestamptz) returns timestamptz
  language plpgsql volatile as $$
declare
  known constant tstzrange := '[1900-01-01, 2200-01-01]';
begin
  if sent_at is not null and instant <@ known and sent_at <@ known then
    instant := clock_timestamp() - (sent_at - instant);
  end if;
  return glow_api.past(instant);
end $$;
comment on function glow_api.occurred is
  'When something happened by the server''s clock, from the sender''s instants of happening and of sending.';

-- Shapes are ours: field -> string, integer, number, boolean, object, array, texts or instant.
create function glow_api.fits(value jsonb, wanted text) returns boolean
  language sql stable
  return case when value = 'null' then wanted is not null
              when wanted in ('string', 'number', 'boolean', 'object', 'array') then jsonb_typeof(value) = wanted
              when wanted = 'integer' then glow_api.is_whole(value, -2147483648, 2147483647)
              when wanted = 'texts' then glow_api.is_texts(value)
              when wanted = 'instant' then jsonb_typeof(value) = 'string' and value #>> '{}' ~ '^(-?infinity$|[0-9])'
                and glow_api.read_instant(value #>> '{}') is not null
              else false end;
comment on function glow_api.fits is 'Whether a value of a row has the type that the shape of the row wants; null where no such field is known.';

-- Over all rows at once: the same loop in each row took longer than writing the row.
create function glow_api.misfits(rows jsonb, shape jsonb) returns table (n bigint, problem glow_api.problem)
  language sql stable rows 10 as $$
  select distinct on (r.n) r.n,
         case when jsonb_typeof(r.entry) <> 'object'
                then row('PT400', 'rows', left(r.entry::text, 80), 'an object for each row')::glow_api.problem
              when shape ->> f.key is null
                then row('PT400', left(f.key, 40), left(f.value::text, 80), 'one of the fields '
                  || (select string_agg(k, ', ' order by k) from jsonb_object_keys(shape) k))::glow_api.problem
              else row('PT422', f.key, left(f.value::text, 80),
                case shape ->> f.key when 'instant' then 'an instant such as 2026-11-22T14:00:00Z'
                                     when 'integer' then 'a whole number' when 'texts' then 'an array of texts'
                                     when 'string' then 'a text' else shape ->> f.key end)::glow_api.problem end
    from jsonb_array_elements(rows) with ordinality as r(entry, n)
    left join lateral jsonb_each(case when jsonb_typeof(r.entry) = 'object' then r.entry else '{}' end) f on true
   where jsonb_typeof(r.entry) <> 'object' or f.key is not null and not coalesce(glow_api.fits(f.value, shape ->> f.key), false)
   order by r.n, f.key
$$;
comment on function glow_api.misfits is 'The rows of a batch whose form is wrong, each with the first reason: a field nobody knows, a value of another type.';

create function glow_api.require_rows(rows jsonb) returns integer
  language plpgsql stable as $$
begin
  if rows is null or jsonb_typeof(rows) <> 'array' then
    perform glow_api.refuse('PT400', 'rows', left(rows::text, 80), 'a JSON array of objects, one for each row');
  elsif jsonb_array_length(rows) > 10000 then
    perform glow_api.refuse('PT413', 'rows', jsonb_array_length(rows) || ' rows', 'at most 10000 rows in one call');
  end if;
  return jsonb_array_length(rows);
end $$;
comment on function glow_api.require_rows is 'The number of rows of a batch; refuses what is no batch.';
