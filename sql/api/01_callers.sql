-- Who calls: tenant, person, limits.

create type glow_api.caller as (tenant text, person text);
comment on type glow_api.caller is 'Whom a call works for: its tenant (null: all of them) and the only person it may speak for (null: anybody).';

create function glow_api.serves_all() returns boolean
  language sql stable
  return pg_has_role(session_user, 'glow_engineer', 'usage') or pg_has_role(session_user, 'glow_pipeline', 'usage')
      or pg_has_role(session_user, 'glow_owner', 'usage');
comment on function glow_api.serves_all is 'Whether a login that nobody bound works for every tenant.';

-- By session_user: inside a function current_user is the function's owner. By usage and not membership: a gateway's login
-- may become every role and has the rights of none. Row security goes by the setting until the end
-- of the transaction or the next call.
create function glow_api.enter(calls integer default 0, bytes bigint default 0, proved glow_api.caller default null)
  returns glow_api.caller language plpgsql as $$
declare
  login glow.logins;
  caller glow_api.caller := proved;
begin
  select l.* into login from glow.logins l where l.login = session_user;
  if login.login is not null then
    if proved is null then
      caller.tenant := coalesce(login.tenant, glow.claim(login.tenant_claim));
      caller.person := coalesce(login.person, glow.claim(login.person_claim));
      if caller.tenant !~ '^[a-z0-9][a-z0-9_.-]{0,62}$' then
        perform glow_api.refuse('PT401', 'request.jwt.claims', caller.tenant,
          'the name of a tenant at ' || array_to_string(login.tenant_claim, '.'));
      end if;
    end if;
    perform glow_api.admit(login, calls, bytes);
  elsif proved is null and not glow_api.serves_all() then
    caller.tenant := 'default';
  end if;
  perform set_config('glow.tenant', coalesce(caller.tenant, '*'), true);
  return caller;
end $$;
comment on function glow_api.enter is
  'The first thing every function does: finds out whom it works for (unless a token has proved it), tells row security, '
  'and counts the call.';

-- Read by the statement that asks everything else about a vote; on its own it took a tenth of the call.
create function glow_api.bound_login() returns table (tenant text, person text, is_plain boolean)
  language sql stable rows 1
begin atomic
  select case when l.login is not null then l.tenant when not glow_api.serves_all() then 'default' end, l.person,
         num_nonnulls(l.tenant_claim, l.person_claim, l.calls_per_minute, l.bytes_per_call) = 0
    from (select) one left join glow.logins l on l.login = session_user;
end;
comment on function glow_api.bound_login is
  'What enter finds out of a login that is plain: no claims to read and no limits to count. Any other has to enter.';

-- Limits are per login and by the minute. Each call is sampled with a probability that leaves about 200 samples a minute,
-- however many calls there are: exact up to 200 calls a minute, within some 7 % above. What is sampled is a row of its
-- own: a counter would be locked until its caller commits, 0.34 of the rate at one hot row.
create function glow_api.admit(login glow.logins, calls integer, bytes bigint) returns void
  language plpgsql as $$
declare
  used bigint;
  step integer;
  samples integer;
begin
  if bytes > login.bytes_per_call then
    perform glow_api.refuse('PT413', 'call', bytes || ' bytes', 'at most ' || login.bytes_per_call || ' bytes in a call of this login');
  end if;
  if calls = 0 or login.calls_per_minute is null then return; end if;
  if calls > login.calls_per_minute then
    perform glow_api.refuse('PT413', 'rows', calls || ' rows', 'at most ' || login.calls_per_minute || ' rows in a call of this login');
  end if;
  select coalesce(sum(s.calls), 0) into used from glow.call_samples s
   where s.login = session_user and s.called_at > clock_timestamp() - interval '1 minute';
  if used + calls > login.calls_per_minute then
    perform glow_api.refuse('PT429', 'call', used + calls || ' in a minute',
      'at most ' || login.calls_per_minute || ' rows a minute for this login; try again within a minute');
  end if;
  step := greatest(1, login.calls_per_minute / 200);
  -- Not random(): the caller can set its seed.
  samples := calls / step + (('x' || right(gen_random_uuid()::text, 8))::bit(32)::bigint % step < calls % step)::integer;
  if samples > 0 then
    insert into glow.call_samples (login, calls) values (session_user, samples * step);
  end if;
end $$;
comment on function glow_api.admit is 'Counts a call against the limits of its login; refuses what is over them.';

create function glow_api.caller_problem(tenant text, own text, agent text) returns glow_api.problem
  language plpgsql stable as $$
declare
  known glow.agents;
begin
  if tenant <> own then
    return row('PT403', 'tenant', tenant, 'the tenant of this login')::glow_api.problem;
  elsif tenant !~ '^[a-z0-9][a-z0-9_.-]{0,62}$' then
    return row('PT422', 'tenant', tenant, 'a name of 1 to 63 of a-z 0-9 _ . - that begins with a letter or digit')::glow_api.problem;
  end if;
  select a.* into known from glow.agents a where a.agent = caller_problem.agent;
  -- An agent of another tenant does not exist for this one.
  if known.agent is null or known.tenant <> coalesce(tenant, own) then
    return row('PT404', 'agent', agent, 'the name of a registered agent; see register_agent')::glow_api.problem;
  end if;
  return null;
end $$;
comment on function glow_api.caller_problem is
  'Refuses another tenant''s name, and an agent that is not registered or belongs to another tenant.';

create function glow_api.require_caller(tenant text, agent text, calls integer default 0) returns glow_api.caller
  language plpgsql as $$
declare
  caller glow_api.caller := glow_api.enter(calls);
  problem glow_api.problem := glow_api.caller_problem(tenant, caller.tenant, agent);
begin
  if problem.code is not null then perform glow_api.refuse(problem); end if;
  caller.tenant := coalesce(tenant, caller.tenant);
  return caller;
end $$;
comment on function glow_api.require_caller is
  'enter, for a call that is about one agent; answers the tenant it asks about. Refuses as caller_problem does.';

-- What is learned has no tenant: what rests on everybody's feedback is not for a login of one tenant.
create function glow_api.is_mine(agent text, caller glow_api.caller) returns boolean
  language sql stable
  return caller.tenant is null or exists (
    select from glow.agents a where a.agent = is_mine.agent and a.tenant = caller.tenant);
comment on function glow_api.is_mine is 'Whether a login may see what an agent learned and ask for runs: it serves all tenants, or the agent is its tenant''s own.';

create function glow_api.require_everybody() returns void
  language plpgsql as $$
begin
  if (glow_api.enter()).tenant is not null then
    perform glow_api.refuse('PT403', 'login', session_user, 'a login that serves every tenant: these figures are over all of them');
  end if;
end $$;
comment on function glow_api.require_everybody is 'enter, for figures over all tenants; refuses a login of one.';

create function glow_api.bind_login(
  login text, tenant text default null, tenant_claim text[] default null, person text default null,
  person_claim text[] default null, calls_per_minute integer default null, bytes_per_call integer default null,
  note text default ''
) returns jsonb language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  problem glow_api.problem;
begin
  perform glow_api.enter();
  if not exists (select from pg_roles r where r.rolname = bind_login.login and r.rolcanlogin) then
    perform glow_api.refuse('PT404', 'login', login, 'a role of this server that can log in; see create role');
  end if;
  if tenant is not null and tenant_claim is not null then
    perform glow_api.refuse('PT422', 'tenant_claim', array_to_string(tenant_claim, '.'), 'a tenant or where it stands in the claims, not both');
  elsif tenant !~ '^[a-z0-9][a-z0-9_.-]{0,62}$' then
    perform glow_api.refuse('PT422', 'tenant', tenant, 'a name of 1 to 63 of a-z 0-9 _ . - that begins with a letter or digit');
  end if;
  if person is not null and person_claim is not null then
    perform glow_api.refuse('PT422', 'person_claim', array_to_string(person_claim, '.'), 'a person or where it stands in the claims, not both');
  end if;
  problem := glow_api.id_problem('{person}', array[person], 0);
  if problem.code is not null then perform glow_api.refuse(problem); end if;
  if calls_per_minute < 1 then
    perform glow_api.refuse('PT422', 'calls_per_minute', calls_per_minute::text, 'a number above 0, or null for no limit');
  elsif bytes_per_call < 1 then
    perform glow_api.refuse('PT422', 'bytes_per_call', bytes_per_call::text, 'a number above 0, or null for no limit');
  elsif length(note) > 1000 then
    perform glow_api.refuse('PT413', 'note', length(note) || ' characters', 'at most 1000 characters');
  end if;
  insert into glow.logins as l (login, tenant, tenant_claim, person, person_claim, calls_per_minute, bytes_per_call, note)
  values (login, tenant, tenant_claim, person, person_claim, calls_per_minute, bytes_per_call, coalesce(note, ''))
  on conflict on constraint logins_pkey do update
     set tenant = excluded.tenant, tenant_claim = excluded.tenant_claim, person = excluded.person,
         person_claim = excluded.person_claim, calls_per_minute = excluded.calls_per_minute,
         bytes_per_call = excluded.bytes_per_call, note = excluded.note, bound_at = clock_timestamp();
  return jsonb_build_object('login', login, 'tenant', tenant, 'status', 'bound');
end $$;
comment on function glow_api.bind_login is
  'Binds a database login to a tenant, a person and limits. tenant_claim and person_claim are paths of keys in the setting '
  'request.jwt.claims, for the login of a gateway that verifies tokens. Without tenant and tenant_claim it serves every '
  'tenant. A login that was never bound speaks for the tenant default, without limits.';
