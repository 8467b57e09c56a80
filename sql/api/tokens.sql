-- Feedback tokens: what a browser needs to vote, and nothing more. A token is `payload.signature`, both base64url; the
-- payload is JSON with tenant, agent, execution, user and expiry, the signature HMAC-SHA-256 of it (RFC 2104). It speaks
-- for one person on one execution until it expires: replayed, it can repeat or change that vote and never add one.
-- Whom it works for is what the token says, not what the login is bound to.

create function glow_api.base64url(bytes bytea) returns text
  language sql immutable
  return rtrim(translate(encode(bytes, 'base64'), E'+/\n', '-_'), '=');
comment on function glow_api.base64url is 'Bytes as URL-safe base64 without padding (RFC 4648 section 5).';

create function glow_api.from_base64url(value text) returns bytea
  language sql immutable
  return case when value ~ '^[A-Za-z0-9_-]+$' and length(value) % 4 <> 1
              then decode(rpad(translate(value, '-_', '+/'), (length(value) + 3) / 4 * 4, '='), 'base64') end;
comment on function glow_api.from_base64url is 'The bytes of a URL-safe base64 text; null when it is none.';

create function glow_api.signature(key_id integer, content text) returns bytea
  language sql stable
  return (select sha256(k.outer_pad || sha256(k.inner_pad || convert_to(content, 'UTF8')))
            from glow.token_keys k where k.key_id = signature.key_id);
comment on function glow_api.signature is 'HMAC-SHA-256 of a text by one of our keys; null when there is no such key.';

create function glow_api.rotate_token_key() returns jsonb
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  secret bytea := '';
  inner_pad bytea := '';
  outer_pad bytea := '';
  new_id integer;
begin
  perform glow_api.enter();
  lock table glow.token_keys in share row exclusive mode;
  -- Random UUIDs come from the server's cryptographic source; 4 hold 488 random bits.
  for i in 1 .. 4 loop secret := secret || uuid_send(gen_random_uuid()); end loop;
  for i in 0 .. 63 loop
    inner_pad := inner_pad || decode(lpad(to_hex(get_byte(secret, i) # 54), 2, '0'), 'hex');
    outer_pad := outer_pad || decode(lpad(to_hex(get_byte(secret, i) # 92), 2, '0'), 'hex');
  end loop;
  update glow.token_keys k set retired_at = clock_timestamp() where k.retired_at is null;
  insert into glow.token_keys as k (inner_pad, outer_pad) values (inner_pad, outer_pad) returning k.key_id into new_id;
  -- No token lives longer than a day: older keys have none left to check.
  delete from glow.token_keys k where k.retired_at < clock_timestamp() - interval '25 hours';
  return jsonb_build_object('key_id', new_id, 'status', 'rotated');
end $$;
comment on function glow_api.rotate_token_key is
  'Signs new tokens with a new key; tokens of the old one stay good until they expire, a day at most.';

create function glow_api.revoke_token_keys() returns jsonb
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform glow_api.rotate_token_key();
  delete from glow.token_keys k where k.retired_at is not null;
  return jsonb_build_object('status', 'revoked');
end $$;
comment on function glow_api.revoke_token_keys is 'Ends every token issued so far, at once: for when a key may have leaked.';

create function glow_api.issue_feedback_token(
  agent text, execution_id text, user_id text, valid_seconds integer default 3600, tenant text default null
) returns jsonb language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  caller glow_api.caller := glow_api.require_caller(tenant, agent, 1);
  problem glow_api.problem := glow_api.id_problem('{execution_id,user_id}', array[execution_id, user_id], 2);
  expires timestamptz;
  key_id integer;
  content text;
begin
  if problem.code is null and user_id <> caller.person then
    problem := row('PT403', 'user_id', user_id, 'the person this login speaks for');
  end if;
  if problem.code is not null then perform glow_api.refuse(problem); end if;
  if valid_seconds is null or valid_seconds not between 1 and 86400 then
    perform glow_api.refuse('PT422', 'valid_seconds', valid_seconds::text, 'seconds from 1 to 86400');
  end if;
  select k.key_id into key_id from glow.token_keys k where k.retired_at is null;
  if key_id is null then key_id := (glow_api.rotate_token_key() ->> 'key_id')::integer; end if;
  expires := clock_timestamp() + make_interval(secs => valid_seconds);
  content := glow_api.base64url(convert_to(jsonb_build_object(
    'key', key_id, 'tenant', coalesce(caller.tenant, 'default'), 'agent', agent, 'execution_id', execution_id, 'user_id', user_id,
    'expires', extract(epoch from expires))::text, 'UTF8'));
  return jsonb_build_object('token', content || '.' || glow_api.base64url(glow_api.signature(key_id, content)),
                            'expires_at', expires);
end $$;
comment on function glow_api.issue_feedback_token is
  'A signed token with which a browser may submit feedback of one user on one execution, for at most a day.';

create function glow_api.read_token(token text) returns jsonb
  language plpgsql stable as $$
declare
  content text := split_part(token, '.', 1);
  claims jsonb;
begin
  -- The payload is read before it is trusted, only to find its key; anything but an object of ours has none.
  begin
    claims := convert_from(glow_api.from_base64url(content), 'UTF8')::jsonb;
    if length(token) > 4000 or token is distinct from content || '.' || glow_api.base64url(glow_api.signature((claims ->> 'key')::integer, content)) then
      claims := null;
    end if;
  exception when others then
    claims := null;
  end;
  if claims is null then
    perform glow_api.refuse('PT401', 'token', left(token, 8), 'a token of issue_feedback_token, unchanged');
  elsif (claims ->> 'expires')::numeric < extract(epoch from clock_timestamp()) then
    perform glow_api.refuse('PT401', 'token', 'expired', 'a new token: this one has expired');
  end if;
  return claims;
end $$;
comment on function glow_api.read_token is 'What a token of ours says; refuses one that is forged, changed or expired.';

create function glow_api.submit_feedback_with_token(
  token text, thumbs integer default null, rating integer default null, dimensions jsonb default null,
  issues text[] default '{}', comment text default null, correction text default null, channel text default null,
  idempotency_key text default null, withdrawn boolean default false, kind text default null
) returns jsonb language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  claims jsonb := glow_api.read_token(token);
  caller glow_api.caller := glow_api.enter(
    1, coalesce(octet_length(comment), 0)::bigint + coalesce(octet_length(correction), 0),
    row(claims ->> 'tenant', claims ->> 'user_id'));
begin
  return glow_api.answered(glow_api.record_feedback(
    row(claims ->> 'agent', claims ->> 'execution_id', claims ->> 'user_id', thumbs, rating, dimensions, issues, comment,
        correction, channel, null, idempotency_key, null, claims ->> 'tenant', null, kind, coalesce(withdrawn, false)),
    caller));
end $$;
comment on function glow_api.submit_feedback_with_token is
  'submit_feedback for a browser: agent, execution and user come from the signed token. "withdrawn" takes the vote back, '
  'or with kind correction the lone correction.';
