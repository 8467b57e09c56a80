-- What is in force, and putting an arm of an experiment in force.

create function glow.in_force(agent text, kind text) returns text
  language plpgsql as $$
#variable_conflict use_column
declare
  version text;
begin
  if kind = 'prompt' then
    select a.prompt_version into version from glow.prompt_aliases a
     where a.agent = in_force.agent and a.alias = 'production' for share;
  elsif kind = 'retrieval' then
    select a.configuration into version from glow.retrieval_aliases a
     where a.agent = in_force.agent and a.alias = 'production' for share;
  else
    select a.version into version from glow.agent_configs a
     where a.agent = in_force.agent and a.kind = in_force.kind and a.alias = 'production' for share;
  end if;
  return version;
end $$;
comment on function glow.in_force is 'The version of a kind that an agent uses now, held until commit; null where nothing is decided here.';

-- By compare-and-swap, as glow.move_prompt_alias, which says why what is rolled back leaves no `previous`.
create function glow.move_agent_config(
  agent text, kind text, version text, config jsonb, expected integer, moved_by text, reason text,
  experiment_id text default null, move text default 'move'
) returns integer language plpgsql as $$
#variable_conflict use_column
declare
  seen glow.agent_configs;
  kept glow.agent_configs;
  moved integer;
begin
  select a.* into seen from glow.agent_configs a
   where a.agent = move_agent_config.agent and a.kind = move_agent_config.kind and a.alias = 'production' for update;
  if coalesce(seen.revision, 0) <> expected then return null; end if;
  moved := 1 + coalesce((select max(h.revision) from glow.agent_config_history h
                          where h.agent = move_agent_config.agent and h.kind = move_agent_config.kind and h.alias = 'production'), 0);
  if seen.revision is null then
    insert into glow.agent_configs (agent, kind, alias, version, config, revision)
    values (move_agent_config.agent, move_agent_config.kind, 'production', move_agent_config.version, move_agent_config.config, moved)
    on conflict do nothing;
    if not found then return null; end if;
  else
    update glow.agent_configs a
       set version = move_agent_config.version, config = move_agent_config.config, revision = moved, moved_at = clock_timestamp()
     where a.agent = move_agent_config.agent and a.kind = move_agent_config.kind and a.alias = 'production';
  end if;
  insert into glow.agent_config_history (agent, kind, alias, version, previous, config, revision, move, moved_by, reason, experiment_id)
  values (agent, kind, 'production', version, seen.version, config, moved, move, moved_by, reason, experiment_id);
  select a.* into kept from glow.agent_configs a
   where a.agent = move_agent_config.agent and a.kind = move_agent_config.kind and a.alias = 'previous' for update;
  if move = 'rollback' or seen.version is null then
    delete from glow.agent_configs a
     where a.agent = move_agent_config.agent and a.kind = move_agent_config.kind and a.alias = 'previous';
    if kept.version is null then return moved; end if;
    seen.version := null;
    seen.config := null;
  else
    insert into glow.agent_configs as a (agent, kind, alias, version, config)
    values (move_agent_config.agent, move_agent_config.kind, 'previous', seen.version, seen.config)
    on conflict on constraint agent_configs_pkey do update
       set version = excluded.version, config = excluded.config, revision = a.revision + 1, moved_at = clock_timestamp();
  end if;
  insert into glow.agent_config_history (agent, kind, alias, version, previous, config, revision, move, moved_by, reason, experiment_id)
  values (agent, kind, 'previous', seen.version, kept.version, seen.config, coalesce(kept.revision, 0) + 1, move, moved_by, reason, experiment_id);
  return moved;
end $$;
comment on function glow.move_agent_config is
  'Puts a model or config in force and keeps what was as `previous`. `expected` is the revision the caller saw, 0 where nothing '
  'was in force. Answers the new revision, or null when somebody else moved it first.';

create function glow.put_in_force(experiment_id text, which text, moved_by text, reason text, kind text default 'move') returns integer
  language plpgsql as $$
#variable_conflict use_column
declare
  x glow.learning_experiments;
  version text;
  config jsonb;
  current text;
  revision integer;
  moved integer;
begin
  select e.* into x from glow.learning_experiments e where e.experiment_id = put_in_force.experiment_id for update;
  if x.experiment_id is null then
    raise exception using errcode = 'PT404', message = format('experiment_id: %L is not accepted', experiment_id),
      hint = 'an experiment';
  elsif which is null or which not in ('control', 'treatment') then
    raise exception using errcode = 'PT422', message = format('which: %L is not accepted', which), hint = 'control or treatment';
  end if;
  version := case which when 'treatment' then x.treatment else x.control end;
  config := case which when 'treatment' then x.treatment_config else x.control_config end;
  if x.kind = 'prompt' then
    select a.prompt_version, a.revision into current, revision from glow.prompt_aliases a
     where a.agent = x.agent and a.alias = 'production' for update;
    if current = version then return 0; end if;
    moved := glow.move_prompt_alias(x.agent, 'production', version, coalesce(revision, 0), moved_by, reason, x.gate_id, x.experiment_id, kind);
  elsif x.kind = 'retrieval' then
    moved := glow.move_retrieval_alias(x.agent, version, moved_by, reason, kind, x.gate_id, x.experiment_id);
  else
    select a.version, a.revision into current, revision from glow.agent_configs a
     where a.agent = x.agent and a.kind = x.kind and a.alias = 'production' for update;
    -- Nothing was decided here before: the app uses its own, which is what control is.
    if current = version or current is null and which = 'control' then return 0; end if;
    moved := glow.move_agent_config(x.agent, x.kind, version, config, coalesce(revision, 0), moved_by, reason, x.experiment_id, kind);
  end if;
  if moved is null then
    raise exception using errcode = '40001', message = format('%s of %L was moved by somebody else just now', x.kind, x.agent);
  end if;
  return moved;
end $$;
comment on function glow.put_in_force is
  'Puts an arm of an experiment in force for everybody. Answers the new revision, or 0 where it is in force already.';
