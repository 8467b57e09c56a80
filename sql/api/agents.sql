-- Agents.

-- The fields of every metric, one level deep. What stands inside items and fields is checked by whoever makes the metric
-- (learning/prompts/metrics), which reads the same names.
create function glow_api.metric_fields() returns table (metric text, field text, kind text, low numeric, high numeric, accepted text)
  language sql immutable
  begin atomic
    values
      ('exact', 'case', 'choice', null::numeric, null::numeric, 'fold, keep'),
      ('exact', 'punctuation', 'choice', null, null, 'keep, ends, drop'),
      ('label', 'labels', 'array', 0, 1000, 'texts'),
      ('label', 'aliases', 'object', 0, 5000, 'from another spelling to its label'),
      ('numeric', 'tolerance', 'number', 0, 1, null),
      ('numeric', 'decimals', 'decimals', 0, 20, null),
      ('numeric', 'convention', 'choice', null, null, 'auto, point, comma'),
      ('numeric', 'percent', 'choice', null, null, 'number, fraction, strict'),
      ('numeric', 'take', 'choice', null, null, 'only, first, last'),
      ('json_fields', 'fields', 'object', 0, 200, 'from path to weight, type and key'),
      ('json_fields', 'extra', 'choice', null, null, 'ignore, wrong'),
      ('json_fields', 'fenced', 'boolean', null, null, null),
      ('json_fields', 'tolerance', 'number', 0, 1, null),
      ('json_fields', 'convention', 'choice', null, null, 'auto, point, comma'),
      ('json_fields', 'right_at', 'number', 0, 1, null),
      ('contains', 'target', 'boolean', null, null, null),
      ('contains', 'all', 'array', 0, 100, 'texts'),
      ('contains', 'any', 'array', 0, 100, 'texts'),
      ('contains', 'none', 'array', 0, 100, 'texts'),
      ('contains', 'words', 'boolean', null, null, null),
      ('regex', 'pattern', 'text', 1, 500, null),
      ('regex', 'match', 'choice', null, null, 'search, full'),
      ('regex', 'ignore_case', 'boolean', null, null, null),
      ('regex', 'negate', 'boolean', null, null, null),
      ('embedding', 'threshold', 'number', 0, 1, null),
      ('rubric_judge', 'items', 'array', 1, 20, 'objects with id, criterion, and if wanted weight and evidence'),
      ('rubric_judge', 'right_at', 'number', 0.01, 1, null),
      ('rubric_judge', 'task', 'text', 1, 1000, null),
      ('pairwise_judge', 'criterion', 'text', 1, 1000, null),
      ('pairwise_judge', 'right_at', 'number', 0.5, 1, null);
  end;
comment on function glow_api.metric_fields is 'The metrics by name, and the settings each takes.';

create function glow_api.metric_setting_fits(value jsonb, kind text, low numeric, high numeric, accepted text) returns boolean
  language sql immutable
  return case kind
    when 'choice' then jsonb_typeof(value) = 'string' and (value #>> '{}') = any (string_to_array(accepted, ', '))
    when 'boolean' then jsonb_typeof(value) = 'boolean'
    when 'number' then jsonb_typeof(value) = 'number' and glow_api.is_number(value, low, high)
    when 'decimals' then value in ('"stated"', '"ignore"') or glow_api.is_whole(value, low::integer, high::integer)
    when 'text' then jsonb_typeof(value) = 'string' and length(value #>> '{}') between low and high
    when 'array' then case when jsonb_typeof(value) = 'array' then jsonb_array_length(value) between low and high
      and not jsonb_path_exists(value, (case accepted when 'texts' then 'strict $[*] ? (@.type() != "string")'
                                                      else 'strict $[*] ? (@.type() != "object")' end)::jsonpath) else false end
    when 'object' then case when jsonb_typeof(value) = 'object'
      then (select count(*) from jsonb_object_keys(value)) <= high else false end
  end;
comment on function glow_api.metric_setting_fits is 'Whether one setting of a metric has the form that metric_fields says.';

create function glow_api.metric_problem(evaluation jsonb) returns glow_api.problem
  language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  named text := evaluation ->> 'metric';
  settings jsonb := coalesce(nullif(evaluation -> 'metric_settings', 'null'), '{}');
  wrong record;
begin
  if jsonb_typeof(settings) <> 'object' or octet_length(settings::text) > 100000 then
    return row('PT422', 'evaluation.metric_settings', settings::text, 'an object of at most 100000 bytes')::glow_api.problem;
  elsif named is null and settings <> '{}' then
    return row('PT422', 'evaluation.metric_settings', settings::text, 'settings of a metric, which is missing')::glow_api.problem;
  elsif named is not null and not exists (select from glow_api.metric_fields() f where f.metric = named) then
    return row('PT422', 'evaluation.metric', named, (
      select string_agg(distinct f.metric, ', ' order by f.metric) from glow_api.metric_fields() f))::glow_api.problem;
  end if;
  select s.key, s.value, f.field, f.kind, f.low, f.high, f.accepted into wrong
    from jsonb_each(settings) as s(key, value)
    left join glow_api.metric_fields() f on f.metric = named and f.field = s.key
   where f.field is null or not coalesce(glow_api.metric_setting_fits(s.value, f.kind, f.low, f.high, f.accepted), false)
   order by s.key limit 1;
  if not found then
    if named = 'regex' and not settings ? 'pattern' then
      return row('PT422', 'evaluation.metric_settings.pattern', null, 'a text of 1 to 500 characters')::glow_api.problem;
    elsif named = 'rubric_judge' and not settings ? 'items' then
      return row('PT422', 'evaluation.metric_settings.items', null, '1 to 20 objects with id and criterion')::glow_api.problem;
    end if;
    return null;
  end if;
  return row('PT422', 'evaluation.metric_settings.' || left(wrong.key, 60), wrong.value::text, case
    when wrong.field is null then 'one of ' || (
      select string_agg(f.field, ', ' order by f.field) from glow_api.metric_fields() f where f.metric = named)
    when wrong.kind = 'choice' then 'one of ' || wrong.accepted
    when wrong.kind = 'boolean' then 'true or false'
    when wrong.kind = 'number' then 'a number from ' || wrong.low || ' to ' || wrong.high
    when wrong.kind = 'decimals' then 'stated, ignore, or a whole number from 0 to 20'
    when wrong.kind = 'text' then 'a text of ' || wrong.low || ' to ' || wrong.high || ' characters'
    when wrong.kind = 'array' then wrong.low || ' to ' || wrong.high || ' ' || wrong.accepted
    else 'an object of at most ' || wrong.high || ' entries ' || wrong.accepted end)::glow_api.problem;
end $$;
comment on function glow_api.metric_problem is 'What is wrong with the metric of an evaluation, or with its settings. Null when nothing is.';

create function glow_api.register_agent(
  agent text, description text default null, evaluation jsonb default null, prompt jsonb default null,
  split_shares numeric[] default '{0.8,0.1,0.1}', tenant text default null, issues text[] default null
) returns jsonb language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  caller glow_api.caller := glow_api.enter();
  version text;
  created boolean;
  known glow.agents;
  problem glow_api.problem;
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
    perform glow_api.refuse('PT422', 'evaluation', evaluation::text, 'an object with metric (text), metric_settings (an object), choices (texts) and max_calls (a number), each optional');
  end if;
  problem := glow_api.metric_problem(evaluation);
  if problem.code is not null then perform glow_api.refuse(problem); end if;
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
