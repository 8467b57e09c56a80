-- How an agent's training data is screened, and what people keep correcting.

create function glow_api.policy_problem(
  pii text, secrets text, keep text[], languages text[], shortest_input integer, shortest_target integer
) returns glow_api.problem language plpgsql immutable as $$
declare
  -- As in learning/datasets (screens.personal.NAMES, language.LANGUAGES); a test compares them.
  personal constant text[] := array[
    'e-mail', 'IBAN', 'card', 'US social security number', 'Swiss social security number', 'French social security number',
    'German tax number', 'UK insurance number', 'Spanish identity number', 'Italian fiscal code', 'passport', 'birth date',
    'IP address', 'phone', 'name'];
  told constant text[] := '{ar,bg,cs,da,de,el,en,es,fa,fi,fr,he,hi,hu,id,it,ja,ko,nb,nl,pl,pt,ro,ru,sv,th,tr,uk,zh,und}';
begin
  if pii is null or pii not in ('redact', 'quarantine') then
    return row('PT422', 'pii', pii, 'redact or quarantine')::glow_api.problem;
  elsif secrets is null or secrets not in ('redact', 'quarantine') then
    return row('PT422', 'secrets', secrets, 'redact or quarantine')::glow_api.problem;
  elsif keep is null or array_position(keep, null) is not null or not keep <@ personal then
    return row('PT422', 'keep', keep::text, 'any of ' || array_to_string(personal, ', '))::glow_api.problem;
  elsif cardinality(languages) = 0 or array_position(languages, null) is not null or not languages <@ told then
    return row('PT422', 'languages', languages::text, 'null for all, or some of ' || array_to_string(told, ', '))::glow_api.problem;
  elsif shortest_input is null or shortest_input not between 1 and 20000 then
    return row('PT422', 'shortest_input', shortest_input::text, 'a number from 1 to 20000')::glow_api.problem;
  elsif shortest_target is null or shortest_target not between 1 and 20000 then
    return row('PT422', 'shortest_target', shortest_target::text, 'a number from 1 to 20000')::glow_api.problem;
  end if;
  return null;
end $$;
comment on function glow_api.policy_problem is 'What is wrong with a curation policy, or null.';

create function glow_api.described_policy(policy glow.curation_policies) returns jsonb
  language sql stable
  return jsonb_build_object(
    'pii', coalesce(policy.pii, 'redact'), 'secrets', coalesce(policy.secrets, 'quarantine'), 'keep', coalesce(policy.keep, '{}'),
    'languages', policy.languages, 'shortest_input', coalesce(policy.shortest_input, 1),
    'shortest_target', coalesce(policy.shortest_target, 1), 'set_by', policy.set_by, 'recorded_at', policy.recorded_at);
comment on function glow_api.described_policy is 'A policy as JSON; the defaults where there is none.';

create function glow_api.require_own_agent(agent text) returns glow_api.caller
  language plpgsql as $$
declare
  caller glow_api.caller := glow_api.require_caller(null, agent);
begin
  if not glow_api.is_mine(agent, caller) then
    perform glow_api.refuse('PT403', 'agent', agent, 'an agent of this login''s own tenant');
  end if;
  return caller;
end $$;
comment on function glow_api.require_own_agent is
  'require_caller, for what rests on all of an agent''s feedback; refuses an agent that other tenants use too.';

-- What users and experts said of them is gone, and with it what a new policy would screen.
create function glow_api.out_of_reach(agent text) returns bigint
  language sql stable
  return (select count(*) from glow.learning_examples x
           where x.agent = out_of_reach.agent and x.superseded_at is null
             and (select bool_and(k.expired_at is not null)
                    from glow.example_sources s
                    join glow.execution_keys k on k.tenant = glow.tenant_of(s.source_id) and k.execution_id = glow.unqualified(s.source_id)
                   where s.example_version = x.example_version and s.kind = 'execution'));
comment on function glow_api.out_of_reach is 'How many examples in force rest on executions alone that retention removed.';

create function glow_api.set_curation_policy(
  agent text, pii text default 'redact', secrets text default 'quarantine', keep text[] default '{}',
  languages text[] default null, shortest_input integer default 1, shortest_target integer default 1
) returns jsonb language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  caller glow_api.caller;
  problem glow_api.problem;
  known glow.curation_policies;
begin
  perform glow_api.enter();
  caller := glow_api.require_own_agent(agent);
  problem := glow_api.policy_problem(pii, secrets, keep, languages, shortest_input, shortest_target);
  if problem.code is not null then perform glow_api.refuse(problem); end if;
  -- Two who change it at once: one after the other, and the later one holds.
  perform pg_advisory_xact_lock(hashtextextended('glow.curation_policy' || chr(31) || agent, 0));
  select p.* into known from glow.curation_policies p where p.agent = set_curation_policy.agent and p.superseded_at is null;
  if known.policy_id is not null and (known.pii, known.secrets, known.keep, known.shortest_input, known.shortest_target)
       = (pii, secrets, keep, shortest_input, shortest_target) and known.languages is not distinct from languages then
    return glow_api.described_policy(known) || jsonb_build_object(
      'agent', agent, 'status', 'unchanged', 'out_of_reach', glow_api.out_of_reach(agent));
  end if;
  update glow.curation_policies p set superseded_at = clock_timestamp() where p.policy_id = known.policy_id;
  insert into glow.curation_policies as p (agent, pii, secrets, keep, languages, shortest_input, shortest_target, set_by)
  values (agent, pii, secrets, keep, languages, shortest_input, shortest_target, coalesce(caller.person, session_user))
  returning p.* into known;
  return glow_api.described_policy(known) || jsonb_build_object(
    'agent', agent, 'status', 'accepted', 'out_of_reach', glow_api.out_of_reach(agent));
end $$;
comment on function glow_api.set_curation_policy is
  'Says how an agent''s texts are screened; what is not named is the default. Personal data and secrets are redacted or '
  'quarantine the example, texts that instruct a model quarantine it always. The agent''s examples are looked at again, but for those whose '
  'executions retention removed: `out_of_reach` counts them.';

create function glow_api.curation_policy(agent text) returns jsonb
  language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare
  known glow.curation_policies;
begin
  perform glow_api.enter();
  perform glow_api.require_own_agent(agent);
  select p.* into known from glow.curation_policies p where p.agent = curation_policy.agent and p.superseded_at is null;
  return glow_api.described_policy(known) || jsonb_build_object('agent', agent);
end $$;
comment on function glow_api.curation_policy is 'How an agent''s texts are screened now, who said so, and when (null: the defaults).';

-- What only one or two people wrote is shown to engineers alone, who may read what users wrote; others see that it is there.
create function glow_api.correction_patterns(
  agent text, since timestamptz default null, which text default null, most integer default 50
) returns table (standing text, kind text, about text, detail text, count integer, experts integer, people integer,
                 conversations integer, share double precision, share_low double precision, share_high double precision,
                 lift double precision, q double precision, trend double precision, trend_low double precision,
                 trend_high double precision, first_seen timestamptz, last_seen timestamptz, feedback bigint[],
                 annotations bigint[], computed_at timestamptz)
  language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
begin
  perform glow_api.enter();
  perform glow_api.require_own_agent(agent);
  if which is not null and which not in ('total', 'named', 'emerging') then
    perform glow_api.refuse('PT422', 'which', which, 'total, named or emerging, or null for all');
  elsif most is null or most not between 1 and 1000 then
    perform glow_api.refuse('PT422', 'most', most::text, 'a number from 1 to 1000');
  end if;
  return query
  select p.standing, p.kind, p.about,
         case when p.standing <> 'emerging' or pg_has_role(session_user, 'glow_engineer', 'usage') then p.detail end,
         p.count, p.experts, p.people, p.conversations, p.share, p.share_low, p.share_high, p.lift, p.q, p.trend, p.trend_low,
         p.trend_high, p.first_seen, p.last_seen, p.feedback, p.annotations, s.computed_at
    from glow.correction_patterns p join glow.correction_snapshots s on s.agent = p.agent
   where p.agent = correction_patterns.agent and p.last_seen >= coalesce(correction_patterns.since, '-infinity')
     and p.standing = coalesce(correction_patterns.which, p.standing)
   order by p.position
   limit correction_patterns.most;
end $$;
comment on function glow_api.correction_patterns is
  'What people keep changing in an agent''s outputs, the named patterns first: how often, by how many, compared with outputs '
  'that nobody corrected, and its trend. Ids are those of the newest corrections. `since`: seen since then; `which`: total, named or emerging.';
