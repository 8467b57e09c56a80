-- Prompts, and what was in force when.

create function glow_api.prompts(agent text, most integer default 100)
  returns table (prompt_version text, aliases text[], operator text, parent text, reason text, rules integer,
                 demonstrations integer, tokens integer, operator_model text, created_at timestamptz, erased_at timestamptz)
  language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform glow_api.enter();
  perform glow_api.require_own_agent(agent);
  if most is null or most not between 1 and 10000 then
    perform glow_api.refuse('PT422', 'most', most::text, 'a number of rows from 1 to 10000');
  end if;
  return query
  select p.prompt_version,
         array(select a.alias from glow.prompt_aliases a
                where a.agent = p.agent and a.prompt_version = p.prompt_version order by a.alias),
         p.operator, p.parent, p.reason, coalesce(jsonb_array_length(p.prompt -> 'rules'), 0),
         coalesce(jsonb_array_length(p.prompt -> 'demonstrations'), 0), p.tokens::integer, p.operator_model::text, p.created_at, p.erased_at
    from glow.prompt_versions p where p.agent = prompts.agent
   order by p.created_at desc, p.prompt_version limit most;
end $$;
comment on function glow_api.prompts is
  'The prompt versions of an agent, the newest first: which aliases point there, what made them of which, and why.';

create function glow_api.prompt_history(agent text, most integer default 100)
  returns table (move_id bigint, alias text, prompt_version text, previous text, revision integer, kind text, moved_by text,
                 reason text, gate_id text, experiment_id text, moved_at timestamptz)
  language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform glow_api.enter();
  perform glow_api.require_own_agent(agent);
  if most is null or most not between 1 and 10000 then
    perform glow_api.refuse('PT422', 'most', most::text, 'a number of rows from 1 to 10000');
  end if;
  return query
  select h.move_id, h.alias, h.prompt_version, h.previous, h.revision, h.kind, h.moved_by, h.reason, h.gate_id, h.experiment_id,
         h.moved_at
    from glow.prompt_alias_history h where h.agent = prompt_history.agent
   order by h.move_id desc limit most;
end $$;
comment on function glow_api.prompt_history is
  'Every move of an agent''s aliases (production, candidate, previous), the newest first: who, why, and the gate and experiment '
  'behind it. Without a prompt_version the alias was taken back.';

create function glow_api.rollback_prompt(agent text, reason text, prompt_version text default null) returns jsonb
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  caller glow_api.caller;
begin
  perform glow_api.enter();
  caller := glow_api.require_own_agent(agent);
  if reason is null or btrim(reason) = '' then
    perform glow_api.refuse('PT422', 'reason', reason, 'a text that says why: it is kept');
  elsif length(reason) > 2000 then
    perform glow_api.refuse('PT413', 'reason', length(reason) || ' characters', 'at most 2000 characters');
  end if;
  return glow.rollback_prompt(agent, coalesce(caller.person, session_user), reason, prompt_version);
end $$;
comment on function glow_api.rollback_prompt is
  'Puts the prompt in force again that was before, or prompt_version if that was in force once. One call, at once for '
  'whoever resolves next. Refused where nothing was before, and while an experiment runs on it. Afterwards there is no '
  'previous prompt: a second call by mistake changes nothing.';
