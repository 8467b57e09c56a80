-- Putting prompts in force: by hand or by a gate, and back.

-- By compare-and-swap: what the caller saw is the revision; 0 where there was no alias. Null when somebody else was faster.
-- A revision is never used again, also not by an alias that was taken back and set anew.
create function glow.move_prompt_alias(
  agent text, alias text, prompt_version text, expected integer, moved_by text, reason text,
  gate_id text default null, experiment_id text default null, kind text default 'move'
) returns integer language plpgsql as $$
#variable_conflict use_column
declare
  seen glow.prompt_aliases;
  kept integer;
  moved integer;
begin
  if prompt_version is not null and not exists (
    select from glow.prompt_versions p
     where p.agent = move_prompt_alias.agent and p.prompt_version = move_prompt_alias.prompt_version and p.erased_at is null) then
    raise exception using errcode = 'PT404', message = format('prompt_version: %L is not accepted', move_prompt_alias.prompt_version),
      hint = 'a version of this agent that has lost no part to an erasure';
  elsif experiment_id is not null and not exists (
    select from glow.learning_experiments x
     where x.experiment_id = move_prompt_alias.experiment_id and x.agent = move_prompt_alias.agent) then
    raise exception using errcode = 'PT404', message = format('experiment_id: %L is not accepted', move_prompt_alias.experiment_id),
      hint = 'an experiment of this agent';
  end if;
  -- Waits for whoever is moving it, and then sees where it is.
  select a.* into seen from glow.prompt_aliases a
   where a.agent = move_prompt_alias.agent and a.alias = move_prompt_alias.alias for update;
  if coalesce(seen.revision, 0) <> expected then return null; end if;
  moved := 1 + coalesce((select max(h.revision) from glow.prompt_alias_history h
                          where h.agent = move_prompt_alias.agent and h.alias = move_prompt_alias.alias), 0);
  if prompt_version is null then
    delete from glow.prompt_aliases a where a.agent = move_prompt_alias.agent and a.alias = move_prompt_alias.alias;
    if not found then return null; end if;
  elsif seen.revision is null then
    insert into glow.prompt_aliases (agent, alias, prompt_version, revision)
    values (move_prompt_alias.agent, move_prompt_alias.alias, move_prompt_alias.prompt_version, moved)
    on conflict do nothing;
    if not found then return null; end if;
  else
    update glow.prompt_aliases a
       set prompt_version = move_prompt_alias.prompt_version, revision = moved, moved_at = clock_timestamp()
     where a.agent = move_prompt_alias.agent and a.alias = move_prompt_alias.alias;
  end if;
  insert into glow.prompt_alias_history (agent, alias, prompt_version, previous, revision, kind, moved_by, reason, gate_id, experiment_id)
  values (move_prompt_alias.agent, move_prompt_alias.alias, move_prompt_alias.prompt_version, seen.prompt_version, moved,
          move_prompt_alias.kind, move_prompt_alias.moved_by, move_prompt_alias.reason, move_prompt_alias.gate_id,
          move_prompt_alias.experiment_id);
  -- What was in force until now is what a rollback goes back to; after a rollback there is nothing to go back to, or a
  -- second click would put the bad prompt in force again.
  if alias = 'production' and (kind = 'rollback' or seen.prompt_version is not null) then
    select a.revision into kept from glow.prompt_aliases a
     where a.agent = move_prompt_alias.agent and a.alias = 'previous' for update;
    if kind = 'move' or kept is not null then
      perform glow.move_prompt_alias(agent, 'previous', case kind when 'move' then seen.prompt_version end, coalesce(kept, 0),
                                     moved_by, reason, gate_id, experiment_id, kind);
    end if;
  end if;
  return moved;
end $$;
comment on function glow.move_prompt_alias is
  'Moves an alias, or takes it back (no version); moving production keeps `previous`. Answers the new revision, or null when '
  'somebody else moved it first.';

create function glow.rollback_prompt(agent text, moved_by text, reason text, target text default null) returns jsonb
  language plpgsql as $$
#variable_conflict use_column
declare
  production glow.prompt_aliases;
  candidate glow.prompt_aliases;
  running text;
  ramping boolean;
  moved integer;
begin
  select a.* into production from glow.prompt_aliases a
   where a.agent = rollback_prompt.agent and a.alias = 'production' for update;
  if production.prompt_version is null then
    raise exception using errcode = 'PT404', message = format('agent: %L has no prompt in production', agent),
      hint = 'an agent with a production prompt; register_agent gives it its first';
  elsif target is null then
    select a.prompt_version into target from glow.prompt_aliases a
     where a.agent = rollback_prompt.agent and a.alias = 'previous';
    if target is null then
      raise exception using errcode = 'PT409', message = format('agent: %L has no previous prompt', agent),
        hint = 'production was never moved, or was rolled back since; name a version that prompt_history says was in production';
    end if;
  elsif not exists (
    select from glow.prompt_alias_history h
     where h.agent = rollback_prompt.agent and h.alias = 'production' and h.prompt_version = rollback_prompt.target) then
    raise exception using errcode = 'PT404', message = format('prompt_version: %L was never in production', left(target, 80)),
      hint = 'a version that prompt_history says was in production';
  end if;
  if target = production.prompt_version then
    raise exception using errcode = 'PT409', message = format('prompt_version: %L is in production already', target),
      hint = 'another version that was in production before';
  end if;
  -- Units of a running experiment go on seeing its two arms, whatever is in production: the rollback would seem to work.
  select x.experiment_id, r.state is not null into running, ramping
    from glow.learning_experiments x left join glow.rollouts r using (experiment_id)
   where x.agent = rollback_prompt.agent and x.active
     and (production.prompt_version in (x.control_prompt, x.treatment_prompt)
       or rollback_prompt.target in (x.control_prompt, x.treatment_prompt)) limit 1;
  if running is not null then
    raise exception using errcode = 'PT409', message = format('agent: experiment %s of %L is running on this prompt', running, agent),
      hint = format('%s(%L, reason) first: until then its units see the arms, whatever is in production',
                    case when ramping then 'roll_back' else 'stop_experiment' end, running);
  end if;
  moved := glow.move_prompt_alias(agent, 'production', target, production.revision, moved_by, reason, kind => 'rollback');
  -- What was taken back is no candidate again.
  select a.* into candidate from glow.prompt_aliases a
   where a.agent = rollback_prompt.agent and a.alias = 'candidate' and a.prompt_version = production.prompt_version;
  if candidate.prompt_version is not null then
    perform glow.move_prompt_alias(agent, 'candidate', null, candidate.revision, moved_by, reason, kind => 'rollback');
  end if;
  return jsonb_build_object('agent', agent, 'prompt_version', target, 'rolled_back', production.prompt_version, 'revision', moved,
                            'status', 'rolled_back');
end $$;
comment on function glow.rollback_prompt is
  'Puts the previous prompt (or another that was in production) in force again, in one call. Refused where there is none, '
  'and while an experiment runs on it.';
