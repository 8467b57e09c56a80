-- Agents.

create function glow_api.register_agent(
  agent text, description text default null, evaluation jsonb default null, prompt jsonb default null,
  split_shares numeric[] default '{0.8,0.1,0.1}', tenant text default null, issues text[] default null
) returns jsonb language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  caller glow_api.caller := glow_api.enter();
  version text;
  created boolean;
  known glow.agents;
begin
  if agent is null or agent !~ '^[a-z0-9][a-z0-9_.-]{0,62}$' then
    perform glow_api.refuse('PT422', 'agent', agent, 'a name of 1 to 63 of a-z 0-9 _ . - that begins with a letter or digit');
  end if;
  if tenant <> caller.tenant then
    perform glow_api.refuse('PT403', 'tenant', tenant, 'the tenant of this login');
  end if;
  tenant := coalesce(tenant, caller.tenant);
  select a.* into known from glow.agents a where a.agent = register_agent.agent;
  if known.tenant is distinct from register_agent.tenant and known.agent is not null and register_agent.tenant is not null then
    perform glow_api.refuse('PT409', 'tenant', tenant, 'the tenant it was registered with: its examples are that tenant''s');
  elsif tenant !~ '^[a-z0-9][a-z0-9_.-]{0,62}$' then
    perform glow_api.refuse('PT422', 'tenant', tenant, 'a name of 1 to 63 of a-z 0-9 _ . - that begins with a letter or digit');
  end if;
  if issues is not null and (cardinality(issues) > 100 or exists (
    select from unnest(issues) as i(issue) where issue is null or length(issue) not between 1 and 80 or issue ~ '[[:cntrl:]]')) then
    perform glow_api.refuse('PT422', 'issues', issues::text, 'at most 100 categories of 1 to 80 characters');
  end if;
  description := coalesce(description, '');
  if length(description) > 2000 then
    perform glow_api.refuse('PT413', 'description', length(description) || ' characters', 'at most 2000 characters');
  end if;
  if array_ndims(split_shares) is distinct from 1 or array_lower(split_shares, 1) <> 1 or cardinality(split_shares) <> 3
     or array_position(split_shares, null) is not null or split_shares[1] <= 0 or split_shares[2] < 0
     or split_shares[3] < 0 or split_shares[1] + split_shares[2] + split_shares[3] <> 1
     or exists (select from unnest(split_shares) as s(share) where s.share <> round(s.share, 3)) then
    perform glow_api.refuse('PT422', 'split_shares', split_shares::text, 'three shares (train above 0, val, test) of at most three decimals whose sum is 1');
  end if;
  if evaluation is not null and (
    jsonb_typeof(evaluation) <> 'object' or not glow_api.is_shallow(evaluation)
    or coalesce(jsonb_typeof(evaluation -> 'metric'), 'null') not in ('string', 'null')
    or not glow_api.is_texts(evaluation -> 'choices') or not glow_api.is_number(evaluation -> 'max_calls', 1, 10000000)
  ) then
    perform glow_api.refuse('PT422', 'evaluation', evaluation::text, 'an object with metric (text), choices (texts) and max_calls (a number), each optional');
  end if;
  if prompt is not null and (
    jsonb_typeof(prompt) <> 'object' or not glow_api.is_shallow(prompt) or jsonb_typeof(prompt -> 'instruction') is distinct from 'string'
    or not glow_api.is_texts(prompt -> 'choices') or not glow_api.is_number(prompt -> 'max_tokens', 1, 100000)
    or coalesce(jsonb_typeof(prompt -> 'input_prefix'), 'string') <> 'string'
    or coalesce(prompt -> 'rules', '[]') <> '[]' or coalesce(prompt -> 'demonstrations', '[]') <> '[]'
    or prompt - '{instruction,choices,max_tokens,input_prefix,rules,demonstrations,demonstration_layout}'::text[] <> '{}'
    or coalesce(prompt ->> 'demonstration_layout', 'turns') not in ('turns', 'inline')
  ) then
    perform glow_api.refuse('PT422', 'prompt', prompt::text,
      'instruction (text), and if wanted choices (texts), max_tokens, input_prefix; rules and demonstrations are learned');
  end if;

  insert into glow.agents as a (agent, tenant, description, evaluation, issues, train_share, val_share, test_share)
  values (register_agent.agent, register_agent.tenant, description, evaluation, coalesce(issues, '{}'),
          split_shares[1], split_shares[2], split_shares[3])
  on conflict on constraint agents_pkey do nothing
  returning true into created;
  if created is null then
    -- The shares stay as they are: they decided the splits of examples that already exist.
    update glow.agents a
       set description = coalesce(nullif(register_agent.description, ''), a.description), evaluation = coalesce(register_agent.evaluation, a.evaluation),
           issues = coalesce(register_agent.issues, a.issues)
     where a.agent = register_agent.agent;
  end if;

  if prompt is not null then
    version := encode(sha256(convert_to(prompt::text, 'UTF8')), 'hex');
    insert into glow.prompt_versions (agent, prompt_version, prompt, operator)
    values (register_agent.agent, version, prompt, 'registered')
    on conflict do nothing;
    -- Registration gives an agent its first prompt; later ones come through a gate.
    insert into glow.prompt_aliases (agent, alias, prompt_version)
    values (register_agent.agent, 'production', version)
    on conflict do nothing;
    if found then
      insert into glow.prompt_alias_history (agent, alias, prompt_version, revision, moved_by, reason)
      values (register_agent.agent, 'production', version, 1, session_user, 'registered');
    end if;
  end if;
  return jsonb_build_object('agent', agent, 'created', coalesce(created, false), 'prompt_version', version);
end $$;
comment on function glow_api.register_agent is
  'Makes an agent known, with how its answers are judged and its first prompt, its own issue categories and, '
  'if it serves one tenant only, that tenant. Safe to call again; split shares and tenant never change.';
